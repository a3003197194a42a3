"""What a browser may send: how much at once, and how much may lie here that nobody has asked about yet.

Gradio limits each file; this limits a request, and all files together, before a byte of them is kept.
"""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder
from starlette.requests import ClientDisconnect

from assistant.ui.predict import KINDS, MEGABYTES, PICTURES

__all__ = ["Limits", "held"]

AT_ONCE = (PICTURES * MEGABYTES + 1) * 2**20  # bytes of one upload
WORDS = 4 * 2**20  # bytes of any other request
ROOM = 2 * 2**30  # bytes of all files that lie in gradio's folder
ASKED_WITHIN = 600  # seconds after which a picture that was sent and not asked about may go


class Limits:
    """ASGI middleware: a request that is too large gets status 413 and one line."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] not in ("POST", "PUT", "PATCH"):
            await self.app(scope, receive, send)
            return
        upload = scope["path"].rstrip("/").endswith("/upload")
        limit = AT_ONCE if upload else WORDS
        length = dict(scope["headers"]).get(b"content-length", b"0")
        declared = int(length) if length.isdigit() else 0
        if declared > limit:
            await _refuse(send, _too_large(limit))
            return
        if upload and held() + declared > ROOM:
            await _refuse(send, "too many pictures lie here that nobody has asked about yet; try again in ten minutes")
            return
        got, begun = 0, False

        async def counted() -> dict[str, Any]:
            """The next piece of the body; where its length was not told, the end once it is too long."""
            nonlocal got
            message = await receive()
            got += len(message.get("body", b""))
            return {"type": "http.disconnect"} if got > limit else message

        async def sent(message: dict[str, Any]) -> None:
            """The answer, unless it is one to a body that was cut short."""
            nonlocal begun
            if begun or got <= limit:
                begun = True
                await send(message)

        with contextlib.suppress(ClientDisconnect):
            await self.app(scope, counted, sent)
        if got > limit and not begun:
            await _refuse(send, _too_large(limit))


def held() -> int:
    """Bytes of all files that gradio keeps. Where they are too many, pictures that were sent long ago go first."""
    files = [Path(place) / name for place, _, names in os.walk(get_upload_folder()) for name in names]
    sizes = {}
    for file in files:
        with contextlib.suppress(OSError):  # answered and deleted just now
            sizes[file] = file.stat()
    total = sum(told.st_size for told in sizes.values())
    for file, told in sorted(sizes.items(), key=lambda each: each[1].st_mtime):
        if total > ROOM - AT_ONCE and file.suffix.lower() in KINDS and time.time() - told.st_mtime > ASKED_WITHIN:
            with contextlib.suppress(OSError):
                file.unlink()
                total -= told.st_size
    return total


def _too_large(limit: int) -> str:
    return f"too much at once: more than {limit // 2**20} MB; send up to {PICTURES} pictures of {MEGABYTES} MB each"


async def _refuse(send: Any, words: str) -> None:
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": words.encode()})
