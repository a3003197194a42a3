"""Makes bench/RESULTS.md of what the benches have measured.

    uv run python bench/results.py bench/measured/*.jsonl > bench/RESULTS.md
    just results DATA WEIGHTS        measures everything anew first, then does that

The files are those that the benches' --out wrote. What is not in them is said to be not measured; starts of one bench on one
machine with the same versions and settings are one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

from bench import limits, scale, versus_fastai
from bench.ledger import markdown, read, shown

HEAD = """# What was measured

Made by `bench/results.py` from the files in bench/measured/; no number here is written by hand. `just results DATA WEIGHTS`
measures it all anew. Seconds are those of a clock on the wall. What the words mean stands at the top of each bench.
"""
BENCHES = {
    "versus_fastai": ("Against fastai 2", "bench/versus_fastai.py DATA --weights FILE --malloc"),
    "limits": ("Against the limits of the machine", "bench/limits.py DATA --weights FILE"),
    "scale": ("Against the number of images and of folds", "bench/scale.py"),
    "ui": ("The page while a run trains", "bench/ui.py"),
    "gpu": ("On one GPU, from JPEG files to submission", "bench/gpu.py"),
}

# what was asked and is no setting: where things lie, and what the rows themselves tell
HIDDEN = {"data", "folder", "weights", "table", "make", "child", "out", "more", "parts"}
HIDDEN |= {"seeds", "runs", "malloc", "without", "minutes", "rounds"}


def main() -> None:
    """Prints the page; with --make, measures before."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("files", type=Path, nargs="*")
    asked.add_argument("--make", type=Path, metavar="DATA", help="Measure everything on this competition folder first.")
    asked.add_argument("--weights", type=Path, help="A safetensors file for mobilenetv2_100, with --make.")
    asked.add_argument("--into", type=Path, default=Path(__file__).parent / "measured", help="Where --make writes.")
    given = asked.parse_args()
    missing = [str(path) for path in given.files if not path.is_file()]
    if missing:
        asked.error(f"no such file: {', '.join(missing)}")
    if given.make is None:
        print(page(read(given.files)))
        return
    if given.weights is None:
        asked.error("--make needs --weights")
    made = measured(given.make, given.weights, given.into)
    (Path(__file__).parent / "RESULTS.md").write_text(page(read(made)) + "\n", encoding="utf-8")


def measured(data: Path, weights: Path, into: Path) -> list[Path]:
    """Runs every bench, each into a fresh file, one after the other; gives the files."""
    into.mkdir(parents=True, exist_ok=True)
    more = {
        "versus_fastai": [str(data), "--weights", str(weights), "--malloc"],
        "limits": [str(data), "--weights", str(weights)],
        "scale": [],
        "ui": [],
        "gpu": [],
    }
    files = []
    for name, words in more.items():
        path = into / f"{name}.jsonl"
        before = path.read_bytes() if path.is_file() else None
        path.unlink(missing_ok=True)
        done = subprocess.run([sys.executable, str(Path(__file__).parent / f"{name}.py"), *words, "--out", str(path)])
        if done.returncode and before is not None:
            path.write_bytes(before)  # a machine without a GPU leaves what another has measured
        if path.is_file():
            files.append(path)
    return files


def page(rows: Sequence[dict]) -> str:
    """RESULTS.md of these rows."""
    starts = _starts(rows)
    parts = [HEAD]
    for bench, (title, command) in BENCHES.items():
        parts.append(f"## {title}\n")
        found = [(start, own) for start, own in starts if start["bench"] == bench and own]
        if not found:
            parts.append(
                f"Not measured yet: `uv run --group bench python {command} --out bench/measured/{bench}.jsonl`.\n"
            )
        for start, own in found:
            parts.append(f"{_about(start, own)}\n\n{_tables(bench, own)}\n")
    return "\n".join(parts).rstrip()


def _starts(rows: Sequence[dict]) -> list[tuple[dict, list[dict]]]:
    """Each machine, set of versions and of settings with its rows; starts of the same are one."""
    found: dict[str, tuple[dict, list[dict]]] = {}
    own: list[dict] = []
    for row in rows:
        if "bench" in row:
            asked = {key: value for key, value in row["asked"].items() if key not in HIDDEN}
            about = {key: value for key, value in row.items() if key != "time"} | {"asked": asked}
            name = json.dumps(about, sort_keys=True)
            own = found.setdefault(name, (row, []))[1]
        else:
            own.append(row)
    return list(found.values())


def _about(start: dict, rows: Sequence[dict]) -> str:
    machine, day = start["machine"], time.strftime("%d %B %Y", time.gmtime(start["time"]))
    words = [
        machine.get("gpu"),
        f"{machine['cores']} cores of {machine['processor']}",
        machine["memory"],
        machine["system"],
    ]
    versions = ", ".join(f"{name} {number}" for name, number in start["versions"].items() if name != "recipe-assistant")
    asked = ", ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else value}"
        for name, value in start["asked"].items()
        if name not in HIDDEN and value is not None
    )
    failed = [row for row in rows if row.get("what") == "failed" or "error" in row]
    note = "".join(f"\n\nNot measured: {row['part']}, {row['what']} ({row['error']})." for row in failed)
    return f"{'; '.join(word for word in words if word)}; {versions}; {day}. Asked: {asked}.{note}"


def _tables(bench: str, rows: Sequence[dict]) -> str:
    if bench == "versus_fastai":
        return versus_fastai.table(rows)
    if bench == "limits":
        return limits.table(rows)
    if bench == "scale":
        return scale.tables(rows)
    parts = dict.fromkeys(row["part"] for row in rows)
    return "\n\n".join(f"### {part}\n\n{_plain([row for row in rows if row['part'] == part])}" for part in parts)


def _plain(rows: Sequence[dict]) -> str:
    """One line a row: what, seconds, images a second, share, and the rest in words."""
    columns = {"seconds": ",.2f", "images_per_second": ",.0f", "share": ".0%", "ratio": ".2f"}
    lines = []
    for row in (row for row in rows if "error" not in row):
        cells = [format(row[name], form) if name in row else "" for name, form in columns.items()]
        rest = {name: value for name, value in row.items() if name not in ("part", "what", "error", *columns)}
        words = ", ".join(shown(name, value) for name, value in rest.items() if not isinstance(value, (dict, list)))
        lines.append([row["what"].replace("|", "/"), *cells, words])
    return markdown(["", "seconds", "images/s", "share of the limit", "ratio", ""], lines)


if __name__ == "__main__":
    main()
