"""Workers as processes: started, got ready beforehand, and told apart from later ones of the same number."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil

from assistant import standby

__all__ = ["expect", "give_way", "lives", "start_worker", "started_at", "worker_environment"]

SPARE = 3e9  # bytes of memory that have to be free for a worker that stands by

_CHILDREN: list[subprocess.Popen] = []  # held, so that ended workers of this process do not stay behind as zombies
_lock = threading.Lock()


def start_worker(words: list[str]) -> subprocess.Popen:
    """A worker that carries out what the words of its command line say, the run's folder first: the one that stands by, or
    a new one."""
    environment = worker_environment()
    with _lock, open(Path(words[0]) / "worker.log", "ab") as log:
        child = standby.take(words, environment) or subprocess.Popen(
            [sys.executable, "-m", "assistant.worker", *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
        )
        _CHILDREN.append(child)
    return child


def expect() -> None:
    """Somebody is about to start a run: a worker gets ready for it, unless one is at work on this machine, so that another
    would wait for its turn, or memory is short. (On Windows what waits for its input does not load meanwhile.)"""
    from assistant.line import anybody
    from recipes.speed import free_memory

    _reap()
    if anybody() or sys.platform == "win32" or free_memory() < SPARE:
        return
    with _lock:
        if not _CHILDREN:
            standby.prepare(worker_environment())


def give_way() -> None:
    """Where somebody wants a core for a moment (a click, a page), they come first; an idle machine is used whole."""
    try:
        psutil.Process().nice(psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else 5)
        Path("/proc/self/autogroup").write_text("5")  # Linux shares cores between sessions first, then processes
    except (OSError, psutil.Error):
        pass  # not allowed here, or not of this system


def worker_environment() -> dict[str, str]:
    """This environment without anybody's Kaggle token, and with settings that a training loop on a CPU needs.

    The allocator keeps large blocks: with glibc's defaults much of the time goes into page faults. Threads that wait
    sleep: where something else wants a core (the app, a browser), spinning ones made the loop two to three times
    slower.
    """
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KAGGLE_")}
    if sys.platform == "linux":
        kept.setdefault("MALLOC_MMAP_THRESHOLD_", str(4 << 30))
        kept.setdefault("MALLOC_TRIM_THRESHOLD_", str(8 << 30))
        kept.setdefault("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")
    kept.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    kept.setdefault("PYTHONUNBUFFERED", "1")
    return kept


def started_at(pid: int) -> float:
    """When a process started: with its number, a name that no later process has. On Linux seconds since boot, which
    (unlike the time of day that psutil derives from them) are the same for every reader when the clock is set. Raises
    psutil.Error."""
    try:
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
        return int(ticks) / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return psutil.Process(pid).create_time()


def lives(pid: int, started: float) -> bool:
    """Whether that process, of that start time, is still there."""
    _reap()
    try:
        return abs(started_at(pid) - started) < 1 and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _reap() -> None:
    """Takes leave of workers of this process that have ended."""
    with _lock:
        _CHILDREN[:] = [child for child in _CHILDREN if child.poll() is None]
