"""Kaggle in a terminal: signing in, bars while something comes, and what is printed of competitions and submissions."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assistant.credentials import Credentials, credentials_in, found_here
from assistant.kaggle_errors import SETTINGS_PAGE, KaggleError
from assistant.printed import megabytes, print_facts, print_line
from recipes.progress import clock

if TYPE_CHECKING:
    from rich.console import Console

    from assistant.fetching import Outlook, Stage
    from assistant.kaggle_client import Kaggle
    from assistant.kaggle_wire import Listed, ListedPage
    from assistant.submissions import Submission

__all__ = [
    "fetched", "outlook_json", "print_listed", "print_outlook", "print_submission", "signed_in", "submission_json",
]  # fmt: skip

_EVERY = 10.0  # seconds between two lines where there is no terminal
_VERBS = {"download": ("downloading", "downloaded"), "unpack": ("unpacking", "unpacked")}


def signed_in() -> Kaggle:
    """The person whose token is found on this machine, or who gives one at the prompt of a terminal, where it says who
    that is. Raises KaggleError."""
    credentials = found_here() or _asked()
    if credentials is None:
        raise KaggleError(
            f"nobody is signed in: no Kaggle token was found; make one at {SETTINGS_PAGE} and save it as "
            "~/.kaggle/access_token, or set KAGGLE_API_TOKEN",
            "token",
            SETTINGS_PAGE,
        )
    from assistant.kaggle_client import Kaggle

    kaggle = Kaggle(credentials, tell=lambda text: print_line(text, error=True))
    if sys.stderr.isatty():
        print_line(_who(kaggle), error=True)
    return kaggle


def _who(kaggle: Kaggle) -> str:
    return f"signed in as {kaggle.name} ({kaggle.place})"


def _asked() -> Credentials | None:
    """What is typed at the prompt, which does not show it; kept for this command only."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        return None
    import getpass

    text = getpass.getpass(f"Kaggle token (from {SETTINGS_PAGE}; it is not shown, and not kept): ", stream=sys.stderr)
    return credentials_in(text, "the token typed here") if text.strip() else None


def fetched(kaggle: Kaggle, slug: str, again: bool = False) -> Path:
    """The folder of a competition, fetched with a bar in a terminal and lines elsewhere, on stderr."""
    from assistant.fetching import fetch

    with _stages_shown(_who(kaggle)) as report:
        return fetch(kaggle, slug, again=again, report=report)


@contextlib.contextmanager
def _stages_shown(who: str) -> Iterator[Callable[[Stage], None]]:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

    console = Console(stderr=True)
    words = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TextColumn("{task.fields[speed]}"),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*words, console=console, transient=True, disable=not console.is_terminal) as bars:
        yield _Bars(bars) if console.is_terminal else _Lines(who)


class _Bars:
    """One bar, for the stage that is on."""

    def __init__(self, bars: Any):
        self.bars, self.task, self.stage = bars, None, ""

    def __call__(self, now: Stage) -> None:
        if now.stage != self.stage:
            if self.task is not None:
                self.bars.remove_task(self.task)
            self.stage, self.task = now.stage, self.bars.add_task("", total=None, speed="", left="")
        self.bars.update(
            self.task,
            description=" ".join((_VERBS[now.stage][0], now.name)).strip(),
            completed=now.done_bytes,
            total=now.total_bytes,
            speed=_speed(now),
            left=_left(now),
        )


class _Lines:
    """Who it is, then a line at the start of a stage and every ten seconds; no more is said of what takes less."""

    def __init__(self, who: str):
        self.who, self.stage, self.told = who, "", 0.0

    def __call__(self, now: Stage) -> None:
        if self.who:
            print_line(self.who, error=True)
            self.who = ""
        whole = now.total_bytes is not None and now.done_bytes >= now.total_bytes
        if now.stage != self.stage:
            self.stage, self.told = now.stage, time.monotonic()
        elif time.monotonic() - self.told < _EVERY:
            return
        self.told = time.monotonic()
        total = f" of {megabytes(now.total_bytes)}" if now.total_bytes else ""
        said = [f"{_VERBS[now.stage][1]} {megabytes(now.done_bytes)}{total}"]
        said += [text for text in (_speed(now), "" if whole else _left(now)) if text]
        print_line(", ".join(said), error=True)


def _speed(now: Stage) -> str:
    return f"{now.bytes_per_second / 1e6:.1f} MB/s" if now.bytes_per_second else ""


def _left(now: Stage) -> str:
    return f"{clock(now.seconds_left)} left" if now.seconds_left is not None else ""


def print_listed(console: Console, page: ListedPage, text: str) -> None:
    """What a search found: two lines a competition, or one with tabs between where there is no terminal."""
    from rich.text import Text

    if not page.competitions:
        said = f"no competition found for {text!r}" if text else "no competition found"
        print_line(f"{said}; try other words, or another --category" if page.page == 1 else "no more pages")
        return
    for each in page.competitions:
        teams = f"{each.teams:,} teams" if each.teams else ""
        facts = [each.metric, _days(each), each.reward, teams]
        if not console.is_terminal:
            print_line("\t".join((each.slug, each.title, *facts)))
            continue
        marks = [Text("entered", "green")] if each.entered else []
        marks += [Text("only notebooks may submit", "yellow")] if each.notebooks_only else []
        console.print(Text.assemble((each.slug, "bold"), "  ", each.title))
        told = [Text(text, "dim") for text in (each.category, *facts) if text]
        console.print(Text("    ") + Text(", ").join([*told, *marks]))
    if page.more:
        print_line(f"more: --page {page.page + 1}", error=not console.is_terminal)


def print_outlook(console: Console, outlook: Outlook) -> None:
    """What matters about a competition before its data is downloaded."""
    listed, size = outlook.listed, outlook.size
    data = "not told" if size.bytes is None else f"{size.files or 0:,} files, {megabytes(size.bytes)}"
    disk = f"{megabytes(outlook.free)} free" + (f", about {megabytes(outlook.needed)} needed" if outlook.needed else "")
    daily = f"{listed.max_daily} a day" if listed.max_daily else "not told"
    left = f", {outlook.allowance.left} left today" if outlook.allowance.left is not None else ""
    rules = {True: "accepted", False: f"not accepted: {listed.rules}", None: "not told"}[listed.entered]
    facts = [
        ("metric", listed.metric or "not told"),
        ("deadline", _days(listed) or "none"),
        ("prize", listed.reward),
        ("teams", f"{listed.teams:,}" if listed.teams else ""),
        ("submissions", daily + left),
        ("data", data),
        ("disk", disk),
        ("rules", rules),
        ("kind", ", ".join(filter(None, (listed.category, *listed.tags)))),
        ("picture", listed.picture),
        ("fetched", str(outlook.fetched or "")),
        ("page", listed.url),
    ]
    notes = [*(str(error) for error in outlook.obstacles), *outlook.notes]
    print_facts(console, listed.title, listed.slug, [(name, text) for name, text in facts if text], notes)
    if outlook.evaluation:
        text = outlook.evaluation if len(outlook.evaluation) < 700 else outlook.evaluation[:700] + " …"
        print_line("How it is scored")
        print_line("")
        for line in text.splitlines():
            print_line(line)


def outlook_json(outlook: Outlook) -> dict[str, Any]:
    """The same for `--json`."""
    listed = outlook.listed
    return listed_json(listed) | {
        "submissions_left": outlook.allowance.left,
        "bytes": outlook.size.bytes,
        "files": outlook.size.files,
        "free_bytes": outlook.free,
        "needed_bytes": outlook.needed,
        "rules": listed.rules,
        "evaluation": outlook.evaluation,
        "folder": str(outlook.fetched) if outlook.fetched else None,
        "obstacles": [str(error) for error in outlook.obstacles],
        "notes": list(outlook.notes),
    }


def listed_json(listed: Listed) -> dict[str, Any]:
    """A competition as `--json` tells it."""
    return {
        "slug": listed.slug,
        "title": listed.title,
        "url": listed.url,
        "description": listed.description,
        "category": listed.category,
        "reward": listed.reward,
        "metric": listed.metric,
        "deadline": listed.deadline.isoformat() if listed.deadline else None,
        "days_left": listed.days_left,
        "teams": listed.teams,
        "max_daily_submissions": listed.max_daily or None,
        "entered": listed.entered,
        "notebooks_only": listed.notebooks_only,
        "picture": listed.picture,
        "tags": list(listed.tags),
    }


def print_submission(made: Submission) -> None:
    """What became of a submission, and how that compares with validation."""
    if made.status == "pending":
        print_line(f"not scored yet; look again with: assistant submit --watch, or at {made.page}")
        return
    own = f"; validation said {made.metric} {made.validation:.5f}" if made.validation is not None else ""
    public = f"public score {made.public:.5f}" if made.public is not None else "scored, and the score is not shown"
    private = f", private {made.private:.5f}" if made.private is not None else ""
    print_line(f"{public}{private}{own}")
    if made.place is not None:
        lines = ", ".join(f"{name} {score:.5f}" for name, score in made.place.lines.items())
        print_line(f"on the public leaderboard: {made.place.in_words()}" + (f"; medals from {lines}" if lines else ""))


def submission_json(made: Submission) -> dict[str, Any]:
    """The same for `--json`."""
    return made.model_dump() | {"page": made.page}


def _days(listed: Listed) -> str:
    left = listed.days_left
    if listed.deadline is None or left is None:
        return ""
    day = f"{listed.deadline:%Y-%m-%d}"
    if left < 0:
        return f"{day}, over"
    return f"today, {listed.deadline:%H:%M} UTC" if left == 0 else f"{day}, {left:,} {'day' if left == 1 else 'days'}"
