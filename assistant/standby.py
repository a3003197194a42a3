"""A worker before there is a run for it: it loads its libraries, PyTorch above all, while somebody still chooses, and begins
at once when it is told what to carry out.

There is one at most. It goes with the process that started it, and when nobody has come for a quarter of an hour.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path

__all__ = ["ARGUMENT", "dismiss", "load", "loaded", "prepare", "take", "told"]

ARGUMENT = "--stand-by"  # of `python -m assistant.worker`, in place of a folder
LEAVES_AFTER = 900.0  # seconds
LIBRARIES = (
    "accelerate",
    "simplejpeg",
    "timm",
    "torch._dynamo",
    "recipes.learner",
)  # the fourth: for the optimizer
OURS = re.compile("ASSISTANT_|RECIPES_|HF_|CUDA_|OMP_")  # variables that tell a run something

_lock = threading.Lock()
_there: tuple[subprocess.Popen, dict[str, str], threading.Timer] | None = None
_loading: threading.Thread | None = None


# ---------------------------------------------------------------- in the process that starts runs


def prepare(environment: Mapping[str, str]) -> None:
    """Sees that a worker stands by which was started in that environment. It is not waited for; where none can be started,
    runs start as they would without."""
    global _there
    with _lock:
        if _stands_by(environment):
            return
        _dismiss()
        with suppress(OSError, RuntimeError):
            process = subprocess.Popen(
                [sys.executable, "-m", "assistant.worker", ARGUMENT],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=dict(environment),
                start_new_session=True,
            )
            leaves = threading.Timer(LEAVES_AFTER, _dismiss_if, [process])
            leaves.daemon = True
            _there = process, dict(environment), leaves
            leaves.start()


def take(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen | None:
    """Tells the worker that stands by what to do, in the words of its command line; the process, which is the caller's from
    now on. None where none stands by in that environment."""
    global _there
    with _lock:
        if not _stands_by(environment):
            _dismiss()
            return None
        assert _there is not None
        process, _, leaves = _there
        _there = None
        leaves.cancel()
        assert process.stdin is not None
        try:
            process.stdin.write(json.dumps(list(words)).encode() + b"\n")
            process.stdin.close()
        except OSError:  # it has died this moment
            process.kill()
            process.wait()
            return None
        return process


def dismiss() -> None:
    """Sends the worker away that stands by, if one does."""
    with _lock:
        _dismiss()


def _stands_by(environment: Mapping[str, str]) -> bool:
    return _there is not None and _there[0].poll() is None and _serves(_there[1], environment)


def _serves(earlier: Mapping[str, str], now: Mapping[str, str]) -> bool:
    """Whether a process of that environment is as good as one of this: libraries add variables of their own when they are
    imported."""
    added = (name for name in now if name not in earlier)
    return all(now.get(name) == value for name, value in earlier.items()) and not any(map(OURS.match, added))


def _dismiss_if(process: subprocess.Popen) -> None:
    with _lock:
        if _there is not None and _there[0] is process:
            _dismiss()


def _dismiss() -> None:
    global _there
    if _there is not None:
        process, _, leaves = _there
        _there = None
        leaves.cancel()
        process.kill()
        process.communicate()


# ---------------------------------------------------------------- in the worker itself


def told() -> list[str]:
    """Loads, and waits for what to do: the words of a command line, the run's folder first. From then on the process writes
    into the run's log. Ends it where nobody is left to tell anything."""
    global _loading
    _loading = threading.Thread(target=_load, daemon=True)
    _loading.start()
    line = sys.stdin.readline()
    if not line:
        os._exit(0)
    words = json.loads(line)
    with open(os.devnull, "rb") as nothing, open(Path(words[0]) / "worker.log", "ab") as log:
        for source, target in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(source.fileno(), target)
    return words


def loaded() -> None:
    """Waits until the libraries are loaded that this process began to load; nothing else may import them meanwhile."""
    if _loading is not None:
        _loading.join()


def load() -> None:
    """Loads the libraries that a run needs, so that this process, or one forked from it, begins to train at once."""
    for name in LIBRARIES:
        import_module(name)


def _load() -> None:
    with suppress(Exception):  # whoever imports it next is told
        load()
