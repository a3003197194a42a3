"""One GPU, from JPEG files to submission, held against what it can do. Everything in one go:

    python bench/gpu.py --out gpu.jsonl [--images 20000] [--arch resnet34] [--size 224] [--parts limits,run,…]

Draws photographs of 500 × 375 (see bench/drawing.py), then

    limits    decoding, passes over tensors that are on the device already, and copies, each alone
    run       the stages of the eight steps in this process, with the share of the limit that each reaches
    batches   whole-network epochs at several batch sizes, and each one's own limit
    profile   30 whole-network batches under torch.profiler: kernels, and how long none ran
    command   `assistant run FOLDER` as a user types it, in a home with nothing cached
    variants  the step alone with other settings, as ratios: memory format, cudnn's search, CUDA graph, torch.compile, …

Each part prints its rows as it has them and appends them to --out; one that fails says so in a line, and the next goes on.
Weights are random (none have to be fetched) unless --weights names a file. `--device cpu --images 200 --size 64 --arch
test_resnet` tries the script itself where there is no GPU.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench import drawing, stages
from bench.ledger import Ledger
from bench.limits import Passes, as_a_worker, measure, probe, rate, synchronise
from bench.variants import Variants

if TYPE_CHECKING:
    from recipes import Images, Learner

ROOT = Path(__file__).parent.parent
PARTS = ("limits", "run", "batches", "profile", "command", "variants")
PROFILED = 30  # batches
SHORT = 0.875  # the share of a picture's shorter side that a plain view shows


class Bench:
    """What was asked, the folder of made-up photographs, and one method a part."""

    def __init__(self, asked: argparse.Namespace, ledger: Ledger, folder: Path):
        self.asked, self.ledger, self.folder = asked, ledger, folder
        self.data = folder / "photographs"
        seconds = drawing.competition(self.data, asked.images)
        ledger.title(f"{asked.images:,} photographs of 500 × 375")
        ledger.row("drawing", "photographs", seconds=seconds, images_per_second=asked.images / seconds)

    def images(self, first: int | None = None, valid: float = 0.2) -> Images:
        """The table of the photographs, or of its first rows alone, without test images."""
        import pandas as pd

        from recipes import Images

        table = pd.read_csv(self.data / "labels.csv", dtype=str)
        test = self.data / "test" if first is None else None
        return Images.from_csv(
            table.head(first or len(table)), self.data / "train", suffix=".jpg", test=test, valid=valid
        )

    def learner(self, images: Images, batch: int | None = None, told: list | None = None) -> Learner:
        """A learner as asked; its events go to `told`."""
        from recipes import Learner

        asked, kept = self.asked, [] if told is None else told
        return Learner(
            images,
            asked.arch,
            asked.size,
            asked.weights,
            batch_size=batch or asked.batch,
            device=asked.device,
            precision=asked.precision,
            cache=self.folder / "cache",
            report=kept.append,
        )

    def probe(self, batch: int) -> Learner:
        """A learner without the photographs, for passes over made-up tensors."""
        asked = self.asked
        more = {"batch_size": batch, "device": asked.device, "precision": asked.precision}
        return probe(asked.arch, asked.size, asked.weights, len(drawing.CLASSES), **more)

    # ---------------------------------------------------------------- parts

    def limits(self) -> None:
        """Decoding, passes and copies alone."""
        files = sorted((self.data / "train").iterdir())[:2000]
        learner = self.probe(self.asked.batch)
        measure(self.ledger, learner, files, round(self.asked.size / SHORT), self.folder, self.asked.seconds)

    def run(self) -> None:
        """The stages, then the submission."""

        told: list = []
        learner = self.learner(self.images(), told=told)
        self.ledger.title(
            f"A run: {len(learner.images.train):,} train, {len(learner.images.valid):,} validate, {learner.precision}"
        )
        answers = stages.run(self.ledger, "run", learner, told, tta=self.asked.tta)
        with stages.Stages(self.ledger, "run", learner, told).stage("submission"):
            self.submission(learner.images, answers["test"])

    def submission(self, images: Images, answers: Any) -> None:
        """Writes submission.csv, checked against the sample."""
        from assistant.image_table import answers_in_order
        from assistant.reading import read
        from assistant.submission import write_submission

        asked = read(self.data)
        ordered = answers_in_order(asked, images.classes, answers)
        write_submission(asked, list(images.test.ids), ordered, self.folder / "submission.csv", None)

    def batches(self) -> None:
        """Whole-network epochs of the learner's own loop, and the limit, at each batch size."""
        self.ledger.title("Whole-network epochs by batch size")
        images = self.images()
        for batch in self.asked.batches:
            told: list = []
            learner = self.learner(images, batch, told)
            learner.prepare()
            learner.unfreeze()
            learner.fit(1e-4, cycles=2)
            epoch = [event for event in told if event.event == "epoch"][-1]
            passes = Passes(learner)
            limit = rate(passes.whole, batch, self.asked.seconds)
            learner.network.eval()
            forward = rate(passes.forward, batch, self.asked.seconds)
            train, valid = len(learner.images.train), len(learner.images.valid)
            del passes
            self.tidy()
            self.ledger.row(
                "batches",
                f"batches of {batch}",
                images_per_second=train / epoch.seconds,
                limit_images_per_second=limit,
                forward_limit_images_per_second=forward,
                share=(train / limit + valid / forward) / epoch.seconds,
            )

    def profile(self) -> None:
        """What the device did in 30 whole-network batches, and for how long nothing."""
        from torch.profiler import ProfilerActivity, profile

        cuda = self.asked.device.startswith("cuda")
        self.ledger.title(f"{PROFILED} whole-network batches under torch.profiler")
        learner = self.learner(self.images(PROFILED * self.asked.batch * 16 // 15, valid=1 / 16))
        learner.prepare()
        learner.unfreeze()
        learner.fit(1e-4)
        activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if cuda else [])]
        with profile(activities=activities) as seen:
            learner.fit(1e-4)
            synchronise()
        trace = self.folder / "trace.json"
        seen.export_chrome_trace(str(trace))
        events = [event for event in json.loads(trace.read_text())["traceEvents"] if event.get("ph") == "X"]
        kinds = ("kernel", "gpu_memcpy", "gpu_memset") if cuda else ("cpu_op",)
        found = sorted((event for event in events if event.get("cat") in kinds), key=lambda event: event["ts"])
        steps = [event for event in found if "adam" in event["name"].lower()]
        if len(steps) < 2:
            raise RuntimeError("no optimizer steps in the trace")
        found = [event for event in found if steps[0]["ts"] <= event["ts"] <= steps[-1]["ts"]]
        whole = steps[-1]["ts"] + steps[-1]["dur"] - steps[0]["ts"]
        if cuda:
            busy = covered(found)
            waits = sum(event["cat"] != "kernel" for event in found)
            self.ledger.row("profile", "no kernel or copy ran", idle=1 - busy / whole, seconds=(whole - busy) / 1e6)
            self.ledger.row("profile", "kernels, and copies or fills", kernels=len(found) - waits, copies=waits)
            synced = [
                e
                for e in events
                if e["name"] in ("cudaStreamSynchronize", "cudaDeviceSynchronize", "cudaEventSynchronize")
            ]
            self.ledger.row(
                "profile", "the CPU waited for the GPU", times=len(synced), seconds=sum(e["dur"] for e in synced) / 1e6
            )
        taken = Counter[str]()
        for event in found:
            taken[event["name"]] += event["dur"]
        self.ledger.row("profile", "window", seconds=whole / 1e6)
        for name, microseconds in taken.most_common(18):
            self.ledger.row("profile", name[:96], seconds=microseconds / 1e6, of_window=round(microseconds / whole, 3))

    def tidy(self) -> None:
        """Gives back the memory of what is no longer used."""
        import torch

        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def command(self) -> None:
        """`assistant run` on the folder, as a user types it; seconds of its parts by its own events."""
        asked, out = self.asked, self.folder / "home" / "run"
        self.ledger.title("From JPEG files to submission: assistant run")
        settings = [
            "--arch",
            asked.arch,
            "--weights",
            asked.weights,
            "--sizes",
            str(asked.size),
            "--tta",
            str(asked.tta),
        ]
        settings += [
            "--device",
            asked.device,
            "--precision",
            asked.precision,
            "--batch-size",
            str(asked.batch),
            *asked.more,
        ]
        start = time.time()
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        done = subprocess.run(
            [sys.executable, "-m", "assistant", "run", str(self.data), *settings, "--out", str(out), "--json"],
            env=os.environ | {"ASSISTANT_HOME": str(self.folder / "home"), "PYTHONPATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        end = time.time()
        if done.returncode:
            raise RuntimeError(done.stderr.strip() or "no reason given")
        told = [json.loads(line) for line in (out / "events.jsonl").read_text().splitlines()]
        rows = list((out / "submission.csv").read_text().splitlines())
        self.ledger.row("command", "JPEG files to submission, whole process", seconds=end - start, rows=len(rows) - 1)
        last = start
        for event in told:
            if event["event"] in ("run_started", "images_ready", "step_ended", "submission_written", "run_done"):
                name = event["event"].replace("_", " ")
                if event["event"] == "step_ended":
                    name = f"step {event['step']}: {event['title']}"
                self.ledger.row("command", name, seconds=event["t"] - last)
                last = event["t"]
        self.ledger.row("command", "after the last event", seconds=end - last)
        for view, scores in told[-1]["scores"].items():
            self.ledger.row("command", f"scores, {view}", **{name: float(value) for name, value in scores.items()})

    def variants(self) -> None:
        """The training step alone with one thing changed, over the step as it is."""
        asked = self.asked
        Variants(self.ledger, self.probe, asked.batch, asked.seconds).all(asked.batches, asked.compile)


def covered(events: list[dict]) -> float:
    """Microseconds in which at least one of these ran; they come in the order of their beginning."""
    total, end = 0.0, float("-inf")
    for event in events:
        last = event["ts"] + event["dur"]
        total += max(0.0, last - max(end, event["ts"]))
        end = max(end, last)
    return total


def main() -> None:
    """All parts that were asked for."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--images", type=int, default=20_000)
    asked.add_argument("--arch", default="resnet34")
    asked.add_argument("--size", type=int, default=224)
    asked.add_argument("--batch", type=int, default=64)
    asked.add_argument("--batches", default="64,128,256", help="For the parts batches and variants.")
    asked.add_argument("--weights", default="none", help="none (random), or a safetensors file.")
    asked.add_argument("--device", default="cuda")
    asked.add_argument("--precision", default="auto")
    asked.add_argument("--tta", type=int, default=4)
    asked.add_argument("--seconds", type=float, default=2.0, help="Time for each limit and variant.")
    asked.add_argument("--parts", default=",".join(PARTS))
    asked.add_argument("--compile", action=argparse.BooleanOptionalAction, default=True, help="Try torch.compile, too.")
    asked.add_argument("--folder", type=Path, help="Where pictures, caches and runs go.  [default: a temporary one]")
    asked.add_argument("--out", type=Path, help="JSON lines are appended here.")
    asked.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="Further options of `assistant run`.")
    given = asked.parse_args()
    given.batches = [int(number) for number in given.batches.split(",")]
    parts = given.parts.split(",")
    unknown = sorted(set(parts) - set(PARTS))
    if unknown:
        asked.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    as_a_worker()
    import torch

    if given.device.startswith("cuda") and not torch.cuda.is_available():
        sys.exit("not run: there is no CUDA device here; --device cpu tries the script itself")
    ledger = Ledger("gpu", given.out, vars(given), given.device)
    print(json.dumps(ledger.rows[-1]), flush=True)
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="bench-") as folder:
        bench = Bench(given, ledger, Path(folder))
        for part in parts:
            ledger.attempt(part, getattr(bench, part))
            bench.tidy()


if __name__ == "__main__":
    main()
