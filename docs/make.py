"""Makes what the docs show: `uv run python docs/make.py` runs the sample and draws its pictures; `--text` rewrites
the generated blocks alone, `--explore` makes the pictures of docs/explore.md alone (they need chromium).

A block stands between `<!-- generated: NAME -->` and `<!-- end -->`; a test checks that they are current.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from dataclasses import fields
from pathlib import Path

from typer.testing import CliRunner

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
BLOCK = re.compile(r"(<!-- generated: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)


def help_text() -> str:
    """`--help` of the command and of each subcommand."""
    from assistant.cli import app

    def told(*words: str) -> str:
        out = CliRunner().invoke(
            app, [*words, "--help"], prog_name="assistant", env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"}
        )
        return f"```\n$ assistant {' '.join((*words, '--help'))}\n{out.output.strip()}\n```\n"

    names = [command.name or command.callback.__name__ for command in app.registered_commands]  # type: ignore[union-attr]
    return "\n".join([told(), *(told(name) for name in names)])


def settings_table() -> str:
    """Every step's settings: default, range and help, from the steps' own fields."""
    from recipes import steps

    lines = ["| step | setting | default | range | what it is |", "|---|---|---|---|---|"]
    for name in steps.__all__:
        kind = getattr(steps, name)
        if kind is steps.Step:
            continue
        if not fields(kind):
            lines.append(f"| {name} | | | | |")
        for spec in fields(kind):
            meta = spec.metadata
            span = ", ".join(meta["choices"]) if "choices" in meta else f"{meta['min']:g} to {meta['max']:g}"
            lines.append(f"| {name} | `{spec.name}` | {spec.default} | {span} | {meta['help']} |")
    return "\n".join(lines) + "\n"


def options_table() -> str:
    """A run's options and their defaults, from their own fields."""
    from assistant.runs import Options

    lines = ["| option | default | range | what it is |", "|---|---|---|---|"]
    for name, spec in Options.model_fields.items():
        default = ",".join(map(str, spec.default)) if isinstance(spec.default, list) else spec.default
        limits = {kind: value for each in spec.metadata for kind, value in vars_of(each).items()}
        words = {"ge": "from {:g}", "gt": "above {:g}", "le": "to {:g}", "lt": "below {:g}"}
        span = " ".join(form.format(limits[kind]) for kind, form in words.items() if kind in limits)
        lines.append(f"| `{name}` | {'' if default is None else default} | {span} | {spec.description} |")
    return "\n".join(lines) + "\n"


def vars_of(constraint: object) -> dict[str, float]:
    """A pydantic constraint's limits by kind: ge, gt, le, lt."""
    found = {kind: getattr(constraint, kind, None) for kind in ("ge", "gt", "le", "lt")}
    return {kind: value for kind, value in found.items() if value is not None}


def metrics_table() -> str:
    """The scores that a run can be told, by what is asked for."""
    from recipes.metrics import METRICS

    kinds = {"single_label": "one class", "multi_label": "tags", "regression": "numbers"}
    lines = ["| asked for | scores, by the names that `--set metric=` takes |", "|---|---|"]
    for task, words in kinds.items():
        names = [name for name, made in METRICS.items() if task in made.tasks]
        lines.append(f"| {words} | {', '.join(f'`{name}`' for name in names)} |")
    return "\n".join(lines) + "\n"


def requirements() -> str:
    """requirements.txt, which is all that a Space installs, from the lock file: less what the Space itself brings
    (`sdk_version` in README.md says which gradio)."""
    command = [
        "uv",
        "export",
        "--frozen",
        "--no-hashes",
        "--no-dev",
        "--no-header",
        "--no-annotate",
        "--no-emit-project",
    ]
    left_out = [word for name in ("gradio", "gradio-client", "huggingface-hub") for word in ("--no-emit-package", name)]
    made = subprocess.run([*command, *left_out], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return "# made from uv.lock by: uv run python docs/make.py --text\n" + made


MAKERS = {"help": help_text, "settings": settings_table, "options": options_table, "metrics": metrics_table}


def rewritten(text: str) -> str:
    """A page with its generated blocks made anew."""
    return BLOCK.sub(lambda found: found[1] + MAKERS[found[2]]() + found[3], text)


def draw_pictures(folder: Path) -> None:
    """Runs the sample from nothing and draws what it tells."""
    import numpy as np
    import pandas as pd

    from assistant import plots, reading, sample
    from assistant.runs import Options, start_run
    from recipes import TOP_DOWN, Images, Learner, events

    with tempfile.TemporaryDirectory() as work:
        competition = reading.read(sample.write_sample(Path(work) / "sample"))
        run = start_run(competition, Options(**sample.OPTIONS), Path(work) / "run")
        told = list(run.watch())
        if run.state() != "done":
            raise SystemExit((run.folder / "worker.log").read_text())
        epochs = [event for event in told if isinstance(event, events.Epoch)]
        valid = pd.read_csv(run.folder / "valid.csv", dtype={"id": str, "target": str})
        targets = np.array([competition.classes.index(label) for label in valid["target"]])
        figures = {
            "sweep": plots.sweep([event for event in told if isinstance(event, events.Sweep)]),
            "losses": plots.losses(epochs),
            "metric": plots.metric(epochs, "accuracy"),
            "rates": plots.rates([event for event in told if isinstance(event, events.Batch)]),
            "confusion": plots.confusion(targets, valid[competition.classes].to_numpy(), competition.classes),
        }
        images = Images.from_csv(competition.root / "train.csv", folder="train")
        learner = Learner(
            images, arch="test_resnet", size=96, weights="none", cache=Path(work) / "cache", report=lambda event: None
        )
        views = {
            style: learner.preview(7, 6, type(TOP_DOWN)(style=style)) for style in ("plain", "side_on", "top_down")
        }
        entries = [(view, style.replace("_", "-")) for style, six in views.items() for view in six]
        figures["augmentation"] = plots.pictures(entries, "Six random views of one image, in each style")
        folder.mkdir(exist_ok=True)
        for name, figure in figures.items():
            (folder / f"{name}.png").write_bytes(plots.to_png(figure))
        print(told[-1])


def explore_the_sample(work: Path) -> Path:
    """Plants a few faults in the sample, explores it, and returns the page."""
    import pandas as pd

    from assistant import reading, sample
    from assistant.explore import explore
    from assistant.image_table import image_table

    root = sample.write_sample(work / "sample")
    table = pd.read_csv(root / "train.csv", dtype=str)
    names, labels = table.iloc[:, 0].tolist(), table.iloc[:, 1].tolist()
    train, test = ({path.stem: path for path in sorted((root / part).iterdir())} for part in ("train", "test"))
    for number, path in enumerate(list(test.values())[:6]):  # of a download that mixed up its folders
        path.write_bytes(train[names[10 + number]].read_bytes())
    for number in range(40, 46):  # the same picture again, with the next one's label
        other = next(at for at in range(number + 60, len(names)) if labels[at] != labels[number])
        train[names[other]].write_bytes(train[names[number]].read_bytes())
    for name in names[200:203]:  # of a download that was cut off
        train[name].write_bytes(train[name].read_bytes()[:180])
    competition = reading.read(root)
    explore(image_table(competition), work / "page", title=competition.title)
    return work / "page" / "explore.html"


def draw_exploration(folder: Path) -> None:
    """Photographs the page of an exploration: its head, and what was found twice."""
    import shutil

    from playwright.sync_api import sync_playwright

    with tempfile.TemporaryDirectory() as work, sync_playwright() as playwright:
        address = explore_the_sample(Path(work)).as_uri()
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1000, "height": 760})
        page.goto(address)
        page.evaluate("Promise.all([...document.images].map(i => { i.loading = 'eager'; return i.decode() }))")
        page.screenshot(path=folder / "explore-page.png")
        for title, name in (("Leaks", "explore-leaks"), ("The same picture", "explore-conflicts")):
            page.locator("section", has=page.locator(f"h2:has-text('{title}')")).screenshot(path=folder / f"{name}.png")
        browser.close()


def main() -> None:
    """Pictures, unless --text is given, then the generated blocks."""
    pictures, asked = ROOT / "docs" / "pictures", sys.argv[1:]
    if "--text" not in asked and "--explore" not in asked:
        draw_pictures(pictures)
    if "--text" not in asked:
        draw_exploration(pictures)
    for page in PAGES:
        page.write_text(rewritten(page.read_text()))
    (ROOT / "requirements.txt").write_text(requirements())


if __name__ == "__main__":
    main()
