"""Folders as they come: whatever lies in one, reading it gives a Competition that can be written down, or one line."""

from __future__ import annotations

import json
import os
import random
import shutil
import time

import numpy as np
import pytest
from PIL import Image

from assistant.competition import Competition, CompetitionError
from assistant.image_table import image_table
from assistant.reading import read
from recipes.errors import ImagesError
from recipes.pixels import decode, open_picture
from tests.standins import STANDINS


@pytest.fixture
def folder(make_competition):
    """A small competition of a dozen pictures: train.csv, sample_submission.csv, train/ and test/."""
    return make_competition(train=12, test=6, side=8)


def understood(folder) -> Competition:
    """The competition, which can be written down, and its images."""
    found = read(folder)
    assert found.model_dump_json().encode()
    assert not any("\n" in text for text in found.warnings)
    image_table(found)
    return found


def warned(found: Competition, words: str) -> bool:
    """Whether a warning holds these words."""
    return any(words in text for text in found.warnings)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes here")
def test_pipes_are_passed_over_and_nothing_waits_for_them(folder):
    for name in ("x.csv", "x.json", "train/x.jpg"):
        os.mkfifo(folder / name)
    found = understood(folder)
    assert (found.train_images, found.test_images) == (12, 6)
    assert warned(found, "passed over, as they are no files or their names not UTF-8: train/x.jpg, x.csv, x.json")
    os.mkfifo(folder / "page.json")
    with pytest.raises(CompetitionError, match="it is no file"):
        read(folder)


def test_links_in_a_circle_end_and_links_to_nothing_are_told(folder):
    (folder / "train" / "again").symlink_to(folder)
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    (folder / "x.csv").symlink_to(folder / "nothing")
    found = understood(folder)
    assert found.train_images == 12
    assert warned(found, "x.csv")


def test_pictures_behind_a_link_to_a_folder_are_found(folder, tmp_path):
    (folder / "train").rename(tmp_path / "elsewhere")
    (folder / "train").symlink_to(tmp_path / "elsewhere")
    assert understood(folder).train_images == 12


def test_folders_called_like_files_are_folders(folder):
    for name in ("x.csv", "x.json", "train/x.jpg"):
        (folder / name).mkdir()
    assert understood(folder).warnings == understood(folder).warnings
    assert understood(folder).train_images == 12


def test_names_that_are_not_utf_8_are_passed_over(folder):
    for name in (b"/train/\xff.jpg", b"/\xfe.csv"):
        try:
            shutil.copy(folder / "train.csv", os.fsencode(folder) + name)
        except OSError:
            pytest.skip("this disk takes only UTF-8")
    assert warned(understood(folder), r"'\udcfe.csv'")


def test_names_with_line_ends_stay_on_one_line(folder):
    Image.new("RGB", (9, 9)).save(folder / "train" / "a\nb.jpg")
    (folder / "x\ny.csv").write_text("")
    assert warned(understood(folder), "x y.csv cannot be read as a table (empty file): it is passed over")


def test_a_folder_deeper_than_paths_may_be_is_told(folder):
    place = os.open(folder / "train", os.O_RDONLY)
    for _ in range(25):
        os.mkdir("d" * 200, dir_fd=place)
        place, above = os.open("d" * 200, os.O_RDONLY, dir_fd=place), place
        os.close(above)
    os.close(place)
    found = understood(folder)
    assert found.train_images == 12
    assert warned(found, "passed over, as they cannot be read")


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("page.json", "[" * 100_000, "page.json cannot be read"),
        ("train.csv", "", "train.csv is none (empty file)"),
        ("train.csv", "<html>Sign in</html>", "train.csv is none (a web page or XML, not a table)"),
        ("train.csv", "image_id,pattern\nnone,disc\n", "no table in drawn names its pictures"),
    ],
)
def test_what_cannot_be_read_is_told_in_one_line(folder, name, text, words):
    (folder / name).write_text(text)
    with pytest.raises(CompetitionError) as caught:
        read(folder)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_page_with_halves_of_characters_can_be_written_down(folder):
    (folder / "page.json").write_text('{"ref": "a/\\ud800", "title": "\\udfff"}')
    assert understood(folder).title == "?"


def test_rows_without_a_picture_or_label_and_repeated_ones_are_told_or_joined(folder):
    with open(folder / "train.csv", "a") as file:
        file.write("0001,down\nnone,disc\n 0002 ,disc\n")
    text = (folder / "train.csv").read_text().replace("0003,across", "0003,")
    (folder / "train.csv").write_text(text)
    found = understood(folder)
    assert warned(found, "1 of 14 labels have no picture (none): they are set aside")
    assert warned(found, "1 row has no label, or several: set aside")


# ---------------------------------------------------------------- pictures


def spoilt(folder) -> dict[str, bytes]:
    """Bad pictures by the words that name them."""
    whole = (folder / "train" / "0000.jpg").read_bytes()
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(folder / "x.png")
    png = (folder / "x.png").read_bytes()
    (folder / "x.png").unlink()
    bomb = bytearray(png)
    bomb[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    bomb[29:33] = zlib.crc32(bytes(bomb[12:29])).to_bytes(4, "big")
    wrong = bytearray(png)
    wrong[len(png) // 2] ^= 255
    return {
        "empty file": b"",
        "broken": whole[: len(whole) // 2],
        "not a picture: it begins with b'<!DOCTYPE ht'": b"<!DOCTYPE html><html></html>",
        "not a picture: it begins with b'hello'": b"hello",
        "too large": bytes(bomb),
        "broken:": bytes(wrong),
    }


def test_bad_pictures_are_named_and_test_pictures_answered_anyway(folder, tmp_path):
    bad = spoilt(folder)
    for number, data in enumerate(bad.values()):
        (folder / "train" / f"{number:04d}.jpg").write_bytes(data)
        (folder / "test" / f"t{number:03d}.jpg").write_bytes(data)
    found = read(folder)
    images = image_table(found)
    broken = decode(images, 8, 1.0, tmp_path / "cache").broken
    assert images.test.ids == tuple(found.test_ids)
    told = [broken[row] for row in images.test.rows]
    assert [one.startswith(words) for one, words in zip(told, bad)] == [True] * len(bad), told
    assert len(broken) == 2 * len(bad)


@pytest.mark.parametrize("form", ["WEBP", "JPEG2000", "ICO", "GIF", "TIFF", "BMP"])
@pytest.mark.parametrize("mode", ["RGB", "L", "P"])
def test_pictures_of_every_form_are_three_bytes_a_pixel(tmp_path, form, mode):
    picture = Image.new("RGB", (64, 48), (200, 40, 40)).convert(mode)
    if form == "JPEG2000" and mode == "P":
        picture = picture.convert("RGBA")
    more = {"save_all": True, "append_images": [Image.new("RGB", (64, 48))]} if form in ("GIF", "TIFF", "WEBP") else {}
    picture.save(tmp_path / "x.jpg", form, **({"sizes": [(64, 48)]} if form == "ICO" else more))
    opened = open_picture(tmp_path / "x.jpg")
    assert (opened.mode, opened.size) == ("RGB", (64, 48))
    difference = np.asarray(opened, float) - np.asarray(picture.convert("RGB"), float)
    assert np.abs(difference.mean((0, 1))).max() < 3


def test_what_stands_behind_a_jpeg_s_end_is_passed_over(tmp_path):
    Image.new("RGB", (30, 20), "red").save(tmp_path / "x.jpg")
    (tmp_path / "x.jpg").write_bytes((tmp_path / "x.jpg").read_bytes() + b"rubbish" * 999)
    assert open_picture(tmp_path / "x.jpg").size == (30, 20)


# ---------------------------------------------------------------- whatever comes


def mutate(folder, chance: random.Random) -> None:
    """One thing that goes wrong in a folder."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    tables = [path for path in files if path.suffix in (".csv", ".json", ".tsv")]
    path = chance.choice(tables if tables and chance.random() < 0.8 else files)
    data = bytearray(path.read_bytes())
    what = chance.randrange(9)
    lines = bytes(data).split(b"\n")
    if what == 0:
        path.unlink()
    elif what == 1:
        path.rename(
            path.with_name(chance.choice(["train.csv", "a.csv", "test.jpg", "labels.json", "submission.csv", "x"]))
        )
    elif what == 2 and data:
        for _ in range(chance.choice([1, 3, 30])):
            data[chance.randrange(len(data))] = chance.choice([0, 10, 34, 44, 255, chance.randrange(256)])
        path.write_bytes(data)
    elif what == 3:
        path.write_bytes(data[: chance.randrange(len(data) + 1)])
    elif what == 4:
        chance.shuffle(lines)
        path.write_bytes(b"\n".join(lines))
    elif what == 5:
        cells = [line.split(b",") for line in lines]
        order = list(range(len(cells[0])))
        chance.shuffle(order)
        path.write_bytes(b"\n".join(b",".join(row[at] for at in order if at < len(row)) for row in cells))
    elif what == 6:
        column = chance.randrange(4)
        word = chance.choice([b"", b"1", b"nan", b"-1e400", b"x y", b"\xff", b'"', str(chance.random()).encode()])
        blank = [[word if at == column else cell for at, cell in enumerate(line.split(b","))] for line in lines[1:]]
        path.write_bytes(b"\n".join([lines[0], *map(b",".join, blank)]))
    elif what == 7:
        path.write_bytes(b"\n".join(lines[: chance.choice([1, 2, 3])]))
    else:
        path.write_bytes(b"\n".join([*lines, *lines[1 : chance.randrange(len(lines)) + 1]]))


def fuzz(folder, seconds: float, seed: int = 0) -> int:
    """Reads mutated stand-ins for so many seconds; how many were read. Anything but a Competition or an error of one
    line is raised, with the seed in its notes."""
    start, count = time.monotonic(), 0
    names = sorted(STANDINS)
    while time.monotonic() - start < seconds:
        chance = random.Random(seed + count)
        name = chance.choice(names)
        whole, place = folder / "whole" / name, folder / "mutated"
        if not whole.exists():
            STANDINS[name].write(whole, page=chance.random() < 0.5)
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(whole, place, copy_function=shutil.copy)
        try:
            for _ in range(chance.choice([1, 1, 2, 4])):
                mutate(place, chance)
            found = read(place)
            json.loads(found.model_dump_json())
            if found.unsupported is None:
                image_table(found)
        except (CompetitionError, ImagesError) as error:
            if "\n" in str(error):
                raise AssertionError(f"{name}, seed {seed + count}: {error!r}") from None
        except Exception as error:
            error.add_note(f"{name}, seed {seed + count}")
            raise
        count += 1
    return count


def test_mutated_stand_ins_are_read_or_told_in_one_line(tmp_path):
    assert fuzz(tmp_path, 8) > 10
