"""What a folder holds from which archive: `.unpacked.json`, and the move of a finished tree into the folder.

`archives` maps the name of a source to what identifies it and the paths that it brought; `moving` names paths that
are on their way: after a kill they are removed, and the source is unpacked again.
"""

from __future__ import annotations

import contextlib
import filecmp
import json
import os
import shutil
from pathlib import Path
from typing import Any

from assistant.archive_rules import MANIFEST, ArchiveError
from recipes.store import atomic_write

__all__ = ["publish", "recover", "unpacked"]


def unpacked(into: Path, source: str, identity: dict[str, Any]) -> bool:
    """Whether all that the source brings lies in the folder."""
    manifest = _read(into)
    entry = manifest["archives"].get(source)
    return (
        entry is not None
        and not manifest["moving"]
        and all(entry.get(key) == value for key, value in identity.items())
        and all(os.path.lexists(into / path) for path in entry["paths"])
    )


def publish(tree: Path, into: Path, source: str, identity: dict[str, Any]) -> None:
    """Moves a finished tree into the folder. What an older source of that name brought goes; other files stay.

    Raises ArchiveError, with nothing moved, where a file of another content or origin is in the way.
    """
    manifest = _read(into)
    paths = sorted(os.listdir(tree))
    if not into.exists():
        manifest["archives"][source] = identity | {"paths": paths}
        _write(tree, manifest)
        os.rename(tree, into)
        return
    old = manifest["archives"].pop(source, {"paths": []})["paths"]
    others = [path for entry in manifest["archives"].values() for path in entry["paths"]]
    if any(other.startswith(f"{path}/") for other in others for path in old):
        raise ArchiveError(
            f"{source} was not unpacked: {into} holds an older one, mixed with other archives; remove that folder first"
        )
    moves = _moves(tree, into, {into / path for path in old}, source)
    brought = [path.relative_to(into).as_posix() for _, path in moves]
    _write(into, manifest | {"moving": sorted({*old, *brought})})
    for path in old:
        _remove(into / path)
    for path, to in moves:
        os.rename(path, to)
    manifest["archives"][source] = identity | {"paths": brought}
    _write(into, manifest)


def recover(into: Path) -> None:
    """Removes what a killed process had begun to move into the folder."""
    manifest = _read(into)
    if manifest["moving"]:
        for path in manifest["moving"]:
            _remove(into / path)
        _write(into, manifest | {"moving": []})


def _moves(tree: Path, into: Path, gone: set[Path], source: str) -> list[tuple[Path, Path]]:
    """From where to where the fewest renames go, given that the paths in `gone` are removed before."""
    moves = []
    for entry in sorted(os.scandir(tree), key=lambda entry: entry.name):
        path, to = Path(entry.path), into / entry.name
        if to in gone or not os.path.lexists(to):
            moves.append((path, to))
        elif entry.is_dir() and to.is_dir():
            moves += _moves(path, to, gone, source)
        elif not (entry.is_file() and to.is_file() and filecmp.cmp(path, to, shallow=False)):
            raise ArchiveError(f"{source} was not unpacked: {to} is in the way; remove it or choose another folder")
    return moves


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _read(into: Path) -> dict[str, Any]:
    """The manifest, empty where there is none or it is damaged; paths that lead out of the folder are not taken."""
    archives: dict[str, Any] = {}
    moving: list[str] = []
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError):
        stored = json.loads((into / MANIFEST).read_text(encoding="utf-8"))
        moving = [path for path in stored["moving"] if _inside(path)]
        archives = {name: entry for name, entry in stored["archives"].items() if all(map(_inside, entry["paths"]))}
    return {"archives": archives, "moving": moving}


def _inside(path: str) -> bool:
    parts = path.split("/")
    return bool(path) and not os.path.isabs(path) and not {"", ".", ".."} & set(parts)


def _write(folder: Path, manifest: dict[str, Any]) -> None:
    atomic_write(folder / MANIFEST, json.dumps({"archives": {}, "moving": []} | manifest, indent=1))
