"""What the command shows while it waits: for archives to be unpacked, for images to be looked at, for a run."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from assistant.archives import Progress
from assistant.competition import Competition, CompetitionError
from assistant.launched import outlive
from assistant.printed import print_json, print_line
from recipes import events
from recipes.progress import STAGES, Shown, clock

if TYPE_CHECKING:
    from assistant.explore import Findings
    from assistant.runs import Run

__all__ = ["explored", "follow", "out_of", "unpacking_shown"]


@contextlib.contextmanager
def unpacking_shown() -> Iterator[Callable[[Progress], None]]:
    """A reporter that draws a bar on stderr, where that is a terminal, from the first report on."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn
    from rich.progress import Progress as Bars

    console = Console(stderr=True)
    words = (
        TextColumn("unpacking {task.description}"),
        BarColumn(bar_width=30),
        DownloadColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Bars(*words, console=console, transient=True, disable=not console.is_terminal) as bars:
        tasks = []

        def report(progress: Progress) -> None:
            if not tasks:
                tasks.append(bars.add_task("", total=None, left=""))
            left = "" if progress.seconds_left is None else f"{clock(progress.seconds_left)} left"
            bars.update(
                tasks[0],
                description=progress.name,
                completed=progress.done_bytes,
                total=progress.total_bytes,
                left=left,
            )

        yield report


def out_of(competition: Competition, asked: Path | None) -> Path:
    """The folder that an exploration is written to: the one asked for, else `NAME-explore` where the command was
    called. Raises CompetitionError where pictures written there would count as the competition's."""
    if competition.unsupported:
        raise CompetitionError(f"{competition.slug} cannot be explored: {competition.unsupported}")
    root = competition.root.resolve()
    name = re.sub(r"[^\w.-]+", "-", competition.slug).strip(".-")
    out = (asked or Path(f"{name}-explore" if name else "explore")).expanduser()
    if out.resolve() == root or root in out.resolve().parents:
        raise CompetitionError(
            f"the pictures of the page would lie among the competition's: {out} is in {root}; choose another --out"
        )
    return out


def explored(competition: Competition, out: Path, as_json: bool) -> Findings:
    """Explores a competition's images; shows bars in a terminal and a line a stage elsewhere, on stderr with `as_json`.
    Raises ImagesError, CompetitionError, StorageError."""
    from rich.console import Console

    from assistant.explore import explore
    from assistant.image_table import image_table

    console, stages = Console(stderr=as_json), set()
    with Shown(console, live=console.is_terminal) as shown:

        def lines(event: events.Event) -> None:
            if isinstance(event, events.Batch) and event.stage not in stages and event.total and not as_json:
                stages.add(event.stage)
                text = f"{STAGES[event.stage]}: {event.total:,}"
                console.print(text, highlight=False, markup=False, soft_wrap=True)

        images = image_table(competition)
        report = shown if console.is_terminal else lines
        return explore(images, out, title=competition.title, groups=images.groups, report=report)


def follow(run: Run, as_json: bool, since: int = 0) -> int:
    """Shows a run until it ends and gives the exit status. Ctrl-C stops the run; what it has learned stays for `resume`."""
    from rich.console import Console

    from assistant.runs import as_json as told_as_json

    outlive()
    console = Console(stderr=as_json)
    last: events.Event | None = None
    with Shown(console, live=console.is_terminal and not as_json) as shown:
        if not as_json:
            console.print(f"run {run.folder}", highlight=False, markup=False, soft_wrap=True)
        try:
            for event in run.watch(since=since):
                last = event
                if not as_json:
                    shown(event)
        except KeyboardInterrupt:
            run.stop()
            for event in run.watch(since=since):
                last = event
    if as_json:
        print_json(told_as_json(run))
    if isinstance(last, events.RunDone):
        if not as_json:
            print_line(f"report: {run.folder / 'report.html'}")
        return 0
    if isinstance(last, events.RunStopped):
        print_line(f"go on with: assistant resume {run.folder}", error=True)
        return 130
    if isinstance(last, events.RunFailed):
        print_line(last.error, error=True)
    else:
        print_line(
            f"the run's process died: see {run.folder / 'worker.log'}; go on with: assistant resume {run.folder}",
            error=True,
        )
    return 1
