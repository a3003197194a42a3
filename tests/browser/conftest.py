"""The real app as a process with a home of its own, and Debian's Chromium on its page."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent.parent
FLAGS = """--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking
--disable-component-update --disable-sync"""
STARTS_WITHIN, SEEN_WITHIN = 90, 30  # seconds


class Server:
    """`app.py` as a process on a port of its own. Runs that it starts outlive it, as they should, until `end`."""

    def __init__(self, folder: Path, kaggle: str = "", space: bool = False, threads: int | None = 1):
        self.folder, self.home, self.log = folder, folder / "home", folder / "app.log"
        self.kaggle, self.space, self.threads = kaggle, space, threads
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.process: subprocess.Popen | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    def start(self) -> Server:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("GRADIO_", "SPACE_"))}
        environment |= {
            "ASSISTANT_HOME": str(self.home),
            "GRADIO_TEMP_DIR": str(self.folder / "gradio"),
            "HF_HUB_OFFLINE": "1",
            **({"OMP_NUM_THREADS": str(self.threads)} if self.threads else {}),
            "HOME": str(self.folder),
            "PYTHONPATH": str(ROOT),
        }
        if self.kaggle:
            environment["KAGGLE_API_ENVIRONMENT"] = "LOCALHOST"
        told = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            command = [sys.executable, *self._program(), "--port", str(self.port)]
            self.process = subprocess.Popen(command, cwd=self.folder, env=environment, stdout=log, stderr=log)
        end = time.monotonic() + STARTS_WITHIN
        while self.url not in self.log.read_text()[told:]:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < end, f"not up within {STARTS_WITHIN} s: {self.log.read_text()}"
            time.sleep(0.1)
        return self

    def _program(self) -> list[str]:
        """app.py as it is; where there is a Kaggle of the tests, or a Space, the same function with those."""
        if not self.kaggle:
            return [str(ROOT / "app.py")]
        opened = "app.main(sys.argv[1:])"
        if self.space:
            opened = "serving.launch('127.0.0.1', int(sys.argv[2]), space=True)"
        patched = f"env._env_to_endpoint[env.KaggleEnv.LOCAL] = {self.kaggle!r}"
        return [
            "-c",
            f"import sys, app, kagglesdk.kaggle_env as env\nfrom assistant.ui import serving\n{patched}\n{opened}",
        ]

    def stop(self) -> None:
        if self.process is not None:
            self.process.terminate()
            self.process.wait(20)

    def end(self) -> None:
        """Ends the server, and the workers of runs in its home that are still going on."""
        self.stop()
        for process in psutil.process_iter(["environ"]):
            if (process.info["environ"] or {}).get("ASSISTANT_HOME") == str(self.home):
                process.kill()

    def run_folder(self, page) -> Path:
        """The folder of the run that the page's address names."""
        return self.home / "runs" / page.url.partition("run=")[2].partition("&")[0]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """The app, started once for a module."""
    server = Server(tmp_path_factory.mktemp("app"))
    try:
        yield server.start()
    finally:
        server.end()


@pytest.fixture(scope="session")
def chromium():
    """A browser. Where there is none, tests are skipped; on a CI machine they fail instead."""
    program = shutil.which("chromium")
    if program is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("no program chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS.split())
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page in a fresh browser profile. In the end, nothing went wrong in its console and nothing was asked of
    another machine; `page.forgiven` is for what a test brings about by intention."""
    context = chromium.new_context(viewport={"width": 1280, "height": 900}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(SEEN_WITHIN * 1000)
    errors, strangers, page.forgiven = [], [], []
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: errors.append(str(error)))
    here = ("http://127.0.0.1:", "data:", "blob:")
    context.on("request", lambda request: None if request.url.startswith(here) else strangers.append(request.url))
    yield page
    context.close()
    assert strangers == []
    assert [error for error in errors if not any(words in error for words in page.forgiven)] == []
