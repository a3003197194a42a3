"""What a run tells can be written down and read back."""

import dataclasses
import json
import math

import numpy as np
import pytest

from recipes import events

KINDS = [getattr(events, name) for name in events.__all__ if name not in ("Event", "Report", "from_dict")]
VALUES = {
    "int": 3,
    "float": 0.125,
    "str": 'Ragù, "寿司"\n2',
    "bool": True,
    "list[str]": ["a", "ß"],
    "list[float]": [1e-05, 10.0],
    "dict[str, int]": {"a": 1},
    "dict[str, str]": {"ä": "no such file"},
    "dict[str, float]": {"accuracy": 0.5},
    "dict[str, dict[str, float]]": {"valid": {"accuracy": 0.5}},
    "dict[str, dict[str, list[float]]]": {"valid": {"accuracy": [0.25, 0.75]}},
    "float | None": 2.5,
    "int | None": 7_000_000_000,
}


def _made(kind, **more):
    given = {f.name: VALUES[str(f.type)] for f in dataclasses.fields(kind)}
    return kind(**{**given, **more})


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.event)
def test_every_kind_goes_through_json_unchanged(kind):
    made = _made(kind)
    line = json.dumps(made.to_dict(), allow_nan=False)
    assert "\n" not in line
    assert list(json.loads(line))[:2] == ["t", "event"]
    assert events.from_dict(json.loads(line)) == made


def test_all_kinds_that_the_design_names_are_there():
    assert {kind.event for kind in KINDS} == {
        "run_started", "images_ready", "step_started", "sweep", "batch", "epoch", "cycle_ended", "step_ended", "advice",
        "warning", "submission_written", "run_stopped", "run_paused", "run_failed", "run_done", "waiting",
    }  # fmt: skip


def test_numbers_that_are_not_finite_become_null():
    made = _made(events.Epoch, train_loss=math.nan, valid_loss=math.inf, metrics={"accuracy": np.float64("nan")})
    data = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    assert (data["train_loss"], data["valid_loss"], data["metrics"]) == (None, None, {"accuracy": None})
    assert events.from_dict(data).train_loss is None


def test_numpy_numbers_become_plain_ones():
    made = _made(events.Sweep, rates=list(np.array([1e-3], np.float64)), suggestion=np.float32(0.5))
    data = made.to_dict()
    assert type(data["rates"][0]) is float
    assert type(data["suggestion"]) is float


def test_a_time_of_day_keeps_its_milliseconds():
    """psutil's start time of a process, by which a run knows whether its worker lives."""
    made = _made(events.RunStarted, t=1_759_999_999.987, process_started=1_759_999_123.25)
    again = events.from_dict(made.to_dict())
    assert again.t == 1_759_999_999.987
    assert again.process_started == 1_759_999_123.25


def test_a_kind_of_a_later_version_is_none_and_its_unknown_fields_are_left_out():
    assert events.from_dict({"t": 1.0, "event": "telepathy"}) is None
    assert events.from_dict({}) is None
    data = {**_made(events.Warned).to_dict(), "colour": "red"}
    assert events.from_dict(data) == _made(events.Warned)


def test_no_event_can_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        _made(events.Warned).text = "other"
