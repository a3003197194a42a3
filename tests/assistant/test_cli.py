"""The command, as its users call it: what it prints, and its exit status."""

from __future__ import annotations

import json
import subprocess
import sys
import time

import pandas as pd
import pytest
from PIL import Image

from assistant.competition import PUBLIC

QUICK = [
    *("--arch", "test_resnet", "--weights", "none", "--sizes", "32", "--augment", "plain"),
    *("--ratio", "1", "--max-cycles", "1", "--batch-size", "16", "--tta", "1"),
]


def assistant(*words: object) -> subprocess.CompletedProcess[str]:
    """Runs `assistant` as a process."""
    command = [sys.executable, "-m", "assistant", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def one_line(text: str) -> bool:
    """Whether this is one line that says something, and no traceback."""
    return len(text.strip().splitlines()) == 1 and "Traceback" not in text


def test_from_a_folder_to_a_checked_submission_and_predictions(make_competition, tmp_path):
    folder = make_competition(template="classes")
    done = assistant("run", folder, *QUICK, "--out", tmp_path / "run", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["state"] == "done"
    assert set(told["scores"]) == {"valid", "valid_tta"}
    assert told["submission"] == str(tmp_path / "run" / "submission.csv")

    checked = assistant("check", tmp_path / "run" / "submission.csv", folder)
    assert (checked.returncode, checked.stderr) == (0, "")
    assert "would be accepted" in checked.stdout

    again = assistant("run", folder, *QUICK, "--out", tmp_path / "run")
    assert again.returncode == 1
    assert one_line(again.stderr)
    assert "holds a run already" in again.stderr

    answers = assistant(
        "predict", tmp_path / "run", folder / "test" / "t000.jpg", folder / "test" / "t001.jpg", "--json"
    )
    told = json.loads(answers.stdout)
    assert [sum(row["answer"].values()) for row in told] == pytest.approx([1, 1], abs=1e-5)
    unreadable = assistant("predict", tmp_path / "run", folder / "train.csv")
    assert unreadable.returncode == 1
    assert one_line(unreadable.stderr)
    assert "train.csv" in unreadable.stderr


def test_plain_output_names_the_steps_and_shows_a_table_of_epochs(make_competition, tmp_path):
    done = assistant("run", make_competition(train=30, test=3), *QUICK, "--out", tmp_path / "run")
    assert done.returncode == 0, done.stderr
    assert [f"step {n} of 8" in done.stdout for n in range(1, 9)] == [True] * 8
    assert "train_loss  valid_loss" in done.stdout
    assert "submission:" in done.stdout
    assert "\x1b" not in done.stdout


def test_check_says_which_row_and_column_would_be_refused(make_competition, tmp_path):
    folder = make_competition(train=30, test=4, template="classes")
    table = pd.read_csv(folder / "sample_submission.csv", dtype=str)
    table.loc[2, "disc"] = "1.5"
    table.to_csv(tmp_path / "wrong.csv", index=False)
    refused = assistant("check", tmp_path / "wrong.csv", folder)
    assert refused.returncode == 1
    assert "row 4, column disc: 1.5 is not between 0 and 1" in refused.stderr
    told = json.loads(assistant("check", tmp_path / "wrong.csv", folder, "--json").stdout)
    assert told["accepted"] is False


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["read", "/no/such/folder"], "no such folder"),
        (["run", "/no/such/folder"], "no such folder"),
        (["resume", "nowhere"], "no such run: nowhere"),
        (["stop", "nowhere"], "no such run: nowhere"),
        (["predict", "nowhere", "a.jpg"], "no such run: nowhere"),
        (["run", "sample", "--tta", "-3"], "tta"),
        (["run", "sample", "--sizes", "3"], "sizes"),
    ],
)
def test_what_a_user_can_put_right_is_one_line_and_status_1(words, said):
    failed = assistant(*words)
    assert failed.returncode == 1, failed.stdout
    assert one_line(failed.stderr), failed.stderr
    assert said in failed.stderr


@pytest.mark.parametrize(
    "words", [["run"], ["fly"], ["run", "sample", "--sizes", "big"], ["run", "sample", "--seed", "x"]]
)
def test_wrong_usage_is_status_2(words):
    failed = assistant(*words)
    assert failed.returncode == 2
    assert "Traceback" not in failed.stderr


def test_a_failed_run_tells_its_error_once_and_leaves_with_status_1(make_competition, tmp_path):
    failed = assistant(
        "run",
        make_competition(train=12, test=2),
        *QUICK[2:],
        "--arch",
        "resnett34",
        "--out",
        tmp_path / "run",
        "--json",
    )
    assert failed.returncode == 1
    assert one_line(failed.stderr)
    assert "resnet34" in failed.stderr
    assert json.loads(failed.stdout)["state"] == "failed"


def test_stop_and_resume_from_another_terminal(make_competition, tmp_path):
    folder = make_competition(train=120, test=6)
    words = [
        sys.executable,
        "-m",
        "assistant",
        "run",
        str(folder),
        *QUICK,
        "--max-cycles",
        "6",
        "--out",
        str(tmp_path / "run"),
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as terminal:
        events = tmp_path / "run" / "events.jsonl"
        end = time.monotonic() + 60
        while not (events.exists() and '"event": "epoch"' in events.read_text()):
            assert time.monotonic() < end
            time.sleep(0.05)
        stopped = assistant("stop", tmp_path / "run")
        assert "is stopped" in stopped.stdout
        _, errors = terminal.communicate(timeout=30)
    assert terminal.returncode == 130
    assert "assistant resume" in errors
    resumed = assistant("resume", tmp_path / "run")
    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "run" / "submission.csv").exists()


def test_help_loads_nothing_heavy():
    heavy = ("torch", "timm", "gradio", "pandas", "kaggle")
    code = f"import sys, assistant.cli; print([m for m in {heavy} if m in sys.modules])"
    assert (
        subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
    )


def test_read_json_has_the_contracts_fields(make_competition):
    told = json.loads(assistant("read", make_competition(), "--json").stdout)
    assert list(told) == list(PUBLIC)
    assert list(PUBLIC)[:5] == ["slug", "title", "task", "classes", "labels_from"]
    assert list(PUBLIC)[-3:] == ["group_column", "warnings", "unsupported"]
    assert told["task"] == "single_label"
    assert told["classes"] == ["across", "disc", "down"]
    assert (told["train_images"], told["test_images"]) == (60, 12)
    assert told["submission"]["value"] == "label"
    assert told["metric"]["name"] == "accuracy"


def test_a_folder_without_pictures_is_one_line(tmp_path):
    (tmp_path / "empty").mkdir()
    failed = assistant("read", tmp_path / "empty")
    assert failed.returncode == 1
    assert one_line(failed.stderr)
    assert "no images found" in failed.stderr
    (tmp_path / "loose").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "loose" / "a.png")
    failed = assistant("run", tmp_path / "loose")
    assert failed.returncode == 1
    assert one_line(failed.stderr)
    assert "no labels found" in failed.stderr
