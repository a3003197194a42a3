"""A server that speaks Kaggle's API on this machine, with a storage on a second port; it can be told to misbehave.

    with KaggleServer() as server:
        ann = server.person("ann", token="KGAT_ann")
        birds = server.competition("birds-2031", folder, grader=lambda data: 0.5)
        server.fail("storage", Cut(after_bytes=1000, how="rst"))

An unmodified `kagglesdk.KaggleClient` talks to it once its endpoint is `server.url`. By hand, for the program as it is:

    python -m tests.kaggle_server --port 7777 --competition birds-2031=path/to/folder
"""

from __future__ import annotations

import argparse
import base64
import binascii
import itertools
import secrets
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tests.kaggle_api import ApiHandler
from tests.kaggle_calls import CALLS, WITH_ADDRESSES, WITH_ENUMS
from tests.kaggle_competitions import (
    Competition,
    Everyone,
    Grader,
    GraderError,
    Person,
    Submission,
    Team,
    default_deadline,
)
from tests.kaggle_faults import (
    BadJson,
    Cut,
    Expire,
    Fault,
    FaultQueues,
    Flip,
    Page,
    Slow,
    Stall,
    Status,
    Together,
    Trickle,
    Truncate,
    UnknownEnum,
    UnknownField,
)
from tests.kaggle_storage import Storage, StorageHandler, StorageOptions
from tests.kaggle_wire import Listener, RequestHandler

__all__ = [
    "BadJson",
    "Competition",
    "Cut",
    "Expire",
    "Fault",
    "Flip",
    "GraderError",
    "KaggleServer",
    "Page",
    "Person",
    "Request",
    "Slow",
    "Stall",
    "Status",
    "StorageOptions",
    "Submission",
    "Trickle",
    "Truncate",
    "UnknownEnum",
    "UnknownField",
]


@dataclass(frozen=True)
class Request:
    """A request that came; `status` is 0 where no answer was given. `time` is `time.monotonic` when it was answered."""

    port: str
    method: str
    path: str
    call: str
    person: str | None
    authorization: str | None
    headers: dict[str, str]
    status: int
    time: float


class KaggleServer:
    """Kaggle's API on one port and its storage on another, both on 127.0.0.1; `port` fixes the first.

    Switches, which may change at any time: `omit_defaults` leaves false, 0 and "" out of the JSON; `flat_errors` gives
    errors without the outer "error"; `full_refs` makes a competition's `ref` its address, as Kaggle does; with
    `empty_last_page` lists end in a page without rows. `address_lives` is for how many seconds an address of the
    storage is good.
    """

    def __init__(self, port: int = 0) -> None:
        self.omit_defaults = True
        self.flat_errors = False
        self.full_refs = True
        self.empty_last_page = False
        self.address_lives: float = 3600
        self.requests: list[Request] = []
        self.people: dict[str, Person] = {}
        self.competitions: dict[str, Competition] = {}
        self.storage = Storage()
        self.faults = FaultQueues()
        self._lock = threading.Lock()
        self._refs = itertools.count(40_000_001)
        self._scratch = tempfile.TemporaryDirectory(prefix="kaggle-server-")
        self._api = Listener(port, ApiHandler, self)
        self._files = Listener(0, StorageHandler, self)

    def __enter__(self) -> KaggleServer:
        self._api.start()
        self._files.start()
        return self

    def __exit__(self, *_) -> None:
        for listener in (self._api, self._files):
            listener.stop()
        self._scratch.cleanup()

    @property
    def url(self) -> str:
        return self._api.url

    @property
    def storage_url(self) -> str:
        return self._files.url

    @property
    def storage_options(self) -> StorageOptions:
        return self.storage.options

    def person(self, name: str, token: str | None = None, key: str | None = None) -> Person:
        """Someone with an account: a token, and a key where they also have one of the old kind."""
        self.people[name] = Person(name, token or f"KGAT_{secrets.token_hex(16)}", key)
        return self.people[name]

    def competition(
        self,
        slug: str,
        bundle: Path | str | bytes,
        *,
        title: str = "",
        evaluation_metric: str = "Categorization Accuracy",
        evaluation: str = "Submissions are scored by the share of images that are labelled rightly.",
        deadline: datetime | None = None,
        reward: str = "$10,000",
        category: str = "Featured",
        tags: Sequence[str] = ("image",),
        max_daily: int = 5,
        notebooks_only: bool = False,
        submissions_disabled: bool = False,
        awards_points: bool = True,
        accepted: Collection[str] | Everyone = "everyone",
        visible_to: Collection[str] | Everyone = "everyone",
        grader: Grader | None = None,
        leaderboard: Sequence[Team] = (),
        larger_is_better: bool = True,
        picture_url: str = "",
        pending_polls: int = 1,
        description: str = "",
        rules: str = "One account each.",
        data_description: str = "",
        late_submissions: bool = False,
    ) -> Competition:
        """A competition whose data are a folder (zipped once, without compression), a zip file or the bundle's bytes.

        `grader` turns a submission into its score, or into its public and its private one, and raises `GraderError`
        for one that cannot be scored; without a grader each scores 0.5. `pending_polls` answers say PENDING first.
        """
        made = Competition(
            slug=slug,
            id=10_001 + len(self.competitions),
            scratch=Path(self._scratch.name),
            title=title or slug.replace("-", " ").title(),
            evaluation_metric=evaluation_metric,
            evaluation=evaluation,
            deadline=deadline or default_deadline(),
            reward=reward,
            category=category,
            tags=tags,
            max_daily=max_daily,
            notebooks_only=notebooks_only,
            submissions_disabled=submissions_disabled,
            awards_points=awards_points,
            accepted=accepted,
            visible_to=visible_to,
            grader=grader,
            leaderboard=leaderboard,
            larger_is_better=larger_is_better,
            picture_url=picture_url,
            pending_polls=pending_polls,
            description=description,
            rules=rules,
            data_description=data_description,
            late_submissions=late_submissions,
        )
        made.replace(bundle)
        self.competitions[slug] = made
        return made

    def fail(self, name: str, faults: Fault | Together | list[Fault | Together], times: int | None = 1) -> None:
        """Lets the next `times` answers of an API method, "api" (any method), "storage" or "upload" go wrong.

        A tuple of faults is for the same answer; a list is a queue, each for `times` answers. `times=None` is for ever.
        """
        if name not in (*CALLS, "api", "storage", "upload"):
            raise ValueError(f"Nothing is called {name!r} here: use a method of the API, 'api', 'storage' or 'upload'")
        for each in faults if isinstance(faults, list) else [faults]:
            for fault in each if isinstance(each, tuple) else (each,):
                _check_fits(fault, name)
        self.faults.put(name, faults, times)

    def clear_faults(self) -> None:
        self.faults.clear()

    # --- what the request handlers ask for ---

    def note(self, handler: RequestHandler, status: int) -> None:
        headers = handler.header_names()
        noted = Request(
            port=handler.port,
            method=handler.command,
            path=handler.path,
            call=handler.call,
            person=handler.person,
            authorization=headers.get("Authorization"),
            headers=headers,
            status=status,
            time=time.monotonic(),
        )
        with self._lock:
            self.requests.append(noted)

    def identified(self, authorization: str | None) -> Person | None:
        """Who an Authorization header stands for: a bearer token, or a name and a key."""
        kind, _, secret = (authorization or "").partition(" ")
        for person in list(self.people.values()):
            if kind == "Bearer" and secret == person.token:
                return person
            if kind == "Basic" and person.key is not None and _decoded(secret) == f"{person.name}:{person.key}":
                return person
        return None

    def number_of(self, person: Person) -> int:
        return 7_000_001 + list(self.people).index(person.name)

    def next_ref(self) -> int:
        with self._lock:
            return next(self._refs)


def _check_fits(fault: Fault, name: str) -> None:
    """Refuses a fault that would change nothing, and so would prove nothing."""
    places = {
        UnknownEnum: WITH_ENUMS,
        Expire: (*WITH_ADDRESSES, "storage", "upload"),
        UnknownField: (*CALLS, "api"),
        BadJson: (*CALLS, "api"),
    }
    fits = places.get(type(fault))
    if fits is not None and name not in fits:
        raise ValueError(f"{fault} changes nothing in {name!r}: use it for {', '.join(fits)}")


def _decoded(secret: str) -> str:
    try:
        return base64.b64decode(secret, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return ""


# --- the command ---


def main(arguments: Sequence[str] | None = None) -> None:
    """Serves competitions until Ctrl-C, and says what to set so that the program talks to it."""
    asked = _asked(arguments)
    try:
        with KaggleServer(port=asked.port) as server:
            _fill(server, asked)
            print(_told(server), flush=True)  # noqa: T201
            stop = threading.Event()
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, lambda *_: stop.set())
            stop.wait()
    except (OSError, ValueError) as error:
        sys.exit(f"The server could not start at port {asked.port}: {error}")


def _fill(server: KaggleServer, asked: argparse.Namespace) -> None:
    for name, token in asked.token or [("you", None)]:
        server.person(name, token)
    for slug, bundle in asked.competition:
        server.competition(slug, bundle, evaluation_metric=asked.metric)
    server.storage_options.cut_every = asked.cut_every


def _asked(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m tests.kaggle_server", description="Kaggle's API on this machine, for trying."
    )
    parser.add_argument("--port", type=int, default=7777, help="of the API; the program's TEST environment is 7777")
    parser.add_argument(
        "--competition", type=_pair, action="append", default=[], metavar="SLUG=FOLDER_OR_ZIP", help="may be repeated"
    )
    parser.add_argument("--metric", default="Categorization Accuracy", help="as Kaggle names it")
    parser.add_argument("--cut-every", type=int, metavar="N", help="cut each download after so many bytes")
    parser.add_argument("--token", type=_pair, action="append", metavar="NAME=TOKEN", help="a person; may be repeated")
    return parser.parse_args(arguments)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, found {text!r}")
    return name, value


def _told(server: KaggleServer) -> str:
    lines = [f"The API is at {server.url}, the storage at {server.storage_url}. Ctrl-C ends both.", ""]
    for person in server.people.values():
        lines.append(f"# as {person.name}")
        lines.append(f"export KAGGLE_API_ENVIRONMENT=TEST KAGGLE_API_TOKEN={person.token}")
    if not server.url.endswith(":7777"):
        lines.append(f"# KAGGLE_API_ENVIRONMENT=TEST means port 7777, and this is {server.url}")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
