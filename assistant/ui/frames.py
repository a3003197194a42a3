"""Few frames for clocks: gradio counts a wait in every frame that the screen shows, its first one for ever.

A page that is only looked at would draw 60 times a second, and take that from a training on the same machine. The script
stands before all others of the page, since they keep the function that it replaces.
"""

from __future__ import annotations

from typing import Any

__all__ = ["FewFrames"]

SCRIPT = b"""<script>{
  const next = window.requestAnimationFrame.bind(window);
  const reads_a_clock = (work) => /performance\\.now\\(\\)/.test(work);
  window.requestAnimationFrame = (work) => reads_a_clock(work) ? setTimeout(next, 200, work) && 0 : next(work);
}</script>"""
HEAD = b"<head>"


class FewFrames:
    """ASGI middleware: the script at the head of each HTML page."""

    def __init__(self, app: Any):
        self.app = app

    async def __call__(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self.app(scope, receive, send)
            return
        held: dict[str, Any] | None = None

        async def sent(message: dict[str, Any]) -> None:
            """The answer's head waits for the first piece of its body."""
            nonlocal held
            if message["type"] == "http.response.start" and _plain_html(message):
                held = message
                return
            if held is not None and message["type"] == "http.response.body":
                body = message.get("body", b"")
                longer = body.replace(HEAD, HEAD + SCRIPT, 1)
                await send(_lengthened(held, len(longer) - len(body)))
                held, message = None, message | {"body": longer}
            await send(message)

        await self.app(scope, receive, sent)


def _plain_html(start: dict[str, Any]) -> bool:
    headers = dict(start["headers"])
    return headers.get(b"content-type", b"").startswith(b"text/html") and b"content-encoding" not in headers


def _lengthened(start: dict[str, Any], by: int) -> dict[str, Any]:
    told = [(k, b"%d" % (int(v) + by) if k == b"content-length" else v) for k, v in start["headers"]]
    return start | {"headers": told}
