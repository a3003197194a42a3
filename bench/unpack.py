"""Unpacking against `unzip`: many small files and a few large ones, as pictures are (incompressible) and as tables are.

    uv run python bench/unpack.py [--files 20000] [--rounds 3]

Makes its own archives in a temporary folder, takes turns, and prints the best seconds of each and unzip's over ours,
by the clock and in processor time (which holds on a busy machine, too).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from assistant.archives import unpack


def archives(folder: Path, files: int) -> Iterator[Path]:
    """Zips of `files` pictures of 10 kB, of four of 50 MB, and of one table of 100 MB."""
    chance = np.random.default_rng(0)
    with zipfile.ZipFile(folder / "small.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for n in range(files):
            archive.writestr(f"train/{n % 10}/{n:06}.jpg", chance.bytes(10_000))
    yield folder / "small.zip"
    with zipfile.ZipFile(folder / "large.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for n in range(4):
            archive.writestr(f"train/{n}.tif", chance.bytes(50_000_000))
    yield folder / "large.zip"
    with zipfile.ZipFile(folder / "table.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.writestr("train/labels.csv", "".join(f"{n:08x},{n % 7},0.5\n" for n in range(6_500_000)))
    yield folder / "table.zip"


def seconds(work: Callable[[], object], result: Path) -> tuple[float, float]:
    """How long the work takes by the clock and on the processor; its result is removed, which is not timed."""
    start, before = time.perf_counter(), os.times()
    work()
    took, after = time.perf_counter() - start, os.times()
    shutil.rmtree(result)
    return took, sum(after[:4]) - sum(before[:4])


def best(rounds: list[tuple[float, float]]) -> tuple[float, float]:
    """The least seconds of both clocks."""
    return min(wall for wall, _ in rounds), min(processor for _, processor in rounds)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    program = shutil.which("unzip")
    with tempfile.TemporaryDirectory() as folder:
        for archive in archives(Path(folder), options.files):
            into = Path(folder) / "into"
            ours, theirs = [], []
            for _ in range(options.rounds):
                ours.append(seconds(lambda archive=archive, into=into: unpack(archive, into), into))
                if program:
                    command = [program, "-q", str(archive), "-d", str(into)]
                    theirs.append(seconds(lambda command=command: subprocess.run(command, check=True), into))
            wall, processor = best(ours)
            line = f"{archive.name}: {wall:.2f} s, {processor:.2f} s of processor"
            if theirs:
                unzip_wall, unzip_processor = best(theirs)
                line += f"; unzip {unzip_wall:.2f} s, {unzip_processor:.2f} s of processor"
                line += f"; ratio {unzip_wall / wall:.2f}, {unzip_processor / processor:.2f} of processor"
            print(line)
            archive.unlink()


if __name__ == "__main__":
    main()
