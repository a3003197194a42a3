"""Archives of every kind come out whole or not at all, and nothing that is hostile comes out."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import random
import shutil
import signal
import stat
import struct
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import tracemalloc
import zipfile
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import py7zr
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from assistant import archive_rules, archives
from assistant.archive_kinds import named_like_archive, own_name
from assistant.archive_shelf import publish
from assistant.archives import ArchiveError, Limits, is_archive, unpack
from assistant.competition import CompetitionError
from assistant.inventory import take_stock
from recipes.errors import Stopped

PICTURES = {"1.jpg": b"one" * 50, "2.jpg": b"two" * 60}
INNER = {"train/a/1.jpg": b"one" * 50, "train/b/2.jpg": b"two" * 60}


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return out.getvalue()


def tarred(files: dict[str, bytes], packing: str = "") -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=f"w:{packing}") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


def sevened(files: dict[str, bytes], **options) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w", **options) as archive:
        for name, data in files.items():
            archive.writestr(data, name)
    return out.getvalue()


def stored_7z(files: dict[str, bytes]) -> bytes:
    return sevened(files, filters=[{"id": py7zr.FILTER_COPY}])


def written(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below a folder but the manifest."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".unpacked.json"
    }


def come_out(tmp_path: Path, name: str, data: bytes, **options) -> dict[str, bytes]:
    return files_in(unpack(written(tmp_path / name, data), tmp_path / "out", **options))


def refusal(tmp_path: Path, name: str, data: bytes, **options) -> str:
    """The words of the error; nothing but the source is there afterwards, and the source is as it was."""
    source = written(tmp_path / name, data)
    with pytest.raises(ArchiveError) as caught:
        unpack(source, tmp_path / "out", **options)
    assert os.listdir(tmp_path) == [name]
    assert source.read_bytes() == data
    text = str(caught.value)
    assert "\n" not in text
    assert ": " in text
    assert "; " in text
    return text


# every kind


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.zip", zipped(INNER)),
        ("x.zip", zipped(INNER, zipfile.ZIP_STORED)),
        ("x.zip", zipped(INNER, zipfile.ZIP_BZIP2)),
        ("x.zip", zipped(INNER, zipfile.ZIP_LZMA)),
        ("x.tar", tarred(INNER)),
        ("x.tar.gz", tarred(INNER, "gz")),
        ("x.tgz", tarred(INNER, "gz")),
        ("x.tar.bz2", tarred(INNER, "bz2")),
        ("x.tar.xz", tarred(INNER, "xz")),
        ("x.tar.gz", tarred(INNER)),
        ("x.7z", sevened(INNER)),
        ("x.zip", sevened(INNER)),
        ("x.7z", sevened(INNER, filters=[{"id": py7zr.FILTER_COPY}])),
        ("no_suffix", zipped(INNER)),
    ],
)
def test_every_kind_is_unpacked_by_its_content(tmp_path, name, data):
    assert come_out(tmp_path, name, data) == INNER
    assert is_archive(tmp_path / name)


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)])
def test_a_single_packed_file_comes_out_beside_its_archive(tmp_path, suffix, pack):
    table = b"id,label\n" + b"1,cat\n" * 1000
    assert come_out(tmp_path, f"train.csv.{suffix}", pack(table)) == {"train.csv": table}


def test_a_bundle_is_laid_out_as_a_reader_expects(tmp_path):
    bundle = {
        "train.zip": zipped({"train/1.jpg": b"a"}),
        "test_images.zip": zipped({"1.jpg": b"b"}),
        "train.csv.zip": zipped({"train.csv": b"id\n"}),
        "extra.csv.gz": gzip.compress(b"id\n"),
        "extra-jpg.tar.7z": sevened({"extra-jpg.tar": tarred({"extra-jpg/1.jpg": b"c"})}),
        "more.tar.7z": sevened({"more.tar": tarred({"1.jpg": b"d", "2.jpg": b"e"})}),
        "deep/old.tgz": tarred({"1.jpg": b"f"}, "gz"),
        "two.zip": zipped({"train2/1.jpg": b"g", "test2/1.jpg": b"h"}),
        "sample_submission.csv": b"id\n",
    }
    assert come_out(tmp_path, "competition.zip", zipped(bundle)) == {
        "train/1.jpg": b"a",
        "test_images/1.jpg": b"b",
        "train.csv": b"id\n",
        "extra.csv": b"id\n",
        "extra-jpg/1.jpg": b"c",
        "more/1.jpg": b"d",
        "more/2.jpg": b"e",
        "deep/old/1.jpg": b"f",
        "two/train2/1.jpg": b"g",
        "two/test2/1.jpg": b"h",
        "sample_submission.csv": b"id\n",
    }


@pytest.mark.parametrize(
    ("kind", "data"), [("zip", zipped(INNER)), ("7z", sevened(INNER)), ("tar.gz", tarred(INNER, "gz"))]
)
def test_an_archive_in_pieces_is_read_as_one(tmp_path, kind, data):
    third = len(data) // 3
    cuts = [data[:third], data[third : 2 * third], data[2 * third :]]
    for n, cut in enumerate(cuts, 1):
        written(tmp_path / "cut" / f"x.{kind}.{n:03}", cut)
    first = tmp_path / "cut" / f"x.{kind}.001"
    assert files_in(unpack(first, tmp_path / "out")) == INNER
    assert files_in(unpack(tmp_path / "cut" / f"x.{kind}.002", tmp_path / "out2")) == INNER
    assert is_archive(tmp_path / "cut" / f"x.{kind}.003")
    assert files_in(unpack(tmp_path / "cut", tmp_path / "out3")) == INNER
    bundle = zipped({f"x.{kind}.{n:03}": cut for n, cut in enumerate(cuts, 1)}, zipfile.ZIP_STORED)
    assert files_in(unpack(written(tmp_path / "b.zip", bundle), tmp_path / "out4")) == INNER
    (tmp_path / "cut" / f"x.{kind}.002").unlink()
    with pytest.raises(ArchiveError, match=rf"x\.{kind}\.001, its piece 2 is missing; download"):
        unpack(first, tmp_path / "out5")
    first.unlink()
    with pytest.raises(ArchiveError, match=rf"x\.{kind}\.003, its first piece x\.{kind}\.001 is missing"):
        unpack(tmp_path / "cut" / f"x.{kind}.003", tmp_path / "out5")
    assert not (tmp_path / "out5").exists()


@pytest.mark.skipif(shutil.which("zip") is None, reason="needs the program zip")
def test_a_split_zip_is_read_as_one(tmp_path):
    files = {f"train/{n}.jpg": random.Random(n).randbytes(40_000) for n in range(5)}
    for name, data in files.items():
        written(tmp_path / "made" / name, data)
    subprocess.run(["zip", "-q", "-r", "-s", "64k", "../x.zip", "train"], cwd=tmp_path / "made", check=True)
    assert len(list(tmp_path.glob("x.z*"))) == 4
    assert files_in(unpack(tmp_path / "x.zip", tmp_path / "out")) == files
    assert files_in(unpack(tmp_path / "x.z02", tmp_path / "out2")) == files
    (tmp_path / "x.z02").unlink()
    with pytest.raises(ArchiveError, match=r"x\.zip, its piece 2 is missing"):
        unpack(tmp_path / "x.zip", tmp_path / "out3")


def test_zip64_is_read(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive, archive.open("train/1.jpg", "w", force_zip64=True) as member:
        member.write(b"one")
    assert come_out(tmp_path, "x.zip", out.getvalue()) == {"train/1.jpg": b"one"}


def test_large_files_of_windows_are_read(tmp_path):
    from inflate64 import Deflater

    data = b"id,label\n" * 5000
    deflater = Deflater()
    packed = deflater.deflate(data) + deflater.flush()
    archive = bytearray(zipped({"a.csv": packed}, zipfile.ZIP_STORED))
    central = archive.rindex(b"PK\x01\x02")
    for at, offset in ((0, 8), (central, 10)):
        struct.pack_into("<H", archive, at + offset, 9)
        struct.pack_into("<L", archive, at + offset + 6, zlib.crc32(data))
        struct.pack_into("<L", archive, at + offset + 14, len(data))
    assert come_out(tmp_path, "a.csv.zip", bytes(archive)) == {"a.csv": data}


def test_files_that_only_are_zips_inside_stay_as_they_are(tmp_path):
    inside = {name: zipped({"a": b"b"}) for name in ("a.docx", "b.npz", "c.apk")}
    inside |= {"scan.nii.gz": gzip.compress(b"volume"), "d.001.jpg": b"picture", "e.002": b"frame"}
    assert come_out(tmp_path, "x.zip", zipped(inside)) == inside


@pytest.mark.parametrize("make", [zipped, tarred, sevened])
def test_junk_is_left_out(tmp_path, make):
    junk = ["__MACOSX/train/._1.jpg", "train/.DS_Store", "Thumbs.db", "a/desktop.ini", "._x", "t.torrent"]
    junk += ["train/.ipynb_checkpoints/1.jpg", ".unpacked.json"]
    assert come_out(tmp_path, "x", make(INNER | dict.fromkeys(junk, b"junk"))) == INNER
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".unpacked.json", "train"]


def test_an_archive_of_junk_leaves_nothing(tmp_path):
    bundle = {"mac.zip": zipped({"__MACOSX/._1.jpg": b"junk"}), "a.csv": b"id"}
    assert come_out(tmp_path, "x.zip", zipped(bundle)) == {"a.csv": b"id"}
    assert not (tmp_path / "out/mac").exists()


def test_names_are_read_in_their_encoding(tmp_path):
    data = zipped({"flag-ä.jpg": b"1", "xxx.jpg": b"2", "yyyy.jpg": b"3"})
    data = data.replace(b"xxx.jpg", "\u00e9x.jpg".encode()).replace(b"yyyy.jpg", b"yyy\x81.jpg")
    assert come_out(tmp_path, "x.zip", data) == {"flag-ä.jpg": b"1", "éx.jpg": b"2", "yyyü.jpg": b"3"}


def test_names_of_a_tar_are_text(tmp_path):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", encoding="latin-1", format=tarfile.GNU_FORMAT) as archive:
        archive.addfile(tarfile.TarInfo("Größe.csv"), io.BytesIO())
    assert come_out(tmp_path, "x.tar", out.getvalue()) == {"Größe.csv": b""}


def test_windows_separators_make_folders(tmp_path):
    data = (
        zipped({"train/a/1.jpg": b"1", "train/b/": b""}).replace(b"train/a/", b"train\\a\\").replace(b"n/b/", b"n\\b\\")
    )
    assert come_out(tmp_path, "x.zip", data) == {"train/a/1.jpg": b"1"}
    assert (tmp_path / "out/train/b").is_dir()


def test_modes_of_the_archive_are_not_applied(tmp_path):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        member = zipfile.ZipInfo("run.sh")
        member.external_attr = 0o104777 << 16
        archive.writestr(member, b"#!")
    umask = os.umask(0o022)
    try:
        come_out(tmp_path, "x.zip", out.getvalue())
    finally:
        os.umask(umask)
    assert stat.S_IMODE((tmp_path / "out/run.sh").stat().st_mode) == 0o644


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("train.zip", "train"),
        ("a.tar.7z", "a"),
        ("a.tar.gz", "a"),
        ("A.TGZ", "A"),
        ("a.b.zip.001", "a.b"),
        (".zip", ".zip"),
        ("x", "x"),
    ],
)
def test_an_archive_names_its_folder(name, stem):
    assert own_name(name) == stem


# two archives, one place


def test_archives_of_one_folder_are_merged_where_no_file_collides(tmp_path):
    bundle = {"a.zip": zipped({"train/1.jpg": b"1"}), "b.zip": zipped({"train/2.jpg": b"2", "train/1.jpg": b"1"})}
    assert come_out(tmp_path, "x.zip", zipped(bundle)) == {"train/1.jpg": b"1", "train/2.jpg": b"2"}


def test_archives_whose_names_say_train_and_test_keep_what_they_hold_apart(tmp_path):
    packed = {"train.zip": zipped({"images/1.jpg": b"one"}), "test.zip": zipped({"images/1.jpg": b"two"})}
    found = come_out(tmp_path, "x.zip", zipped({**packed, "more.zip": zipped({"images/2.jpg": b"three"})}))
    assert found == {"train/images/1.jpg": b"one", "test/images/1.jpg": b"two", "images/2.jpg": b"three"}


def test_archives_that_disagree_about_a_file_are_refused(tmp_path):
    bundle = {"a.zip": zipped({"train/1.jpg": b"1"}), "b.zip": zipped({"train/1.jpg": b"2"})}
    assert "b.zip holds another '1.jpg' than what lies in 'train'" in refusal(tmp_path, "x.zip", zipped(bundle))


# a folder as the source


def test_a_folder_of_archives_is_unpacked_and_stays_as_it_is(tmp_path):
    source = tmp_path / "source"
    held = {
        "train.zip": zipped({"train/1.jpg": b"1"}),
        "sub/test.7z": sevened({"1.jpg": b"2"}),
        "labels.csv": b"id\n",
        ".DS_Store": b"junk",
    }
    for name, data in held.items():
        written(source / name, data)
    out = unpack(source, source / "out")
    assert files_in(out) == {"train/1.jpg": b"1", "sub/test/1.jpg": b"2", "labels.csv": b"id\n"}
    assert (out / "labels.csv").stat().st_ino == (source / "labels.csv").stat().st_ino
    shutil.rmtree(out)
    assert files_in(source) == held


def test_files_are_copied_where_the_disk_has_no_hard_links(tmp_path, monkeypatch):
    def refuse(*names, **options):
        raise OSError(errno.EXDEV, "another disk")

    monkeypatch.setattr(os, "link", refuse)
    source = written(tmp_path / "source/labels.csv", b"id\n")
    written(tmp_path / "source/a.zip", zipped(PICTURES))
    out = unpack(source.parent, tmp_path / "out")
    assert (out / "labels.csv").read_bytes() == b"id\n"
    assert (out / "labels.csv").stat().st_ino != source.stat().st_ino


def test_links_in_a_folder_are_followed_but_not_in_circles(tmp_path):
    written(tmp_path / "real/1.jpg", b"1")
    written(tmp_path / "source/a.zip", zipped(PICTURES))
    (tmp_path / "source/real").symlink_to(tmp_path / "real")
    (tmp_path / "source/label.csv").symlink_to(written(tmp_path / "l.csv", b"id"))
    (tmp_path / "source/round").symlink_to(tmp_path / "source")
    out = unpack(tmp_path / "source", tmp_path / "out")
    assert sorted(files_in(out)) == ["a/1.jpg", "a/2.jpg", "label.csv", "real/1.jpg"]
    assert not any(path.is_symlink() for path in out.rglob("*"))


def test_a_folder_is_not_unpacked_into_itself(tmp_path):
    written(tmp_path / "a.zip", zipped(PICTURES))
    with pytest.raises(ArchiveError, match="is the source itself; choose another folder"):
        unpack(tmp_path, tmp_path)


# again, and after a death


def test_a_second_call_does_nothing(tmp_path, monkeypatch):
    source = written(tmp_path / "x.zip", zipped(INNER))
    out = unpack(source, tmp_path / "out")
    monkeypatch.setattr(archives, "_Unpacking", None)
    assert unpack(source, out) == out
    assert files_in(out) == INNER


def test_what_is_missing_or_changed_is_unpacked_again(tmp_path):
    source = written(tmp_path / "x.zip", zipped(INNER | {"a.csv": b"old"}))
    out = unpack(source, tmp_path / "out")
    written(out / "page.json", b"{}")
    shutil.rmtree(out / "train")
    assert files_in(unpack(source, out)) == INNER | {"a.csv": b"old", "page.json": b"{}"}
    written(source, zipped({"b.csv": b"new"}))
    assert files_in(unpack(source, out)) == {"b.csv": b"new", "page.json": b"{}"}


def test_a_second_archive_joins_the_first(tmp_path):
    unpack(written(tmp_path / "train.zip", zipped({"train/1.jpg": b"1"})), tmp_path / "out")
    unpack(written(tmp_path / "more.zip", zipped({"train/2.jpg": b"2"})), tmp_path / "out")
    assert files_in(tmp_path / "out") == {"train/1.jpg": b"1", "train/2.jpg": b"2"}
    written(tmp_path / "train.zip", zipped({"train/1.jpg": b"newer"}))
    with pytest.raises(ArchiveError, match="holds an older one, mixed with other archives; remove that folder"):
        unpack(tmp_path / "train.zip", tmp_path / "out")


def test_a_file_in_the_way_is_not_overwritten(tmp_path):
    source = written(tmp_path / "x.zip", zipped({"a.csv": b"a", "b.csv": b"b"}))
    written(tmp_path / "out/b.csv", b"mine")
    with pytest.raises(ArchiveError, match=r"b\.csv is in the way; remove it"):
        unpack(source, tmp_path / "out")
    assert files_in(tmp_path / "out") == {"b.csv": b"mine"}
    assert sorted(os.listdir(tmp_path)) == ["out", "x.zip"]


def test_a_killed_unpacking_leaves_nothing_that_counts(tmp_path):
    source = written(tmp_path / "x.zip", zipped({f"{n}.jpg": b"x" * 100 for n in range(2000)}))
    program = f"""
        import os, signal, time
        from pathlib import Path
        from assistant.archives import unpack
        calls = iter(range(10**9))

        def report(progress):  # dies at the second call, which is due at once after such a first one
            os.kill(os.getpid(), signal.SIGKILL) if next(calls) else time.sleep(0.2)

        unpack(Path({str(source)!r}), Path({str(tmp_path / "out")!r}), report=report)
    """
    slowed = textwrap.dedent(program).replace("calls =", "import assistant.archive_rules as r; r.MIB = 1; calls =")
    died = subprocess.run([sys.executable, "-c", slowed], cwd=Path(archives.__file__).parents[1])
    assert died.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()
    assert (tmp_path / ".out.unpacking").exists()
    assert len(files_in(unpack(source, tmp_path / "out"))) == 2000
    assert sorted(os.listdir(tmp_path)) == ["out", "x.zip"]


def test_a_kill_while_moving_into_a_folder_is_made_good(tmp_path, monkeypatch):
    source = written(tmp_path / "x.zip", zipped({"a.csv": b"a", "b.csv": b"b"}))
    written(tmp_path / "out/page.json", b"{}")
    real, moved = os.rename, []

    def dies(path, to):
        if moved:
            raise KeyboardInterrupt
        moved.append(to)
        real(path, to)

    monkeypatch.setattr(os, "rename", dies)
    with pytest.raises(KeyboardInterrupt):
        unpack(source, tmp_path / "out")
    monkeypatch.undo()
    assert len(files_in(tmp_path / "out")) == 2
    assert files_in(unpack(source, tmp_path / "out")) == {"a.csv": b"a", "b.csv": b"b", "page.json": b"{}"}


def test_two_at_once_unpack_it_once(tmp_path, monkeypatch):
    source = written(tmp_path / "x.zip", zipped({f"{n}.jpg": b"x" for n in range(500)}))
    published = []
    monkeypatch.setattr(archives, "publish", lambda *args: (published.append(args), publish(*args)))
    with ThreadPoolExecutor(2) as pool:
        calls = [pool.submit(unpack, source, tmp_path / "out") for _ in range(2)]
        assert [call.result() for call in calls] == [tmp_path / "out"] * 2
    assert len(files_in(tmp_path / "out")) == 500
    assert len(published) == 1
    assert sorted(os.listdir(tmp_path)) == ["out", "x.zip"]


def test_waiting_for_another_can_be_stopped(tmp_path):
    source = written(tmp_path / "x.zip", zipped(INNER))
    with FileLock(tmp_path / ".out.lock"), pytest.raises(Stopped):
        unpack(source, tmp_path / "out", should_stop=lambda: True)


# stop, progress, memory, room


@pytest.mark.parametrize("make", [zipped, tarred, stored_7z])
def test_a_stop_leaves_nothing(tmp_path, make):
    source = written(tmp_path / "x", make({f"{n}.bin": random.Random(n).randbytes(1 << 20) for n in range(5)}))
    asked = []

    def on_the_third_time() -> bool:
        asked.append(1)
        return len(asked) == 3

    with pytest.raises(Stopped):
        unpack(source, tmp_path / "out", should_stop=on_the_third_time)
    assert os.listdir(tmp_path) == ["x"]


def test_progress_grows_to_the_whole(tmp_path, monkeypatch):
    heard = []
    inner = zipped({f"{n}.bin": random.Random(n).randbytes(1 << 19) for n in range(4)})
    source = written(tmp_path / "x.zip", zipped({"train.zip": inner}, zipfile.ZIP_STORED))
    unpack(source, tmp_path / "out", report=heard.append)
    assert heard[-1].done_bytes == heard[-1].total_bytes == source.stat().st_size + len(inner)
    assert [progress.done_bytes for progress in heard] == sorted(progress.done_bytes for progress in heard)
    assert all(progress.done_bytes <= progress.total_bytes for progress in heard)
    assert heard[-1].seconds_left == 0


def test_what_the_callers_function_raises_is_not_blamed_on_the_archive(tmp_path):
    def fails(progress):
        raise LookupError("of the page")

    with pytest.raises(LookupError, match="of the page"):
        unpack(written(tmp_path / "x.zip", zipped(INNER)), tmp_path / "out", report=fails)
    assert os.listdir(tmp_path) == ["x.zip"]


@pytest.mark.parametrize("pack", ["zip", "tar.gz", "gz", "7z"])
def test_memory_does_not_grow_with_a_member(tmp_path, pack):
    noise = random.Random(0).randbytes(24 << 20)
    data = gzip.compress(noise, 1) if pack == "gz" else MAKERS[pack]({"a.bin": noise})
    source = written(tmp_path / f"x.{pack}", data)
    del data
    tracemalloc.start()
    try:
        unpack(source, tmp_path / "out")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 20_000_000


def test_too_little_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(archive_rules.shutil, "disk_usage", lambda place: shutil._ntuple_diskusage(10**9, 0, 10**8))
    text = refusal(tmp_path, "x.zip", zipped(INNER))
    assert text.startswith("the disk is full: x.zip needs 0.00 GB, 0.10 GB are free; free some space")


def test_a_disk_that_fills_up_leaves_nothing(tmp_path, monkeypatch):
    def full(file, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(archive_rules, "_put", full)
    assert refusal(tmp_path, "x.zip", zipped(INNER)).startswith("the disk is full: x.zip does not fit; free some")


# broken ones


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.zip", zipped(INNER)),
        ("x.tar", tarred({"a.bin": bytes(range(256)) * 400})),
        ("x.tar.gz", tarred(INNER, "gz")),
        ("x.tar.xz", tarred(INNER, "xz")),
        ("x.csv.gz", gzip.compress(bytes(range(256)))),
        ("x.7z", sevened(INNER)),
    ],
)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.9])
def test_a_truncated_archive_is_told_in_one_line(tmp_path, name, data, part):
    assert f"an archive is broken: {name}, " in refusal(tmp_path, name, data[: int(len(data) * part)])


@pytest.mark.parametrize(
    ("data", "at"),
    [
        (zipped({"1.jpg": bytes(range(256))}, zipfile.ZIP_STORED), 100),
        (zipped({"1.jpg": bytes(range(256))}), 100),
        (sevened({"1.jpg": bytes(range(256))}, filters=[{"id": py7zr.FILTER_COPY}]), 100),
        (gzip.compress(bytes(range(256)), mtime=0), 100),
    ],
)
def test_a_flipped_byte_is_found_by_the_checksum(tmp_path, data, at):
    flipped = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
    assert "an archive is broken: x.zip, " in refusal(tmp_path, "x.zip", flipped)


@pytest.mark.parametrize(("data", "words"), [(b"", "it is empty"), (b"<html>sign in</html>", "it is no archive")])
def test_a_file_that_is_no_archive_is_told(tmp_path, data, words):
    assert refusal(tmp_path, "x.zip", data) == f"an archive is broken: x.zip, {words}; download it again"
    bundle = zipped({"a.jpg": b"1", "train.zip": data})
    assert refusal(tmp_path / "b", "b.zip", bundle) == f"an archive is broken: train.zip, {words}; download it again"
    assert not is_archive(tmp_path / "x.zip")


def test_an_archive_without_files_is_told(tmp_path):
    assert "x.zip, it holds no files" in refusal(tmp_path, "x.zip", zipped({}))
    with pytest.raises(CompetitionError, match=r"there is no .*/y\.zip; check"):
        unpack(tmp_path / "y.zip", tmp_path / "out")


def test_kinds_that_are_not_read_are_told(tmp_path):
    assert "x.rar, a .rar; unpack it by hand, or pack it as zip" in refusal(tmp_path, "x.rar", b"Rar!\x1a\x07\x00more")


# hostile ones

NAMES = {
    "../x": "climbs out",
    "a/../../x": "climbs out",
    "..\\x": "climbs out",
    "a\\..\\..\\x": "climbs out",
    "/etc/x": "absolute path",
    "\\\\server\\share\\x": "absolute path",
    "C:\\x": "absolute path",
    "c:x": "absolute path",
    "a\x01b": "control characters",
    "a\nb": "control characters",
    "CON": "reserved on Windows",
    "a/nul.txt": "reserved on Windows",
    "a" * 256: "too long",
    "a/" * 1500 + "b": "too long",
}


def named(name: str) -> zipfile.ZipInfo:
    member = zipfile.ZipInfo("x")
    member.filename = name
    return member


def hostile_zip(*names: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name in names:
            archive.writestr(named(name), b"evil")
    return out.getvalue()


def hostile_7z(*names: str) -> bytes:
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w") as archive:
        for name in names:
            archive._writestr(b"evil", name)
    return out.getvalue()


@pytest.mark.parametrize(
    "make", [hostile_zip, lambda name: tarred({name: b"evil"}), hostile_7z], ids=["zip", "tar", "7z"]
)
@pytest.mark.parametrize(("name", "words"), NAMES.items())
def test_a_name_that_could_do_harm_is_refused(tmp_path, make, name, words):
    text = refusal(tmp_path, "x.zip", make(name))
    assert text.startswith("an archive is refused: x.zip holds a")
    assert words in text


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (("a.jpg", "a.jpg"), "two members of one name"),
        (("a.jpg", "A.JPG"), "two members of one name"),
        (("\u00e9.jpg", "e\u0301.jpg"), "two members of one name"),
        (("a.jpg", "a.jpg. "), "two members of one name"),
        (("Train/1.jpg", "train/2.jpg"), "two folders of one name"),
        (("a", "a/b"), "both as a file and as a folder"),
        (("a/b", "a"), "both as a file and as a folder"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_names_that_collide_are_refused(tmp_path, names, words):
    assert words in refusal(tmp_path, "x.zip", hostile_zip(*names))


def test_a_name_with_a_nul_is_refused(tmp_path):
    data = zipped({"a-b.jpg": b"1"}).replace(b"a-b.jpg", b"a\x00b.jpg")
    assert "control characters" in refusal(tmp_path, "x.zip", data)


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.FIFOTYPE, "a device or a pipe"),
        (tarfile.CHRTYPE, "a device or a pipe"),
        (b"Z", "a member of unknown kind"),
    ],
)
def test_what_is_neither_file_nor_folder_is_refused_in_a_tar(tmp_path, kind, words):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("fine.jpg"), io.BytesIO())
        member = tarfile.TarInfo("x")
        member.type, member.linkname = kind, "/etc/passwd"
        archive.addfile(member)
    assert f"holds {words}, 'x'" in refusal(tmp_path, "x.tar", out.getvalue())


@pytest.mark.parametrize(("mode", "words"), [(stat.S_IFLNK, "a symbolic link"), (stat.S_IFIFO, "a device, a pipe")])
def test_what_is_neither_file_nor_folder_is_refused_in_a_zip(tmp_path, mode, words):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        member = zipfile.ZipInfo("x")
        member.external_attr = (mode | 0o777) << 16
        archive.writestr(member, "/etc/passwd")
    assert f"holds {words}" in refusal(tmp_path, "x.zip", out.getvalue())


def test_a_link_in_a_7z_is_refused(tmp_path):
    made = tmp_path / "made"
    made.mkdir()
    (made / "x").symlink_to("y")
    written(made / "y", b"1")
    out = io.BytesIO()
    with py7zr.SevenZipFile(out, "w") as archive:
        archive.writeall(made, "made")
    shutil.rmtree(made)
    assert "holds a symbolic link, 'made/x'" in refusal(tmp_path, "x.7z", out.getvalue())


def test_encrypted_archives_are_refused(tmp_path):
    data = bytearray(zipped(PICTURES))
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(signature) + offset] |= 1
    assert "is encrypted, '1.jpg' needs a password" in refusal(tmp_path, "x.zip", bytes(data))


@pytest.mark.parametrize("header", [False, True])
def test_encrypted_7z_are_refused(tmp_path, header):
    data = sevened(PICTURES, password="secret", header_encryption=header)
    assert "x.7z is encrypted and needs a password" in refusal(tmp_path, "x.7z", data)


@pytest.mark.parametrize("outermost", ["folder", "zip"])
def test_an_archive_that_needs_a_password_keeps_no_other_from_being_unpacked(tmp_path, outermost):
    """As a competition's second test set, whose password came later."""
    held = {"train.zip": zipped(PICTURES), "test_stg2.7z": sevened(PICTURES, password="secret", header_encryption=True)}
    source = tmp_path / "fishes"
    if outermost == "folder":
        for name, data in held.items():
            written(source / name, data)
    else:
        source = written(tmp_path / "fishes.zip", zipped(held))
    out = unpack(source, tmp_path / "out")
    found = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file() and path.name[0] != "."}
    assert found == {f"train/{name}" for name in PICTURES} | {"test_stg2.7z.encrypted"}
    assert (out / "test_stg2.7z.encrypted").read_bytes() == held["test_stg2.7z"]
    assert take_stock(out).notes == ["not unpacked, since a password is needed: test_stg2.7z"]
    only = written(tmp_path / "only" / "test_stg2.7z", held["test_stg2.7z"]).parent
    with pytest.raises(ArchiveError, match="needs a password"):
        unpack(only, tmp_path / "nothing")
    assert not (tmp_path / "nothing").exists()


ZEROS = {"zeros.bin": bytes(3_000_000)}


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("x.zip", zipped(ZEROS)),
        ("x.7z", sevened(ZEROS)),
        ("x.tar.gz", tarred(ZEROS, "gz")),
        ("x.csv.gz", gzip.compress(bytes(3_000_000))),
        ("x.csv.xz", lzma.compress(bytes(3_000_000))),
        ("x.zip", zipped({"y.zip": zipped(ZEROS)})),
    ],
)
def test_bombs_are_refused(tmp_path, name, data):
    text = refusal(tmp_path, name, data, limits=Limits(ratio=20, ratio_from=1_000_000))
    assert "grows more than 20-fold when unpacked; get it from a source you trust" in text
    assert "unpacks to more than 0.001 GB" in refusal(tmp_path, name, data, limits=Limits(total=1_000_000))


def test_a_blank_table_is_no_bomb(tmp_path):
    assert come_out(tmp_path, "x.csv.gz", gzip.compress(bytes(3_000_000))) == {"x.csv": bytes(3_000_000)}


def test_a_bomb_of_many_levels_is_refused(tmp_path):
    data = zipped({"1.jpg": b"1"})
    for level in range(4):
        data = zipped({f"{level}.zip": data})
    assert "0.zip lies 5 archives deep, and 4 are the most" in refusal(tmp_path, "x.zip", data)


@pytest.mark.parametrize("make", [zipped, tarred, sevened])
def test_too_many_members_are_refused(tmp_path, make):
    data = make({f"{n}.jpg": b"" for n in range(20)})
    assert "holds more than 10 files" in refusal(tmp_path, "x", data, limits=Limits(members=10))


def test_members_that_overlap_are_refused(tmp_path):
    data = bytearray(zipped({"a.jpg": b"1" * 99, "b.jpg": b"1" * 99}))
    second = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    struct.pack_into("<L", data, second + 42, 0)
    assert "holds members that overlap" in refusal(tmp_path, "x.zip", bytes(data))


def test_a_member_that_quotes_the_next_one_is_refused(tmp_path):
    data = bytearray(zipped({"a.jpg": b"1" * 99, "b.jpg": b"1" * 99}, zipfile.ZIP_STORED))
    central = data.index(b"PK\x01\x02")
    struct.pack_into("<LL", data, central + 20, 240, 240)
    assert "holds members that overlap" in refusal(tmp_path, "x.zip", bytes(data))


@pytest.mark.parametrize("declared", [10, 200])
def test_a_member_whose_size_is_not_what_it_says_is_refused(tmp_path, declared):
    data = bytearray(zipped({"a.jpg": bytes(100)}))
    struct.pack_into("<L", data, data.index(b"PK\x01\x02") + 24, declared)
    text = refusal(tmp_path, "x.zip", bytes(data))
    assert "'a.jpg', which is larger than it says" in text if declared == 10 else "'a.jpg' is damaged" in text


def test_a_tar_with_an_endless_header_is_refused(tmp_path):
    header = tarfile.TarInfo("x")
    header.type, header.size = tarfile.XHDTYPE, 1 << 40
    data = gzip.compress(header.tobuf() + bytes(1 << 16))
    assert "an archive is broken: x.tar.gz" in refusal(tmp_path, "x.tar.gz", data)


# whatever comes

PARTS = st.text(
    st.characters(codec="utf-8", exclude_categories=("C", "Z"), exclude_characters='/\\<>:"|?*'), min_size=1, max_size=8
)
TREES = st.dictionaries(
    st.lists(PARTS, min_size=1, max_size=3).map("/".join), st.binary(max_size=200), min_size=1, max_size=5
)
MAKERS = {"zip": zipped, "tar": tarred, "tar.gz": lambda files: tarred(files, "gz"), "7z": stored_7z}


def outcome(data: bytes) -> dict[str, bytes] | str:
    """What came out of an archive, or the words of its error, after which nothing is there."""
    with tempfile.TemporaryDirectory() as folder:
        source = written(Path(folder) / "x", data)
        try:
            return files_in(unpack(source, Path(folder) / "out", limits=Limits(ratio_from=1_000_000)))
        except ArchiveError as error:
            assert os.listdir(folder) == ["x"]
            return str(error)


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(TREES, st.sampled_from(sorted(MAKERS)))
@example({"a/b": b"1", "a/c": b""}, "7z")
def test_any_tree_comes_back_or_is_refused_for_its_names(files, kind):
    came = outcome(MAKERS[kind](files))
    if isinstance(came, str) and not any(named_like_archive(name) for name in files):
        assert any(words in came for words in ("one name", "climbs", "reserved", "both as", "no files", "too long")), (
            came
        )
    elif not isinstance(came, str):
        assert came == {
            path: data
            for name, data in files.items()
            if (path := "/".join(part for part in name.split("/") if part != "."))
            and not any(archive_rules.is_junk(part) for part in path.split("/"))
        }


SOUND = {
    "zip": zipped(INNER),
    "stored": zipped(INNER, zipfile.ZIP_STORED),
    "tar": tarred(INNER),
    "tar.gz": tarred(INNER, "gz"),
    "tar.xz": tarred(INNER, "xz"),
    "7z": sevened(INNER),
    "gz": gzip.compress(b"id,label\n" * 20, mtime=0),
}


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.sampled_from(sorted(SOUND)), st.data())
def test_a_damaged_archive_gives_the_right_files_or_an_error(kind, data):
    sound = SOUND[kind]
    at = data.draw(st.integers(0, len(sound) - 1))
    if data.draw(st.booleans()):
        damaged = sound[:at]
    else:
        damaged = sound[:at] + bytes([sound[at] ^ data.draw(st.integers(1, 255))]) + sound[at + 1 :]
    came = outcome(damaged)
    if isinstance(came, str):
        assert "x" in came
    elif kind != "tar":  # a tar has no checksum of what it holds
        assert came == (INNER if kind != "gz" else {"x": b"id,label\n" * 20})


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from([b"PK\x03\x04", b"7z\xbc\xaf\x27\x1c", b"\x1f\x8b\x08", b"BZh91AY&SY", b"\xfd7zXZ\x00", b""]),
    st.binary(max_size=600),
)
def test_any_bytes_give_files_or_an_error(magic, rest):
    outcome(magic + rest)
