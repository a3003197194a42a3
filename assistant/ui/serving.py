"""Opening the page: where it listens, and what it lets out."""

from __future__ import annotations

import contextlib
import importlib
import ipaddress
import os
import secrets
import socket
import threading
from collections.abc import Sequence

from starlette.middleware import Middleware

from assistant.runs import RunError
from assistant.settings import home
from assistant.ui import explore_step, kaggle_step, look, predict, recipe_step, results, submit_step, zero
from assistant.ui.choose_step import sample_shown
from assistant.ui.frames import FewFrames
from assistant.ui.look import theme
from assistant.ui.uploads import Limits
from assistant.ui.walk import build

__all__ = ["launch", "loopback"]

STYLES = "".join(part.CSS for part in (look, kaggle_step, explore_step, recipe_step, results, predict, submit_step))


def launch(
    host: str = "127.0.0.1",
    port: int | None = None,
    browser: bool = False,
    space: bool = False,
    people: Sequence[tuple[str, str]] = (),
    share: bool = False,
    block: bool = True,
) -> None:
    """Opens the page at that address until Ctrl-C; where no port is given, on the next that is free from 7860 on.

    Where others can reach the address, each browser has runs of its own, and a name and a password are asked for: one of
    `people`, else a password that is made up and printed. A `space` is open to everybody, as Spaces are; `share` asks gradio
    for a public address, for a notebook in the cloud, where `block` False lets the cell end. Raises RunError where the port
    that is given is taken.
    """
    _check_port(host, port)
    public = space or share or not loopback(host)
    if public and not space and not people:
        people = [("guest", secrets.token_urlsafe(9))]
        where = "a public address" if share else host
        said = f"Others can reach {where}: sign in as {people[0][0]} with the password {people[0][1]}"
        print(said, flush=True)  # noqa: T201
    # on ZeroGPU gradio would let one request wait, and refuse those of all other pages
    page = build(public).queue(default_concurrency_limit=8, max_size=10_000)
    page._queue.sleep_when_free = 0.02  # seconds; gradio's own millisecond keeps a twentieth of a core awake
    _, url, _ = page.launch(
        server_name=host,
        server_port=port,
        inbrowser=browser,
        share=share,
        auth=list(people) or None,
        theme=theme(),
        css=STYLES,
        footer_links=[],
        ssr_mode=False,
        mcp_server=False,
        enable_monitoring=False,
        max_file_size=f"{predict.MEGABYTES}mb",
        app_kwargs={"middleware": [Middleware(Limits), Middleware(FewFrames)]},
        blocked_paths=[str(home())],
        show_error=False,
        quiet=True,
        prevent_thread_lock=True,
    )
    threading.Thread(target=_warm_up, daemon=True, name="warming up").start()
    print(f"Recipe Assistant: {url} (Ctrl-C closes the page's server; runs go on)", flush=True)  # noqa: T201
    if block:
        page.block_thread()


def loopback(host: str) -> bool:
    """Whether only this machine can reach that address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def _warm_up() -> None:
    """What the first clicks would wait for, once the page is there: the sample as it is shown, and the libraries that
    preview a recipe."""
    with contextlib.suppress(Exception):  # whoever asks for it is told
        sample_shown()
        importlib.import_module("recipes.preview")
    zero.load()


def _check_port(host: str, port: int | None) -> None:
    if port is None:
        return
    try:
        with socket.create_server((host, port)):
            pass
    except (OSError, OverflowError) as error:
        why = os.strerror(getattr(error, "errno", None) or 0) if isinstance(error, OSError) else "not a port"
        raise RunError(f"cannot listen on {host}, port {port}: {why}; give another --port, or none") from None
