"""The images behind a run's mistakes, from answers that are known."""

from __future__ import annotations

import shutil
import time

import numpy as np
import pandas as pd
import pytest

from assistant import mistakes, reading
from assistant.answers import Answers
from assistant.runs import Asked, Options, Run, RunError

SHARP = np.array([[0.9, 0.1], [0.2, 0.8], [0.45, 0.55], [0.3, 0.7], [0.51, 0.49]])


def single(predicted=SHARP, targets=(0, 0, 0, 1, 1), classes=("cat", "dog")) -> Answers:
    targets = np.array(targets)
    labels = tuple(classes[i] for i in targets)
    return Answers(
        "single_label", tuple(classes), tuple("abcde"[: len(targets)]), labels, targets, np.asarray(predicted)
    )


def tagged() -> Answers:
    targets = np.array([[1, 0], [1, 1], [0, 0], [0, 1.0]])
    predicted = np.array([[0.9, 0.8], [0.3, 0.6], [0.7, 0.1], [0.2, 0.05]])
    return Answers("multi_label", ("sea", "sky"), tuple("abcd"), ("sea", "sea sky", "", "sky"), targets, predicted)


def ids(found) -> str:
    return "".join(example.id for example in found)


def test_wrong_right_and_uncertain_images_come_with_the_most_telling_first():
    answers = single()
    assert ids(mistakes.examples(answers, "wrong")) == "bce"  # the truth had .2, .45, .49
    assert ids(mistakes.examples(answers, "right")) == "ad"
    assert ids(mistakes.examples(answers, "uncertain", 2)) == "ec"
    first = mistakes.examples(answers, "wrong", 1)
    assert first == [mistakes.Example("b", "cat", "dog", 1, 0.8, 0.2)]


def test_the_cells_of_the_confusion_matrix_hold_their_images():
    answers = single()
    assert mistakes.counts(answers).tolist() == [[1, 2], [1, 1]]
    assert ids(mistakes.of_cell(answers, 0, 1)) == "bc"  # the surest first
    assert ids(mistakes.of_cell(answers, 0, 1, 1)) == "b"
    assert ids(mistakes.of_cell(answers, 1, 1)) == "d"
    assert mistakes.confusions(answers) == [mistakes.Confusion(0, 1, 2, 3), mistakes.Confusion(1, 0, 1, 2)]


def test_of_a_thousand_classes_the_largest_confusions_come_first():
    n = 1000
    targets = np.repeat(np.arange(n), 2)
    predicted = np.full((2 * n, n), 1e-4)
    predicted[np.arange(2 * n), targets] = 0.9
    predicted[6:8, 999] = 0.95  # both of class 3
    predicted[20, 7] = 0.95  # one of class 10
    names = tuple(map(str, range(n)))
    answers = Answers(
        "single_label", names, tuple(map(str, range(2 * n))), tuple(names[i] for i in targets), targets, predicted
    )
    assert mistakes.confusions(answers, 5) == [mistakes.Confusion(3, 999, 2, 2), mistakes.Confusion(10, 7, 1, 2)]
    assert [e.id for e in mistakes.of_cell(answers, 3, 999)] == ["6", "7"]


def test_no_confusion_is_told_where_everything_is_right():
    assert mistakes.confusions(single([[1, 0], [0, 1]], (0, 1))) == []
    assert mistakes.examples(single([[1, 0], [0, 1]], (0, 1)), "wrong") == []


def test_a_tag_has_hits_misses_and_false_alarms():
    answers = tagged()
    assert mistakes.tag_counts(answers) == [mistakes.TagCount(0, 2, 1, 1), mistakes.TagCount(1, 2, 1, 1)]
    assert mistakes.tag_counts(answers)[0].misses == 1
    assert [ids(mistakes.of_tag(answers, 0, what)) for what in mistakes.OUTCOMES] == ["a", "b", "c"]
    assert [ids(mistakes.of_tag(answers, 1, what)) for what in mistakes.OUTCOMES] == ["b", "d", "a"]
    alarm = mistakes.of_tag(answers, 0, "false_alarms")[0]
    assert (alarm.label, alarm.answer, alarm.probability) == ("no tag", "sea", 0.7)


def test_numbers_go_by_their_error():
    answers = Answers(
        "regression", ("age",), tuple("abcd"), ("1", "2", "3", "4"),
        np.array([[1.0], [2], [3], [4]]), np.array([[1.5], [2], [9], [4.1]]),
    )  # fmt: skip
    assert ids(mistakes.examples(answers, "wrong", 2)) == "ca"
    assert mistakes.examples(answers, "wrong", 1)[0] == mistakes.Example("c", "3", "9", 0, error=6.0)
    assert mistakes.examples(answers, "uncertain") == []


# ---------------------------------------------------------------- from a run's folder


@pytest.fixture
def run(make_competition, home) -> Run:
    """The folder of a run that has ended, its answers written by hand."""
    folder = home / "runs" / "one"
    folder.mkdir(parents=True)
    asked = Asked(
        created=time.time(), competition=reading.read(make_competition(12, 0)), options=Options(), versions={}
    )
    (folder / "run.json").write_text(asked.model_dump_json())
    classes = asked.competition.classes
    rows = [["0000", "across", 0.7, 0.2, 0.1], ["0001", "down", 0.6, 0.3, 0.1]]
    pd.DataFrame(rows, columns=["id", "target", *classes]).to_csv(folder / "valid.csv", index=False)
    return Run(folder)


def test_the_answers_and_the_pictures_of_a_run_are_found(run):
    answers = mistakes.answers_of(run)
    assert ids(mistakes.examples(answers, "wrong")) == "0001"
    find = mistakes.picture_finder(run.asked())
    assert find("0001").name == "0001.jpg"
    assert find("../../etc/passwd") is None


def test_pictures_that_are_gone_are_none(run):
    shutil.rmtree(run.asked().competition.folder)
    mistakes._places.cache_clear()
    assert mistakes.picture_finder(run.asked())("0001") is None


def test_answers_that_were_written_anew_are_read_anew(run):
    assert len(mistakes.answers_of(run).ids) == 2
    with open(run.folder / "valid.csv", "a") as file:
        file.write("0002,disc,0.1,0.1,0.8\n")
    assert len(mistakes.answers_of(run).ids) == 3


@pytest.mark.parametrize("content", [b"", b"id,target\n", b"\xff\xfe\x00", b"id,target,across\n1", b"\x00" * 40])
def test_damaged_answers_are_told_in_one_line(run, content):
    (run.folder / "valid.csv").write_bytes(content)
    with pytest.raises(RunError, match=r"one/valid\.csv is damaged") as told:
        mistakes.answers_of(run)
    assert "\n" not in str(told.value)
    assert str(run.folder) not in str(told.value)


def test_a_run_without_answers_says_so(run):
    (run.folder / "valid.csv").unlink()
    with pytest.raises(RunError, match="no answers yet"):
        mistakes.answers_of(run)
