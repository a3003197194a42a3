"""From the download of a competition to a file that its own grader accepts, for every stand-in."""

from __future__ import annotations

import time

import pytest

from assistant.event_log import EventLog
from assistant.runs import Asked
from assistant.sources import competition_of
from assistant.stop_file import StopFile
from assistant.submission import check
from assistant.worker import Worker
from tests.assistant.conftest import quick
from tests.standins import STANDINS, SUPPORTED

RUN = [
    name for name in SUPPORTED if "--" not in name or "--index" in name
]  # other variants differ in how they are packed


@pytest.mark.parametrize("name", RUN)
def test_a_short_run_ends_in_a_submission_that_scores(name, tmp_path):
    standin = STANDINS[name]
    (tmp_path / "download").mkdir()
    standin.write(tmp_path / "download", page=True)
    competition = competition_of(tmp_path / "download")
    folder = tmp_path / "run"
    folder.mkdir()
    options = quick(max_cycles=3, batch_size=8, tta=1)
    asked = Asked(created=time.time(), competition=competition, options=options, versions={})
    (folder / "run.json").write_text(asked.model_dump_json())
    log = EventLog(folder / "events.jsonl")
    Worker(folder, asked, log, StopFile(folder, log)).run()

    assert check(folder / "submission.csv", competition) == []
    score, blank, best = standin.grade(folder / "submission.csv"), standin.template_score, standin.best
    if blank == blank:  # paddy's template is empty, and no valid answer
        assert (score - blank) / (best - blank) > 0.3, f"{score} against the template's {blank}"
    assert (folder / "valid.csv").is_file()
    assert (folder / "model" / "model.safetensors").is_file()
