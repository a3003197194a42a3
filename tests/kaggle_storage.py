"""The storage of the Kaggle server of these tests: signed addresses that expire, ranges, and a place for uploads."""

from __future__ import annotations

import base64
import re
import secrets
import threading
import time
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.utils import formatdate
from urllib.parse import parse_qs, quote, urlencode, urlsplit
from xml.sax.saxutils import escape

from tests.kaggle_faults import Cut, Expire, Fault, Flip, Slow, Truncate
from tests.kaggle_wire import Bytes, Hangup, Part, Reply, RequestHandler, in_place

__all__ = ["Storage", "StorageHandler", "StorageOptions", "Stored", "Upload"]

_ACCOUNT = "web-data@kaggle-161607.iam.gserviceaccount.com"


@dataclass
class StorageOptions:
    """What the storage tells and can do; all of it may change at any time.

    With `cut_every` each answer ends after so many bytes of its body, by `cut_how`, unless it is shorter.
    """

    etag: bool = True
    md5: bool = True
    ranges: bool = True
    content_length: bool = True
    cut_every: int | None = None
    cut_how: str = "fin"


@dataclass(frozen=True)
class Stored:
    """A file in the storage: `etag` with its quotes, `hashes` as `x-goog-hash` has them."""

    name: str
    body: Part
    etag: str
    hashes: str
    modified: float
    content_type: str = "application/zip"


@dataclass
class Address:
    """A signed address: good for one path, until a time."""

    path: str
    stored: Stored
    expires: float


@dataclass
class Upload:
    """A place for one file of a person, once: `data` is None until it was put there."""

    token: str
    person: str
    competition: str
    name: str
    size: int
    data: bytes | None = None
    used: bool = False
    expired: bool = False


@dataclass
class Storage:
    """All addresses handed out, by signature, and all uploads, by the end of their path."""

    options: StorageOptions = field(default_factory=StorageOptions)
    addresses: dict[str, Address] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def sign(self, base: str, path: str, stored: Stored, lives: float) -> str:
        """An address of a file with a signature never given before, good for `lives` seconds."""
        signature = base64.b64encode(secrets.token_bytes(96)).decode()
        expires = time.time() + lives
        with self.lock:
            self.addresses[signature] = Address(path, stored, expires)
        query = {
            "GoogleAccessId": _ACCOUNT,
            "Expires": int(expires),
            "Signature": signature,
            "response-content-disposition": f"attachment; filename={stored.name}",
        }
        return f"{base}{quote(path)}?{urlencode(query)}"

    def expire_all(self) -> None:
        with self.lock:
            for address in self.addresses.values():
                address.expires = 0


class StorageHandler(RequestHandler):
    """GET and HEAD of signed addresses, PUT of uploads."""

    port = "storage"

    def do_GET(self) -> None:
        self._fetch(self.owner.faults.take("storage"))

    def do_HEAD(self) -> None:
        self._fetch(())

    def do_PUT(self) -> None:
        faults = self.owner.faults.take("upload")
        try:
            data = self.receive(faults)
        except Hangup as end:
            self.give_up(end.how)
        reply = in_place(faults, lambda: self._store(data, faults), _refused)
        if cuts := [fault for fault in faults if isinstance(fault, Cut)]:
            self.give_up(cuts[0].how)  # it lies beyond the body: all was taken in, and no answer comes
        self.answer(reply, tuple(fault for fault in faults if isinstance(fault, Slow)))

    # --- fetching ---

    def _fetch(self, faults: tuple[Fault, ...]) -> None:
        if any(isinstance(fault, Expire) for fault in faults):
            self.owner.storage.expire_all()
        options = self.owner.storage_options
        reply = in_place(faults, lambda: self._found(faults, options), _refused)
        if options.cut_every is not None and reply.body.size > options.cut_every:
            faults = (*faults, Cut(options.cut_every, how="rst" if options.cut_how == "rst" else "fin", head=True))
        self.answer(reply, faults)

    def _found(self, faults: tuple[Fault, ...], options: StorageOptions) -> Reply:
        parts = urlsplit(self.path)
        signature = (parse_qs(parts.query).get("Signature") or [""])[0]
        with self.owner.storage.lock:
            address = self.owner.storage.addresses.get(signature)
        if self.headers.get("Authorization"):
            return _refusal(400, "InvalidArgument", "Only one authorization mechanism is allowed.")
        if not signature:
            return _refusal(403, "AccessDenied", "Anonymous caller does not have storage.objects.get access.")
        if address is None or quote(address.path) != parts.path:
            return _refusal(403, "SignatureDoesNotMatch", "The request signature we calculated does not match.")
        if time.time() >= address.expires:
            at = datetime.fromtimestamp(address.expires, UTC).isoformat(timespec="seconds")
            return _refusal(
                400, "ExpiredToken", "The provided token has expired.", f"Request signature expired at: {at}"
            )
        return self._content(_shortened(address.stored, faults), options)

    def _content(self, stored: Stored, options: StorageOptions) -> Reply:
        headers = _headers(stored, options)
        if options.etag and _lists(self.headers.get("If-None-Match"), stored.etag):
            return Reply(304, headers)
        reply = Reply(200, headers, stored.body, chunked=not options.content_length)
        asked = self.headers.get("Range") if options.ranges else None
        if asked and _unchanged(self.headers.get("If-Range"), headers):
            return _ranged(reply, asked)
        return reply

    # --- storing ---

    def _store(self, data: bytes, faults: tuple[Fault, ...]) -> Reply:
        upload = self.owner.storage.uploads.get(urlsplit(self.path).path.removeprefix("/upload/"))
        if self.headers.get("Authorization"):
            return _refusal(403, "AccessDenied", "This address is signed: it takes no Authorization header.")
        if upload is None:
            return _refusal(404, "NoSuchUpload", "The requested upload was not found.")
        if any(isinstance(fault, Expire) for fault in faults):
            upload.expired = True
        if upload.expired:
            return _refusal(400, "ExpiredToken", "The provided token has expired.")
        if "Content-Length" not in self.headers:
            self.close_connection = True
            return _refusal(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
        if len(data) != upload.size:
            return _refusal(400, "BadRequest", f"{len(data)} bytes came where {upload.size} were announced.")
        upload.data = _damaged(data, faults)
        return Reply(200, {"Content-Type": "text/html; charset=UTF-8", "ETag": f'"{secrets.token_hex(16)}"'})


def _refused(status: int, message: str) -> Reply:
    return _refusal(status, "Error", message or "The service is unwell.")


def _refusal(status: int, code: str, message: str, details: str = "") -> Reply:
    more = f"<Details>{escape(details)}</Details>" if details else ""
    xml = (
        "<?xml version='1.0' encoding='UTF-8'?>"
        f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}</Error>"
    )
    return Reply(status, {"Content-Type": "application/xml; charset=UTF-8"}, Bytes(xml.encode()))


def _headers(stored: Stored, options: StorageOptions) -> dict[str, str]:
    headers = {
        "Content-Type": stored.content_type,
        "Content-Disposition": f"attachment; filename={stored.name}",
        "Last-Modified": formatdate(stored.modified, usegmt=True),
        "Cache-Control": "private, max-age=0",
    }
    if options.etag:
        headers["ETag"] = stored.etag
    if options.md5:
        headers["x-goog-hash"] = stored.hashes
    if options.ranges:
        headers["Accept-Ranges"] = "bytes"
    return headers


def _lists(header: str | None, etag: str) -> bool:
    return header is not None and (header.strip() == "*" or etag in [tag.strip() for tag in header.split(",")])


def _unchanged(if_range: str | None, headers: dict[str, str]) -> bool:
    """Whether a range may be given: nothing was asked about the file's age, or it is the same by a strong sign."""
    return if_range is None or if_range.strip() in (headers.get("ETag"), headers["Last-Modified"])


def _ranged(reply: Reply, asked: str) -> Reply:
    """The part of an answer that a Range header asks for; one that is not a single range leaves it whole."""
    size = reply.body.size
    found = re.fullmatch(r"\s*bytes\s*=\s*(\d*)\s*-\s*(\d*)\s*", asked)
    first, last = found.groups() if found else ("", "")
    if (not first and not last) or (first and last and int(first) > int(last)):
        return reply
    start, stop = _bounds(first, last, size)
    if start >= stop:
        xml = _refusal(416, "InvalidRange", "The requested range cannot be satisfied.", asked)
        xml.headers["Content-Range"] = f"bytes */{size}"
        return xml
    headers = {**reply.headers, "Content-Range": f"bytes {start}-{stop - 1}/{size}"}
    return Reply(206, headers, reply.body.part(start, stop), reply.chunked)


def _bounds(first: str, last: str, size: int) -> tuple[int, int]:
    if not first:
        return max(0, size - int(last)), size
    return int(first), min(size, int(last) + 1) if last else size


def _shortened(stored: Stored, faults: tuple[Fault, ...]) -> Stored:
    for fault in faults:
        if isinstance(fault, Truncate):
            stored = replace(stored, body=stored.body.part(0, min(fault.to_bytes, stored.body.size)))
    return stored


def _damaged(data: bytes, faults: tuple[Fault, ...]) -> bytes:
    for fault in faults:
        if isinstance(fault, Truncate):
            data = data[: fault.to_bytes]
        if isinstance(fault, Flip) and data:
            at = fault.at % len(data)
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
    return data
