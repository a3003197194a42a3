"""Competitions in the form of real ones, and invented ones: each is read rightly, and what is written for it is
scored as it deserves."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from assistant.archives import has_archives, unpack
from assistant.competition import Competition, public
from assistant.inventory import Pictures, take_stock
from assistant.labelling import rows_of
from assistant.reading import read
from assistant.submission import decision_of, write_submission
from assistant.tables import read_table
from recipes.tasks import MultiLabel, Regression, SingleLabel
from tests.standins import INVENTED, STANDINS, StandIn

ALL = {**STANDINS, **INVENTED}
SUPPORTED = [name for name, made in ALL.items() if made.refused is None]
REFUSED = [name for name, made in ALL.items() if made.refused is not None]
TASKS = {"single_label": SingleLabel, "multi_label": MultiLabel, "regression": Regression}


@pytest.fixture(scope="session")
def reading_of(tmp_path_factory):
    """A stand-in as it is read, unpacked, with its page or without."""
    folder = tmp_path_factory.mktemp("standins")

    @cache
    def written(name: str) -> Path:
        source = folder / name
        source.mkdir()
        ALL[name].write(source)
        return unpack(source, folder / f"{name}-unpacked") if has_archives(source) else source

    @cache
    def made(name: str, page: bool) -> Competition:
        root, told = written(name), written(name) / "page.json"
        told.unlink(missing_ok=True)
        if page:
            told.write_text(json.dumps(ALL[name].page), encoding="utf-8")
        return read(root)

    return made


def differences(made: StandIn, found: dict[str, Any], page: bool) -> dict[str, tuple]:
    """What is read otherwise than it is: fields with what was expected and what was found."""
    expected = {key: told for key, told in made.expected.items() if key != "labels_from_has"}
    flat = {
        (key if inner is None else f"{key}.{inner}"): (told, found.get(key) if inner is None else found[key].get(inner))
        for key, value in expected.items()
        for inner, told in (value.items() if key in ("submission", "metric") else [(None, value)])
    }
    words = made.expected.get("labels_from_has", ())
    if not all(word in found["labels_from"] for word in words):
        flat["labels_from"] = (words, found["labels_from"])
    unknowable = () if page else made.page_tells
    return {
        key: both
        for key, both in flat.items()
        if both[0] != both[1] and key not in unknowable and key.partition(".")[0] not in unknowable
    }


@pytest.mark.parametrize("page", [False, True], ids=["no page", "page"])
@pytest.mark.parametrize("name", SUPPORTED)
def test_it_is_read_rightly(reading_of, name, page):
    found = reading_of(name, page)
    assert found.unsupported is None
    told = public(found) | {"test_files": dict(zip(found.test_ids, found.test_files))}
    if "train_files" in ALL[name].expected:
        told["train_files"] = labels_by_file(found)
    assert differences(ALL[name], told, page) == {}


def labels_by_file(found: Competition) -> dict[str | None, str]:
    """The label of each training picture."""
    labels = found.labels
    tables = {name: read_table(found.root, name) for name in (labels.file, labels.names_file) if name}
    rows = rows_of(labels, Pictures(take_stock(found.root).pictures), tables)
    return {file: target[0] for file, target in zip(rows.files, rows.targets)}


@pytest.mark.parametrize("page", [False, True], ids=["no page", "page"])
@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_for_this_program_is_refused_with_the_reason(reading_of, name, page):
    found = reading_of(name, page).unsupported
    assert found is not None
    assert re.search(str(ALL[name].refused), found, re.I)


def targets_of(found: Competition, truth: dict[str, Any]) -> np.ndarray:
    """The true answers to `found.test_ids` as training targets."""
    rights = [truth[name] for name in found.test_ids]
    if found.task == "regression":
        return np.array([[r[c] for c in found.classes] if isinstance(r, dict) else [r] for r in rights], float)
    if found.task == "multi_label":
        return np.array([[float(name in right) for name in found.classes] for right in rights])
    return np.array([found.classes.index(right) for right in rights])


def nearly_sure(found: Competition, targets: np.ndarray) -> np.ndarray:
    """Answers that are right, and leave a little doubt where they are probabilities."""
    if found.task == "regression":
        return targets
    count = len(found.classes)
    marks = np.eye(count)[targets] if found.task == "single_label" else targets
    doubt = 1e-4
    return marks * (1 - doubt * count) + doubt if found.task == "single_label" else marks * (1 - 2 * doubt) + doubt


@pytest.mark.parametrize("name", SUPPORTED)
def test_right_answers_are_written_so_that_they_score_best(reading_of, tmp_path, name):
    made, found = ALL[name], reading_of(name, True)
    targets = targets_of(found, dict(made.truth))
    answers = nearly_sure(found, targets)
    decision = decision_of(found, TASKS[found.task](tuple(found.classes)), targets, answers)
    path = tmp_path / "submission.csv"
    write_submission(found, found.test_ids, answers, path, decision)
    assert made.grade(path) == pytest.approx(made.best, abs=0.02)
