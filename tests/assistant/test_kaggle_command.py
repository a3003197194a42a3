"""The command with Kaggle: from a competition's name to a score in `assistant runs`, as processes."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.assistant.kaggle_people import SLUG, TOKEN, bundle
from tests.assistant.test_cli import QUICK, one_line
from tests.kaggle_competitions import GraderError
from tests.kaggle_faults import Cut, Status, Trickle

WORDS = ("across", "down", "disc")  # what the drawn pictures show, in turn


@pytest.fixture
def assistant(server, home):
    """`assistant(words…, token=…)` runs the command as a process against the server."""
    program = (
        "import kagglesdk.kaggle_env as env\n"
        f"env._env_to_endpoint[env.KaggleEnv.LOCAL] = {server.url!r}\n"
        "from assistant.cli import main\n"
        "main()\n"
    )

    def run(*words: object, token: str | None = TOKEN, start: bool = False):
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KAGGLE_")}
        kept |= {"ASSISTANT_HOME": str(home), "HOME": str(home), "KAGGLE_API_ENVIRONMENT": "LOCALHOST"}
        environment = kept | ({"KAGGLE_API_TOKEN": token} if token else {})
        command = [sys.executable, "-c", program, *map(str, words)]
        if start:
            pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "stdin": subprocess.DEVNULL}
            return subprocess.Popen(command, env=environment, text=True, **pipes)
        return subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=120, check=False, stdin=subprocess.DEVNULL
        )

    return run


def accuracy(data: bytes) -> float:
    """What the drawn competition's leaderboard says: test picture n shows word n % 3."""
    rows = list(csv.DictReader(io.StringIO(data.decode())))
    if len(rows) != 12:
        raise GraderError(f"Submission must have 12 rows, {len(rows)} found")
    return sum(row["pattern"] == WORDS[int(row["image_id"][1:]) % 3] for row in rows) / len(rows)


def started_by(running: subprocess.Popen) -> dict[int, bytes]:
    """The command lines and environments of the workers that ran while it did; its own command line as number 0."""
    seen: dict[int, bytes] = {}
    while running.poll() is None:
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                line = (folder / "cmdline").read_bytes()
                if int(folder.name) == running.pid:
                    seen[0] = line
                elif b"assistant.worker" in line:
                    seen[int(folder.name)] = line + (folder / "environ").read_bytes()
            except OSError:
                continue
        time.sleep(0.1)
    return seen


def test_from_a_name_to_a_score_among_the_runs(assistant, server, make_competition, home):
    board = [(f"team {number}", 1.01 - number / 100, (f"m{number}",)) for number in range(100)]
    made = server.competition(SLUG, make_competition(train=90, side=48), grader=accuracy, leaderboard=board)
    running = assistant("run", SLUG, *QUICK, start=True)
    processes = started_by(running)
    assert running.returncode == 0, running.communicate()
    assert len(processes) >= 2
    assert not [told for told in processes.values() if TOKEN.encode() in told]

    handed_in = assistant("submit", "-m", "from the test")
    assert handed_in.returncode == 0, handed_in.stderr
    (sent,) = made.submissions
    assert sent.message == "from the test"
    assert f"public score {sent.public:.5f}; validation said accuracy " in handed_in.stdout
    assert "on the public leaderboard: " in handed_in.stdout

    assert f"{sent.public:.5f}" in assistant("runs").stdout
    (run,) = json.loads(assistant("runs", "--json").stdout)
    (kept,) = run["submissions"]
    assert kept["public"] == pytest.approx(accuracy((Path(run["folder"]) / "submission.csv").read_bytes()), abs=1e-5)
    assert kept["validation"] == run["scores"]["valid_tta"]["accuracy"]
    assert kept["place"]["rank"] == 1 + sum(score >= kept["public"] for _, score, _ in board)
    assert kept["place"]["teams"] == 101

    again = assistant("submit", run["name"], "--watch", "--json")
    assert json.loads(again.stdout)["ref"] == kept["ref"]
    assert len(made.submissions) == 1

    def refuse(data: bytes) -> float:
        raise GraderError("ID t005 is unknown")

    made.grader = refuse
    refused = assistant("submit")
    assert refused.returncode == 1
    assert "ID t005 is unknown" in refused.stderr.splitlines()[-1]
    assert f"{sent.public:.5f}" in assistant("runs").stdout  # a refusal hides no earlier score
    (run,) = json.loads(assistant("runs", "--json").stdout)
    assert [each["status"] for each in run["submissions"]] == ["scored", "failed"]
    assert not [path for path in home.rglob("*") if path.is_file() and TOKEN.encode() in path.read_bytes()]


def test_finding_and_what_matters_about_one(assistant, server, home):
    server.competition(SLUG, bundle(1000), title="Birds of 2031", reward="Knowledge", accepted={"bob"})
    found = assistant("find", "birds")
    assert found.returncode == 0
    assert found.stdout.startswith(f"{SLUG}\tBirds of 2031\t")
    told = json.loads(assistant("find", "birds", "--json").stdout)
    assert [each["slug"] for each in told["competitions"]] == [SLUG]
    assert "no competition found" in assistant("find", "nothing like it").stdout
    about = assistant("about", f"https://www.kaggle.com/competitions/{SLUG}/overview")
    assert f"https://www.kaggle.com/c/{SLUG}/rules" in about.stdout
    told = json.loads(assistant("about", SLUG, "--json").stdout)
    assert (told["entered"], told["files"], told["title"]) == (False, 2, "Birds of 2031")
    wrong = assistant("find", "birds", "--category", "plaground")
    assert (wrong.returncode, one_line(wrong.stderr)) == (1, True)


REFUSALS = {
    "nobody is signed in": (None, ("fetch", SLUG), "nobody is signed in"),
    "a wrong token": ("KGAT_wrong", ("fetch", SLUG), "KAGGLE_API_TOKEN is not valid"),
    "no such competition": (TOKEN, ("fetch", "no-such"), "no competition no-such"),
    "not a name": (TOKEN, ("fetch", "../../etc"), "not a competition's name"),
    "rules": (TOKEN, ("fetch", "closed"), "https://www.kaggle.com/c/closed/rules"),
    "neither folder nor competition": (TOKEN, ("run", "no-such"), "there is no folder no-such here"),
    "no folder and nobody signed in": (None, ("read", "no-such"), "nobody is signed in"),
    "no such folder": (TOKEN, ("read", "./no-such"), "no-such"),
    "no run": (TOKEN, ("submit",), "no run of a competition has a submission yet"),
    "no such run": (TOKEN, ("submit", "nothing"), "no such run"),
}


@pytest.mark.parametrize("why", REFUSALS)
def test_each_refusal_is_one_line(why, assistant, server):
    server.competition(SLUG, bundle(1000))
    server.competition("closed", bundle(1000), accepted={"bob"})
    token, words, said = REFUSALS[why]
    done = assistant(*words, token=token)
    assert done.returncode == 1, done.stdout
    assert one_line(done.stderr), done.stderr
    assert said in done.stderr
    assert TOKEN not in done.stdout + done.stderr


def test_fetching_tells_plain_lines_where_there_is_no_terminal(assistant, server, home):
    server.competition(SLUG, bundle())
    server.fail("storage", [Cut(1_000_000), Status(503, retry_after=3)])
    done = assistant("fetch", SLUG)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(home / "people" / "ann" / SLUG / "data")
    assert "signed in as ann (KAGGLE_API_TOKEN)" in done.stderr
    assert "503" in done.stderr
    assert "trying again in 3 s" in done.stderr
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stderr


def test_ctrl_c_stops_within_a_second_and_the_next_call_goes_on(assistant, server, home):
    server.competition(SLUG, bundle())
    server.fail("storage", Trickle(2_000_000, 1000))
    part = home / "people" / "ann" / SLUG / f"{SLUG}.zip.part"
    running = assistant("fetch", SLUG, start=True)
    end = time.monotonic() + 30
    while time.monotonic() < end and not (part.exists() and part.stat().st_size >= 2_000_000):
        time.sleep(0.05)
    told = time.monotonic()
    running.send_signal(signal.SIGINT)
    err = running.communicate(timeout=10)[1]
    assert time.monotonic() - told < 1.5
    assert running.returncode == 130
    assert "go on with" in err
    assert "Traceback" not in err
    server.clear_faults()
    before = len(server.requests)
    assert assistant("fetch", SLUG).returncode == 0
    ranges = [request.headers.get("Range") for request in server.requests[before:] if request.port == "storage"]
    assert len(ranges) == 1
    assert ranges[0] is not None
    assert int(ranges[0].removeprefix("bytes=").rstrip("-")) >= 2_000_000
