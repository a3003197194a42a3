"""The main job on photographs: folder to submission, over seeds and sizes, each in a fresh home with nothing cached.

    RECIPES_WEIGHTS=WEIGHTS uv run python bench/photos.py FOLDER --arch mobilenetv2_100 --sizes 128 96,160 160 --seeds 42 1 2

Prints one row a run and the means; whole-process seconds, imports and decoding included.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import mean


def timed_run(folder: str, arch: str, sizes: str, seed: int, more: list[str]) -> dict:
    """One `assistant run` in a home of its own: its scores and seconds."""
    with tempfile.TemporaryDirectory() as home:
        command = [
            sys.executable,
            "-m",
            "assistant",
            "run",
            folder,
            "--arch",
            arch,
            "--sizes",
            sizes,
            "--seed",
            str(seed),
        ]
        start = time.monotonic()
        done = subprocess.run(
            [*command, "--out", f"{home}/run", "--json", *more],
            env=os.environ | {"ASSISTANT_HOME": home},
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.monotonic() - start
        if done.returncode:
            raise SystemExit(done.stderr)
        told = [json.loads(line) for line in Path(home, "run", "events.jsonl").read_text().splitlines()]
        kept = os.environ.get("BENCH_KEEP")
        if kept:
            Path(kept).mkdir(parents=True, exist_ok=True)
            for name in ("submission.csv", "events.jsonl", "report.html", "valid.csv"):
                Path(kept, f"{sizes}-{seed}-{name}").write_bytes(Path(home, "run", name).read_bytes())
        steps = [round(event["seconds"], 1) for event in told if event["event"] == "step_ended"]
        return json.loads(done.stdout) | {"wall": seconds, "steps": steps}


def row(label: str, seed: object, runs: list[dict]) -> str:
    """One line of the table: means over `runs`."""

    def score(view: str, name: str) -> float:
        return mean(run["scores"][view][name] for run in runs)

    numbers = [score(view, name) for view in ("valid", "valid_tta") for name in ("accuracy", "log_loss")]
    return (
        f"| {label} | {seed} | "
        + " | ".join(f"{n:.4f}" for n in numbers)
        + f" | {mean(run['wall'] for run in runs):.0f} |"
    )


def main() -> None:
    """The table."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("folder")
    asked.add_argument("--arch", default="mobilenetv2_100")
    asked.add_argument("--sizes", nargs="+", default=["128"])
    asked.add_argument("--seeds", nargs="+", type=int, default=[42, 1, 2])
    asked.add_argument("--more", nargs=argparse.REMAINDER, default=[], help="Further options of `assistant run`.")
    given = asked.parse_args()
    print(
        "| sizes | seed | accuracy | log loss | accuracy, TTA | log loss, TTA | seconds |\n|---|---|---|---|---|---|---|"
    )
    for sizes in given.sizes:
        runs = []
        for seed in given.seeds:
            runs.append(timed_run(given.folder, given.arch, sizes, seed, given.more))
            print(row(sizes, seed, runs[-1:]), runs[-1]["steps"], flush=True)
        if len(runs) > 1:
            print(row(sizes, "mean", runs), flush=True)


if __name__ == "__main__":
    main()
