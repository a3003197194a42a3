"""Whole states on disk, or none."""

import json
import os

import pytest
import torch

from recipes.checkpoints import Checkpoints
from recipes.errors import StorageError


def state(number):
    return {"step": number, "note": "ä"}, {"a": torch.full((3,), number), "b": torch.tensor(number / 3)}


def test_the_newest_state_comes_back_as_it_was_written(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    assert checkpoints.latest() is None
    for number in range(1, 5):
        checkpoints.write(*state(number))
    saved, tensors, damaged = Checkpoints(tmp_path / "c").latest()
    assert saved == {"step": 4, "note": "ä"}
    assert torch.equal(tensors["a"], torch.full((3,), 4))
    assert torch.equal(tensors["b"], torch.tensor(4 / 3))
    assert damaged == []


def test_the_last_two_are_kept(tmp_path):
    for number in range(1, 13):
        Checkpoints(tmp_path).write(*state(number))
    assert sorted(os.listdir(tmp_path)) == ["000011", "000012"]


@pytest.mark.parametrize("name", ["state.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["shorter", "empty", "gone", "changed"])
def test_a_damaged_checkpoint_is_passed_over_and_named(tmp_path, name, damage):
    checkpoints = Checkpoints(tmp_path)
    for number in (1, 2):
        checkpoints.write(*state(number))
    path = tmp_path / "000002" / name
    content = path.read_bytes()
    if damage == "gone":
        path.unlink()
    else:
        changed = content[:-1] + bytes([content[-1] ^ 1])
        path.write_bytes({"shorter": content[: len(content) // 2], "empty": b"", "changed": changed}[damage])
    saved, tensors, damaged = checkpoints.latest()
    assert saved["step"] == 1
    assert torch.equal(tensors["a"], torch.ones(3, dtype=torch.int64))
    assert damaged == ["000002"]


def test_a_half_written_checkpoint_is_none(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(*state(1))
    half = tmp_path / "000002.part"
    half.mkdir()
    (half / "state.json").write_text(json.dumps({"checksum": 0, "step": 2}))
    saved, _, damaged = checkpoints.latest()
    assert (saved["step"], damaged) == (1, [])
    checkpoints.write(*state(3))
    assert checkpoints.latest()[0]["step"] == 3
    assert sorted(os.listdir(tmp_path)) == ["000001", "000002"], "what was half written is gone"


def test_a_full_disk_keeps_the_checkpoints_before(tmp_path, monkeypatch):
    checkpoints = Checkpoints(tmp_path)
    checkpoints.write(*state(1))

    def full(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"the disk is full: .*; free some space, then resume"):
        checkpoints.write(*state(2))
    monkeypatch.undo()
    assert checkpoints.latest()[0]["step"] == 1


def test_a_folder_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"a folder cannot be written: .*file"):
        Checkpoints(tmp_path / "file" / "c").write(*state(1))


def test_clearing_removes_them_all(tmp_path):
    checkpoints = Checkpoints(tmp_path / "c")
    checkpoints.write(*state(1))
    checkpoints.clear()
    assert checkpoints.latest() is None


def test_what_is_written_behind_is_what_the_tensors_were(tmp_path):
    checkpoints = Checkpoints(tmp_path)
    told, tensors = {"step": 1}, {"a": torch.zeros(1_000_000)}
    checkpoints.write_behind(told, tensors)
    tensors["a"].fill_(9)  # training goes on
    saved, found, _ = checkpoints.latest()
    assert saved["step"] == 1
    assert torch.equal(found["a"], torch.zeros(1_000_000))


def test_a_checkpoint_that_could_not_be_written_behind_is_told_at_the_next(tmp_path):
    (tmp_path / "file").write_text("")
    checkpoints = Checkpoints(tmp_path / "file" / "c")
    checkpoints.write_behind(*state(1))
    with pytest.raises(StorageError):
        checkpoints.write_behind(*state(2))
