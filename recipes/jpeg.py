"""JPEGs as most of them are, decoded by libjpeg-turbo without a detour; all others, and all that is odd, are Pillow's."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
from PIL import Image

__all__ = ["orientation_of", "plain_jpeg", "upright"]

LARGEST = 1 << 28  # bytes: what is larger is not read as a whole
ORIENTATION = 0x0112


def plain_jpeg(path: Path, short: int | None, most: int) -> np.ndarray | None:
    """The upright pixels of a JPEG in RGB or grey, uint8 (height, width, 3); None where Pillow has to look.

    With `short`, decoded at 1/2, 1/4 or 1/8 where the shorter side stays as long as that: these have vector code, and
    are faster than the eighths between them. None for more than `most` pixels, and for whatever a strict decoder
    complains of. Never raises.
    """
    try:
        import simplejpeg

        data = _content(path)
        if data is None:
            return None
        with Image.open(io.BytesIO(data)) as picture:
            if not _is_plain(picture) or picture.width * picture.height > most:
                return None
            orientation = orientation_of(picture)
            across, down = picture.size
        by = next((by for by in (8, 4, 2) if short and min(across, down) >= by * short), 1)
        least = (-(-down // by), -(-across // by)) if by > 1 else (0, 0)
        return upright(simplejpeg.decode_jpeg(data, "RGB", min_height=least[0], min_width=least[1]), orientation)
    except Exception:  # Pillow will say what it is
        return None


def orientation_of(picture: Image.Image) -> int:
    """The EXIF orientation of an opened picture, 1 to 8; 1 where its EXIF data cannot be read."""
    try:
        found = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF data raise whatever Pillow's parser comes across
        return 1
    return found if found in range(1, 9) else 1


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """A view of stored pixels as the EXIF orientation (1 to 8) says that they are to be seen."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _content(path: Path) -> bytes | None:
    """The bytes of what begins like a JPEG and nothing else, not even like DICOM."""
    with open(path, "rb", buffering=0) as file:
        if file.read(3) != b"\xff\xd8\xff" or os.fstat(file.fileno()).st_size > LARGEST:
            return None
        file.seek(0)
        data = file.readall()
    return None if data[128:132] == b"DICM" else data


def _is_plain(picture: Image.Image) -> bool:
    return picture.format == "JPEG" and (
        picture.mode == "L" or (picture.mode == "RGB" and picture.info.get("adobe_transform", 1) == 1)
    )
