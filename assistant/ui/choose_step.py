"""What is to be solved: a competition at Kaggle, the sample, or a folder; and reading it.

What was read is named by a text that the page keeps: `sample`, `folder:PATH` or `kaggle:SLUG`, and a line for each setting
that overrules the reading. It comes back from a browser, so it is looked up again for whoever sends it.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.competition import Competition, CompetitionError
from assistant.runs import RunError
from assistant.sources import competition_of, settings_in
from assistant.ui import explore_step, findings, folder, form, kaggle_step
from assistant.ui.jobs import in_words
from assistant.ui.look import alert, empty
from assistant.ui.session import Session

__all__ = [
    "FOLDER",
    "KAGGLE",
    "SAMPLE",
    "choose",
    "chosen_competition",
    "correct",
    "downloaded",
    "read",
    "read_again",
    "first_shown",
    "sample_shown",
    "shown_of_run",
    "welcome",
]

KAGGLE, SAMPLE, FOLDER = "kaggle", "sample", "folder"
EXPLORE = 1  # the number of that step
Changes = dict[str, Any]
_ONE = threading.Lock()


def choose(session: Session, choice: str, chosen: str) -> Changes:
    """Shows what the choice needs; what Kaggle has to be asked comes after that, in `welcome`."""
    changed: Changes = {
        "path_row": gr.update(visible=choice == FOLDER),
        "kaggle_column": gr.update(visible=choice == KAGGLE),
        "on_0": gr.update(visible=choice != KAGGLE or _kaggles(chosen) in session.folders),
        "choice_trouble": "",
    }
    return changed | ({"found": empty("Asking Kaggle …")} if choice == KAGGLE and session.kaggle is None else {})


def welcome(session: Session, choice: str) -> Changes:
    """Who is at Kaggle, and what it has, where that was chosen."""
    if choice != KAGGLE:
        return {}
    return {"found": empty(kaggle_step.SEARCHED)} | kaggle_step.welcome(session) if session.kaggle is None else {}


def _kaggles(chosen: str) -> str:
    """The competition's name in such a text, where it is one of Kaggle's."""
    return (chosen or "").split("\n")[0].removeprefix(f"{KAGGLE}:") if (chosen or "").startswith(f"{KAGGLE}:") else ""


def read(session: Session, public: bool, choice: str, chosen: str, path: str, settings: str) -> Changes:
    """Reads what was chosen, as the settings for it overrule it, and goes on to the next step; stays where that fails. Of
    Kaggle's that is what was downloaded and chosen before."""
    session.moved_on = True
    place = _place(choice, _kaggles(chosen) if choice == KAGGLE else path, settings)
    if place.split("\n")[0] != (chosen or "").split("\n")[0]:  # settings were for what was read before
        place = place.split("\n")[0]
    return _read(session, public, place, chosen)


def downloaded(session: Session, public: bool, slug: str, chosen: str) -> Changes:
    """Reads what has just been downloaded, and goes on; settings for that very competition stay."""
    given = (chosen or "").split("\n")[1:] if _kaggles(chosen) == slug else []
    return _read(session, public, "\n".join([f"{KAGGLE}:{slug}", *given]), chosen)


def _read(session: Session, public: bool, place: str, chosen: str) -> Changes:
    session.has_read = True
    try:
        changed = _understood(session, public, place, chosen)
    except Exception as error:
        return {"choice_trouble": alert(in_words(error)), "understood": alert(in_words(error)), "chosen": ""}
    return changed | {"walk": gr.Walkthrough(selected=EXPLORE), "on_0": gr.update(visible=True)}


def read_again(session: Session, public: bool, chosen: str, settings: str) -> Changes:
    """Reads what was read before, as these settings overrule it; where they do not fit, the page stays as it is."""
    kind, _, rest = (chosen or "").split("\n")[0].partition(":")
    try:
        return _understood(session, public, _place(kind, rest, settings), chosen)
    except Exception as error:
        return {"not_so": alert(in_words(error))}


def correct(session: Session, public: bool, said: str, chosen: str) -> Changes:
    """Reads again with one answer said otherwise: `field=value`, `field=` to take that back, an empty text to take all back."""
    source, *given = (chosen or "").split("\n")
    try:
        before = settings_in(given)
        settings = findings.overruled(before, said[:2000])
        place = "\n".join([source, *(" ".join(f"{name}={value}".split()) for name, value in settings.items())])
        return _understood(session, public, place, chosen)
    except Exception as error:
        line = in_words(error)
        other = next(
            (name for name in given_names(given) if f"({name}=" in line and not said.startswith(f"{name}=")), ""
        )
        return {"not_so": alert(f"{line}; you said {other} yourself: undo it first" if other else line)}


def given_names(given: Sequence[str]) -> list[str]:
    """The names of settings written as name=value."""
    return [setting.partition("=")[0] for setting in given]


def _understood(session: Session, public: bool, place: str, chosen: str) -> Changes:
    """Everything that shows what was read. Raises what reading does."""
    source, *given = place.split("\n")
    before, *given_before = (chosen or "").split("\n")
    competition = chosen_competition(session, public, place)
    shown = sample_shown() if place == SAMPLE else folder.shown(competition, settings_in(given))
    changed: Changes = {"understood": shown, "chosen": place, "choice_trouble": "", "not_so": ""}
    changed["settings"] = "; ".join(given)
    if (source == SAMPLE) != (before == SAMPLE):
        changed |= form.defaults(sample=source == SAMPLE)
    if source != before or _of_images(given) != _of_images(given_before):
        changed |= explore_step.forget(session)
    return changed


def _of_images(given: Sequence[str]) -> list[str]:
    """The settings that say which images there are and what their labels are."""
    return sorted(
        setting for setting in given if setting.partition("=")[0] not in ("metric", "value", "positive", "top")
    )


def chosen_competition(session: Session, public: bool, chosen: str) -> Competition:
    """The competition that such a text names, if this person may have it. Raises CompetitionError, RunError."""
    named, *given = (chosen or "").split("\n")
    kind, _, rest = named.partition(":")
    if kind == SAMPLE:
        return folder.the_sample() if not given else competition_of(SAMPLE, settings_in(given))
    if kind == KAGGLE and rest in session.folders:
        return competition_of(session.folders[rest], settings_in(given))
    if kind == KAGGLE:
        raise RunError("that competition was not downloaded in this session: sign in and download it at step 1")
    if kind == FOLDER and not public and session.owner:
        if not rest.strip():
            raise CompetitionError("no folder is named; write its path at step 1")
        return competition_of(Path(rest), settings_in(given))
    raise RunError("nothing has been chosen: choose a competition, the sample or a folder at step 1")


def first_shown(session: Session, public: bool, address: str, chosen: str) -> Changes:
    """What was understood of what the page's run is of, else of the sample, which is chosen at first; nothing where
    something has been read by now."""
    if session.has_read:
        return {}
    changed = shown_of_run(session, public, address, chosen)
    if changed:
        return changed
    understood = sample_shown()
    return {} if session.has_read else {"understood": understood}


def shown_of_run(session: Session, public: bool, address: str, chosen: str) -> Changes:
    """Puts the data and the settings of that run into the steps before it, so that the page is about one thing."""
    run = session.find(address)
    if run is None:
        return {}
    try:
        asked = run.asked()
    except RunError:
        return {}
    competition = asked.competition
    given = {finding.field: finding.said for finding in competition.evidence if "you said so" in finding.why}
    settings = [f"{name}={value}" for name, value in given.items() if value]
    source = SAMPLE if competition.sample else f"{FOLDER}:{competition.folder}"
    if public and not competition.sample:  # its data may be had by whom Kaggle gives it to, in this session
        source = f"{KAGGLE}:{competition.slug}"
    place, values = "\n".join([source, *settings]), form.values_of(asked.options)
    if place == chosen and session.has_read:
        return values
    session.has_read = True
    try:
        understood = sample_shown() if source == SAMPLE and not settings else folder.shown(competition, given)
    except Exception as error:
        understood = alert(f"The data of this run cannot be shown: {in_words(error)}")
    shown: Changes = {"understood": understood, "chosen": place, "settings": "; ".join(settings)}
    return shown | values | explore_step.forget(session)


def sample_shown() -> str:
    """What was understood of the sample, as HTML. It takes a moment once: whoever asks meanwhile waits."""
    with _ONE:
        return _sample_shown()


@functools.lru_cache(maxsize=1)
def _sample_shown() -> str:
    return folder.shown(folder.the_sample())


def _place(choice: str, path: str | None, settings: str | None) -> str:
    """The text that names what was chosen."""
    given = [setting.strip() for setting in (settings or "").split(";") if setting.strip()]
    named = SAMPLE if choice == SAMPLE else f"{choice}:{(path or '').strip()}"
    return "\n".join([" ".join(named.split("\n")), *given])
