"""Pictures of DICOM files, as a viewer shows them; where the extra `dicom` (pydicom) is installed."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["DICOM_SUFFIXES", "dicom_is_read", "dicom_picture", "dicom_pixels", "is_dicom"]

DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})


def dicom_is_read() -> bool:
    """Whether pydicom is installed."""
    return find_spec("pydicom") is not None


def is_dicom(path: Path) -> bool:
    """Whether a file says so at byte 128."""
    with open(path, "rb") as file:
        return file.read(132)[128:] == b"DICM"


def dicom_picture(path: Path) -> Image.Image:
    """One frame as RGB: stored values through the modality's table and the file's window (DICOM PS3.3 C.11; where it has
    none, from the .5th to the 99.5th percentile), dark where a viewer shows dark. Raises ValueError with what is wrong.
    """
    if not dicom_is_read():
        raise ValueError("DICOM: install the extra that reads it, pip install recipe-assistant[dicom]")
    import pydicom
    from pydicom.pixels.processing import apply_modality_lut, apply_voi_lut

    data: Any = pydicom.dcmread(path)
    frames = int(data.get("NumberOfFrames", 1) or 1)
    if frames > 1:
        raise ValueError(f"{frames} frames: a volume or a film, not a picture")
    values = data.pixel_array
    if values.ndim == 3:
        return Image.fromarray(_eight_bits(values) if values.dtype != np.uint8 else values).convert("RGB")
    values = apply_modality_lut(values, data)
    windowed = "WindowCenter" in data or "VOILUTSequence" in data
    values = apply_voi_lut(values, data) if windowed else values
    grey = _eight_bits(values)
    if data.get("PhotometricInterpretation") == "MONOCHROME1":
        grey = 255 - grey
    return Image.fromarray(grey).convert("RGB")


def dicom_pixels(path: Path) -> int:
    """How many pixels the file says it has, before they are decoded; 0 where pydicom is not installed. Raises ValueError
    for a deflated file: what that unpacks to is not known before."""
    if not dicom_is_read():
        return 0
    import pydicom
    from pydicom.filereader import read_file_meta_info
    from pydicom.uid import DeflatedExplicitVRLittleEndian

    if read_file_meta_info(path).get("TransferSyntaxUID") == DeflatedExplicitVRLittleEndian:
        raise ValueError("a deflated DICOM file: save it in another transfer syntax")
    data = pydicom.dcmread(path, stop_before_pixels=True)
    return int(data.get("Rows", 0) or 0) * int(data.get("Columns", 0) or 0) * int(data.get("NumberOfFrames", 1) or 1)


def _eight_bits(values: np.ndarray) -> np.ndarray:
    values = values.astype(np.float64)
    low, high = np.percentile(values, (0.5, 99.5))
    if high <= low:
        low, high = values.min(), max(values.max(), values.min() + 1)
    return np.clip(np.rint((values - low) * (255 / (high - low))), 0, 255).astype(np.uint8)
