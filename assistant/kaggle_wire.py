"""What Kaggle's answers say, read leniently: a field that is missing, unknown or odd never breaks the others.

Shapes follow the wire of `competitions.CompetitionApiService` (camelCase JSON, times in naive UTC).
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

from assistant.kaggle_errors import KaggleError, plain

__all__ = ["Allowance", "Listed", "ListedPage", "Sent", "Size", "Team", "file_sizes", "slug_in", "slug_of"]

_SLUG = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")
_ADDRESS = re.compile(r"(?:https?://)?(?:www\.)?kaggle\.com/(?:competitions|c)/([^/?#\s]+)\S*", re.IGNORECASE)
Wire = Mapping[str, Any]


def slug_in(text: str) -> str | None:
    """The competition that somebody named: a slug as it is, or the one in the address of its page; else None."""
    found = _ADDRESS.fullmatch(text.strip())
    slug = (found.group(1) if found else text.strip()).lower()
    return slug if _SLUG.fullmatch(slug) else None


def slug_of(text: str) -> str:
    """The same; raises KaggleError where it is neither."""
    slug = slug_in(text)
    if slug is None:
        raise KaggleError(
            f"not a competition's name: {plain(text)!r}; write it as in its address, such as dog-breed-identification",
            "unknown",
        )
    return slug


@dataclass(frozen=True)
class Listed:
    """A competition as Kaggle lists it. `entered` is None where Kaggle did not say; `deadline` is in UTC; `max_daily` 0
    where it is not told."""

    slug: str
    title: str
    url: str
    description: str = ""
    category: str = ""
    reward: str = ""
    metric: str = ""
    deadline: datetime | None = None
    teams: int = 0
    max_daily: int = 0
    entered: bool | None = None
    notebooks_only: bool = False
    submissions_disabled: bool = False
    awards_points: bool = False
    picture: str = ""
    tags: tuple[str, ...] = ()

    @classmethod
    def of(cls, wire: Wire, asked: str = "") -> Listed:
        """From ApiCompetition; `asked` is the slug where the answer names none."""
        ref = _text(wire, "ref") or _text(wire, "url")
        slug = slug_in(ref.rstrip("/").rsplit("/", 1)[-1]) or asked
        return cls(
            slug=slug,
            title=_text(wire, "title") or slug,
            url=f"https://www.kaggle.com/competitions/{slug}",
            description=_text(wire, "description"),
            category=_text(wire, "category"),
            reward=_text(wire, "reward"),
            metric=_text(wire, "evaluationMetric"),
            deadline=_time(wire, "deadline"),
            teams=_count(wire, "teamCount"),
            max_daily=_count(wire, "maxDailySubmissions"),
            entered=wire["userHasEntered"] if isinstance(wire.get("userHasEntered"), bool) else None,
            notebooks_only=wire.get("isKernelsSubmissionsOnly") is True,
            submissions_disabled=wire.get("submissionsDisabled") is True,
            awards_points=wire.get("awardsPoints") is True,
            picture=_https(_text(wire, "thumbnailImageUrl")),
            tags=tuple(name for tag in _dicts(wire, "tags") if (name := _text(tag, "name") or _text(tag, "ref"))),
        )

    @property
    def days_left(self) -> int | None:
        """Days until the deadline by the calendar (UTC), 0 on its day, -1 when it has passed; None where there is none."""
        if self.deadline is None:
            return None
        now = datetime.now(UTC)
        return -1 if self.deadline < now else (self.deadline.date() - now.date()).days

    @property
    def rules(self) -> str:
        """The page where its rules are accepted."""
        return f"https://www.kaggle.com/c/{self.slug}/rules"


@dataclass(frozen=True)
class ListedPage:
    """One page of a search."""

    competitions: tuple[Listed, ...]
    page: int
    more: bool

    @classmethod
    def of(cls, wire: Wire, page: int) -> ListedPage:
        """From ListCompetitionsResponse."""
        found = tuple(Listed.of(each) for each in _dicts(wire, "competitions"))
        return cls(tuple(each for each in found if each.slug), page, bool(_text(wire, "nextPageToken")))


@dataclass(frozen=True)
class Size:
    """What would be downloaded: bytes and files, unpacked; None where Kaggle does not tell."""

    bytes: int | None
    files: int | None

    @classmethod
    def of_summary(cls, wire: Wire) -> Size | None:
        """From ApiFilesSummary; None where it tells nothing."""
        told = wire.get("fileSummaryInfo")
        if not isinstance(told, Mapping):
            return None
        kinds = _dicts(told, "fileTypes")
        files = _count(told, "totalFileCount") or sum(_count(kind, "fileCount") for kind in kinds)
        size = sum(_count(kind, "totalSize") for kind in kinds)
        return cls(size, files) if size or files else None


def file_sizes(wire: Wire) -> list[int]:
    """Bytes of each file of one page of ListDataFilesResponse."""
    return [_count(file, "totalBytes") for file in _dicts(wire, "files")]


@dataclass(frozen=True)
class Allowance:
    """How many submissions a person has made, and may still make today (UTC); `left` is None where that is unknown."""

    today: int
    left: int | None

    @classmethod
    def of(cls, wire: Wire) -> Allowance:
        """From ApiSubmissionLimits. All zeros are what somebody without a team is told: nothing is known then."""
        today, total, left = (_count(wire, name) for name in ("numToday", "numTotal", "numAllowedNow"))
        return cls(today, left if left or today or total else None)


@dataclass(frozen=True)
class Sent:
    """A submission as Kaggle has it: pending until `status` says scored or failed. A score is None until it is told."""

    ref: int
    status: Literal["pending", "scored", "failed"]
    public: float | None = None
    private: float | None = None
    error: str = ""
    message: str = ""
    at: datetime | None = None
    team: str = ""

    @classmethod
    def of(cls, wire: Wire) -> Sent:
        """From ApiSubmission. A status that nobody has heard of counts as pending, as long as no error is told."""
        told = str(wire.get("status", "PENDING")).upper().rsplit("_", 1)[-1]
        error = _text(wire, "errorDescription")
        status: Literal["pending", "scored", "failed"] = "pending"
        if told in ("COMPLETE", "1"):
            status = "scored"
        elif told in ("ERROR", "2") or error:
            status = "failed"
        return cls(
            ref=_count(wire, "ref"),
            status=status,
            public=_score(wire, "publicScore"),
            private=_score(wire, "privateScore"),
            error=error,
            message=_text(wire, "description"),
            at=_time(wire, "date"),
            team=_text(wire, "teamName"),
        )


@dataclass(frozen=True)
class Team:
    """A row of the public leaderboard, best first."""

    name: str
    score: float
    members: tuple[str, ...] = ()


def _text(wire: Wire, name: str) -> str:
    """A text on one line; what would steer a terminal or cannot be written as UTF-8 is a blank."""
    value = wire.get(name)
    if not isinstance(value, str):
        return ""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in value).split())


def _count(wire: Wire, name: str) -> int:
    """A whole number; int64 comes as text in protobuf's JSON."""
    try:
        return min(max(int(wire.get(name) or 0), 0), 1 << 60)
    except (TypeError, ValueError, OverflowError):
        return 0


def _score(wire: Wire, name: str) -> float | None:
    value = wire.get(name)
    try:
        score = float(value) if isinstance(value, (str, int, float)) and value != "" else math.nan
    except (ValueError, OverflowError):
        return None
    return score if math.isfinite(score) else None


def _time(wire: Wire, name: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(_text(wire, name))
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _dicts(wire: Wire, name: str) -> list[Wire]:
    value = wire.get(name)
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _https(address: str) -> str:
    return address if address.startswith("https://") else ""
