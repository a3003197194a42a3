"""Arrays on disk that are computed once."""

import errno
import json
import os
import shutil
import subprocess
import sys
import textwrap
import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from recipes.errors import Stopped, StorageError
from recipes.store import StoredArray, atomic_write, default_cache, digest, writable_folder

ROWS = 20


class Maker:
    """Fills row i with i, and remembers what it was asked for."""

    def __init__(self):
        self.asked, self.told = [], []

    def __call__(self, out, first, last):
        self.asked.append((first, last))
        out[first:last] = np.arange(first, last)[:, None]
        return {str(row): f"row {row}" for row in range(first, last)}

    def build(self, folder, should_stop=lambda: False, rows=ROWS):
        array = StoredArray(folder, rows, (3,), "float32")
        made = array.build(self, 6, lambda done, of: self.told.append((done, of)), should_stop)
        return made, array.notes


WANTED = np.repeat(np.arange(ROWS, dtype=np.float32)[:, None], 3, 1)


def test_an_array_is_made_in_chunks_and_read_ever_after(tmp_path):
    maker = Maker()
    made, notes = maker.build(tmp_path / "cache" / "kind" / "a")
    np.testing.assert_array_equal(made, WANTED)
    assert maker.asked == [(0, 6), (6, 12), (12, 18), (18, 20)]
    assert maker.told == [(0, 20), (6, 20), (12, 20), (18, 20), (20, 20)]
    assert notes == {str(row): f"row {row}" for row in range(ROWS)}
    again = Maker()
    read, notes_read = again.build(tmp_path / "cache" / "kind" / "a")
    assert again.asked == again.told == []
    np.testing.assert_array_equal(read, WANTED)
    assert notes_read == notes
    assert not read.flags.writeable


def test_an_array_stopped_in_the_middle_is_taken_up_without_doing_anything_again(tmp_path):
    first, second = Maker(), Maker()
    with pytest.raises(Stopped):
        first.build(tmp_path / "cache" / "kind" / "a", lambda: len(first.asked) == 2)
    assert not (tmp_path / "cache" / "kind" / "a" / "array.json").exists()
    made, notes = second.build(tmp_path / "cache" / "kind" / "a")
    assert first.asked == [(0, 6), (6, 12)]
    assert second.asked == [(12, 18), (18, 20)]
    assert second.told[0] == (12, 20)
    np.testing.assert_array_equal(made, WANTED)
    assert len(notes) == ROWS


def test_an_array_whose_maker_died_is_made_whole(tmp_path):
    def dies(out, first, last):
        out[first:last] = -1
        raise RuntimeError("the power went")

    array = StoredArray(tmp_path / "cache" / "kind" / "a", ROWS, (3,), "float32")
    with pytest.raises(RuntimeError, match="the power went"):
        array.build(dies, 6, lambda done, of: None, lambda: False)
    np.testing.assert_array_equal(Maker().build(tmp_path / "cache" / "kind" / "a")[0], WANTED)


@pytest.mark.parametrize("damage", ["rows.json", "data.bin"])
def test_what_was_begun_and_then_damaged_begins_anew(tmp_path, damage):
    first = Maker()
    with pytest.raises(Stopped):
        first.build(tmp_path / "cache" / "kind" / "a", lambda: len(first.asked) == 2)
    path = tmp_path / "cache" / "kind" / "a" / damage
    path.write_bytes(path.read_bytes()[:7])
    second = Maker()
    np.testing.assert_array_equal(second.build(tmp_path / "cache" / "kind" / "a")[0], WANTED)
    assert second.asked[0] == (0, 6)


@pytest.mark.parametrize("damage", ["gone", "short"])
def test_a_finished_array_whose_data_were_lost_is_made_again(tmp_path, damage):
    Maker().build(tmp_path / "cache" / "kind" / "a")
    data = tmp_path / "cache" / "kind" / "a" / "data.bin"
    data.unlink() if damage == "gone" else data.write_bytes(data.read_bytes()[:100])
    second = Maker()
    np.testing.assert_array_equal(second.build(tmp_path / "cache" / "kind" / "a")[0], WANTED)
    assert second.asked[0] == (0, 6)


def test_an_array_of_no_rows_is_empty(tmp_path):
    assert Maker().build(tmp_path / "cache" / "kind" / "a", rows=0)[0].shape == (0, 3)


def test_two_processes_that_want_the_same_array_make_it_once(tmp_path):
    script = textwrap.dedent("""
        import sys, time
        from pathlib import Path
        import numpy as np
        from recipes.store import StoredArray
        folder, asked = Path(sys.argv[1]), []
        def make(out, first, last):
            asked.append(first)
            time.sleep(0.1)
            out[first:last] = np.arange(first, last)[:, None]
            return {}
        while not (folder / "go").exists():
            time.sleep(0.01)
        made = StoredArray(folder / "cache" / "kind" / "a", 20, (3,), "float32").build(make, 6, lambda d, r: None, lambda: False)
        print(len(asked), made.sum())
    """)
    processes = [
        subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    time.sleep(0.5)
    (tmp_path / "go").touch()
    told = sorted(process.communicate(timeout=60)[0].split() for process in processes)
    assert told == [["0", "570.0"], ["4", "570.0"]]


def test_a_process_that_waits_for_another_can_be_stopped(tmp_path):
    from filelock import FileLock

    (tmp_path / "cache" / "kind" / "a").mkdir(parents=True)
    with FileLock(tmp_path / "cache" / "kind" / "a" / ".lock"), pytest.raises(Stopped):
        Maker().build(tmp_path / "cache" / "kind" / "a", lambda: True)


# ---------------------------------------------------------------- disks


@pytest.fixture
def small_disk(tmp_path):
    """A folder with 1 MB of room; skipped where nobody may mount one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_is_told_before_anything_is_computed(small_disk, monkeypatch):
    maker = Maker()
    array = StoredArray(small_disk / "a", 1000, (1000,), "float32")
    with pytest.raises(StorageError, match=r"the disk is full: 0\.00 GB needed in .*, 0\.00 GB free; free some"):
        array.build(maker, 6, lambda done, of: None, lambda: False)
    assert maker.asked == []
    monkeypatch.setattr("recipes.store.RESERVE", 500_000)
    np.testing.assert_array_equal(Maker().build(small_disk / "b")[0], WANTED)  # a small one still fits


def test_a_disk_that_fills_up_meanwhile_is_told_in_one_line_and_what_was_there_stays(small_disk, monkeypatch):
    atomic_write(small_disk / "kept.json", "{}")
    full = "the disk is full: .* could not be written; free some space, then resume"
    with pytest.raises(StorageError, match=full):
        atomic_write(small_disk / "kept.json", bytes(2_000_000))
    assert (small_disk / "kept.json").read_text() == "{}"
    assert os.listdir(small_disk) == ["kept.json"], "no half-written file stays"
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**12))
    array = StoredArray(small_disk / "a", 1000, (1000,), "float32")
    with pytest.raises(StorageError, match=full):
        array.build(Maker(), 6, lambda done, of: None, lambda: False)


def test_a_disk_with_too_little_room_is_told_wherever_the_tests_run(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100))
    with pytest.raises(StorageError, match=r"the disk is full: .*; free some, or set ASSISTANT_HOME to another disk"):
        Maker().build(tmp_path / "cache" / "kind" / "a")
    monkeypatch.setattr(os, "fsync", lambda file: (_ for _ in ()).throw(OSError(errno.ENOSPC, "No space left")))
    with pytest.raises(StorageError, match="the disk is full"):
        atomic_write(tmp_path / "b", "text")
    assert not list(tmp_path.glob(".b*"))


def written_out() -> None:
    """Waits for what is written to disk behind."""
    for thread in threading.enumerate():
        if thread.name == "write-behind":
            thread.join()


def test_an_array_that_was_not_on_disk_at_a_power_cut_is_made_again(tmp_path, monkeypatch):
    monkeypatch.setattr("recipes.store._boot", lambda: "before")
    monkeypatch.setattr("recipes.store.threading.Thread.start", lambda thread: None)  # the power went before
    Maker().build(tmp_path / "one")
    told = json.loads((tmp_path / "one" / "array.json").read_text())
    assert told["boot"] == "before"
    same = Maker()
    same.build(tmp_path / "one")
    assert same.asked == []
    monkeypatch.setattr("recipes.store._boot", lambda: "after")
    again = Maker()
    again.build(tmp_path / "one")
    assert len(again.asked) == 4


def test_once_it_is_on_disk_an_array_is_believed_after_any_boot(tmp_path, monkeypatch):
    Maker().build(tmp_path / "one")
    written_out()
    assert "boot" not in json.loads((tmp_path / "one" / "array.json").read_text())


def test_arrays_long_unused_make_room_and_those_in_use_stay(tmp_path, monkeypatch):
    folder, now = tmp_path / "cache" / "kind", time.time()
    for name, hours in (("old", 800), ("older", 30), ("newer", 2), ("in_use", 0.5)):
        Maker().build(folder / name)
        written_out()
        os.utime(folder / name / "array.json", (now - 3600 * hours,) * 2)
    free = iter([100, 10**12, 10**12])
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=next(free)))
    Maker().build(folder / "next")
    assert sorted(os.listdir(folder)) == ["in_use", "newer", "next"]
    assert Maker().build(folder / "newer")[1]["3"] == "row 3"


def test_a_folder_that_cannot_be_made_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    for call in (
        lambda: writable_folder(tmp_path / "file" / "below"),
        lambda: Maker().build(tmp_path / "file" / "a"),
        lambda: atomic_write(tmp_path / "file" / "a", "text"),
        lambda: atomic_write(tmp_path / "nowhere" / "a", "text"),
    ):
        with pytest.raises(StorageError) as error:
            call()
        assert "\n" not in str(error.value)
        assert ": " in str(error.value)
    assert (tmp_path / "file").read_text() == ""


def test_a_written_file_is_whole_and_alone(tmp_path):
    atomic_write(tmp_path / "a.json", json.dumps({"ä": 1}))
    atomic_write(tmp_path / "a.json", "ä" * 1000)
    assert (tmp_path / "a.json").read_text(encoding="utf-8") == "ä" * 1000
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_digest_names_what_it_is_made_of():
    assert digest("a", 1, [2.5]) == digest("a", 1, [2.5])
    assert len({digest("a", 1), digest("a", 2), digest("a", "1"), digest(["a", 1])}) == 4
    assert len(digest()) == 24


def test_the_cache_is_below_the_assistants_home_or_the_users_cache_folder(tmp_path, monkeypatch):
    assert default_cache() == tmp_path / "home" / "cache"
    monkeypatch.delenv("ASSISTANT_HOME")
    assert default_cache().parts[-2:] == ("recipe-assistant", "cache")
