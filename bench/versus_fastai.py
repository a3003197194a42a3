"""The eight steps in fastai 2 and in `recipes`, side by side on one machine.

    uv run --group bench python bench/versus_fastai.py DATA --weights FILE --arch mobilenetv2_100 --size 128 --malloc

DATA is a competition's folder: labels.csv (id, label), train/ and test/. Both train on the same split of each seed, from
the same weights, with the same batch size, sweeps, epochs, cycles and TTA, augmented alike, and both keep the best epoch
of the full network. Each is a process of its own, imports included; they take turns, and the order of a turn is that of
the turn before, rotated. fastai runs as it comes, and with --malloc once more with the allocator settings that a run of
`assistant` has; `recipes` always has those. Peak memory is that of the process and its children, looked at up to four
times a second: PSS (its share of all pages, mapped files too) and, of that, what no file stands behind.

Rows are appended to --out as they come; --table FILE makes the table of what is there, also of a bench that was cut short.
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
from statistics import mean
from typing import Any

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench.ledger import Ledger, markdown, read
from bench.memory import Memory

OURS, AS_IT_COMES, SAME_ALLOCATOR = "recipes", "fastai", "fastai, same allocator"
STAGES = (
    "import",
    "images and network ready",
    "activations",
    "sweep 1",
    "head",
    "head with augmentation",
    "sweep 2",
    "whole network",
    "TTA",
    "submission",
)
CHILDREN = {OURS: "ours.py", AS_IT_COMES: "theirs.py", SAME_ALLOCATOR: "theirs.py"}
SCORES = ("accuracy", "log_loss", "accuracy_tta", "log_loss_tta")


def main() -> None:
    """Runs the turns, or makes the table."""
    given = arguments()
    if given.table is not None:
        print(table(read([given.table])))
        return
    contenders = [AS_IT_COMES, OURS, *([SAME_ALLOCATOR] if given.malloc else [])]
    contenders = [name for name in contenders if name not in (given.without or [])]
    ledger = Ledger("versus_fastai", given.out, vars(given))
    ledger.title(f"{given.arch} at {given.size} px, batches of {given.batch}: {', '.join(contenders)}")
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="bench-") as folder:
        for turn in range(given.runs):
            for seed in given.seeds:
                plan = planned(given, seed, Path(folder) / f"plan-{seed}.json")
                for contender in contenders:
                    ledger.attempt("versus", lambda c=contender, s=seed, t=turn, p=plan: raced(ledger, c, s, t, p))
                contenders = contenders[1:] + contenders[:1]
    print("\n" + table(ledger.rows))


def arguments() -> argparse.Namespace:
    """What was asked on the command line."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("data", type=Path, nargs="?", help="A competition's folder.")
    asked.add_argument("--weights", type=Path, help="A safetensors file in timm's layout.  [default: random weights]")
    asked.add_argument("--arch", default="mobilenetv2_100")
    asked.add_argument("--size", type=int, default=128)
    asked.add_argument("--batch", type=int, default=64)
    asked.add_argument("--seeds", default="42,1,2")
    asked.add_argument("--runs", type=int, default=1, help="Turns with each seed.")
    asked.add_argument("--malloc", action="store_true", help="fastai once more, with our allocator settings.")
    asked.add_argument(
        "--without",
        action="append",
        choices=list(CHILDREN),
        help="Leave this one out, as where its scores are those of another with the same seed.",
    )
    asked.add_argument("--sweeps", default="100,40", help="Batches of the two sweeps.")
    asked.add_argument("--epochs", default="2,3,3", help="Head epochs, augmented head cycles, full network cycles.")
    asked.add_argument("--tta", type=int, default=4)
    asked.add_argument("--first", type=int, help="Only so many labelled images, for a trial.")
    asked.add_argument("--folder", type=Path, help="Where caches go.  [default: a temporary one]")
    asked.add_argument("--out", type=Path, help="JSON lines are appended here.")
    asked.add_argument("--table", type=Path, metavar="FILE", help="Only the table of the rows in FILE.")
    given = asked.parse_args()
    for name in ("seeds", "sweeps", "epochs"):
        try:
            setattr(given, name, [int(number) for number in getattr(given, name).split(",")])
        except ValueError:
            asked.error(f"--{name} is not a list of whole numbers: {getattr(given, name)}")
    if given.table is None and given.data is None:
        asked.error("name a competition's folder, or a file with --table")
    if given.data is not None and not (given.data / "labels.csv").is_file():
        asked.error(f"no labels.csv in {given.data}")
    for name in ("data", "weights"):
        if getattr(given, name) is not None:
            setattr(given, name, getattr(given, name).resolve())
    return given


# -------------------------------------------------------------------- one process


def planned(given: argparse.Namespace, seed: int, path: Path) -> Path:
    """Writes what both are told, unless it is there, in a process of its own: the seed's split by file names, the
    classes, the layer groups, and the settings."""
    if path.is_file():
        return path
    settings = {name: str(value) if isinstance(value, Path) else value for name, value in vars(given).items()}
    code = "import sys; from bench import plans; plans.write(*sys.argv[1:])"
    subprocess.run(
        [sys.executable, "-c", code, json.dumps(settings | {"seed": seed}), str(path)],
        cwd=Path(__file__).parent.parent,
        env=os.environ | {"PYTHONPATH": _path()},
        check=True,
    )
    return path


def raced(ledger: Ledger, contender: str, seed: int, turn: int, plan: Path) -> None:
    """One contender's process from its start to its end, as a row."""
    from assistant.processes import worker_environment

    environment = worker_environment()
    if contender == AS_IT_COMES:
        tuned = ("MALLOC_", "GLIBC_TUNABLES", "OMP_WAIT_POLICY")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(tuned)}
    with tempfile.TemporaryDirectory(dir=plan.parent) as folder, tempfile.TemporaryFile("w+") as told:
        child = Path(__file__).parent / "contenders" / CHILDREN[contender]
        start = time.time()
        process = subprocess.Popen(
            [sys.executable, str(child), str(plan), folder, repr(start)],
            stdout=told,
            stderr=subprocess.STDOUT,
            env=environment | {"PYTHONPATH": _path()},
        )
        watch = Memory(process.pid)
        process.wait()
        seconds, peak = time.time() - start, watch.end()
        if process.returncode:
            told.seek(0)
            raise RuntimeError(told.read()[-600:])
        result = json.loads((Path(folder) / "result.json").read_text())
    ledger.row("versus", contender, seed=seed, turn=turn, seconds=seconds, **result, **peak)


def _path() -> str:
    return os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])


# -------------------------------------------------------------------- the table


def table(rows: Sequence[dict]) -> str:
    """Stages and scores by contender: means over all runs, the least and the most of the total, and how many times as
    long each took as `recipes`."""
    runs: dict[str, list[dict]] = {}
    for row in rows:
        if row.get("part") == "versus" and "stages" in row:
            runs.setdefault(row["what"], []).append(row)
    if not runs:
        return "no runs yet"
    order = [name for name in (AS_IT_COMES, SAME_ALLOCATOR, OURS) if name in runs]
    others = [name for name in order if name != OURS and OURS in runs]
    counts = (f"{name}, {len(runs[name])} run{'s' * (len(runs[name]) > 1)}" for name in order)
    header = ["", *counts, *(f"{name} / recipes" for name in others)]

    def line(title: str, number: Any, form: str, ratio: bool = True) -> list[str]:
        means = {name: _mean(number(run) for run in runs[name]) for name in order}
        cells = ["–" if value is None else format(value, form) for value in means.values()]
        for name in others:
            above, below = means[name], means[OURS]
            cells.append(f"{above / below:.1f}" if ratio and above and below else "")
        return [title, *cells]

    lines = [line(f"{stage}, s", lambda run, s=stage: run["stages"].get(s), ".1f") for stage in STAGES]
    lines.append(line("**total**, s", lambda run: run["seconds"], ".1f"))
    spread = (f"{min(r['seconds'] for r in runs[n]):.1f} to {max(r['seconds'] for r in runs[n]):.1f}" for n in order)
    lines.append(["least to most, s", *spread, *("" for _ in others)])
    for number in (0, 1):
        rates = (" ".join(f"{r['rates'][number]:.1e}" for r in runs[n]) for n in order)
        lines.append([f"rate that sweep {number + 1} found", *rates, *("" for _ in others)])
    lines.append(["seeds", *(" ".join(str(r["seed"]) for r in runs[n]) for n in order), *("" for _ in others)])
    for stage in ("head", "head with augmentation", "whole network", "TTA"):
        lines.append(line(f"{stage}, images/s", lambda run, s=stage: _speed(run, s), ",.0f", False))
    for score in SCORES:
        lines.append(line(score.replace("_", " "), lambda run, s=score: run["scores"].get(s), ".4f", False))
    for name in ("pss_gigabytes", "anonymous_gigabytes"):
        title = f"peak memory, {name.split('_')[0].upper() if 'pss' in name else 'without mapped files'}, GB"
        lines.append(line(title, lambda run, n=name: run.get(n), ".2f"))
    return markdown(header, lines)


def _speed(run: dict, stage: str) -> float | None:
    seconds, images = run["stages"].get(stage), run["images"].get(stage)
    return images / seconds if seconds and images else None


def _mean(numbers: Any) -> float | None:
    there = [number for number in numbers if number is not None]
    return mean(there) if there else None


if __name__ == "__main__":
    main()
