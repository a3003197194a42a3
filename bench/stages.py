"""The eight steps on a folder, stage by stage, in this process: seconds, images a second, and the share of the machine's
limit that `bench.limits` has measured, with the GPU's memory and how busy it was.
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.ledger import Ledger
from bench.limits import synchronise

if TYPE_CHECKING:
    from recipes import Learner
    from recipes.events import Event

__all__ = ["Stages", "run"]


class Stages:
    """Rows of one part of a bench, one a stage; `told` are the events of the learner that works."""

    def __init__(self, ledger: Ledger, part: str, learner: Learner, told: list[Event]):
        self.ledger, self.part, self.learner, self.told = ledger, part, learner, told

    def limit(self, what: str) -> float:
        """Images a second of a pass alone, as the part `limits` has it; none is no limit at all."""
        return self.ledger.number("limits", what, "images_per_second") or float("inf")

    @contextlib.contextmanager
    def stage(self, what: str, images: float = 0, ideal: float = 0, **more: Any) -> Iterator[None]:
        """Times what is done inside, `images` of it; `ideal` is the seconds that the limit would take."""
        cuda = self.learner.device.type == "cuda"
        if cuda:
            import torch

            torch.cuda.reset_peak_memory_stats(self.learner.device)
        synchronise()
        watch, start = Watch(self.learner.device.index or 0) if cuda else None, time.perf_counter()
        yield
        synchronise()
        seconds = time.perf_counter() - start
        made = {"images_per_second": images / seconds if images else None}
        made["share"] = ideal / seconds if ideal else None
        if watch is not None:
            made |= {"gpu_busy": watch.end(), "peak_gigabytes": torch.cuda.max_memory_allocated() / 1e9}
        self.ledger.row(self.part, what, seconds=seconds, **made, **more)

    def epochs(self, what: str, since: int, train: float, valid: float) -> None:
        """A row an epoch told since event number `since`, and one for the middle of those after the first; `train` and
        `valid` are the limits of its two passes, images a second."""
        from recipes.events import Epoch

        found = [event for event in self.told[since:] if isinstance(event, Epoch)]
        images = self.learner.images
        ideal = len(images.train) / train + len(images.valid) / valid

        def row(name: str, seconds: float, **more: Any) -> None:
            share = ideal / seconds if ideal else None
            speed = len(images.train) / seconds
            self.ledger.row(self.part, name, seconds=seconds, images_per_second=speed, share=share, **more)

        for number, epoch in enumerate(found, 1):
            scores = {name: float(value) for name, value in epoch.metrics.items() if name in ("accuracy", "log_loss")}
            row(f"{what}, epoch {number}", epoch.seconds, **scores)
        row(f"{what}, middle epoch", statistics.median(epoch.seconds for epoch in found[1:] or found))


def run(
    ledger: Ledger,
    part: str,
    learner: Learner,
    told: list[Event],
    *,
    head: int = 2,
    views: int = 2,
    cycles: int = 2,
    sweep: int = 40,
    tta: int = 4,
) -> dict[str, Any]:
    """Every stage with so many epochs and cycles; gives the answers for the test images and for the validation's."""
    stages, images = Stages(ledger, part, learner, told), learner.images
    train, valid, test = len(images.train), len(images.valid), len(images.test)
    forward = stages.limit("forward")
    every = train + valid + test
    with stages.stage("images ready", every, every / stages.limit("decode")):
        learner.prepare()
    seconds = ledger.number(part, "images ready", "seconds") or 0.0
    ledger.row(part, "images ready, scaling counted", share=every / stages.limit("decode and scale") / seconds)
    images = learner.images
    with stages.stage("pixels where the views are made", gigabytes=learner.pixels.array.nbytes / 1e9):
        learner.viewer  # noqa: B018 (made when it is first asked for)
    learner.freeze()
    learner.precompute = True
    with stages.stage("activations", train + valid, (train + valid) / forward):
        learner.precompute_activations()
    with stages.stage("sweep 1", sweep * learner.batch_size):
        learner.rate = learner.lr_find(batches=sweep).suggestion
    at = len(told)
    with stages.stage("head", head * train):
        learner.fit(cycles=1, cycle_len=head, final=False)
    stages.epochs("head", at, stages.limit("head on activations"), float("inf"))
    learner.precompute, at = False, len(told)
    with stages.stage("head with augmentation", views * train):
        learner.fit(cycles=views, final=False)
    stages.epochs("head with augmentation", at, stages.limit("head on views"), float("inf"))
    learner.unfreeze()
    with stages.stage("sweep 2", sweep * learner.batch_size):
        learner.rate = learner.lr_find(batches=sweep).suggestion
    at = len(told)
    with stages.stage("whole network"):
        learner.fit(cycles=cycles, cycle_mult=2)
    stages.epochs("whole network", at, stages.limit("whole network"), forward)
    passes = {}
    for split, count in (("valid", valid), ("test", test)):
        if count:
            with stages.stage(f"TTA, {split}", (tta + 1) * count, (tta + 1) * count / forward):
                passes[split] = learner.tta(split, tta)
    return passes


class Watch:
    """How busy a GPU is, by its own counter, looked at ten times a second."""

    def __init__(self, index: int):
        self.index, self.seen, self.over = index, [], threading.Event()
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def end(self) -> float | None:
        """The mean share of the time in which a kernel ran; None where it cannot be asked, or was not."""
        self.over.set()
        self.thread.join()
        return statistics.mean(self.seen) / 100 if self.seen else None

    def _look(self) -> None:
        import torch

        while not self.over.wait(0.1):
            try:
                self.seen.append(torch.cuda.utilization(self.index))
            except Exception:  # no pynvml, or a driver that does not tell
                return
