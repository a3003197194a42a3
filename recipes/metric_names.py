"""Which of our metrics a text asks for: a short name as Kaggle gives it, or an evaluation page in prose.

The text is made plain (HTML, Markdown, LaTeX, CamelCase), then searched for what metrics are called. Where several
are named, these win, in this order: one that is not held off ("unlike log loss"); one in a sentence that says how
answers are evaluated; a metric's own name before a word of everyday use (accuracy); the longer name where two
overlap; the first.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from recipes.metrics import is_ordinal

__all__ = ["named_metric"]


@dataclass(frozen=True)
class _Asked:
    """What the answer depends on beside the name: the whole text, the task, its classes."""

    text: str
    task: str
    classes: int
    ordinal: bool


Choice = Callable[[re.Match, _Asked], str | None]


def named_metric(
    text: str, task_name: str, classes: Sequence[str] = (), *, ordinal: bool | None = None
) -> tuple[str, str] | None:
    """The metric that the text asks for and the words that say so, or None where it names none that fits the task.

    `text` is a name or prose, HTML and Markdown allowed. `classes` are the class names, where they are known: two of
    them make F1 that of one class, and whole numbers in order make kappa fit; `ordinal` says so instead.
    """
    plain = _plain(text)
    ordered = is_ordinal(classes) if ordinal is None else ordinal
    asked = _Asked(plain, task_name, len(classes), ordered)
    found = [
        (match.span(), generic, choose(match, asked))
        for pattern, generic, choose in _PATTERNS
        for match in pattern.finditer(plain)
    ]
    # A name within a longer one is part of it, also where the longer one is not ours.
    longest = [
        (span, generic, name)
        for span, generic, name in found
        if not any(o[0] <= span[0] and span[1] <= o[1] and o != span for o, _, _ in found)
    ]
    fitting = [(_rank(plain, span, generic), span, name) for span, generic, name in longest if name is not None]
    if not fitting:
        return None
    _, (start, end), name = min(fitting)
    return name, plain[start:end].strip()


# ---------------------------------------------------------------- the text made plain


def _plain(text: str) -> str:
    """Without markup, one blank between words, CamelCase parted; lines of their own stay sentences of their own."""
    text = re.sub(r"(?is)<(script|style)\b.*?</\1>", " ", text)
    text = re.sub(r"(?i)<(/p|br|/h\d|/li|/div|/tr)\b[^>]*>", "\n", text)
    text = html.unescape(re.sub(r"<[^>]{0,500}>", " ", text))
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"https?://\S+", " ", text)
    text = re.sub(r"\\(?:text|mathrm|mathit|textbf|operatorname)\b", "", text)
    text = text.replace("β", "beta").replace("²", "2").replace("‐", "-").replace("‑", "-").replace("–", "-")
    text = re.sub(r"[\\${}*`_]+", " ", text)
    text = re.sub(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z\d])(?=[A-Z][a-z]{2})", " ", text)  # MeanFScore, F1Score; not mAP
    text = re.sub(r"[^\S\n]+", " ", text)
    return re.sub(r" ?\n\s*", "\n", text).strip()


_EVALUATED = re.compile(
    r"evaluat|\bscor(e|es|ed|ing)\b|\bmetric\b|\bjudged\b|\bmeasured\b|\branked\b|\bassessed\b|leaderboard", re.I
)
_HELD_OFF = re.compile(
    r"(unlike|instead of|rather than|as opposed to|in contrast to|similar to|\bnot( the| a| by| on)?)"
    r"( \w+){0,3} ?$|\bties?\b[^.\n]*$",
    re.I,
)
_SENTENCE_END = re.compile(r"[.!?:](?=\s)|\n")


def _rank(text: str, span: tuple[int, int], generic: bool) -> tuple[bool, bool, bool, int]:
    """Smaller is more likely meant."""
    start, end = span
    ends = [match.end() for match in _SENTENCE_END.finditer(text, 0, start)]
    begun = ends[-1] if ends else 0
    # "Submissions are evaluated on:" and a headline belong to the sentence that follows.
    if len(ends) > 1 and text[ends[-1] - 1] in ":\n":
        begun = ends[-2]
    elif len(ends) == 1 and text[ends[-1] - 1] in ":\n":
        begun = 0
    stop = _SENTENCE_END.search(text, end)
    sentence = text[begun : stop.start() if stop else len(text)]
    held_off = bool(_HELD_OFF.search(text[max(ends[-1] if ends else 0, start - 60) : start]))
    return held_off, not _EVALUATED.search(sentence), generic, start


# ---------------------------------------------------------------- what metrics are called


def _only(name: str, *tasks: str) -> Choice:
    return lambda match, asked: name if asked.task in tasks else None


def _nothing(match: re.Match, asked: _Asked) -> str | None:
    """A metric that is none of ours, and hides the shorter names in it."""
    return None


def _kappa(match: re.Match, asked: _Asked) -> str | None:
    fits = asked.task == "regression" or (asked.task == "single_label" and asked.ordinal)
    quadratic = "quadratic" in asked.text.lower() or "weighted" in match[0].lower()
    return "kappa" if fits and quadratic else None


def _at_k(match: re.Match, asked: _Asked) -> str | None:
    if asked.task not in ("single_label", "multi_label"):
        return None
    # "MAP@K" and "Mean Average Precision @ K" leave the number to a later line.
    k = match["k"]
    if not k.isdigit():
        near = asked.text[match.end() :]
        later = r"@ ?(\d+)|\bk ?= ?(\d+)|(?:up to|top|at most|most likely) (\d+)|\b(\d+) (?:labels|predictions|guesses)"
        said = re.search(later, near, re.I)
        k = str(next(filter(None, said.groups()))) if said else "5"
    return f"map@{int(k)}" if int(k) else None


def _average_precision(match: re.Match, asked: _Asked) -> str | None:
    boxes = re.search(r"intersection over union|\biou\b|bounding box|object detection|\bmasks?\b", asked.text, re.I)
    return "average_precision" if asked.task in ("single_label", "multi_label") and not boxes else None


def _top_k(match: re.Match, asked: _Asked) -> str | None:
    if asked.task != "single_label":
        return None
    words = {"one": "1", "three": "3", "five": "5", "ten": "10"}
    k = int(words.get(match["k"].lower()) or match["k"])
    if match["what"].lower() == "accuracy":
        return "accuracy" if k == 1 else f"top_{k}_accuracy"
    return f"top_{k}_error" if k else None


def _f(match: re.Match, asked: _Asked) -> str | None:
    """F-scores: beta and what is averaged over may stand anywhere near the name."""
    near = asked.text[max(0, match.start() - 60) : match.end() + 120].lower()
    beta = _beta(match, asked)
    if asked.task not in ("single_label", "multi_label") or beta not in (1, 2):
        return None
    if beta == 2:
        return "f2" if asked.task == "multi_label" else None
    average = _average(match[0].lower()) or _average(near) or _average(asked.text.lower())
    if asked.task == "multi_label":
        return f"f1_{average}" if average else "f1_samples"
    if asked.classes == 2 and not average:
        return "f1"
    if average in ("micro", "macro", "weighted"):
        return f"f1_{average}"
    # Kaggle's mean F-score is taken image by image: with one class an image, that is the micro average.
    return "f1_micro" if re.match(r"(mean|average)", match[0], re.I) or average == "samples" else "f1_macro"


def _beta(match: re.Match, asked: _Asked) -> float:
    if match["beta"] and match["beta"].lower() != "beta":
        return float(match["beta"])
    if "beta" in match[0].lower():
        said = re.search(r"\bbeta ?(?:=|of|is|set to|equal to) ?(\d+(?:\.\d+)?)|\bf ?(2|0\.5)\b", asked.text, re.I)
        return float(said[1] or said[2]) if said else (2.0 if asked.task == "multi_label" else 1.0)
    return 1.0


def _average(near: str) -> str | None:
    """How F is averaged, from the words about it; the first that is said."""
    each = r"(?:average|mean)[^.\n]{0,40}(?:each|per|all|over|across)[ -](?:the )?"
    said = {
        "micro": r"\bmicro\b",
        "macro": rf"\bmacro\b|{each}(?:class|label|categor|species)",
        "weighted": r"\bweighted\b",
        "samples": rf"\bsamples?[ -]averag|{each}(?:image|row|sample|example|test)",
    }
    found = [(match.start(), name) for name, pattern in said.items() if (match := re.search(pattern, near))]
    return min(found)[1] if found else None


_ONE, _TAGS, _NUMBERS = "single_label", "multi_label", "regression"
_BOTH = (_ONE, _TAGS)
_RMS = r"root[ -]mean[ -]squared?[ -](?:error|deviation)"
_COLUMNS = r"(?:mean|average)[ -]?column[ -]?wise"
_CURVE = r"(?:the )?(?:receiver[ -]operating[ -]characteristics?|roc)(?: ?\(?roc\)?)?(?:[ -]curves?)?"

_LOG = r"log[ -]?loss|logarithmic loss|multi[ -]?class loss(?: old)?|negative log[ -]?likelihood"
_ENTROPY = r"(?:binary |categorical |softmax )?cross[ -]?entropy"
_AUC = r"\b(?:(?:mean|average)[ -](?:column[ -]?wise )?|column[ -]?wise |macro[ -])?(?:roc[ -]?auc|au[ -]?roc|auc[ -]roc|auc\b)"
_HALF_AUC = r"partial (?:area under[^.\n,]{0,30}curve|auc|roc[ -]auc)|\bp-?auc\b"
_PR_AUC = r"\b(?:pr[ -]?auc|au[ -]?prc?|auc[ -]?prc?)\b|area under (?:the )?precision[ -/]*recall(?: curve)?"
_MAP = r"\b(?:map|mean average precision|average precision)(?: ?\(map\))?"
_OTHER_AP = r"label[ -]?ranking average precision|(?:global|micro)[ -]average precision|\bl?wlrap\b|\bgap\b(?= ?[@(])"
_BALANCED = r"balanced (?:\w+[ -]?\w* )?accuracy|(?:mean|average)[ -](?:per[ -])?class(?:[ -]wise)? accuracy"
_BALANCED_TOO = r"macro[ -]?averaged? recall|normalized multi-?class accuracy"
_ACCURACY = r"(?:categori[sz]ation|classification|prediction|multi-?class|top[ -]?1) accuracy|accuracy score"
_SO_MANY_RIGHT = r"(?:percent(?:age)?|proportion|fraction|share|number) of [^.\n]{0,60}?(?:correct(?:ly)?|right)\b"
_ERROR = r"mis-?classification(?: error| rate)*|(?:classification|categori[sz]ation) error(?: rate)?|\berror rate"
_KAPPA = r"(?:quadratic(?:ally)?[ -])?(?:weighted )?(?:cohen(?:['’]s)? )?(?:quadratic )?(?:weighted )?kappa\b|\bqwk\b"
_F = (
    r"(?:(?:mean|average|averaged|micro|macro|weighted|samples?)[ -](?:averaged?[ -])?)*"
    r"\bf(?=[ -]?(?:[0-9]|beta|score|measure))[ -]?(?P<beta>\d(?:\.\d)?\b|beta\b)?[ -]?(?:scores?\b|measures?\b)?"
    r"(?:[ -](?:micro|macro|weighted|samples|beta)\b)*"
)

_PATTERNS: list[tuple[re.Pattern, bool, Choice]] = [
    (re.compile(pattern, re.I), generic, choose)
    for pattern, generic, choose in (
        (rf"{_LOG}|{_ENTROPY}", False, _only("log_loss", *_BOTH)),
        (rf"{_AUC}|area under {_CURVE}|area under the curve", False, _only("auc", *_BOTH)),
        (_HALF_AUC, False, _nothing),
        (_PR_AUC, False, _average_precision),
        (rf"{_MAP} ?(?:@|at) ?(?P<k>\d+|k\b)(?: ?\(map ?@ ?\w+\))?", False, _at_k),
        (r"(?:mean |macro[ -](?:averaged? )?|c)?average[ -]precision|\bc?mAP\b", False, _average_precision),
        (_OTHER_AP, False, _nothing),
        (
            r"\btop[ -]?(?P<k>\d+|one|three|five|ten)[ -](?:\w+[ -]){0,2}(?P<what>error|accuracy)(?: rates?)?",
            False,
            _top_k,
        ),
        (rf"{_BALANCED}|{_BALANCED_TOO}", False, _only("balanced_accuracy", _ONE)),
        (_ACCURACY, False, _only("accuracy", *_BOTH)),
        (rf"\baccuracy\b|{_SO_MANY_RIGHT}", True, _only("accuracy", *_BOTH)),
        (_ERROR, True, _only("top_1_error", _ONE)),
        (_KAPPA, False, _kappa),
        (
            r"matthews?(?:['’]s?)? corr?elation(?: coefficient)?|\bmcc\b|\bphi coefficient",
            False,
            _only("matthews", _ONE),
        ),
        (_F, False, _f),
        (rf"{_RMS}|\brmsd\b|\brmse\b|mean[ -]squared?[ -]error|\bmse\b", False, _only("rmse", _NUMBERS)),
        (rf"{_COLUMNS} (?:{_RMS}|rmse)|\bmcrmse\b", False, _only("mcrmse", _NUMBERS)),
        (r"root[ -]mean[ -]squared?[ -]log(?:arithmic)?[ -]error|\brmsle\b", False, _only("rmsle", _NUMBERS)),
        (r"mean[ -]absolute[ -](?:error|deviation)|\bmae\b", False, _only("mae", _NUMBERS)),
        (r"\br ?\^? ?(?:2|squared)(?:[ -]score)?\b|coefficient of determination", False, _only("r2", _NUMBERS)),
    )
]
