"""The training step over made-up tensors with one thing changed: images a second over those of the step as it is."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from bench.ledger import Ledger
from bench.limits import Passes, rate, synchronise

if TYPE_CHECKING:
    from recipes import Learner

__all__ = ["Variants"]


class Variants:
    """Rows of the part `variants`; `probe(batch)` makes a fresh learner for each."""

    def __init__(self, ledger: Ledger, probe: Callable[[int], Learner], batch: int, seconds: float):
        self.ledger, self.probe, self.batch, self.seconds = ledger, probe, batch, seconds
        self.base: float | None = None

    def all(self, batches: Sequence[int], compile: bool) -> None:
        """Every change, the quick ones first; other batch sizes after that; torch.compile last."""
        self.ledger.title(f"The whole-network step alone, changed, over batches of {self.batch} as they are")
        self.step("as it is", lambda passes: None)
        self.step("rows first (contiguous) instead of channels last", rows_first)
        self.step("float32 instead of bf16", in_float32)
        self.step("BatchNorm statistics kept, as with pretrained weights", statistics_kept)
        cuda = _on_a_gpu()
        if cuda:
            self.step("cudnn searches the fastest kernels", searching)
            self.step("the same, and TF32 where float32 is left", with_tf32)
            self.step("the whole step as a CUDA graph", graphed)
        for batch in batches:
            if batch != self.batch:
                self.step(f"batches of {batch}", lambda passes: None, batch)
                if cuda:
                    self.step(f"batches of {batch} as a CUDA graph", graphed, batch)
        if compile:
            self.step("torch.compile", compiled)
            if cuda:
                self.step("torch.compile and its CUDA graphs (reduce-overhead)", compiled_and_graphed)

    def step(self, name: str, change: Callable[[Passes], Callable[[], None] | None], batch: int | None = None) -> None:
        """Times the step after `change`, which may give other work to time."""
        import torch

        benchmark, precision = torch.backends.cudnn.benchmark, torch.get_float32_matmul_precision()
        try:
            passes = Passes(self.probe(batch or self.batch))
            start = time.perf_counter()
            work = change(passes) or passes.whole
            work()
            synchronise()
            first = time.perf_counter() - start
            speed = rate(work, passes.batch, self.seconds)
            self.base = self.base or speed
            self.ledger.row("variants", name, images_per_second=speed, ratio=speed / self.base, first_seconds=first)
        except Exception as error:
            reason = " ".join(str(error).split())[:200]
            self.ledger.row("variants", name, error=f"failed: {type(error).__name__}: {reason}")
        finally:
            torch.backends.cudnn.benchmark = benchmark
            torch.set_float32_matmul_precision(precision)
            passes = work = None
            gc.collect()


def rows_first(passes: Passes) -> None:
    """Weights and batches with the channels before rows and columns."""
    import torch

    passes.learner.network.to(memory_format=torch.contiguous_format)
    passes.views = passes.views.contiguous()
    passes.learning(0)


def in_float32(passes: Passes) -> None:
    """No autocast."""
    passes.learner.precision = "fp32"


def statistics_kept(passes: Passes) -> None:
    """The body's BatchNorm in evaluation mode."""
    passes.learner.network.keep_statistics = True
    passes.learning(0)


def searching(passes: Passes) -> None:
    """cudnn tries its kernels once for each shape."""
    import torch

    torch.backends.cudnn.benchmark = True


def with_tf32(passes: Passes) -> None:
    """The same, and products of float32 matrices in TF32."""
    import torch

    torch.backends.cudnn.benchmark = True
    torch.set_float32_matmul_precision("high")


def compiled(passes: Passes) -> None:
    """The network's forward and backward by torch.compile."""
    passes.learner.network.compile()


def compiled_and_graphed(passes: Passes) -> None:
    """The same, replayed as CUDA graphs."""
    passes.learner.network.compile(mode="reduce-overhead")


def graphed(passes: Passes) -> Callable[[], None]:
    """The whole step, the optimizer's included, recorded once; what is given plays it again."""
    import torch

    from recipes.tasks import loss_of

    torch.backends.cudnn.benchmark = True
    learner, optimizer = passes.learner, passes.optimizer
    for group in optimizer.param_groups:
        group["capturable"] = True

    def step() -> None:
        bf16 = learner.precision == "bf16"
        with torch.autocast(learner.device.type, torch.bfloat16, enabled=bf16, cache_enabled=False):
            logits = learner.network(passes.views)
        loss_of(learner.images.task, logits.float(), passes.targets).backward()
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    aside = torch.cuda.Stream()
    aside.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(aside):
        for _ in range(5):
            step()
    torch.cuda.current_stream().wait_stream(aside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


def _on_a_gpu() -> bool:
    import torch

    return torch.cuda.is_available()
