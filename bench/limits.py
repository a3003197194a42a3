"""What this machine can do at most, and the share of it that a run reaches, stage by stage.

    uv run python bench/limits.py FOLDER [--arch mobilenetv2_100] [--size 128] [--weights FILE] [--out limits.jsonl]

FOLDER is a competition's, with a labels.csv. Limits: pictures decoded and nothing else, by libjpeg-turbo at the smallest
DCT scale that is large enough, on all cores; passes of the same network, batch, precision, memory format and optimizer
over made-up tensors that are on the device already; copies to disk and to the device. A stage's share is the time that
its passes would take at the limit over the time that it took.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.ledger import Ledger, cores, markdown

if TYPE_CHECKING:
    from recipes import Learner

__all__ = ["Passes", "as_a_worker", "copies", "decode_alone", "measure", "probe", "rate", "table"]

PICTURES = 16  # made-up ones that a learner without a folder has


# -------------------------------------------------------------------- decoding


def decode_alone(files: Sequence[Path], short: int, seconds: float, device: str = "cpu") -> dict[str, float]:
    """Images a second that each way of decoding JPEGs reaches on all cores, by its name: files from the page cache to
    RGB pixels whose shorter side is at least `short`, thrown away."""
    paths = [str(path) for path in files]
    for path in paths:
        Path(path).read_bytes()
    found = {}
    for name, one in _decoders().items():
        with ThreadPoolExecutor(cores()) as pool:
            found[f"{name}, {cores()} threads"] = _decoded(pool, one, paths, short, seconds)
        found[f"{name}, {cores()} processes"] = _by_processes(one, paths, short, seconds)
    if device.startswith("cuda"):
        found |= _nvjpeg(paths, seconds, device)
    return found


def decode_and_scale(files: Sequence[Path], short: int, seconds: float) -> float:
    """Images a second that all cores decode and bring to that shorter side as a run does, thrown away."""
    return _by_processes(_scaled, [str(path) for path in files], short, seconds)


def _by_processes(one: Callable[[str, int], int], paths: list[str], short: int, seconds: float) -> float:
    with ProcessPoolExecutor(cores(), mp_context=multiprocessing.get_context("spawn")) as pool:
        list(pool.map(one, paths[: 4 * cores()], [short] * 4 * cores()))  # processes are up, imports done
        return _decoded(pool, one, paths, short, seconds)


def _decoders() -> dict[str, Callable[[str, int], int]]:
    found: dict[str, Callable[[str, int], int]] = {"Pillow": _pillow}
    try:
        import simplejpeg  # noqa: F401

        found["libjpeg-turbo (simplejpeg)"] = _simplejpeg
    except ImportError:
        pass
    try:
        import cv2

        cv2.setNumThreads(1)
        found["OpenCV"] = _opencv
    except ImportError:
        pass
    return found


def _decoded(pool: Executor, one: Callable[[str, int], int], paths: list[str], short: int, seconds: float) -> float:
    """Images a second: pass after pass over the files until the time is over."""
    chunk = max(1, min(16, len(paths) // (4 * cores())))
    done, start = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - start < seconds:
        done += len(list(pool.map(one, paths, [short] * len(paths), chunksize=chunk)))
    return done / (time.perf_counter() - start)


def _pillow(path: str, short: int) -> int:
    from PIL import Image

    with Image.open(path) as picture:
        scale = short / min(picture.size)
        picture.draft("RGB", (int(np.ceil(picture.width * scale)), int(np.ceil(picture.height * scale))))
        picture.load()
        return picture.width


def _simplejpeg(path: str, short: int) -> int:
    import simplejpeg

    with open(path, "rb") as file:
        return simplejpeg.decode_jpeg(file.read(), min_height=short, min_width=short).shape[1]


def _scaled(path: str, short: int) -> int:
    import torch

    from recipes.pixels import fitted, open_pixels

    torch.set_num_threads(1)
    return fitted(open_pixels(Path(path), short), short, 2 * short).shape[1]


def _opencv(path: str, short: int) -> int:
    import cv2
    from PIL import Image

    with Image.open(path) as picture:
        smaller = min(picture.size) / short
    flags = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
    fits = [flag for factor, flag in flags.items() if factor <= smaller]
    picture = cv2.imread(path, fits[-1] if fits else cv2.IMREAD_COLOR)
    return 0 if picture is None else picture.shape[1]


def _nvjpeg(paths: list[str], seconds: float, device: str, batch: int = 128) -> dict[str, float]:
    """The GPU's own decoder, at full size: it knows no DCT scaling."""
    import torch
    from torchvision.io import ImageReadMode, decode_jpeg, read_file

    some = [read_file(path) for path in paths[: 4 * batch]]
    batches = [some[first : first + batch] for first in range(0, len(some), batch)]
    decode_jpeg(batches[0], ImageReadMode.RGB, device=device)
    torch.cuda.synchronize()
    done, start = 0, time.perf_counter()
    while done == 0 or time.perf_counter() - start < seconds:
        done += sum(len(decode_jpeg(each, ImageReadMode.RGB, device=device)) for each in batches)
        torch.cuda.synchronize()
    return {f"nvJPEG, batches of {batch}, files in memory": done / (time.perf_counter() - start)}


# -------------------------------------------------------------------- passes through a network


def probe(arch: str, size: int, weights: str = "none", outputs: int = 8, **more: Any) -> Learner:
    """A learner on a few made-up pictures: the network, precision and device of a run, without its data."""
    from recipes import Images, Learner

    pictures = np.random.default_rng(0).integers(0, 255, (2 * outputs, size, size, 3), np.uint8)
    labels = [str(row % outputs) for row in range(2 * outputs)]
    images = Images.from_arrays(pictures, labels, valid=0.5)
    return Learner(images, arch, size, weights, report=lambda event: None, **more)


class Passes:
    """One batch of made-up tensors on the learner's device, and the passes that a run makes of such batches; none waits
    for its result."""

    def __init__(self, learner: Learner, batch: int | None = None):
        import torch

        self.learner, self.batch = learner, batch or learner.batch_size
        views = torch.randn(self.batch, 3, learner.size, learner.size, device=learner.device)
        self.views = views.contiguous(memory_format=torch.channels_last)
        self.features = torch.randn(self.batch, learner.network.width, device=learner.device)
        self.targets = torch.randint(0, learner.images.task.outputs, (self.batch,), device=learner.device)
        self.learning(0)

    def learning(self, group: int) -> None:
        """Layer groups from `group` on learn; a fresh optimizer, as a fit has it."""
        from recipes import training

        self.learner.freeze_to(group)
        self.learner.network.train()
        self.optimizer = training.optimizer_for(self.learner.network, training.rates_for(1e-4, 10))

    def whole(self) -> None:
        """Forward, back and a step, all layers."""
        self._step(self.learner.network, self.views)

    def head_on_views(self) -> None:
        """The frozen body forward, the head forward, back and a step."""
        import torch

        with torch.no_grad():
            features = self.learner.forward(self.learner.network.features, self.views)
        self._step(self.learner.network.head_on, features)

    def head(self) -> None:
        """The head forward, back and a step, on activations."""
        self._step(self.learner.network.head_on, self.features)

    def forward(self) -> None:
        """The whole network forward, without gradients."""
        import torch

        with torch.inference_mode():
            self.learner.forward(self.learner.network, self.views)

    def _step(self, function: Callable, inputs: Any) -> None:
        from recipes.tasks import loss_of

        self.optimizer.zero_grad(set_to_none=True)
        logits = self.learner.forward(function, inputs).float()
        loss_of(self.learner.images.task, logits, self.targets).backward()
        self.optimizer.step()

    def rates(self, seconds: float) -> dict[str, float]:
        """Images a second of each pass."""
        learner, found = self.learner, {}
        learner.network.eval()
        found["forward"] = rate(self.forward, self.batch, seconds)
        self.learning(0)
        found["whole network"] = rate(self.whole, self.batch, seconds)
        self.learning(2)
        found["head on views"] = rate(self.head_on_views, self.batch, seconds)
        found["head on activations"] = rate(self.head, self.batch, seconds)
        return found


def rate(work: Callable[[], Any], images: int, seconds: float, warm: int = 5) -> float:
    """Images a second of `work`, which takes `images` at a time: warm, and waited for only at the end."""
    start = time.perf_counter()
    for _ in range(warm):
        work()
        if time.perf_counter() - start > 2 * seconds:
            break
    synchronise()
    start = time.perf_counter()
    work()
    synchronise()
    times = max(2, round(seconds / (time.perf_counter() - start)))
    start = time.perf_counter()
    for _ in range(times):
        work()
    synchronise()
    return times * images / (time.perf_counter() - start)


def synchronise() -> None:
    """Waits until the GPU, if there is one, has done all that it was told."""
    import torch

    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


# -------------------------------------------------------------------- copies


def copies(device: str, batch: Sequence[int], folder: Path, size: int = 1 << 30) -> dict[str, float]:
    """Gigabytes a second of copies: to disk and back (not from the page cache), and to the device, where that is one,
    for one batch of uint8 pixels and for `size` bytes, pageable and pinned."""
    import torch

    found = _disk(folder, size)
    if not device.startswith("cuda"):
        source, target = np.zeros(size // 4, np.uint8), np.ones(size // 4, np.uint8)
        found["memory to memory"] = rate(lambda: np.copyto(target, source), size // 4, 1.0) / 1e9
        return found
    for name, shape in (("a batch", tuple(batch)), ("the store", (size,))):
        pixels = torch.zeros(shape, dtype=torch.uint8)
        target = torch.empty(shape, dtype=torch.uint8, device=device)
        pinned = pixels.pin_memory()
        for kind, source in (("pageable", pixels), ("pinned", pinned)):
            copy = partial(target.copy_, source, non_blocking=True)
            found[f"{name} to the device, {kind}"] = rate(copy, pixels.nbytes, 0.5) / 1e9
    return found


def _disk(folder: Path, size: int) -> dict[str, float]:
    block = np.random.default_rng(0).bytes(16 << 20)
    path = folder / "written"
    start = time.perf_counter()
    with open(path, "wb") as file:
        for _ in range(max(1, size // len(block))):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
        written = file.tell() / (time.perf_counter() - start)
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    start, held = time.perf_counter(), 0
    with open(path, "rb", buffering=0) as file:
        while part := file.read(16 << 20):
            held += len(part)
    seconds = time.perf_counter() - start
    path.unlink()
    return {"to disk, with fsync": written / 1e9, "from disk": held / seconds / 1e9}


# -------------------------------------------------------------------- all of it


def as_a_worker() -> None:
    """Begins this program again in the environment that a run's worker has, unless it is in it already."""
    from assistant.processes import worker_environment

    wanted = worker_environment()
    if any(os.environ.get(name) != value for name, value in wanted.items()):
        os.execve(sys.executable, [sys.executable, *sys.argv], wanted)


def measure(ledger: Ledger, learner: Learner, files: Sequence[Path], short: int, folder: Path, seconds: float) -> None:
    """All limits of this machine for that learner, as rows of the part `limits`."""
    device = str(learner.device)
    ledger.title(f"Limits: {learner.arch} at {learner.size} px, batches of {learner.batch_size}, {learner.precision}")
    ways = decode_alone(files, short, seconds, device)
    for name, speed in ways.items():
        ledger.row("limits", f"decode alone: {name}", images_per_second=speed)
    fastest = max((name for name in ways if not name.startswith("nvJPEG")), key=lambda name: ways[name])
    ledger.row("limits", "decode", images_per_second=ways[fastest], by=fastest)
    ledger.row("limits", "decode and scale", images_per_second=decode_and_scale(files, short, seconds))
    for name, speed in Passes(learner).rates(seconds).items():
        ledger.row("limits", name, images_per_second=speed)
    stored = (learner.batch_size, short, short * 4 // 3, 3)
    for name, speed in copies(device, stored, folder, 1 << 30 if seconds >= 1 else 64 << 20).items():
        ledger.row("limits", f"copy {name}", gigabytes_per_second=speed)


def table(rows: Sequence[dict]) -> str:
    """Each limit, and each stage's share of its own, the middle of all rounds."""
    limits, stages = _by_name(rows, "limits"), _by_name(rows, "run")
    lines = [[f"limit: {what}", *_cells(found)] for what, found in limits.items()]
    lines += [[what, *_cells(found)] for what, found in stages.items()]
    return markdown(["", "images/s", "GB/s", "seconds", "share of the limit", "rounds"], lines)


def _by_name(rows: Sequence[dict], part: str) -> dict[str, list[dict]]:
    found: dict[str, list[dict]] = {}
    for row in rows:
        if row.get("part") == part:
            found.setdefault(row["what"], []).append(row)
    return found


def _cells(rows: list[dict]) -> list[str]:
    forms = {"images_per_second": ",.0f", "gigabytes_per_second": ".1f", "seconds": ".2f", "share": ".0%"}
    cells = []
    for name, form in forms.items():
        there = [row[name] for row in rows if row.get(name) is not None]
        cells.append(format(median(there), form) if there else "")
    return [*cells, str(len(rows))]


def main() -> None:
    """Limits and a run, round after round."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder", type=Path)
    asked.add_argument("--arch", default="mobilenetv2_100")
    asked.add_argument("--size", type=int, default=128)
    asked.add_argument("--weights", default="none", help="none (random), auto, or a safetensors file.")
    asked.add_argument("--batch", type=int, default=64)
    asked.add_argument("--device", default="auto")
    asked.add_argument("--precision", default="auto")
    asked.add_argument("--rounds", type=int, default=3)
    asked.add_argument("--seconds", type=float, default=5.0, help="Time for each limit.")
    asked.add_argument("--epochs", default="6,2,2", help="Head epochs, augmented head cycles, full network cycles.")
    asked.add_argument("--first", type=int, help="Only so many labelled images, for a trial.")
    asked.add_argument("--out", type=Path, help="JSON lines are appended here.")
    given = asked.parse_args()
    if not (given.folder / "labels.csv").is_file():
        asked.error(f"no labels.csv in {given.folder}")
    as_a_worker()
    ledger = Ledger("limits", given.out, vars(given), given.device)
    for _ in range(given.rounds):
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            ledger.attempt("limits", lambda place=folder: _round(ledger, given, Path(place)))
    print("\n" + table(ledger.rows))


def _round(ledger: Ledger, given: argparse.Namespace, folder: Path) -> None:
    from bench import plans, stages
    from recipes import Learner

    images = plans.table_of({"data": str(given.folder), "first": given.first, "seed": 42})
    settings = {"batch_size": given.batch, "device": given.device, "precision": given.precision}
    empty = probe(given.arch, given.size, given.weights, images.task.outputs, **settings)
    told: list = []
    cache = folder / "cache"
    learner = Learner(images, given.arch, given.size, given.weights, cache=cache, report=told.append, **settings)
    files = [source for source in images.sources if isinstance(source, Path)][:2000]
    short = round(given.size / learner.crop_at(given.size))
    measure(ledger, empty, files, short, folder, given.seconds)
    head, views, cycles = (int(number) for number in given.epochs.split(","))
    counts = f"{len(images.train):,} train, {len(images.valid):,} validate, {len(images.test):,} test"
    ledger.title(f"A run: {counts}")
    stages.run(ledger, "run", learner, told, head=head, views=views, cycles=cycles)


if __name__ == "__main__":
    main()
