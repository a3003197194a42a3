"""Labels that no table tells: the folders that pictures lie in, and words in their names."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Sequence

from assistant.competition import Labels
from assistant.evidence import Candidate, Expected, same_words
from assistant.inventory import Pictures, role_of

__all__ = ["class_parts", "in_folders", "in_names", "labelled_pictures"]


def labelled_pictures(pictures: Pictures, expected: Expected) -> list[str]:
    """Pictures that may be labelled by where they are: those in training folders, else those that are not to be answered for."""
    trained = pictures.of("train")
    if trained:
        return trained
    others = pictures.of("")
    if expected.ids:
        others = [
            n
            for n in others
            if not ({n, n.rpartition("/")[2], os.path.splitext(n.rpartition("/")[2])[0]} & expected.ids)
        ]
    return others


def in_folders(pictures: Pictures, expected: Expected, legends: Sequence[frozenset[str]] = ()) -> list[Candidate]:
    """Levels of folders that may be classes. `legends` are columns of small tables, in `same_words` form: what lists
    the folders' names tells that they are classes."""
    names = labelled_pictures(pictures, expected)
    parts = [class_parts(name) for name in names]
    depth = max(map(len, parts), default=0)
    found = []
    for level in range(depth):
        classes = Counter(part[level] for part in parts if len(part) > level)
        count = sum(classes.values())
        if len(classes) < 2 or count < 0.5 * len(names):
            continue
        score, reasons = 4.0, [f"{count:,} pictures lie in {len(classes)} folders"]
        spelled = {same_words(name) for name in classes}
        if expected.words and len(expected.words & spelled) >= 0.5 * min(len(expected.words), len(spelled)):
            score, reasons = 14.0, [*reasons, "named as the template's classes"]
        elif any(spelled <= cells and len(cells) <= 2 * len(spelled) + 2 for cells in legends):
            score, reasons = 10.0, [*reasons, "which a table lists"]
        if len(classes) > count / 3:
            score, reasons = score - 4, [*reasons, "but few pictures in each"]
        score += level * 0.1
        families = _families(pictures, names)
        labels = Labels(kind="folders", target_columns=["label"], families=_short(families), level=level)
        found.append(Candidate(labels, score + 4, reasons))
    return found


def class_parts(name: str) -> list[str]:
    """A picture's folders from the first that does not say train, valid or test; what comes before one that does is not a class."""
    parts = name.split("/")[:-1]
    last = max((depth for depth, part in enumerate(parts, 1) if role_of(part)), default=0)
    return parts[last:]


def _families(pictures: Pictures, names: Sequence[str]) -> list[str]:
    """The families of these pictures, that with the most of them first."""
    wanted = set(names)
    counted = Counter(family for name, family in zip(pictures.names, pictures.families) if name in wanted)
    return [family for family, _ in counted.most_common()]


def _short(families: list[str]) -> list[str]:
    return families if len(families) <= 50 else []


_NAME_PATTERNS = (
    r"^(?P<label>[^\W\d][\w \-]*?)[._\- ]*\(?\d+\)?$",
    r"^\d+[._\- ]+(?P<label>[^\W\d][\w \-]*)$",
    r"^\w*?\d+[._\- ]+(?P<label>[^\W\d](?:[^\W\d]|[ \-])*)[._\- ]+\(?\w*\d+\)?$",
    r"^(?P<label>[^._]+)[._].+$",
)


def in_names(pictures: Pictures, expected: Expected) -> list[Candidate]:
    names = labelled_pictures(pictures, expected)
    stems = [os.path.splitext(name.rpartition("/")[2])[0] for name in names]
    found = []
    for pattern in _NAME_PATTERNS:
        made = [re.match(pattern, stem) for stem in stems]
        classes = Counter(match["label"].strip(" _-.") for match in made if match)
        count = sum(classes.values())
        if not 2 <= len(classes) <= max(2, count // 4) or count < 0.95 * len(stems) or min(classes.values()) < 2:
            continue
        score, reasons = 5.0, [f"the names of {count:,} pictures hold one of {len(classes)} words"]
        spelled = {same_words(name) for name in classes}
        if expected.words and len(expected.words & spelled) >= 0.5 * min(len(expected.words), len(spelled)):
            score, reasons = 13.0, [*reasons, "which the template names"]
        families = _families(pictures, names)
        labels = Labels(kind="names", target_columns=["label"], families=_short(families), pattern=pattern)
        found.append(Candidate(labels, score, reasons))
    return found
