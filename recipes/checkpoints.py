"""What a run goes on from after any death: the learner's whole state, on disk whole or not at all.

A checkpoint is a folder with `state.json` and `state.safetensors`, written under another name and then renamed; the
last two are kept. `state.json` holds the tensors' checksum, so a file that was damaged later is noticed and the one
before it is taken. Training goes on while one is written.
"""

from __future__ import annotations

import json
import shutil
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load, save

from recipes.ranks import ALONE, Alone
from recipes.store import atomic_write, writable_folder

__all__ = ["Checkpoints"]


class Checkpoints:
    """The checkpoints in one folder."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.damaged: list[str] = []
        self._writer = ThreadPoolExecutor(1, "checkpoint")
        self._writing: Future | None = None

    def write(self, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """A new checkpoint. Raises StorageError; then the ones before are still there."""
        self.write_behind(state, tensors)
        self.settle()

    def write_behind(self, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """The same of the tensors as they are now, while the caller goes on. Raises StorageError where the one before
        could not be written."""
        self.settle()
        kept = {name: tensor.detach().to("cpu", copy=True).contiguous() for name, tensor in tensors.items()}
        self._writing = self._writer.submit(self._write, state, kept)

    def settle(self) -> None:
        """Waits until what was handed in is on disk. Raises StorageError."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.result()

    def _write(self, state: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        writable_folder(self.folder)
        number = max((int(path.name) for path in self._all()), default=0) + 1
        half = self.folder / f"{number:06d}.part"
        shutil.rmtree(half, ignore_errors=True)
        half.mkdir()
        data = save(tensors)
        atomic_write(half / "state.safetensors", data)
        atomic_write(half / "state.json", json.dumps({"checksum": zlib.crc32(data), **state}))
        half.rename(self.folder / f"{number:06d}")
        for old in self._all()[:-2]:
            shutil.rmtree(old, ignore_errors=True)

    def latest(self, ranks: Alone = ALONE) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[str]] | None:
        """State and tensors of the newest whole checkpoint, and the names of those that are damaged; None if there is
        none. Of several ranks the first one reads it, and the others are sent it: they may be on other machines."""
        found = self._latest() if ranks.first else None
        if ranks.count == 1:
            return found
        about = ranks.same(None if found is None else [found[0], found[2]])
        data = ranks.sent(b"" if found is None else save(found[1]))
        return found if ranks.first or about is None else (about[0], load(data), about[1])

    def _latest(self) -> tuple[dict[str, Any], dict[str, torch.Tensor], list[str]] | None:
        self.settle()
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
        self.settle()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _all(self) -> list[Path]:
        if not self.folder.is_dir():
            return []
        return sorted(path for path in self.folder.iterdir() if path.is_dir() and path.name.isdigit())
