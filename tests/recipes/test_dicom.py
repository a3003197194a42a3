"""DICOM files become the picture that a viewer shows, or say what is wrong with them."""

from __future__ import annotations

import numpy as np
import pytest

from recipes.pixels import open_picture

pydicom = pytest.importorskip("pydicom")


def dicom(path, values, photometric="MONOCHROME2", **tags):
    """A DICOM file of 16-bit grey values."""
    from pydicom.dataset import FileDataset, FileMetaDataset
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage, generate_uid

    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = SecondaryCaptureImageStorage, generate_uid()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    data = FileDataset(str(path), {}, file_meta=meta, preamble=b"\0" * 128)
    data.SOPClassUID, data.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    data.Rows, data.Columns = values.shape[-2:]
    data.SamplesPerPixel, data.PhotometricInterpretation, data.PixelRepresentation = 1, photometric, 0
    data.BitsAllocated, data.BitsStored, data.HighBit = 16, 16, 15
    data.PixelData = values.astype("<u2").tobytes()
    for name, value in tags.items():
        setattr(data, name, value)
    data.save_as(path, enforce_file_format=True)
    return path


@pytest.fixture
def ramp():
    return np.tile(np.arange(40, dtype=np.uint16) * 100, (30, 1))


def test_values_are_stretched_over_what_the_picture_holds(tmp_path, ramp):
    picture = np.asarray(open_picture(dicom(tmp_path / "a.dcm", ramp)))
    assert picture.shape == (30, 40, 3)
    assert picture[0, 0, 0] == 0
    assert picture[0, -1, 0] == 255
    assert (np.diff(picture[0, :, 0].astype(int)) >= 0).all()


def test_the_window_of_the_file_is_kept_and_inverted_pictures_are_turned(tmp_path, ramp):
    windowed = np.asarray(open_picture(dicom(tmp_path / "a.dcm", ramp, WindowCenter=1000, WindowWidth=200)))
    assert (windowed[0, :9] == 0).all()
    assert (windowed[0, 12:] == 255).all()
    inverted = np.asarray(open_picture(dicom(tmp_path / "b.dcm", ramp, "MONOCHROME1")))
    assert inverted[0, 0, 0] == 255
    assert inverted[0, -1, 0] == 0


def test_what_is_no_picture_says_so(tmp_path, ramp):
    film = dicom(tmp_path / "a.dcm", np.stack([ramp, ramp]), NumberOfFrames=2)
    with pytest.raises(Exception, match="2 frames: a volume or a film"):
        open_picture(film)
    (tmp_path / "b.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"nonsense")
    with pytest.raises(Exception, match="broken"):
        open_picture(tmp_path / "b.dcm")
