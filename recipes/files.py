"""Image files below a folder, and which of them an id means."""

from __future__ import annotations

import os
from pathlib import Path

from recipes.errors import ImagesError, few, nearest

__all__ = ["IMAGE_SUFFIXES", "Files", "beside", "image_files", "what_is_there"]

_ENDINGS = ("jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "tif", "tiff", "webp")
_RARE_ENDINGS = ("ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "tga", "ico", "avif")
IMAGE_SUFFIXES = frozenset(f".{ending}" for ending in (*_ENDINGS, *_RARE_ENDINGS))
_JUNK_FOLDERS = frozenset({"__MACOSX", ".ipynb_checkpoints"})


def image_files(folder: str | os.PathLike) -> tuple[Path, list[Path]]:
    """The folder and every image file below it, sorted by path; hidden files and archive junk are left out.

    Raises ImagesError where the folder is not there or holds no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise ImagesError(f"no such folder: {folder}; {what_is_there(folder)}")
    found: list[str] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name not in _JUNK_FOLDERS and not name.startswith(".")]
        found += [
            os.path.join(place, name)
            for name in files
            if not name.startswith(".") and os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES
        ]
    if not found:
        raise ImagesError(
            f"no images found: {folder} holds no file that ends like one (.jpg, .png, .tif …); check the folder"
        )
    return folder, [Path(path) for path in sorted(found)]


class Files:
    """Where the file of an id is: by its path below the folder, else by that without the ending, else by its name."""

    def __init__(self, root: Path):
        self.root, files = image_files(root)
        self.by_path = {path.relative_to(root).as_posix(): path for path in files}
        self.by_stem: dict[str, Path | None] = {}
        self.by_name: dict[str, Path | None] = {}
        for relative, path in self.by_path.items():
            for known, keys in (
                (self.by_stem, {os.path.splitext(relative)[0]}),
                (self.by_name, {path.stem, path.name}),
            ):
                for key in keys:
                    known[key] = None if known.get(key, path) != path else path  # None: it could be any of several

    def find(self, name: str, suffix: str = "") -> Path | None:
        """The file of that id; None where there is none, or where several could be meant."""
        found = self.by_path.get(name + suffix) or self.by_path.get(name)
        return found or (self.by_stem[name] if name in self.by_stem else self.by_name.get(name))


def beside(folder: str | os.PathLike, base: Path) -> Path:
    """A relative folder below `base` where it is there, else as it was given."""
    folder = Path(folder)
    return base / folder if not folder.is_absolute() and (base / folder).is_dir() else folder


def what_is_there(path: Path) -> str:
    """The words of an error about a path that is not there: what lies beside it."""
    try:
        names = sorted(os.listdir(path.parent))
    except OSError:
        return f"{path.parent} is not there either"
    return f"beside it are {few(nearest(path.name, names) or names, 5)}" if names else f"{path.parent} is empty"
