"""The `assistant` command: each subcommand starts a run, or reads a folder. What takes long to import is imported
where it is used."""

from __future__ import annotations

import io
import os
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from assistant.cli_errors import told
from assistant.cli_kaggle import commands, fetched_or_same
from assistant.launched import begin
from assistant.printed import print_json, print_line

__all__ = ["app", "main"]

app = typer.Typer(
    help="From a Kaggle image competition to a scored submission, with a recipe that anyone can read.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

COMPETITION = Annotated[
    str,
    typer.Argument(
        metavar="SLUG|FOLDER",
        help="A competition's name at Kaggle (it is fetched), a folder or an archive of one, or the word sample.",
    ),
]
SET = Annotated[
    list[str],
    typer.Option(
        "--set",
        metavar="NAME=VALUE",
        help="Overrule what was read: labels, id, target, template, task, value, positive, metric, group, top.",
    ),
]
AT_ONCE = Annotated[
    bool,
    typer.Option("--at-once", help="Do not wait for other runs on the same device; they may both need its memory."),
]
JSON = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else.")]


@app.command()
def serve(
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int | None, typer.Option(help="Port.  [default: 7860, or the next free one]", show_default=False)
    ] = None,
    auth: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME:PASSWORD",
            help="Who may come in, where others can reach the page; may be repeated.  [default: a password is made up and printed]",
            show_default=False,
        ),
    ] = None,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the page in a browser.")] = False,
) -> None:
    """Open the web app."""
    # The page is above this command in the house, so it is started as its own program.
    words = [*(["--port", str(port)] if port is not None else []), *(["--browser"] if browser else [])]
    words += [word for each in auth or () for word in ("--auth", each)]
    program = "from assistant.ui.__main__ import main; import sys; sys.exit(main(program='assistant serve'))"
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent.parent), os.environ.get("PYTHONPATH", "")])
    }
    os.execve(sys.executable, [sys.executable, "-c", program, "--host", host, *words], environment)


@app.command()
def sample(folder: Annotated[Path, typer.Argument(help="Folder to write.", metavar="DIR")]) -> None:
    """Write the embedded sample competition: handwritten digits in Kaggle's form."""
    from assistant.sample import write_sample

    print_line(
        f"written: {write_sample(folder)} (train.csv, train/, test/, sample_submission.csv); try: assistant run {folder}"
    )


@app.command()
def read(
    folder: COMPETITION,
    settings: SET = [],  # noqa: B006 (typer copies it)
    as_json: JSON = False,
) -> None:
    """What this folder asks for, with reasons and what else it might be; --set overrules what is wrong."""
    from assistant.competition import public

    competition = competition_in(folder, settings)
    if as_json:
        print_json(public(competition))
        return
    from rich.console import Console

    from assistant.printed import print_competition

    print_competition(Console(), competition)


@app.command()
def explore(
    folder: COMPETITION,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Folder to write.  [default: ./NAME-explore, of the competition's name]",
            show_default=False,
        ),
    ] = None,
    settings: SET = [],  # noqa: B006 (typer copies it)
    as_json: JSON = False,
) -> None:
    """Look at every image: classes, sizes, what is broken, twice there or leaks; writes a page, pictures and tables."""
    try:
        from assistant.terminal import explored, out_of

        competition = competition_in(folder, settings)
        into = out_of(competition, out)
        found = explored(competition, into, as_json)
    except KeyboardInterrupt:
        print_line("stopped before the page was written; begin anew with the same command", error=True)
        raise typer.Exit(130) from None
    if as_json:
        print_json(found.to_dict())
        return
    from rich.console import Console

    from assistant.printed import print_findings

    print_findings(Console(), found, into / "explore.html")


@app.command()
def run(
    competition: COMPETITION,
    recipe: Annotated[
        str, typer.Option(help="eight_steps, five_steps, one_cycle, or steps of your own, joined by +.")
    ] = "eight_steps",
    arch: Annotated[
        str | None, typer.Option(help="Any timm architecture.  [default: resnet34]", show_default=False)
    ] = None,
    weights: Annotated[
        str | None,
        typer.Option(
            help="auto (RECIPES_WEIGHTS, else the Hub), none (random), or a file.  [default: auto]", show_default=False
        ),
    ] = None,
    sizes: Annotated[
        str | None,
        typer.Option(
            help="Image sides in pixels; several, such as 128,224, resize progressively.  [default: 224]",
            show_default=False,
        ),
    ] = None,
    tta: Annotated[int, typer.Option(help="Random views a test image, beside the plain one.")] = 4,
    folds: Annotated[int, typer.Option(help="More than 1: cross-validation, predictions averaged.")] = 1,
    valid: Annotated[float, typer.Option(help="Share of the labelled images that validates, with one fold.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Seed of the split and of everything random.")] = 42,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1, mps.")] = "auto",
    batch_size: Annotated[
        int | None,
        typer.Option(help="Images a step.  [default: 64]", show_default=False),
    ] = None,
    augment: Annotated[
        str | None,
        typer.Option(
            help="plain (no flips), side_on (photos) or top_down (satellite, microscope).  [default: side_on]",
            show_default=False,
        ),
    ] = None,
    max_zoom: Annotated[float, typer.Option(help="Largest enlargement of a random view.")] = 1.1,
    ratio: Annotated[
        float | None,
        typer.Option(
            help="How much lower each earlier group's rate is: 10 photos, 3 medical or satellite.  [default: 10]",
            show_default=False,
        ),
    ] = None,
    max_cycles: Annotated[
        int | None, typer.Option(help="Cycles of the last step at most.  [default: 3]", show_default=False)
    ] = None,
    smoothing: Annotated[float, typer.Option(help="Label smoothing.")] = 0.0,
    ema: Annotated[float, typer.Option(help="Decay of averaged weights (EMA), such as 0.99; 0 for none.")] = 0.0,
    precision: Annotated[str, typer.Option(help="auto, fp32 or bf16.")] = "auto",
    out: Annotated[
        Path | None,
        typer.Option(help="Run folder to write.  [default: a new one among `assistant runs`]", show_default=False),
    ] = None,
    at_once: AT_ONCE = False,
    settings: SET = [],  # noqa: B006 (typer copies it)
    as_json: JSON = False,
) -> None:
    """Recipe to submission: train, predict, and write the CSV. Runs on one device wait for each other."""
    from assistant.processes import expect
    from assistant.runs import Options, start_run
    from assistant.sample import OPTIONS
    from assistant.settings import people_folder
    from assistant.terminal import follow

    expect()
    found = competition_in(competition, settings)
    asked: dict[str, Any] = {
        "recipe": recipe,
        "tta": tta,
        "folds": folds,
        "valid": valid,
        "seed": seed,
        "device": device,
    }
    asked |= {"max_zoom": max_zoom, "smoothing": smoothing, "ema": ema, "precision": precision}
    if found.sample:
        asked |= OPTIONS if arch is None else {"augment": "plain", "sizes": [32]}
    given = {
        "arch": arch,
        "weights": weights,
        "batch_size": batch_size,
        "augment": augment,
        "ratio": ratio,
        "max_cycles": max_cycles,
    }
    asked |= {name: value for name, value in given.items() if value is not None}
    if sizes is not None:
        asked["sizes"] = _sizes(sizes)
    started = start_run(found, Options(**asked), out, at_once)
    status = follow(started, as_json)
    if status == 0 and not as_json and people_folder() in found.root.parents:
        print_line(f"hand it in with: assistant submit {started.name if out is None else started.folder}")
    raise typer.Exit(status)


@app.command()
def resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or the name of a run.")],
    at_once: AT_ONCE = False,
    as_json: JSON = False,
) -> None:
    """Go on with a run that was stopped, failed or died, from where it was."""
    from assistant.runs import EventReader, find_run
    from assistant.terminal import follow

    found = find_run(run)
    seen = EventReader(found.folder)
    seen.new()
    raise typer.Exit(follow(found.resume(at_once), as_json, since=seen.at))


@app.command()
def stop(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run folder, or the name of a run.")],
    keep_best: Annotated[
        bool, typer.Option("--keep-best", help="Keep the best weights so far, and go on to predict.")
    ] = False,
) -> None:
    """Stop a run; it can be resumed."""
    from assistant.runs import GOING_ON, find_run

    found = find_run(run)
    found.stop(keep_best)
    if keep_best:
        print_line(f"{found.name} keeps its best weights and goes on to predict; watch it with: assistant runs")
        return
    end = time.monotonic() + 30
    while found.state() in GOING_ON and time.monotonic() < end:
        time.sleep(0.1)
    print_line(f"{found.name} is {found.state()}; go on with: assistant resume {run}")


@app.command()
def runs(as_json: JSON = False) -> None:
    """All runs, latest first."""
    from rich.console import Console

    from assistant.printed import print_runs
    from assistant.runs import RunError, list_runs
    from assistant.runs import as_json as told_as_json
    from assistant.submissions import submissions_of

    rows = []
    for found in list_runs():
        try:
            handed_in = [each.model_dump() for each in submissions_of(found)]
            rows.append(told_as_json(found) | {"submissions": handed_in})
        except RunError:
            continue
    if as_json:
        print_json(rows)
        return
    if not rows:
        print_line("no runs yet; try: assistant run sample")
        return
    print_runs(Console(), rows)


@app.command()
def check(
    submission: Annotated[Path, typer.Argument(metavar="SUBMISSION", help="The CSV to check.")],
    folder: COMPETITION,
    settings: SET = [],  # noqa: B006 (typer copies it)
    as_json: JSON = False,
) -> None:
    """Would Kaggle accept this submission?"""
    from assistant.submission import check as problems_of

    found = competition_in(folder, settings)
    problems = problems_of(submission, found)
    if as_json:
        print_json({"accepted": not problems, "problems": problems})
    elif not problems:
        print_line(f"{submission} would be accepted: {found.test_images:,} rows, {found.submission.value}")
    else:
        for problem in problems:
            print(problem, file=sys.stderr)  # noqa: T201 (the command's answer)
    if problems:
        raise typer.Exit(1)


@app.command()
def predict(
    run: Annotated[
        str, typer.Argument(metavar="RUN", help="A run folder, the name of a run, or a folder with a model.")
    ],
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Pictures.")],
    top: Annotated[int, typer.Option(help="Classes to show, likeliest first.")] = 3,
    as_json: JSON = False,
) -> None:
    """Classes and probabilities of pictures, on the CPU."""
    from assistant.runs import find_run
    from recipes import load

    folder = Path(run) if (Path(run) / "model.json").is_file() else find_run(run).folder / "model"
    model = load(folder)
    answers = [dict(zip(model.classes, map(float, row))) for row in model.predict([str(path) for path in images])]
    if as_json:
        print_json([{"image": str(path), "answer": answer} for path, answer in zip(images, answers)])
        return
    for path, answer in zip(images, answers):
        best = sorted(answer.items(), key=lambda pair: -pair[1])[: max(top, 1)]
        print_line(f"{path}: " + ", ".join(f"{name} {value:.4f}" for name, value in best))


# In the order in which they are used: before a folder is read, and after a submission is checked.
app.registered_commands[2:2] = commands.registered_commands[:3]
app.registered_commands[-1:-1] = commands.registered_commands[3:]


def competition_in(source: str, settings: Sequence[str] = ()):
    """The competition of that name at Kaggle, or in a folder or an archive, with what --set says; what has to be fetched
    or unpacked is shown."""
    from assistant.competition import CompetitionError
    from assistant.sources import competition_of, settings_in
    from assistant.terminal import unpacking_shown

    try:
        given = settings_in(settings)
    except CompetitionError as error:
        raise typer.BadParameter(f"--set: {error}") from None
    found = fetched_or_same(source)
    with unpacking_shown() as report:
        return competition_of(found, given, report)


def main() -> None:
    """The command; errors that a user can cause are one line on stderr, exit status 1."""
    warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a pipe may know fewer letters than a title has
    begin(sys.argv[1:])
    told(lambda: app())


def _sizes(text: str) -> list[int]:
    try:
        return [int(size) for size in text.replace(" ", "").split(",")]
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not a list of sizes such as 128,224", param_hint="--sizes") from None
