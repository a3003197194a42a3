"""The commands that talk to Kaggle: find, about, fetch, submit."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from assistant.printed import print_json, print_line

__all__ = ["commands", "fetched_or_same"]

commands = typer.Typer()
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]
SLUG = Annotated[
    str, typer.Argument(metavar="SLUG", help="A competition's name as in its address, or the address of its page.")
]


@commands.command()
def find(
    text: Annotated[
        list[str] | None, typer.Argument(metavar="TEXT", help="Words to look for.", show_default=False)
    ] = None,
    category: Annotated[
        str,
        typer.Option(
            help="featured, research, getting-started, playground, community, recruitment, masters or analytics.",
            show_default=False,
        ),
    ] = "",
    sort: Annotated[
        str,
        typer.Option(
            help="relevance, latest-deadline, earliest-deadline, recently-created, number-of-teams, prize, best or grouped.",
            show_default=False,
        ),
    ] = "",
    entered: Annotated[bool, typer.Option("--entered", help="Only those that you have entered.")] = False,
    page: Annotated[int, typer.Option(min=1, help="Page of the results, 20 each.")] = 1,
    as_json: JSON = False,
) -> None:
    """Search Kaggle's competitions."""
    from rich.console import Console

    from assistant.kaggle_terminal import listed_json, print_listed, signed_in

    words = " ".join(text or [])
    found = signed_in().find(words, category, sort, page, entered)
    if as_json:
        told = [listed_json(each) for each in found.competitions]
        print_json({"page": found.page, "more": found.more, "competitions": told})
        return
    print_listed(Console(), found, words)


@commands.command()
def about(slug: SLUG, as_json: JSON = False) -> None:
    """What matters about a competition before its data is downloaded: metric, deadline, size, rules, what is left today."""
    from rich.console import Console

    from assistant.fetching import look
    from assistant.kaggle_terminal import outlook_json, print_outlook, signed_in

    outlook = look(signed_in(), slug)
    if as_json:
        print_json(outlook_json(outlook))
        return
    print_outlook(Console(), outlook)


@commands.command()
def fetch(
    slug: SLUG,
    again: Annotated[bool, typer.Option("--again", help="Download it anew, also where it is there.")] = False,
    as_json: JSON = False,
) -> None:
    """Download a competition's data and unpack it; goes on where an earlier call was, and costs nothing if it is there."""
    from assistant.kaggle_terminal import fetched, signed_in

    try:
        folder = fetched(signed_in(), slug, again)
    except KeyboardInterrupt:
        print_line(f"stopped; what has come is kept: go on with: assistant fetch {slug}", error=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json({"slug": folder.parent.name, "folder": str(folder)})
        return
    print_line(f"{folder}")
    name = folder.parent.name
    print_line(f"look at it with: assistant explore {name}; train with: assistant run {name}", error=True)


@commands.command()
def submit(
    run: Annotated[
        str | None,
        typer.Argument(
            metavar="RUN",
            help="A run folder, or the name of a run.  [default: the latest that is done]",
            show_default=False,
        ),
    ] = None,
    message: Annotated[
        str, typer.Option("--message", "-m", help="What to call it.  [default: how it was made]", show_default=False)
    ] = "",
    competition: Annotated[
        str, typer.Option(metavar="SLUG", help="Submit to this one.  [default: the run's]", show_default=False)
    ] = "",
    watch: Annotated[
        bool, typer.Option("--watch", help="Submit nothing: wait for the score of what was submitted before.")
    ] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Wait for the score.")] = True,
    as_json: JSON = False,
) -> None:
    """Check a run's submission, hand it in, and wait for its score."""
    from assistant import submitting
    from assistant.kaggle_terminal import print_submission, signed_in, submission_json
    from assistant.submissions import submissions_of

    found = _run_of(run)
    kaggle = signed_in()

    def tell(text: str) -> None:
        print_line(text, error=True)

    if watch:
        waiting = [each for each in submissions_of(found) if each.status == "pending"] or submissions_of(found)[-1:]
        if not waiting:
            from assistant.runs import RunError

            raise RunError(f"nothing was submitted of {found.name}; submit it with: assistant submit {found.name}")
        made = waiting[-1]
    else:
        made = submitting.submit(kaggle, found, message, competition, tell=tell)
        tell(f"handed in to {made.competition}: {made.message}")
    if wait or watch:
        try:
            made = submitting.watch(kaggle, found, made, tell=tell)
        except KeyboardInterrupt:
            print_line(f"it is handed in; see its score with: assistant submit {found.name} --watch", error=True)
            raise typer.Exit(130) from None
    if as_json:
        print_json(submission_json(made))
    elif made.status != "failed":
        print_submission(made)
    if made.status == "failed":
        from assistant.kaggle_errors import KaggleError

        raise KaggleError(
            f"Kaggle could not score it: {made.error or 'no reason is told'}; see {made.page}", "rejected"
        )


def fetched_or_same(source: str) -> str | Path:
    """What somebody named, if it is here: a folder, an archive, the word sample; else the folder of the competition of
    that name, fetched."""
    from assistant.kaggle_wire import slug_in

    slug = slug_in(source)
    if slug is None or source == "sample" or Path(source).expanduser().exists():
        return source
    from assistant.kaggle_errors import KaggleError
    from assistant.kaggle_terminal import fetched, signed_in

    if sys.stderr.isatty():
        print_line(f"there is no folder {source} here: looking for a competition of that name at Kaggle", error=True)
    try:
        return fetched(signed_in(), slug)
    except KaggleError as error:
        if error.kind not in ("token", "unknown"):
            raise
        told, kind, link = str(error), error.kind, error.link
    except KeyboardInterrupt:
        print_line("stopped; what has come is kept: go on with the same command", error=True)
        raise typer.Exit(130) from None
    raise KaggleError(f"there is no folder {source} here, so it was looked for at Kaggle: {told}", kind, link)


def _run_of(name: str | None):
    """The run of that name, else the latest that has a submission."""
    from assistant.runs import RunError, find_run, list_runs

    if name is not None:
        return find_run(name)
    done = (run for run in list_runs() if (run.folder / "submission.csv").is_file())
    found = next((run for run in done if not run.asked().competition.sample), None)
    if found is None:
        raise RunError("no run of a competition has a submission yet; make one with: assistant run SLUG")
    return found
