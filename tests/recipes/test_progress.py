"""What a run shows in a terminal."""

import io
import math

import pytest
from rich.console import Console

from recipes import events
from recipes.progress import Shown, clock

PLACE = {"step": 4, "of": 8, "size": 224}
EPOCH = events.Epoch(
    epoch=1, epochs=3, cycle=1, train_loss=0.5, valid_loss=0.25, metrics={"accuracy": 0.9}, lr=1e-2, seconds=61, best=True,
    **PLACE,
)  # fmt: skip


def shown(*told, live=False):
    console = Console(file=io.StringIO(), width=120)
    with Shown(console, live) as show:
        for event in told:
            show(event)
    return console.file.getvalue()


def test_epochs_are_a_table_with_its_heading_told_once():
    lines = shown(EPOCH, EPOCH).splitlines()
    assert lines[0].split() == ["epoch", "train_loss", "valid_loss", "accuracy", "rate", "time"]
    assert lines[1].split() == ["1", "/", "3", "0.5000", "0.2500", "0.9000", "1.0e-02", "1:01", "best"]
    assert lines[2] == lines[1]


def test_numbers_that_were_not_finite_are_shown_to_who_reads_them_from_a_file():
    epoch = events.Epoch(
        epoch=1, epochs=1, cycle=1, train_loss=math.nan, valid_loss=math.inf, metrics={"mae": math.nan}, lr=1, seconds=1
    )
    done = events.RunDone(seconds=3, scores={"valid": {"mae": math.nan}})
    told = shown(*(events.from_dict(event.to_dict()) for event in (epoch, done)))
    assert told.splitlines()[1].split()[3:6] == ["nan", "nan", "nan"]
    assert "mae nan" in told


def test_steps_warnings_advice_and_failures_are_told_in_words():
    text = shown(
        events.StepStarted(title="Unfreeze all layers", **PLACE),
        events.Warned(text="[bold]3 images are set aside", **PLACE),
        events.Advice(kind="rate_too_low", text="a rate of 1e-5 is too low", numbers={}, **PLACE),
        events.CycleEnded(cycle=2, epochs=2, score=0.8, best_before=0.9, improved=False, more=False, **PLACE),
        events.RunFailed(error="the disk is full"),
    )
    assert "step 4 of 8: Unfreeze all layers (224 px)" in text
    assert "[bold]3 images are set aside" in text, "names are shown as they are"
    assert "advice: a rate of 1e-5 is too low" in text
    assert "cycle 2 brought no better score" in text
    assert "the disk is full" in text


def test_bars_come_and_go_without_a_trace():
    bars = [
        events.Batch(stage="train", done=i, total=3, epoch=1, loss=0.5, seconds_left=70.0, **PLACE) for i in (1, 2, 3)
    ]
    assert shown(*bars) == ""
    told = shown(*bars, EPOCH, *bars, live=True)
    assert "0.2500" in told


@pytest.mark.parametrize(("seconds", "text"), [(0, "0:00"), (59.6, "1:00"), (61, "1:01"), (3725, "1:02:05")])
def test_seconds_are_shown_as_on_a_clock(seconds, text):
    assert clock(seconds) == text


def test_a_place_in_the_line_is_told_as_it_changes():
    told = shown(*(events.Waiting(ahead=ahead, devices=["cpu"]) for ahead in (2, 1, 0)))
    assert told.splitlines() == [
        "  waiting for the device: 2 runs before this one",
        "  waiting for the device: 1 run before this one",
        "  its turn has come",
    ]
