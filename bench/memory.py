"""Memory of a process and its children, from Linux's own books (/proc/PID/smaps_rollup)."""

from __future__ import annotations

import threading
import time
from contextlib import suppress
from pathlib import Path

import psutil

__all__ = ["Memory", "memory"]


class Memory:
    """The most memory that a process and its children had together, from now until the end. A look takes as long as the
    processes are large, so the pauses grow with it: no more than a twentieth of a core goes into looking."""

    def __init__(self, pid: int, every: float = 0.25):
        self.process, self.every, self.over = psutil.Process(pid), every, threading.Event()
        self.peak = {"pss_gigabytes": 0.0, "anonymous_gigabytes": 0.0}
        self.thread = threading.Thread(target=self._look, daemon=True)
        self.thread.start()

    def end(self) -> dict[str, float]:
        """The peaks."""
        self.over.set()
        self.thread.join()
        return self.peak

    def _look(self) -> None:
        pause = self.every
        while not self.over.wait(pause):
            begun = time.thread_time()
            now = dict.fromkeys(self.peak, 0.0)
            with suppress(psutil.Error):
                for process in (self.process, *self.process.children(recursive=True)):
                    for name, value in memory(process.pid).items():
                        now[name] += value
            self.peak = {name: max(value, self.peak[name]) for name, value in now.items()}
            pause = max(self.every, 20 * (time.thread_time() - begun))


def memory(pid: int | str = "self") -> dict[str, float]:
    """A process's share of all pages that it has, and, of that, what no file stands behind; zero once it has ended."""
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    except OSError:
        return {"pss_gigabytes": 0.0, "anonymous_gigabytes": 0.0}
    kilobytes = {line.split()[0]: int(line.split()[1]) for line in text.splitlines()[1:]}
    own = kilobytes.get("Pss_Anon:", 0) + kilobytes.get("Pss_Shmem:", 0)
    return {"pss_gigabytes": kilobytes.get("Pss:", 0) * 1024 / 1e9, "anonymous_gigabytes": own * 1024 / 1e9}
