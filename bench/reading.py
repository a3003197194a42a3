"""How long a large competition folder takes to be understood, and how much memory that needs.

`python bench/reading.py` makes its own data in a temporary folder: 200,000 tiny pictures (hard links to a few dozen
different ones) named by a CSV, the same in 500 class folders, and a CSV of 500,000 rows for 1,000 pictures. Each is
read in a process of its own, whose peak memory is told.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

from PIL import Image

CLASSES = 500


def main() -> None:
    """Makes the folders, and times each in its own process."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--pictures", type=int, default=200_000)
    asked.add_argument("--rows", type=int, default=500_000)
    asked.add_argument("--profile", action="store_true", help="where the time goes")
    asked.add_argument("--only", help="one of the folders")
    asked.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = asked.parse_args()
    if options.measure is not None:
        measure(options.measure, options.profile)
        return
    print(f"{'folder':<28}{'files':>9}{'read, s':>10}{'image_table, s':>16}{'peak, MB':>10}")
    with tempfile.TemporaryDirectory(prefix="reading-") as place:
        drawn = draw(Path(place) / "drawn")
        for name, make in {"table": table, "table, .jpg": with_endings, "folders": folders, "rows": rows}.items():
            if options.only and name != options.only:
                continue
            folder = Path(place) / name
            count = make(folder, drawn, options.rows if name == "rows" else options.pictures)
            command = [sys.executable, __file__, "--measure", str(folder), *["--profile"] * options.profile]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(done.stderr)
            *told, last = done.stdout.splitlines()
            found = json.loads(last)
            print(f"{name:<28}{count:>9,}{found['read']:>10.1f}{found['table']:>16.1f}{found['peak']:>10,.0f}")
            print("\n".join(told), end="\n" * bool(told))


def measure(folder: Path, profile: bool) -> None:
    """Reads the folder in this process, and tells seconds and peak memory as JSON."""
    import cProfile
    import pstats

    import recipes  # noqa: F401  imports are not what is timed
    from assistant.image_table import image_table
    from assistant.reading import read

    watch = cProfile.Profile()
    if profile:
        watch.enable()
    start = time.perf_counter()
    found = read(folder)
    middle = time.perf_counter()
    images = image_table(found)
    end = time.perf_counter()
    watch.disable()
    assert found.unsupported is None, found.unsupported
    assert len(images.train) + len(images.valid) == found.train_images
    if profile:
        pstats.Stats(watch).sort_stats("cumulative").print_stats(45)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"read": middle - start, "table": end - middle, "peak": peak}))


def draw(folder: Path, count: int = 48) -> list[Path]:
    """A few dozen tiny pictures."""
    folder.mkdir()
    for number in range(count):
        Image.new("RGB", (8, 8), (number * 5, 99, 255 - number * 5)).save(folder / f"{number}.jpg")
    return sorted(folder.iterdir())


def linked(pairs: Iterable[Path], drawn: list[Path]) -> None:
    """Hard links to the drawn pictures at these paths."""
    for number, path in enumerate(pairs):
        os.link(drawn[number % len(drawn)], path)


def table(folder: Path, drawn: list[Path], count: int, ending: str = "") -> int:
    """train/ and test/ with ids in two CSVs; two thirds are labelled, one of 120 classes each."""
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
    labelled = count * 2 // 3
    names = [f"{number * 2654435761 % (1 << 32):08x}{number:08x}" for number in range(count)]
    linked((folder / ("train" if n < labelled else "test") / f"{name}.jpg" for n, name in enumerate(names)), drawn)
    write(
        folder / "labels.csv",
        ["id", "breed"],
        ([f"{n}{ending}", f"breed {int(n[:8], 16) % 120}"] for n in names[:labelled]),
    )
    write(folder / "sample_submission.csv", ["id", "breed"], ([f"{n}{ending}", "breed 0"] for n in names[labelled:]))
    return count


def with_endings(folder: Path, drawn: list[Path], count: int) -> int:
    """The same, with `.jpg` in the CSVs."""
    return table(folder, drawn, count, ".jpg")


def folders(folder: Path, drawn: list[Path], count: int) -> int:
    """A folder a class, and test pictures named by a template."""
    labelled = count * 2 // 3
    for number in range(CLASSES):
        (folder / "train" / f"class {number:03d}").mkdir(parents=True)
    (folder / "test").mkdir()
    linked((folder / "train" / f"class {n % CLASSES:03d}" / f"{n}.jpg" for n in range(labelled)), drawn)
    linked((folder / "test" / f"{n}.jpg" for n in range(labelled, count)), drawn)
    write(
        folder / "sample_submission.csv", ["file", "class"], ([f"{n}.jpg", "class 000"] for n in range(labelled, count))
    )
    return count


def rows(folder: Path, drawn: list[Path], count: int) -> int:
    """Many rows for few pictures, three columns each: most labels have no picture."""
    for part in ("train", "test"):
        (folder / part).mkdir(parents=True)
    linked((folder / "train" / f"{n}.jpg" for n in range(0, count, 2)), drawn)
    linked((folder / "test" / f"t{n}.jpg" for n in range(1000)), drawn)
    write(
        folder / "train.csv",
        ["image", "patient", "age", "grade"],
        ([n, f"p{n // 7}", n % 90, f"grade {n % 5}"] for n in range(count)),
    )
    write(folder / "sample_submission.csv", ["image", "grade"], ([f"t{n}", "grade 0"] for n in range(1000)))
    return count // 2 + 1000


def write(path: Path, header: list[str], lines: Iterable[list]) -> None:
    """A CSV."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *lines])


if __name__ == "__main__":
    main()
