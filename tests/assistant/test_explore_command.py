"""`assistant explore` and what `assistant read` prints, as their users see them."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from assistant import reading
from assistant.printed import print_competition
from assistant.sources import competition_of
from tests.assistant.test_cli import assistant, one_line
from tests.standins import STANDINS


@pytest.fixture
def standin(tmp_path):
    """`standin(name)`: that stand-in's folder, as it is downloaded."""

    def written(name: str) -> Path:
        STANDINS[name].write(tmp_path / name, page=True)
        return tmp_path / name

    return written


def shown(competition, width: int) -> str:
    """What a terminal of that width shows, without colours."""
    out = io.StringIO()
    print_competition(Console(file=out, force_terminal=True, width=width, color_system=None), competition)
    return out.getvalue()


def test_explore_tells_what_was_found_and_where_the_page_is(make_competition, tmp_path):
    folder = make_competition(train=30, test=6)
    (folder / "test" / "t000.jpg").write_bytes((folder / "train" / "0003.jpg").read_bytes())
    (folder / "train" / "0007.jpg").write_bytes(b"not a picture")
    (folder / "train" / "0008.jpg").write_bytes((folder / "train" / "0004.jpg").read_bytes())
    done = assistant("explore", folder, "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    told = {line[:12].strip(): line[12:] for line in done.stdout.splitlines() if line[:1].strip()}
    assert "looking at images: 36" in done.stdout
    assert told["classes"] == "3, each with 10 images"
    assert told["broken"] == "1 of train"
    assert told["duplicates"] == "1 exact and 0 near pairs within train; 1 exact and 0 near pairs across both"
    assert told["leaks"] == "1 test image is also in train"
    assert told["conflicts"] == "1 pair of the same picture with different labels"
    assert "0004 (down) and 0008 (disc)" in done.stdout
    assert told["advice"].startswith("Image size: ")
    assert told["page"] == str(tmp_path / "page" / "explore.html")
    assert "\x1b" not in done.stdout
    assert {path.name for path in (tmp_path / "page").iterdir()} >= {
        "explore.html",
        "classes.parquet",
        "images.parquet",
        "duplicates.parquet",
        "class_counts.png",
        "label_conflicts.png",
    }


def test_explore_json_is_one_document_with_the_groups(standin, tmp_path):
    done = assistant("explore", standin("siim-isic-melanoma-classification"), "--json", "--out", tmp_path / "page")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert list(told) == ["title", "figures", "classes", "broken", "duplicates", "groups", "advice"]
    assert told["title"] == "SIIM-ISIC Melanoma Classification"
    assert told["figures"]["groups"]["count"] == 34
    assert (told["figures"]["train"], told["figures"]["test"]) == (110, 35)
    assert done.stderr == ""


def test_explore_writes_beside_the_caller_unless_told_otherwise(make_competition, tmp_path):
    make_competition(train=12, test=3)
    words = [sys.executable, "-m", "assistant", "explore", "drawn", "--set", "group=none"]
    here = {"cwd": tmp_path, "env": os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}}
    done = subprocess.run(words, capture_output=True, text=True, timeout=120, check=False, **here)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "drawn-explore" / "explore.html").exists()


def test_a_refused_folder_is_told_in_one_line(standin, tmp_path):
    failed = assistant("explore", standin("tgs-salt-identification-challenge"), "--out", tmp_path / "page")
    assert failed.returncode == 1
    assert one_line(failed.stderr)
    assert "cannot be explored: segmentation or detection" in failed.stderr
    assert not (tmp_path / "page").exists()


@pytest.mark.parametrize(
    ("out", "said"), [("taken/page", "a folder cannot be written"), ("drawn/page", "choose another --out")]
)
def test_a_folder_that_cannot_hold_the_page_is_told_in_one_line(make_competition, tmp_path, out, said):
    folder = make_competition(train=12, test=3)
    (tmp_path / "taken").write_text("a file")
    failed = assistant("explore", folder, "--out", tmp_path / out)
    assert failed.returncode == 1
    assert one_line(failed.stderr), failed.stderr
    assert said in failed.stderr


def test_ctrl_c_stops_soon_with_one_line_and_no_page(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (1200, 1600, 3), dtype=np.uint8)
    for name in ("cat", "dog"):
        (tmp_path / "many" / "train" / name).mkdir(parents=True)
        Image.fromarray(noise).save(tmp_path / "many" / "train" / name / "0.png", compress_level=1)
        for number in range(1, 400):
            (tmp_path / "many" / "train" / name / f"{number}.png").symlink_to("0.png")
    words = [sys.executable, "-m", "assistant", "explore", str(tmp_path / "many"), "--out", str(tmp_path / "page")]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert any("looking at images" in line for line in process.stdout)
        time.sleep(0.2)
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
        took = time.monotonic() - asked
    assert process.returncode == 130, errors
    assert one_line(errors), errors
    assert "stopped" in errors
    assert took < 5  # a second on a machine with nothing else to do
    assert not (tmp_path / "page" / "explore.html").exists()


@pytest.mark.parametrize("width", [60, 80, 120])
def test_what_was_read_fits_the_terminal_and_says_how_to_overrule_it(standin, width):
    text = shown(competition_of(standin("siim-isic-melanoma-classification")), width)
    assert max(map(len, text.splitlines())) <= width
    lines = [line.strip() for line in text.splitlines()]
    assert "or --set labels=train.csv:diagnosis" in lines
    assert "or --set task=regression" in lines
    assert any(line.startswith("score       auc, larger is better") for line in lines)


def test_each_runner_up_that_is_shown_can_be_asked_for(standin):
    folder = standin("siim-isic-melanoma-classification")
    text = shown(competition_of(folder), 120)
    asked = [line.split("--set ")[1].strip() for line in text.splitlines() if "or --set" in line]
    assert len(asked) == 3
    for setting in asked:
        name, _, value = setting.partition("=")
        told = {finding.field: finding for finding in reading.read(folder, {name: value}).evidence}
        assert told[name].why.startswith("you said so"), setting


def test_names_from_files_do_not_steer_the_terminal(make_competition):
    competition = competition_of(make_competition(train=12, test=3))
    evil = competition.model_copy(update={"title": "a\x1b]0;owned\x07b", "classes": ["[red]c[/red]", "\x9bd", "e"]})
    text = shown(evil, 80)
    assert not {"\x1b", "\x07", "\x9b"} & set(text)
    assert "[red]c[/red]" in text


def test_without_a_terminal_each_fact_is_one_line(make_competition):
    done = assistant("read", make_competition())
    assert done.returncode == 0
    assert "\x1b" not in done.stdout
    assert "task        Name one of 3 classes for each image: across, disc, down\n" in done.stdout
    assert "            since there are 3 different labels\n" in done.stdout


def test_the_help_names_every_setting_that_can_be_overruled():
    from assistant import cli

    option = cli.SET.__metadata__[0]
    assert option.help.rstrip(".").partition(": ")[2].split(", ") == list(reading.SETTINGS)
