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
START_OF_SCAN, APPLICATION_1, APPLICATION_2 = 0xDA, 0xE1, 0xE2  # JPEG markers; what is on the picture follows the first


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
        height, width, colours, _ = simplejpeg.decode_jpeg_header(data)
        down, across = int(height), int(width)
        if colours not in ("YCbCr", "Gray") or across * down > most:
            return None
        orientation = 1
        if _may_be_turned_or_several(data):
            with Image.open(io.BytesIO(data)) as picture:
                if picture.format != "JPEG":
                    return None
                orientation = orientation_of(picture)
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


def _may_be_turned_or_several(data: bytes) -> bool:
    """Whether the segments before the scan can tell of an orientation (EXIF, XMP) or of more pictures (MPF)."""
    at = 2
    while data[at] == 0xFF and (marker := data[at + 1]) != START_OF_SCAN:
        if marker == APPLICATION_1 or (marker == APPLICATION_2 and data[at + 4 : at + 8] == b"MPF\0"):
            return True
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return data[at] != 0xFF
