"""What the storage answers: what identifies a file there, and its bytes from some place on, or what went wrong."""

from __future__ import annotations

import contextlib
import json
import queue
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

import requests

from assistant.kaggle_errors import Fault, KaggleError, fault_of_network, fault_of_status
from assistant.network import FAILED, bare_session, body_of
from assistant.patience import Patience, leaving
from recipes.errors import Stopped
from recipes.store import atomic_write

__all__ = ["GONE", "Mark", "Stream", "place_of", "unchanged"]

_CHUNK = 1 << 18
_AHEAD = 16  # chunks that are read ahead of the disk
GONE = (400, 401, 403, 404, 410)  # what storage says of an address that has expired


@dataclass(frozen=True)
class Mark:
    """What identifies a file at its place: `validator` is a strong ETag or a date, `md5` base64 as the server tells it;
    each may be empty. `place` is the address without what is signed."""

    place: str
    size: int | None
    validator: str = ""
    md5: str = ""

    @classmethod
    def of(cls, response: requests.Response, address: str, size: int | None) -> Mark:
        """Of an answer's headers."""
        tag = response.headers.get("ETag", "")
        strong = tag if tag.startswith('"') else response.headers.get("Last-Modified", "")
        md5 = re.search(r"md5=([A-Za-z0-9+/]{22}==)", response.headers.get("x-goog-hash", ""))
        return cls(place_of(address), size, strong, md5.group(1) if md5 else response.headers.get("Content-MD5", ""))

    @classmethod
    def read(cls, path: Path) -> Mark | None:
        """The mark that was written to `path`; None where there is none."""
        with contextlib.suppress(OSError, ValueError, RecursionError):
            return cls.of_json(json.loads(path.read_text(encoding="utf-8")))
        return None

    @classmethod
    def of_json(cls, told: object) -> Mark | None:
        """What `write` wrote; None for anything else."""
        if not isinstance(told, Mapping) or set(told) != {"place", "size", "validator", "md5"}:
            return None
        size, texts = told["size"], [told["place"], told["validator"], told["md5"]]
        whole = size is None or (isinstance(size, int) and not isinstance(size, bool) and size >= 0)
        return cls(**told) if whole and all(isinstance(text, str) and text.isascii() for text in texts) else None

    def write(self, path: Path) -> None:
        """Writes it as JSON."""
        atomic_write(path, json.dumps(asdict(self)))


def place_of(address: str) -> str:
    """Where an address leads, without its query, which is signed."""
    parts = urlsplit(address)
    return f"{parts.scheme}://{parts.netloc}{parts.path}"


def unchanged(address: str, mark: Mark, patience: Patience, should_stop: Callable[[], bool]) -> bool:
    """Whether the file there is still the one that was marked. Costs no request where its place tells the version, as
    Kaggle's does; else one that brings no bytes. Raises KaggleError where the storage does not say, and Stopped."""
    if place_of(address) == mark.place and re.search(r"/kaggle-v2/\d+/\d+/", mark.place):
        return True
    headers = {"If-None-Match": mark.validator} if mark.validator.startswith('"') else {}
    found = "no answer"
    with bare_session(patience) as session:
        try:
            response = leaving(lambda: session.get(address, headers=headers, stream=True), should_stop)
            response.close()
            if response.status_code == 304:
                return True
            if response.status_code == 200:
                return _same(Mark.of(response, address, _length(response)), mark)
            found = str(response.status_code)
        except FAILED as error:
            found = fault_of_network(error).found
    raise KaggleError(f"the storage does not tell whether the data has changed: {found}; try again later", "busy")


def _same(now: Mark, mark: Mark) -> bool:
    same = now.md5 == mark.md5 if now.md5 and mark.md5 else bool(mark.validator) and now.validator == mark.validator
    return same and now.size == mark.size


class Stream:
    """One answer of the storage: either a `fault`, or bytes from `start` on of what `mark` says. `start_anew` says that
    what has come so far belongs to another file."""

    def __init__(
        self, session: requests.Session, address: str, at: int, mark: Mark | None, should_stop: Callable[[], bool]
    ):
        self.fault: Fault | None = None
        self.start, self.start_anew = at, False
        self.mark = mark or Mark(place_of(address), None)
        headers = {}
        if at:
            headers["Range"] = f"bytes={at}-"
            if self.mark.validator:
                headers["If-Range"] = self.mark.validator
        try:
            self.response = leaving(lambda: session.get(address, headers=headers, stream=True), should_stop)
        except FAILED as error:
            self.fault = fault_of_network(error)
            return
        self._understand(address, at)
        if self.fault is not None:
            self.response.close()

    def _understand(self, address: str, at: int) -> None:
        response, status = self.response, self.response.status_code
        kind = response.headers.get("Content-Type", "").lower()
        if status in (200, 206) and any(word in kind for word in ("html", "json", "xml")):
            self.fault = Fault("a web page came where the data was expected", passing=True, read=False)
        elif status == 206:
            self._take_up(address, at)
        elif status == 200:
            self.start, self.mark = 0, Mark.of(response, address, _length(response))
        elif status == 416:
            size = response.headers.get("Content-Range", "").rpartition("/")[2]
            self.start_anew = size.isdigit() and int(size) != self.mark.size
            self.fault = Fault("the storage has fewer bytes than have come", passing=True)
        else:
            said = body_of(response) if status not in (204, 304) else ""
            fault = fault_of_status(status, said, response.headers)
            gone = status in GONE  # the address may have expired: a fresh one is worth a try
            found = f"{status} {_xml_code(said) or fault.message}".strip()
            self.fault = replace(fault, found=found, passing=fault.passing or gone or status < 400)

    def _take_up(self, address: str, at: int) -> None:
        """A part of the file, if it is the part that was asked for, of the file that was begun."""
        first, total = _range(self.response)
        now = Mark.of(self.response, address, total)
        validator, size = self.mark.validator, self.mark.size
        self.start_anew = bool(now.validator and validator and now.validator != validator)
        self.start_anew |= None not in (total, size) and total != size
        if self.start_anew or first != at:
            self.fault = Fault("the storage sent another part than was asked for", passing=True)
        else:
            self.mark = Mark(now.place, total or size, now.validator or validator, now.md5 or self.mark.md5)

    def chunks(self, should_stop: Callable[[], bool]) -> Iterator[bytes]:
        """The bytes as they come, read ahead by a thread of its own, so that a silent line can be left at any moment;
        an end before its time becomes the `fault`. Raises Stopped."""
        ahead: queue.Queue[bytes | Exception] = queue.Queue(_AHEAD)
        left = threading.Event()

        def put(chunk: bytes | Exception) -> None:
            while not left.is_set():
                with contextlib.suppress(queue.Full):
                    ahead.put(chunk, timeout=0.2)
                    return

        def read() -> None:
            try:
                while not left.is_set():
                    chunk = self.response.raw.read1(_CHUNK, decode_content=False)
                    put(chunk)
                    if not chunk:
                        return
            except Exception as error:  # urllib3's and http.client's own, for every way to break off
                put(error)
            finally:
                self.response.close()

        threading.Thread(target=read, daemon=True, name="download").start()
        try:
            while True:
                if should_stop():
                    raise Stopped
                try:
                    chunk = ahead.get(timeout=0.2)
                except queue.Empty:
                    yield b""
                    continue
                if isinstance(chunk, Exception):
                    self.fault = fault_of_network(OSError(str(chunk)))
                    return
                if not chunk:
                    return
                yield chunk
        finally:
            left.set()


def _length(response: requests.Response) -> int | None:
    told = response.headers.get("Content-Length", "")
    return int(told) if told.isdigit() else None


def _range(response: requests.Response) -> tuple[int, int | None]:
    """The first byte and the size of the whole, of a Content-Range header; (-1, None) where it says nothing."""
    found = re.fullmatch(r"bytes (\d+)-(\d+)/(\d+|\*)", response.headers.get("Content-Range", "").strip())
    if not found:
        return -1, None
    return int(found.group(1)), None if found.group(3) == "*" else int(found.group(3))


def _xml_code(body: str) -> str:
    """The code of an error of Google's storage, such as ExpiredToken."""
    found = re.search(r"<Code>(\w{1,60})</Code>", body)
    return found.group(1) if found else ""
