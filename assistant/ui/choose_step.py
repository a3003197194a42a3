"""What is to be solved: a competition at Kaggle, the sample, or a folder; and reading it.

What was read is named by a text that the page keeps: `sample`, `folder:PATH` or `kaggle:SLUG`, and a line for each setting
that overrules the reading. It comes back from a browser, so it is looked up again for whoever sends it.
"""

from __future__ import annotations

import functools
import threading
from pathlib import Path
from typing import Any

import gradio as gr

from assistant.competition import Competition, CompetitionError
from assistant.runs import RunError
from assistant.sources import competition_of, settings_in
from assistant.ui import folder, form, kaggle_step
from assistant.ui.jobs import in_words
from assistant.ui.look import alert
from assistant.ui.session import Session

__all__ = ["FOLDER", "KAGGLE", "SAMPLE", "choose", "chosen_competition", "read", "sample_shown"]

KAGGLE, SAMPLE, FOLDER = "kaggle", "sample", "folder"
EXPLORE = 1  # the number of that step
Changes = dict[str, Any]
_ONE = threading.Lock()


def choose(session: Session, choice: str) -> Changes:
    """Shows what the choice needs."""
    changed: Changes = {
        "path_row": gr.update(visible=choice == FOLDER),
        "kaggle_column": gr.update(visible=choice == KAGGLE),
        "on_0": gr.update(visible=choice != KAGGLE),
        "choice_trouble": "",
    }
    return changed | (kaggle_step.welcome(session) if choice == KAGGLE else {})


def read(session: Session, public: bool, choice: str, chosen: str, path: str, settings: str) -> Changes:
    """Reads what was chosen, as the settings overrule it, and goes on to the next step; stays where that fails."""
    try:
        place = _place(choice, path, settings)
        competition = chosen_competition(session, public, place)
        understood = sample_shown() if place == SAMPLE else folder.shown(competition)
    except Exception as error:
        return {"choice_trouble": alert(in_words(error)), "understood": alert(in_words(error)), "chosen": ""}
    changed: Changes = {"understood": understood, "chosen": place, "choice_trouble": ""}
    changed |= {"walk": gr.Walkthrough(selected=EXPLORE), "settings": settings or ""}
    if (place.split("\n")[0] == SAMPLE) != (chosen.split("\n")[0] == SAMPLE):
        changed |= form.defaults(sample=place.split("\n")[0] == SAMPLE)
    return changed


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
