"""Time and memory against the number of images, and against the number of folds.

    uv run python bench/scale.py [--images 1000,10000,100000] [--folds 1,2,5,8] [--out scale.jsonl]

Images: photographs of 500 × 375 (see bench/drawing.py; 2,000 different ones, hard links beyond that, each decoded by
itself), a tiny network at 64 px: tables read, images decoded, activations, head, one augmented epoch of all layers, one
TTA view of the validation images. Each number of images in a process of its own. Straight lines mean the same seconds a
thousand images everywhere; memory may grow by the table and the answers, which hold a row an image, and by nothing else.

Folds: the first number of images, mobilenetv2_100 at 128 px with weights from one file (random ones, written here):
decoding, activations, then a rate sweep, two epochs of the head and the answers for each fold.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench import drawing, plans
from bench.ledger import Ledger, markdown, read
from bench.memory import Memory, memory

DIFFERENT = 2000
STAGES = ("table", "images ready", "activations", "head", "whole network", "TTA")


def main() -> None:
    """Starts a process for each number of images and each number of folds."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("--images", default="1000,10000,100000")
    asked.add_argument("--folds", default="1,2,5,8")
    asked.add_argument("--arch", default="test_resnet", help="The network of the first part.")
    asked.add_argument("--size", type=int, default=64)
    asked.add_argument("--folds-arch", default="mobilenetv2_100")
    asked.add_argument("--folds-size", type=int, default=128)
    asked.add_argument("--folder", type=Path, help="Where pictures and caches go.  [default: a temporary one]")
    asked.add_argument("--out", type=Path, help="JSON lines are appended here.")
    asked.add_argument("--table", type=Path, metavar="FILE", help="Only the tables of the rows in FILE.")
    asked.add_argument("--child", help=argparse.SUPPRESS)
    given = asked.parse_args()
    if given.child:
        child(json.loads(given.child))
        return
    if given.table is not None:
        print(tables(read([given.table])))
        return
    ledger = Ledger("scale", given.out, vars(given))
    counts, folds = ([int(number) for number in text.split(",")] for text in (given.images, given.folds))
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="bench-") as made:
        place = Path(made)
        drawing.competition(place / "drawn", min(max(counts), DIFFERENT) * 4 // 3)
        for count in counts:
            data = place / f"images-{count}"
            drawing.linked(data, place / "drawn", count)
            settings = {"kind": "images", "data": str(data), "arch": given.arch, "size": given.size, "count": count}
            ledger.attempt("images", lambda s=settings: timed(ledger, s, place))
        for number in folds:
            data = place / f"images-{counts[0]}"
            network = {"arch": given.folds_arch, "size": given.folds_size}
            settings = {"kind": "folds", "data": str(data), **network, "count": number}
            ledger.attempt("folds", lambda s=settings: timed(ledger, s, place))
    print("\n" + tables(ledger.rows))


def timed(ledger: Ledger, settings: dict[str, Any], place: Path) -> None:
    """A row of what a process of its own takes."""
    from assistant.processes import worker_environment

    with tempfile.TemporaryDirectory(dir=place) as folder:
        path = os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
        start = time.time()
        process = subprocess.Popen(
            [sys.executable, __file__, "--child", json.dumps(settings | {"folder": folder, "start": start})],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=worker_environment() | {"PYTHONPATH": path},
        )
        watch = Memory(process.pid)
        told, wrong = process.communicate()
        seconds, peak = time.time() - start, watch.end()
    if process.returncode:
        raise RuntimeError(wrong.strip()[-600:])
    ledger.row(
        settings["kind"], f"{settings['count']:,}", seconds=seconds, count=settings["count"], **json.loads(told), **peak
    )


def child(settings: dict[str, Any]) -> None:
    """Does what `settings` say in this process, and prints seconds by stage and memory as JSON."""
    clock = plans.Clock(settings["start"])
    work = _images if settings["kind"] == "images" else _folds
    print(json.dumps(work(settings, clock) | {"stages": clock.stages}))


def _images(settings: dict[str, Any], clock: plans.Clock) -> dict[str, float]:
    import timm  # noqa: F401 (so that it counts as an import)

    from recipes import Learner, tta

    clock("import")
    before = memory()["anonymous_gigabytes"]
    images = plans.table_of(settings | {"first": None, "seed": 42})
    after = memory()["anonymous_gigabytes"]
    clock("table")
    cache = Path(settings["folder"]) / "cache"
    learner = Learner(images, settings["arch"], settings["size"], "none", cache=cache, report=lambda event: None)
    clock("network")
    learner.prepare()
    clock("images ready")
    learner.precompute = True
    learner.precompute_activations()
    clock("activations")
    learner.fit(1e-3, final=False)
    clock("head")
    learner.precompute = False
    learner.unfreeze()
    learner.fit(1e-3)
    clock("whole network")
    tta.passes(learner, "valid", 1)
    clock("TTA")
    return {"table_gigabytes": after - before}


def _folds(settings: dict[str, Any], clock: plans.Clock) -> dict[str, float]:
    import timm
    from safetensors.torch import save_file

    from recipes import Learner

    clock("import")
    folder = Path(settings["folder"])
    weights = folder / "weights.safetensors"
    save_file(timm.create_model(settings["arch"]).state_dict(), weights)
    images = plans.table_of(settings | {"first": None, "seed": 42})
    clock("table")
    for fold in range(settings["count"]):
        part = images if settings["count"] == 1 else images.fold(fold, settings["count"])
        learner = Learner(
            part,
            settings["arch"],
            settings["size"],
            str(weights),
            42 + fold,
            cache=folder / "cache",
            report=lambda event: None,
        )
        learner.prepare()
        learner.precompute = True
        learner.precompute_activations()
        clock("images and activations")
        learner.rate = learner.lr_find().suggestion
        learner.fit(cycle_len=2)
        learner.predict("valid")
        clock("sweep, head and answers")
    return {}


def tables(rows: Sequence[dict]) -> str:
    """Seconds a thousand images, memory, and seconds by folds."""
    made = []
    several = [row for row in rows if row.get("part") == "images" and "stages" in row]
    if several:
        lines = []
        for row in several:
            each = [f"{1000 * row['stages'][stage] / row['count']:.2f}" for stage in STAGES]
            beyond = row["anonymous_gigabytes"] - row["table_gigabytes"]
            lines.append([row["what"], *each, f"{row['anonymous_gigabytes']:.2f}", f"{beyond:.2f}"])
        header = ["images", *(f"{stage}, s a thousand" for stage in STAGES), "peak memory, GB", "less the table, GB"]
        made.append(markdown(header, lines))
    folds = [row for row in rows if row.get("part") == "folds" and "stages" in row]
    if folds:
        one = {row["count"]: row for row in folds}.get(1)
        lines = []
        for row in folds:
            work = row["seconds"] - row["stages"]["import"]
            least = one["seconds"] - one["stages"]["import"] if one else None
            ratio = f"{work / least:.2f}" if least else ""
            lines.append(
                [row["what"], f"{row['seconds']:.1f}", f"{work:.1f}", ratio, f"{row['anonymous_gigabytes']:.2f}"]
            )
        made.append(markdown(["folds", "seconds", "without imports", "over one fold", "peak memory, GB"], lines))
    return "\n\n".join(made) or "no rows yet"


if __name__ == "__main__":
    main()
