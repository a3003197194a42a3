"""What the command prints of a competition, of an exploration and of runs: a name on the left, its facts beside it.

In a terminal the facts are wrapped to its width; elsewhere each is one line, for whatever reads them next.
"""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recipes.errors import few

if TYPE_CHECKING:
    from rich.console import Console

    from assistant.competition import Competition, Finding
    from assistant.explore import Findings

__all__ = ["megabytes", "print_competition", "print_facts", "print_findings", "print_json", "print_line", "print_runs"]

WIDEST, NAMES = 112, 12  # columns that a line may take, and that names on the left do
WHY, LOUD = "dim", "yellow"
Lines = list[tuple[str, str]]  # text and style


def print_line(text: str, error: bool = False) -> None:
    """A line on stdout, or on stderr, without what would steer a terminal."""
    text = "".join(letter if letter.isprintable() or letter == "\t" else "�" for letter in text.rstrip("\n"))
    print(text, file=sys.stderr if error else sys.stdout)


def megabytes(size: float) -> str:
    """A number of bytes in words."""
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"


def print_json(value: Any) -> None:
    """One JSON document on stdout."""
    print(json.dumps(value, ensure_ascii=False, indent=1))  # noqa: T201


def print_competition(console: Console, competition: Competition) -> None:
    """What a folder asks for, why that is thought, and how to say that it is otherwise."""
    from assistant.competition import answer_in_words, task_in_words
    from assistant.reading import SETTINGS

    found = {finding.field: finding for finding in competition.evidence}
    asked, metric = competition.submission, competition.metric
    answer = f"{answer_in_words(asked)}, under {few([asked.id_column, *asked.columns], 5)}"
    counts = f"{competition.train_images:,} with labels, {competition.test_images:,} to answer for"
    facts: list[tuple[str, str, str]]  # name, what was found, the setting that overrules it
    if competition.unsupported:
        facts = [("template", _answer(found, "template"), "template"), ("labels", _answer(found, "labels"), "labels")]
    else:
        named = "" if competition.task == "regression" and len(competition.classes) == 1 else ": "
        names = few(competition.classes, 8) if named else ""
        facts = [
            ("task", f"{task_in_words(competition)}{named}{names}", "task"),
            ("images", counts, ""),
            ("labels", competition.labels_from, "labels"),
            ("groups", _answer(found, "group"), "group"),
            ("template", asked.template or "none", "template"),
            ("answer", answer, "value"),
            ("score", f"{metric.name}, {metric.direction} is better", "metric"),
        ]
    rows: list[tuple[str, Lines]] = []
    if competition.unsupported:
        rows.append(("refused", [(competition.unsupported, LOUD)]))
    for name, text, setting in facts:
        if text:
            why = _why(found.get(setting))
            rows.append((name, [(text, ""), *(why[:1] if competition.unsupported else why)]))
    rows += [("note", [(text, LOUD)]) for text in competition.warnings]
    _headline(console, competition.title, competition.slug)
    _print_rows(console, rows)
    if not competition.unsupported:
        _print_prose(console, f"Not so? Say it with --set NAME=VALUE; NAME is one of {', '.join(SETTINGS)}.", WHY)


def print_findings(console: Console, found: Findings, page: Path) -> None:
    """What an exploration found, and where its page is."""
    from assistant.explore_page import in_a_sentence

    figures = found.figures
    loud: dict[str, Lines] = {
        "broken": _broken(found),
        "duplicates": _duplicates(figures),
        "leaks": _leaks(found),
        "conflicts": _conflicts(found),
    }
    rows: list[tuple[str, Lines]] = [
        ({"multi_label": "tags", "regression": "numbers"}.get(figures["task"], "classes"), [(_classes(found), "")]),
        ("sizes", [(_sizes(figures), "")]),
        *((name, lines or [("none", "")]) for name, lines in loud.items()),
    ]
    if figures["groups"]:
        groups = figures["groups"]
        rows.append(("groups", [(f"{groups['count']:,}, the largest has {groups['largest']:,} images", "")]))
    rows += [("advice" if not number else "", [(text, "")]) for number, text in enumerate(found.advice)]
    rows.append(("page", [(str(page), "bold")]))
    _headline(console, found.title)
    _print_prose(console, in_a_sentence(figures))
    _print_rows(console, rows)


def print_facts(
    console: Console, title: str, slug: str, facts: Iterable[tuple[str, str]], notes: Iterable[str] = ()
) -> None:
    """A title, and facts by name; notes stand out."""
    _headline(console, title, slug)
    rows: list[tuple[str, Lines]] = [(name, [(text, "")]) for name, text in facts]
    _print_rows(console, [*rows, *(("note", [(text, LOUD)]) for text in notes)])


def print_runs(console: Console, told: Iterable[dict[str, Any]]) -> None:
    """A table of runs, each as `assistant runs --json` tells it: validation beside the leaderboard. Where there is no
    terminal, a line a run, with tabs between."""
    from rich.table import Table

    rows = [_run_row(row) for row in told]
    used = [name for name in rows[0] if name not in ("public", "private", "place") or any(row[name] for row in rows)]
    if not console.is_terminal:
        for line in (used, *([row[name] for name in used] for row in rows)):
            print_line("\t".join(line))
        return
    if console.width < _ROOMY:
        used = [name for name in used if name not in ("made with", "validation")]
    table = Table(box=None, header_style="dim", pad_edge=False)
    for name in used:
        table.add_column(name, overflow="fold", no_wrap=name == "run", justify="right" if name in _NUMBERS else "left")
    for row in rows:
        table.add_row(*(row[name] for name in used))
    console.print(table)


_ROOMY = 110  # columns of a terminal that shows everything of a run
_NUMBERS = ("validation", "with TTA", "public", "private")


def _run_row(row: dict[str, Any]) -> dict[str, str]:
    """The cells of a run: scores in the competition's own metric, which is the first of each view."""
    asked, scores = row["options"], row["scores"]
    shown = {
        view: next(iter(scores.get(view, {}).items()), ("", None)) for view in ("valid", "valid_tta", "valid_decided")
    }
    submissions = row.get("submissions") or [{}]
    handed_in = submissions[-1]
    if handed_in.get("status") == "failed":  # one that was refused hides no earlier score
        handed_in = next((each for each in reversed(submissions) if each["status"] == "scored"), handed_in)
    place, tta = (
        handed_in.get("place"),
        (shown["valid_decided"] if "valid_decided" in scores else shown["valid_tta"])[1],
    )
    waiting = {"pending": "waits", "failed": "refused"}.get(handed_in.get("status", ""), "")
    return {
        "run": row["name"],
        "state": f"waiting ({row['ahead']} before it)" if row.get("ahead") else row["state"],
        "made with": f"{asked['recipe']} {asked['arch']} {','.join(map(str, asked['sizes']))}",
        "metric": shown["valid"][0],
        "validation": _number(shown["valid"][1]),
        "with TTA": _number(tta),
        "public": waiting or _number(handed_in.get("public")),
        "private": _number(handed_in.get("private")),
        "place": (f"{place['rank']:,} of {place['teams']:,}" + f" {place['medal']}".rstrip()) if place else "",
    }


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"


# ---------------------------------------------------------------- a competition


def _answer(found: dict[str, Finding], field: str) -> str:
    return found[field].answer if field in found else ""


def _why(finding: Finding | None) -> Lines:
    """The reason of a finding, and what would say that it is another one."""
    from assistant.choices import setting_of

    if finding is None:
        return []
    others = dict.fromkeys(setting_of(finding.field, other) for other in finding.others)
    reasons = [(f"since {finding.why}", WHY)] if finding.why else []
    return reasons + [(f"or --set {shlex.quote(f'{finding.field}={other}')}", "cyan") for other in others if other]


# ---------------------------------------------------------------- an exploration


def _classes(found: Findings) -> str:
    figures = found.figures
    most, least = figures["largest_class"], figures["smallest_class"]
    if not most:
        return few([f"{name} ({count:,})" for name, count in zip(found.classes["class"], found.classes.images)], 10)
    if most["images"] == least["images"]:
        return f"{figures['classes']:,}, each with {most['images']:,} images"
    spread = f"from {most['images']:,} images ({most['class']}) to {least['images']:,} ({least['class']})"
    return f"{figures['classes']:,}, {spread}"


def _sizes(figures: dict[str, Any]) -> str:
    said = {}
    for split, sides in figures["sizes"].items():
        spans = [
            f"{name} {side['min']:,.0f}"
            + (f" to {side['max']:,.0f}, half of them to {side['median']:,.0f}" if side["min"] < side["max"] else "")
            for name, side in (("width", sides["width"]), ("height", sides["height"]))
        ]
        said[split] = "; ".join(spans)
    if len(set(said.values())) == 1:
        return next(iter(said.values()))
    return (
        " · ".join(f"{split}: {words}" for split, words in sorted(said.items(), reverse=True)) or "none can be opened"
    )


def _broken(found: Findings) -> Lines:
    counts = {split: count for split, count in found.figures["broken"].items() if count}
    named = [f"{name}: {reason}" for name, reason in zip(found.broken["id"].head(3), found.broken["reason"])]
    head = " and ".join(f"{count:,} of {split}" for split, count in counts.items())
    return [(head, LOUD), *((text, WHY) for text in named)] if counts else []


def _duplicates(figures: dict[str, Any]) -> Lines:
    twins, places = figures["duplicates"], {"train": "within train", "test": "within test", "across": "across both"}
    told = []
    for at, where in places.items():
        exact, near = twins[f"exact_{at}"], twins[f"near_{at}"]
        if exact or near:
            told.append(f"{exact:,} exact and {near:,} near pairs {where}")
    return [("; ".join(told), LOUD)] if told else []


def _leaks(found: Findings) -> Lines:
    count, pairs = found.figures["duplicates"]["test_images_in_train"], found.leaks()
    named = [f"{a} and {b}" for a, b in zip(pairs.id_a.head(3), pairs.id_b)]
    said = f"{count:,} test {'image is' if count == 1 else 'images are'} also in train"
    return [(said, LOUD), (f"such as {', '.join(named)}", WHY)] if count else []


def _conflicts(found: Findings) -> Lines:
    pairs = found.conflicts()
    first = pairs.head(3)
    named = [
        f"{a} ({label}) and {b} ({other})"
        for a, label, b, other in zip(first.id_a, first.label_a, first.id_b, first.label_b)
    ]
    said = f"{len(pairs):,} {'pair' if len(pairs) == 1 else 'pairs'} of the same picture with different labels"
    return [(said, LOUD), (f"such as {', '.join(named)}", WHY)] if len(pairs) else []


# ---------------------------------------------------------------- how it looks


def _headline(console: Console, title: str, slug: str = "") -> None:
    _print_prose(console, f"{title} ({slug})" if slug and slug != title else title, "bold")


def _print_prose(console: Console, text: str, style: str = "") -> None:
    from rich.text import Text

    if console.is_terminal:
        console.print(Text(_clean(text), style), width=min(console.width, WIDEST))
    else:
        console.print(_clean(text), highlight=False, markup=False, soft_wrap=True)


def _print_rows(console: Console, rows: Sequence[tuple[str, Lines]]) -> None:
    """Names on the left, lines beside them."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid(padding=0)
    grid.add_column(width=NAMES, no_wrap=True)
    grid.add_column(max_width=max(20, min(console.width, WIDEST) - NAMES), overflow="fold")
    for name, lines in rows:
        for number, (text, style) in enumerate(lines):
            first, text = name if number == 0 else "", _clean(text)
            if console.is_terminal:
                grid.add_row(Text(first, "bold"), Text(text, style))
            else:
                console.print(f"{first:<{NAMES}}{text}", highlight=False, markup=False, soft_wrap=True)
    if console.is_terminal:
        console.print("", grid, "", sep="\n")


def _clean(text: str) -> str:
    """Text that came from files without what would steer a terminal."""
    return "".join(letter if letter.isprintable() else "�" for letter in " ".join(text.split()))
