"""What a browser may send to the page."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import requests
from PIL import Image

pytest.importorskip("gradio")

from assistant.ui import predict, uploads
from assistant.ui.uploads import held

ROOT = Path(__file__).parent.parent
SMALL = """
import sys
from assistant.ui import serving, uploads
uploads.AT_ONCE, uploads.WORDS, uploads.ROOM = 300_000, 50_000, 700_000
serving.launch(port=int(sys.argv[1]))
"""


@pytest.fixture
def page(tmp_path):
    """The address of a real page, whose limits are small."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"GRADIO_TEMP_DIR": str(tmp_path / "kept"), "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", SMALL, str(port)], env=environment, cwd=tmp_path, stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert "Recipe Assistant: " in process.stdout.readline()
        yield f"http://127.0.0.1:{port}/gradio_api"
    finally:
        process.terminate()
        process.wait(20)


def send(page: str, *sizes: int) -> requests.Response:
    files = [("files", (f"{number}.jpg", os.urandom(size))) for number, size in enumerate(sizes)]
    return requests.post(f"{page}/upload", files=files, timeout=20)


def kept(tmp_path: Path) -> int:
    return sum(path.stat().st_size for path in (tmp_path / "kept").rglob("*") if path.is_file())


def test_a_request_and_all_files_together_have_limits_and_one_clear_line(page, tmp_path):
    assert send(page, 100_000, 100_000).status_code == 200
    refused = send(page, 100_000, 100_000, 200_000)
    assert refused.status_code == 413
    assert refused.text.startswith("too much at once: more than")
    assert kept(tmp_path) == 200_000

    without_length = requests.post(f"{page}/queue/join", data=iter([b"x" * 20_000] * 4), timeout=20)
    assert without_length.status_code == 413
    assert requests.post(f"{page}/queue/join", data=b"x" * 60_000, timeout=20).status_code == 413

    assert send(page, 200_000).status_code == 200
    assert send(page, 200_000).status_code == 200
    full = send(page, 200_000)
    assert full.status_code == 413
    assert "try again in ten minutes" in full.text
    for path in (tmp_path / "kept").rglob("*.jpg"):
        os.utime(path, (time.time() - 700,) * 2)
    assert send(page, 200_000).status_code == 200  # some of what nobody asked about in time has gone
    assert kept(tmp_path) == 600_000


def test_only_pictures_are_removed_to_make_room(tmp_path, monkeypatch):
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(tmp_path))
    monkeypatch.setattr(uploads, "ROOM", 1000)
    monkeypatch.setattr(uploads, "AT_ONCE", 500)
    for name in ("old.png", "new.png", "submission.csv"):
        (tmp_path / name).write_bytes(bytes(300))
    for name in ("old.png", "submission.csv"):
        os.utime(tmp_path / name, (1, 1))
    assert held() == 600
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.png", "submission.csv"]


def test_other_files_under_a_pictures_name_are_not_opened(tmp_path):
    (tmp_path / "a.jpg").write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n")
    assert Image.open(tmp_path / "a.jpg").format == "EPS"  # whose reader starts Ghostscript
    with pytest.raises(ValueError, match="not a picture, or a broken one; JPEG, PNG"):
        predict._opened(tmp_path / "a.jpg", 32)
    (tmp_path / "empty.png").touch()
    with pytest.raises(ValueError, match="empty file"):
        predict._opened(tmp_path / "empty.png", 32)


@pytest.mark.parametrize("side", [8_000, 20_000])
def test_a_small_file_with_a_huge_picture_is_refused_before_it_is_decoded(tmp_path, side):
    Image.new("1", (side, side)).save(tmp_path / "bomb.png")
    assert (tmp_path / "bomb.png").stat().st_size < 100_000
    with pytest.raises(ValueError, match="more than 60 million pixels; make it smaller"):
        predict._opened(tmp_path / "bomb.png", 32)


def test_dicom_files_are_measured_by_their_header_and_deflated_ones_refused(tmp_path):
    pydicom = pytest.importorskip("pydicom")
    from pydicom.dataset import FileMetaDataset
    from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRLittleEndian

    def saved(name: str, syntax: str, **fields) -> Path:
        data = pydicom.Dataset()
        data.file_meta = FileMetaDataset()
        data.file_meta.TransferSyntaxUID = syntax
        data.file_meta.MediaStorageSOPClassUID = data.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
        data.file_meta.MediaStorageSOPInstanceUID = data.SOPInstanceUID = "1.2.3"
        data.PhotometricInterpretation, data.SamplesPerPixel = "MONOCHROME2", 1
        data.BitsAllocated = data.BitsStored = 8
        data.HighBit, data.PixelRepresentation, data.Rows, data.Columns = 7, 0, 4, 4
        data.PixelData = np.arange(16, dtype=np.uint8).tobytes()
        for field, value in fields.items():
            setattr(data, field, value)
        data.save_as(tmp_path / name, enforce_file_format=True)
        return tmp_path / name

    assert predict._opened(saved("whole.dcm", ExplicitVRLittleEndian), 32).size == (4, 4)
    with pytest.raises(ValueError, match="more than 60 million pixels"):
        predict._opened(saved("wide.dcm", ExplicitVRLittleEndian, Rows=9000, Columns=9000), 32)
    with pytest.raises(ValueError, match="deflated DICOM"):
        predict._opened(saved("deflated.dcm", DeflatedExplicitVRLittleEndian), 32)


def test_the_page_slows_its_clocks_before_any_script_of_its_own_runs(page):
    root = page.removesuffix("/gradio_api")
    answer = requests.get(root, timeout=20)
    assert answer.text.split("<head>")[1].startswith("<script>{\n  const next = window.requestAnimationFrame")
    assert answer.text.rstrip().endswith("</html>"), "cut off: the answer is longer than what was told"
    assert requests.get(f"{root}/config", timeout=20).json()["title"] == "Recipe Assistant"
