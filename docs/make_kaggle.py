"""Makes the pictures of docs/kaggle.md: `uv run python docs/make_kaggle.py`.

The commands run in a terminal as they are, against a stand-in for Kaggle on this machine whose competition is the
embedded sample, scored against the truth that is kept apart.
"""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
import tempfile
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from assistant import sample  # noqa: E402
from tests.kaggle_server import KaggleServer  # noqa: E402

COLUMNS = 112
PROGRAM = """
import sys
import kagglesdk.kaggle_env as env
env._env_to_endpoint[env.KaggleEnv.LOCAL] = sys.argv.pop(1)
sys.argv[0] = "assistant"
from assistant.cli import main
main()
"""
SLUG = "handwritten-digits"
OTHERS = [
    ("digits-of-the-1940-census", "Digits of the 1940 census", "Categorization Accuracy", "Knowledge", "Playground", 40),
    ("house-numbers-by-night", "House numbers by night", "Mean Columnwise LogLoss", "$25,000", "Featured", 61),
    ("meter-reading-digits", "Meter reading: digits behind glass", "QuadraticWeightedKappa", "Kudos", "Community", -12),
]  # fmt: skip


def competitions(server: KaggleServer, data: Path) -> None:
    """The sample under another name, with a leaderboard, and a few to choose from."""
    page = data / "page.json"
    page.unlink()

    def truth(submission: bytes) -> float:
        file = data.parent / "submission.csv"
        file.write_bytes(submission)
        return sample.score(file)["accuracy"]

    board = [(f"team {place}", round(0.9995 - 0.0006 * place**0.95, 4), (f"m{place}",)) for place in range(640)]
    server.competition(
        SLUG,
        data,
        title="Handwritten digits",
        reward="Knowledge",
        category="Getting Started",
        grader=truth,
        leaderboard=board,
        evaluation="Submissions are scored by the share of digits that are named rightly.",
        awards_points=False,
    )
    today = datetime.now(UTC).replace(tzinfo=None)
    for slug, title, metric, reward, category, days in OTHERS:
        teams = [(f"{slug} {place}", 0.9, (f"x{place}",)) for place in range(20 + 7 * len(slug))]
        server.competition(
            slug, b"id\n1\n", title=title, evaluation_metric=metric, reward=reward, category=category,
            deadline=today + timedelta(days=days), leaderboard=teams, accepted={"somebody"},
            notebooks_only=slug.startswith("house"),
        )  # fmt: skip


def typed(url: str, home: str, *words: str) -> str:
    """What a terminal shows of a command, with its colours."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("KAGGLE_")} | {
        "ASSISTANT_HOME": home,
        "COLUMNS": str(COLUMNS),
        "TERM": "xterm-256color",
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST",
        "KAGGLE_API_TOKEN": "KGAT_of_ann",
        "PYTHONPATH": str(ROOT),
    }
    ours, theirs = pty.openpty()
    child = subprocess.Popen(
        [sys.executable, "-c", PROGRAM, url, *words], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    parts: list[bytes] = []

    def read() -> None:
        try:
            while part := os.read(ours, 1 << 16):
                parts.append(part)
        except OSError:  # the terminal is closed
            return

    reading = threading.Thread(target=read)
    reading.start()
    child.wait()
    reading.join()
    os.close(ours)
    return b"".join(parts).decode().replace("\r\n", "\n")


def picture(path: Path, *shown: tuple[str, str]) -> None:
    """Draws commands and what they printed as an SVG; what a bar has overwritten is left out."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    for command, output in shown:
        console.print(Text(f"$ {command}", "bold green"))
        lines = [line.rpartition("\r")[2] for line in output.split("\n")]
        console.print(Text.from_ansi("\n".join(lines).strip("\n")))
        console.print()
    path.write_text(console.export_svg(title="assistant"))


def main() -> None:
    """Runs the commands and draws the three pictures."""
    pictures = ROOT / "docs" / "pictures"
    with tempfile.TemporaryDirectory() as made, KaggleServer() as server:
        data = sample.write_sample(Path(made) / "data")
        server.person("ann", "KGAT_of_ann")
        competitions(server, data)

        def run(*words: str) -> str:
            return (
                typed(server.url, str(Path(made) / "home"), *words)
                .replace(made, "~")
                .replace("/home/people", "/people")
            )

        picture(pictures / "kaggle-find.svg", ("assistant find digits", run("find", "digits")))
        about = run("about", SLUG), run("about", OTHERS[1][0])
        picture(
            pictures / "kaggle-about.svg",
            (f"assistant about {SLUG}", about[0]),
            (f"assistant about {OTHERS[1][0]}", about[1]),
        )
        options = ("--weights", "none", "--sizes", "32", "--augment", "plain", "--ratio", "1", "--batch-size", "32")
        for arch, cycles, message in (
            ("test_resnet", "1", "a tiny network"),
            ("resnet10t", "4", "resnet10t, four cycles"),
        ):
            print(run("run", SLUG, "--arch", arch, "--max-cycles", cycles, *options)[-400:])
            handed_in = run("submit", "-m", message)
        command = 'assistant submit -m "resnet10t, four cycles"'
        picture(pictures / "kaggle-runs.svg", (command, handed_in), ("assistant runs", run("runs")))


if __name__ == "__main__":
    main()
