"""HTTP as the Kaggle server of these tests speaks it: bodies, answers that can go wrong byte by byte, and listeners.

Written on sockets rather than on a framework, so that a cut is exactly a FIN or a RST at exactly one byte, and so that a
file leaves by `os.sendfile` where nothing is wrong with it.
"""

from __future__ import annotations

import contextlib
import os
import socket
import socketserver
import struct
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from email.utils import formatdate
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, Protocol

from tests.kaggle_faults import Cut, Fault, Flip, Page, Slow, Stall, Status, Trickle

if TYPE_CHECKING:
    from tests.kaggle_server import KaggleServer

__all__ = ["Body", "Bytes", "Hangup", "Listener", "Part", "Reply", "RequestHandler", "Stopped", "in_place"]

_BLOCK = 1 << 18


class Hangup(Exception):
    """The connection has to end here, by "fin" or by "rst"."""

    def __init__(self, how: str) -> None:
        super().__init__(how)
        self.how = how


class Stopped(Exception):
    """The server stops, whatever an answer is waiting for."""


class Body(Protocol):
    """What an answer carries: its size, a stretch of it as bytes, and a stretch of it sent."""

    @property
    def size(self) -> int: ...

    def read(self, start: int, stop: int) -> bytes: ...

    def send(self, connection: socket.socket, start: int, stop: int) -> None: ...

    def part(self, start: int, stop: int) -> Body: ...


@dataclass(frozen=True)
class Bytes:
    """A body in memory."""

    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    def read(self, start: int, stop: int) -> bytes:
        return self.data[start:stop]

    def send(self, connection: socket.socket, start: int, stop: int) -> None:
        connection.sendall(memoryview(self.data)[start:stop])

    def part(self, start: int, stop: int) -> Bytes:
        return Bytes(self.data[start:stop])


@dataclass(frozen=True)
class Part:
    """A body that is a stretch of a file."""

    path: Path
    offset: int
    size: int

    def read(self, start: int, stop: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset + start)
            return file.read(stop - start)

    def send(self, connection: socket.socket, start: int, stop: int) -> None:
        with self.path.open("rb") as file:
            at, end = self.offset + start, self.offset + stop
            while at < end:
                sent = _send_from(connection, file.fileno(), at, end - at)
                if not sent:
                    raise Hangup("fin")  # the file is shorter than it was
                at += sent

    def part(self, start: int, stop: int) -> Part:
        return Part(self.path, self.offset + start, stop - start)


def _send_from(connection: socket.socket, file: int, offset: int, count: int) -> int:
    if hasattr(os, "sendfile"):
        return os.sendfile(connection.fileno(), file, offset, min(count, 1 << 30))
    block = os.pread(file, min(count, _BLOCK), offset)
    connection.sendall(block)
    return len(block)


@dataclass
class Reply:
    """An answer before it is sent; `chunked` leaves its length untold."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: Body = field(default_factory=lambda: Bytes(b""))
    chunked: bool = False


class Listener(socketserver.ThreadingMixIn, socketserver.TCPServer):
    """A port on 127.0.0.1, a thread a connection, which stops at once whatever its connections do."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, handler: type[RequestHandler], owner: KaggleServer) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.owner = owner
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._open: set[socket.socket] = set()
        self._serving: list[threading.Thread] = []
        self._resets: set[socket.socket] = set()
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self) -> None:
        self._accepting.start()

    def stop(self) -> None:
        """Closes the port and all connections, and waits until their threads have ended."""
        self.stopping.set()
        with contextlib.suppress(OSError):  # wakes the thread that accepts
            socket.create_connection(("127.0.0.1", self.server_address[1]), timeout=2).close()
        self._accepting.join(2)
        self.server_close()
        with self._lock:
            left, serving = list(self._open), self._serving
        for connection in left:
            _quietly(connection.shutdown, socket.SHUT_RDWR)
        ends = time.monotonic() + 2
        for thread in serving:
            thread.join(max(0.0, ends - time.monotonic()))

    def _accept(self) -> None:
        """Takes connections in until `stop`; unlike `serve_forever` it does not look at the clock meanwhile."""
        while not self.stopping.is_set():
            try:
                connection, address = self.socket.accept()
            except OSError:
                self.stopping.wait(0.01)  # out of file descriptors, perhaps
            else:
                self.process_request(connection, address)

    def process_request(self, request: socket.socket, client_address) -> None:
        thread = threading.Thread(target=self.process_request_thread, args=(request, client_address), daemon=True)
        with self._lock:
            self._open.add(request)
            self._serving = [*filter(threading.Thread.is_alive, self._serving), thread]
            thread.start()

    def shutdown_request(self, request: socket.socket) -> None:
        """Ends one connection; where it is to be reset, without the FIN that comes by default."""
        with self._lock:
            self._open.discard(request)
            reset = request in self._resets
            self._resets.discard(request)
        if not reset:
            _quietly(request.shutdown, socket.SHUT_WR)
        request.close()

    def reset(self, request: socket.socket) -> None:
        """Lets a connection end by a RST, once all that was sent has arrived: a RST drops what is still on its way."""
        ends = time.monotonic() + 2
        while _unacknowledged(request) and time.monotonic() < ends and not self.stopping.is_set():
            time.sleep(0.001)
        request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        with self._lock:
            self._resets.add(request)

    def handle_error(self, request, client_address) -> None:
        """A client that left is no news; anything else is a fault of these tests and is shown."""
        if not self.stopping.is_set() and not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class RequestHandler(BaseHTTPRequestHandler):
    """One connection, kept alive from request to request."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Listener  # type: ignore[assignment]
    owner: KaggleServer
    port = ""
    call = ""
    person: str | None = None

    def setup(self) -> None:
        super().setup()
        self.owner = self.server.owner

    def log_message(self, format: str, *args) -> None:
        """Nothing is written: `KaggleServer.requests` holds what was asked."""

    def handle_one_request(self) -> None:
        try:
            super().handle_one_request()
        except Hangup as end:
            self._hang_up(end.how)
        except (Stopped, ConnectionError):
            self.close_connection = True

    def header_names(self) -> dict[str, str]:
        """The request's headers, their names written like "If-Range"."""
        return {"-".join(word.capitalize() for word in name.split("-")): text for name, text in self.headers.items()}

    def receive(self, faults: Iterable[Fault] = ()) -> bytes:
        """The request's body, as slowly as faults have it."""
        length = int(self.headers.get("Content-Length") or 0)
        taken = bytearray()
        for start, stop in self._stretches(length, faults):
            block = self.rfile.read(stop - start)
            taken += block
            if len(block) < stop - start:
                raise Hangup("fin")
        return bytes(taken)

    def answer(self, reply: Reply, faults: tuple[Fault, ...] = ()) -> None:
        """Notes the request, then sends the answer: who has the answer finds the request noted."""
        nothing = any(isinstance(fault, Cut) and not fault.after_bytes and not fault.head for fault in faults)
        self.owner.note(self, 0 if nothing else reply.status)
        self.send(reply, faults)

    def give_up(self, how: str) -> NoReturn:
        """Notes the request, and ends the connection without an answer."""
        self.owner.note(self, 0)
        raise Hangup(how)

    def send(self, reply: Reply, faults: tuple[Fault, ...] = ()) -> None:
        """Sends an answer with all that is to be wrong with it."""
        for fault in faults:
            if isinstance(fault, Slow):
                self.wait(fault.seconds)
            if isinstance(fault, Cut) and not fault.after_bytes and not fault.head:
                raise Hangup(fault.how)
        head = self._head(reply)
        if self.command == "HEAD":
            self.connection.sendall(head)
        elif isinstance(reply.body, Bytes) and not faults and not reply.chunked:
            self.connection.sendall(head + reply.body.data)  # one packet where it fits in one
        else:
            self.connection.sendall(head)
            self._pour(reply, faults)

    def wait(self, seconds: float) -> None:
        if self.server.stopping.wait(seconds):
            raise Stopped

    def _head(self, reply: Reply) -> bytes:
        phrase = HTTPStatus(reply.status).phrase if reply.status in set(HTTPStatus) else "Unknown"
        headers = {"Date": formatdate(usegmt=True), **reply.headers}
        if reply.chunked:
            headers["Transfer-Encoding"] = "chunked"
        elif reply.status not in (204, 304):
            headers["Content-Length"] = str(reply.body.size)
        if self.close_connection:
            headers["Connection"] = "close"
        lines = [f"HTTP/1.1 {reply.status} {phrase}", *(f"{name}: {text}" for name, text in headers.items())]
        return "\r\n".join([*lines, "", ""]).encode("latin-1")

    def _pour(self, reply: Reply, faults: tuple[Fault, ...]) -> None:
        flips = {fault.at % reply.body.size for fault in faults if isinstance(fault, Flip) and reply.body.size}
        for start, stop in self._stretches(reply.body.size, faults, flips):
            if start in flips:
                self._send(Bytes(bytes([reply.body.read(start, start + 1)[0] ^ 1])), 0, 1, reply.chunked)
                start += 1
            self._send(reply.body, start, stop, reply.chunked)
        if reply.chunked:
            self.connection.sendall(b"0\r\n\r\n")

    def _send(self, body: Body, start: int, stop: int, chunked: bool) -> None:
        if not chunked:
            if stop > start:
                body.send(self.connection, start, stop)
            return
        for at in range(start, stop, _BLOCK):
            block = body.read(at, min(stop, at + _BLOCK))
            self.connection.sendall(b"%x\r\n%b\r\n" % (len(block), block))

    def _stretches(self, size: int, faults: Iterable[Fault], marks: Iterable[int] = ()) -> Iterator[tuple[int, int]]:
        """Stretches of a body to move one after the other; between them faults act: waits, a slower pace, an end."""
        acting = [fault for fault in faults if isinstance(fault, Cut | Stall | Trickle)]
        acting.sort(key=lambda fault: fault.after_bytes)
        ends = sorted({size, *marks, *(fault.after_bytes for fault in acting if fault.after_bytes < size)})
        start, pace = 0, 0.0
        for end in ends:
            yield from self._paced(start, end, pace)
            start = end
            for fault in [fault for fault in acting if fault.after_bytes == end]:
                pace = self._act(fault, pace)

    def _paced(self, start: int, stop: int, pace: float) -> Iterator[tuple[int, int]]:
        step = max(1, int(pace / 20)) if pace else max(1, stop - start)
        for at in range(start, stop, step):
            end = min(stop, at + step)
            if pace:
                self.wait((end - at) / pace)
            yield at, end

    def _act(self, fault: Cut | Stall | Trickle, pace: float) -> float:
        if isinstance(fault, Cut):
            raise Hangup(fault.how)
        if isinstance(fault, Stall):
            self.wait(fault.seconds)
            return pace
        return fault.bytes_per_second

    def _hang_up(self, how: str) -> None:
        self.close_connection = True
        if how == "rst":
            self.server.reset(self.connection)
            return
        # A close with unread bytes would be a reset: end this side only, and let the other finish
        _quietly(self.connection.shutdown, socket.SHUT_WR)
        self.connection.settimeout(0.1)
        ends = time.monotonic() + 5
        while time.monotonic() < ends and not self.server.stopping.is_set():
            try:
                if not self.connection.recv(_BLOCK):
                    return
            except TimeoutError:
                continue
            except OSError:
                return


def in_place(faults: Iterable[Fault], right: Callable[[], Reply], error: Callable[[int, str], Reply]) -> Reply:
    """The answer that a fault puts in the place of the right one, or the right one."""
    for fault in faults:
        if isinstance(fault, Page):
            return Reply(fault.status, {"Content-Type": "text/html; charset=utf-8"}, Bytes(fault.html.encode()))
        if isinstance(fault, Status):
            if fault.done:
                right()
            return _dressed(error(fault.code, fault.message), fault)
    return right()


def _dressed(reply: Reply, fault: Status) -> Reply:
    if fault.body is not None:
        reply.body = Bytes(fault.body.encode() if isinstance(fault.body, str) else fault.body)
    if fault.content_type is not None:
        reply.headers["Content-Type"] = fault.content_type
    if fault.retry_after is not None:
        reply.headers["Retry-After"] = str(fault.retry_after)
    return reply


def _unacknowledged(connection: socket.socket) -> int:
    """How many bytes the other side has not taken in yet; 0 where the system does not say."""
    try:
        import fcntl
        import termios

        return struct.unpack("i", fcntl.ioctl(connection, termios.TIOCOUTQ, b"\0" * 4))[0]
    except (ImportError, OSError, AttributeError):
        return 0


def _quietly(act, *args) -> None:
    with contextlib.suppress(OSError):
        act(*args)
