"""What a bench has measured: printed and appended to a file row by row, so that a bench cut short has lost nothing.

The file holds one JSON object a line. The first of each start tells the bench, what was asked of it, the machine and
the versions; all others are rows: a part, what was measured, and numbers by name.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import psutil

__all__ = ["Ledger", "cores", "machine", "markdown", "read"]

VERSIONS = ("torch", "torchvision", "timm", "accelerate", "fastai", "numpy", "pillow", "simplejpeg", "recipe-assistant")
SHOWN = {  # how numbers are written, by the name's ending
    "images_per_second": "{:,.0f} images/s",
    "seconds": "{:.2f} s",
    "share": "{:.0%} of the limit",
    "ratio": "{:.2f} ×",
    "gigabytes": "{:.2f} GB",
    "gigabytes_per_second": "{:.1f} GB/s",
    "busy": "{:.0%} busy",
    "idle": "{:.0%} idle",
}


class Ledger:
    """The rows of one start of a bench; `path` is the file that they are appended to, if any."""

    def __init__(self, bench: str, path: Path | None, asked: Mapping[str, Any], device: str = "cpu"):
        self.path, self.rows = path, read([path]) if path is not None and path.is_file() else []
        about = {name: str(value) if isinstance(value, Path) else value for name, value in asked.items()}
        about.pop("out", None)
        self._append({"bench": bench, "time": round(time.time()), "asked": about, **machine(device)})

    def row(self, part: str, what: str, **numbers: Any) -> dict:
        """Prints and keeps a row; numbers that are None are left out."""
        made = {"part": part, "what": what, **{name: value for name, value in numbers.items() if value is not None}}
        plain = {name: value for name, value in made.items() if not isinstance(value, (dict, list))}
        words = [shown(name, value) for name, value in plain.items() if name not in ("part", "what")]
        print(f"  {what:<52}", ", ".join(words), flush=True)
        self._append(made)
        return made

    def title(self, text: str) -> None:
        """Prints a line above the rows that follow."""
        print(f"\n{text}", flush=True)

    def number(self, part: str, what: str, name: str) -> float | None:
        """The last number of that name in that row, from this start or an earlier one in the same file."""
        for row in reversed(self.rows):
            if row.get("part") == part and row.get("what") == what and name in row:
                return row[name]
        return None

    def attempt(self, part: str, work: Callable[[], Any]) -> None:
        """Does a part of the bench; where it fails, one line says why and the next part goes on."""
        start = time.perf_counter()
        try:
            work()
        except Exception as error:
            reason = " ".join(str(error).split())[:300] or type(error).__name__
            self.row(part, "failed", error=f"{type(error).__name__}: {reason}")
            if os.environ.get("BENCH_TRACEBACK"):
                raise
        print(f"  ({part}: {time.perf_counter() - start:.1f} s in all)", flush=True)

    def _append(self, made: dict) -> None:
        self.rows.append(made)
        if self.path is not None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with open(self.path, "a", encoding="utf-8") as file:
                file.write(json.dumps(made, ensure_ascii=False, default=float) + "\n")


def shown(name: str, value: Any) -> str:
    """A number in words, by its name."""
    if isinstance(value, float):
        for ending in sorted(SHOWN, key=len, reverse=True):
            if name.endswith(ending):
                named = name.removesuffix(ending).rstrip("_").replace("_", " ")
                return f"{named} {SHOWN[ending].format(value)}".strip()
        return f"{name.replace('_', ' ')} {value:.4g}"
    return f"{name.replace('_', ' ')} {value}" if not isinstance(value, str) else value


def read(paths: Iterable[Path]) -> list[dict]:
    """All rows of these files, in order; a line that was cut short is left out."""
    rows = []
    for path in paths:
        for line in Path(path).read_text(encoding="utf-8").splitlines():
            with suppress(ValueError):
                rows.append(json.loads(line))
    return rows


def markdown(header: list[str], lines: Iterable[Iterable[Any]]) -> str:
    """A table."""
    made = [header, ["---"] * len(header), *([str(cell) for cell in line] for line in lines)]
    return "\n".join("| " + " | ".join(line) + " |" for line in made)


def cores() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine(device: str = "cpu") -> dict[str, Any]:
    """What was measured on, with what."""
    about: dict[str, Any] = {
        "processor": _processor(),
        "cores": cores(),
        "memory": f"{psutil.virtual_memory().total / 2**30:.0f} GiB",
        "system": f"{platform.system()} {platform.machine()}",
    }
    if device.startswith("cuda"):
        import torch

        if torch.cuda.is_available():
            properties = torch.cuda.get_device_properties(torch.device(device))
            about["gpu"] = f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB, CUDA {torch.version.cuda}"
    versions = {"python": sys.version.split()[0]}
    for name in VERSIONS:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return {"machine": about, "versions": versions}


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"
