"""ZeroGPU's scheduler as far as the `spaces` package asks for it, so that its own wrapper, fork and queues really run
where no GPU is lent.

`python -m tests.zero_gpu PORT [HOST…]` opens the app as on such a Space; what was asked of the scheduler is printed as
JSON lines. One thing is left out: the forked process finds no GPU, so it works on the CPU.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit


class Scheduler(ThreadingHTTPServer):
    """Answers `spaces.zero.api.APIClient`; `asked` is what came in, `left` how many times a GPU is still lent."""

    daemon_threads = True

    def __init__(self, left: int = 1000):
        super().__init__(("127.0.0.1", 0), _Answer)
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.left = left
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        scheduler: Scheduler = self.server  # type: ignore[assignment]
        parts = urlsplit(self.path)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        scheduler.asked.append((parts.path, asked))
        print(json.dumps({"asked": parts.path, **asked}), flush=True)  # noqa: T201 (read by the test)
        if parts.path != "/schedule":
            self._say(200, {})
        elif scheduler.left:
            scheduler.left -= 1
            number = len(scheduler.asked)
            lent = {"idle": False, "nvidiaIndex": 0, "nvidiaUUID": "MIG-0", "allowToken": f"allow-{number}"}
            self._say(200, lent)
        else:
            self._say(429, {"left": 12, "wait": 3600})

    def _say(self, status: int, what: dict) -> None:
        data = json.dumps(what).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        """Nothing beside the lines above."""


def main(argv: list[str]) -> int:
    """The app as on a Space with ZeroGPU."""
    scheduler = Scheduler(int(os.environ.get("ZERO_GPU_LEFT", "1000")))
    os.environ |= {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": scheduler.url}
    import spaces.zero

    for name in ("init", "move"):  # these two put a tensor on the GPU
        setattr(spaces.zero.torch, name, lambda *given, **more: None)
    import app
    from assistant.ui import zero

    zero.WORK = float(os.environ.get("ZERO_GPU_WORK", zero.WORK))
    return app.main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
