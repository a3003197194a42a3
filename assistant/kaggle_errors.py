"""What Kaggle or the network refused, in one line: *what happened: what was found; what to do*."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Literal

import requests

from assistant.competition import CompetitionError

__all__ = [
    "Fault",
    "KaggleError",
    "SETTINGS_PAGE",
    "duration",
    "explained",
    "fault_of_network",
    "fault_of_status",
    "plain",
    "not_accepted",
    "unknown_token",
]

Kind = Literal[
    "token", "rules", "verification", "unknown", "refused", "busy", "offline", "unreadable", "allowance", "notebooks",
    "closed", "disk", "damaged", "pending", "rejected",
]  # fmt: skip
SETTINGS_PAGE = "https://www.kaggle.com/settings"
_TAG = re.compile(r"<[^<>]*>")
_LONGEST = 240  # characters of somebody else's text in a line of ours


class KaggleError(CompetitionError):
    """Kaggle, or the way to it, does not give what was asked for. `kind` says why, for whoever decides by it; `link` is
    where a person can put it right."""

    def __init__(self, text: str, kind: Kind, link: str = ""):
        super().__init__(text)
        self.kind: Kind = kind
        self.link = link

    def __reduce__(self):
        return type(self), (str(self), self.kind, self.link)


@dataclass(frozen=True)
class Fault:
    """Something that went wrong with one request. `status` is 0 where no answer came; `message` is the server's own
    word; `passing` says that it may be better in a moment, `wait` in how many seconds the server said; `read` is False
    for an answer that came and says nothing, `unreached` that there was nobody to ask."""

    found: str
    status: int = 0
    message: str = ""
    passing: bool = False
    wait: float | None = None
    read: bool = True
    unreached: bool = False


def fault_of_status(status: int, body: str, headers: Mapping[str, str]) -> Fault:
    """The fault that an HTTP status means. `body` may be Kaggle's JSON (nested or flat), a page, or anything."""
    message = plain(_message(body))
    found = f"{status} {message}".strip()
    passing = status in (408, 425, 429) or status >= 500
    return Fault(found, status, message, passing, _retry_after(headers) if passing else None)


def fault_of_network(error: Exception) -> Fault:
    """The fault that a failed connection means, in words; addresses (they may be signed) are left out."""
    told = str(error)
    words = {
        requests.exceptions.SSLError: "its certificate was not accepted",
        requests.exceptions.ProxyError: "the proxy did not let the request through",
        requests.exceptions.ConnectTimeout: "no connection in time",
        requests.exceptions.ReadTimeout: "no answer in time",
    }
    found = next((text for kind, text in words.items() if isinstance(error, kind)), "")
    if not found:
        signs = {
            "refused": "the connection was refused",
            "reset": "the connection was reset",
            "timed out": "no answer in time",
            "Name or service": "its name was not found",
            "name resolution": "its name was not found",
            "getaddrinfo": "its name was not found",
            "nodename": "its name was not found",
            "unreachable": "the network cannot be reached",
        }
        found = next((text for sign, text in signs.items() if sign in told), "the connection broke off")
    lasting = isinstance(error, (requests.exceptions.SSLError, requests.exceptions.InvalidURL))
    unreached = found in ("its name was not found", "the connection was refused", "the network cannot be reached")
    return Fault(found, passing=not lasting, unreached=unreached)


def explained(fault: Fault, slug: str, who: str, tries: int) -> KaggleError:
    """What a fault means for the person `who` who asked about `slug` (either may be empty)."""
    said, low = fault.message, fault.message.lower()
    text, kind, link = "", "rejected", ""
    if fault.status == 403 and "rules" in low and slug:
        return not_accepted(slug, who)
    if fault.status == 403 and ("phone" in low or "verif" in low):
        kind, link = "verification", SETTINGS_PAGE
        text = f"Kaggle asks {who} to verify the account: {said}; do so at {SETTINGS_PAGE} and try again"
    elif fault.status in (403, 404):
        kind = "unknown" if fault.status == 404 else "refused"
        text = f"Kaggle shows {who or 'nobody'} no such thing: {said or fault.status}"
        if slug:
            told = (said or str(fault.status)).rstrip(".")
            text = f"Kaggle shows {who} no competition {slug}: {told}; look for it with: assistant find {slug}"
    elif fault.status == 429:
        kind = "busy"
        wait = f"it asks to wait {duration(fault.wait)}" if fault.wait else f"it said so {tries} times"
        text = f"Kaggle has had too many requests: {wait}; try again then"
    elif fault.status >= 500:
        kind, text = "busy", f"Kaggle is out of order: {fault.found}, {tries} times; try again later"
    elif fault.status:
        text = f"Kaggle refuses: {said or fault.status}"
    elif not fault.read:
        kind = "unreadable"
        text = (
            f"Kaggle's answer could not be read: {fault.found}; try again, and see whether a proxy or a sign-in page is "
            "between here and Kaggle"
        )
    else:
        kind, text = "offline", f"Kaggle could not be reached: {fault.found}; check the network and try again"
    return KaggleError(text, kind, link)


def not_accepted(slug: str, who: str) -> KaggleError:
    """The rules of a competition stand between it and `who`."""
    rules = f"https://www.kaggle.com/c/{slug}/rules"
    text = (
        f"the rules of {slug} are not accepted: Kaggle gives {who} nothing before; accept them at {rules} and try again"
    )
    return KaggleError(text, "rules", rules)


def unknown_token(place: str) -> KaggleError:
    """Kaggle does not accept the credentials that were found at `place`."""
    text = (
        f"Kaggle does not know who this is: {place} is not valid, or not any more; make a new token at {SETTINGS_PAGE}"
    )
    return KaggleError(text, "token", SETTINGS_PAGE)


def duration(seconds: float) -> str:
    """A time to wait, in words."""
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5_400 else f"{seconds / 3_600:.1f} h"


def plain(text: str) -> str:
    """Somebody else's text on one short line, without markup or control characters."""
    text = "".join(letter if letter.isprintable() else " " for letter in _TAG.sub(" ", text))
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _message(body: str) -> str:
    """What an error's body says: `{"error": {"message"}}`, `{"message"}`, or nothing for a page."""
    try:
        told: Any = json.loads(body)
    except (ValueError, RecursionError):
        return "" if body.lstrip().startswith(("<", "[[", "{{")) else body
    if isinstance(told, Mapping):
        inner = told.get("error")
        for source in (inner, told):
            if isinstance(source, Mapping) and isinstance(source.get("message"), str):
                return source["message"]
        if isinstance(inner, str):
            return inner
    return ""


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a Retry-After header asks for: a number or a date; None where it says nothing sensible."""
    told = headers.get("Retry-After", "").strip()
    try:
        wait = float(told)
    except ValueError:
        try:
            at = parsedate_to_datetime(told)
            at = at if at.tzinfo else at.replace(tzinfo=UTC)
            wait = (at - datetime.now(UTC)).total_seconds()
        except (ValueError, OverflowError):
            return None
    return min(max(wait, 0.0), 864_000.0) if wait == wait else None
