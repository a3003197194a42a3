"""How a run hears that it is to stop."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

from assistant.event_log import EventLog
from recipes import events

__all__ = ["StopFile"]


class StopFile:
    """Watches for `stop.json`, ten times a second: called, it says whether to stop now.

    Where the run is in something long (an import, a batch of a large network), the process ends by itself after a
    second: whatever it was doing, resume goes on from the last checkpoint.
    """

    def __init__(self, folder: Path, log: EventLog):
        self.path, self.log = folder / "stop.json", log
        self.asked = self.keep_best = self.finishing = self.obeyed = False
        signal.signal(signal.SIGTERM, self.at_once)
        threading.Thread(target=self._watch, daemon=True).start()

    def __call__(self) -> bool:
        return self.asked and not (self.finishing and self.keep_best)

    def ending(self) -> events.Event:
        """It was obeyed: what to tell."""
        self.obeyed = True
        return events.RunStopped(during=self.log.doing)

    def at_once(self, *_: object) -> None:
        """A signal asks for it."""
        self.asked, self.keep_best = True, False

    def _watch(self) -> None:
        since = None
        while True:
            try:
                self.keep_best = bool(json.loads(self.path.read_text()).get("keep_best"))
                self.asked = True
            except (OSError, ValueError):
                pass
            if self() and since is None:
                since = time.monotonic()
            if since is not None and not self.keep_best and time.monotonic() - since > 1 and not self.obeyed:
                self.log(events.RunStopped(during=self.log.doing))
                os._exit(0)
            time.sleep(0.1)
