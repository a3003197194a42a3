"""What a run goes on from after any death: the learner's whole state, on disk whole or not at all.

A checkpoint is a folder with `state.json` and `state.safetensors`, written under another name and then renamed; the
last two are kept. `state.json` holds the tensors' checksum, so a file that was damaged later is noticed and the one
before it is taken.
"""

from __future__ import annotations

import json
import shutil
import zlib
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from recipes.store import atomic_write, writable_folder

__all__ = ["Checkpoints"]


class Checkpoints:
    """The checkpoints in one folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.damaged: list[str] = []

    def write(self, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """A new checkpoint. Raises StorageError; then the ones before are still there."""
        writable_folder(self.folder)
        number = max((int(path.name) for path in self._all()), default=0) + 1
        half = self.folder / f"{number:06d}.part"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        data = save({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
        atomic_write(half / "state.safetensors", data)
        atomic_write(half / "state.json", json.dumps({"checksum": zlib.crc32(data), **state}))
        half.rename(self.folder / f"{number:06d}")
        for old in self._all()[:-2]:
            shutil.rmtree(old, ignore_errors=True)

    def latest(self) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[str]] | None:
        """State and tensors of the newest whole checkpoint, and the names of those that are damaged; None if there is
        none."""
        damaged = self.damaged = []
        for path in reversed(self._all()):
            try:
                state = json.loads((path / "state.json").read_text())
                data = (path / "state.safetensors").read_bytes()
                if zlib.crc32(data) != state.pop("checksum"):
                    raise ValueError("checksum")
                return state, load(data), damaged
            except (OSError, ValueError, KeyError):
                damaged.append(path.name)
        return None

    def clear(self) -> None:
        """Removes them all."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.is_dir() and path.name.isdigit())
