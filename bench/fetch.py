"""Downloading a bundle against curl, from a server on this machine: uncut, and with the connection cut every 20 MB.

    uv run python bench/fetch.py [--megabytes 300] [--rounds 5]

The server runs in a process of its own; the bundle is random bytes. curl downloads from the same kind of address to the
same disk, uncut in one go, and cut in a loop of `curl -C -`. Ours also checks the md5. Takes turns, and prints the best
seconds of each, curl's over ours, and by how much our memory grew over that of a bundle of a tenth.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

TOKEN = "KGAT_bench"
OURS = """
import json, re, sys, time
from pathlib import Path
import kagglesdk.kaggle_env as env
env._env_to_endpoint[env.KaggleEnv.LOCAL] = sys.argv[1]
from assistant.credentials import Credentials
from assistant.download import download
from assistant.kaggle_client import Kaggle
kaggle = Kaggle(Credentials(token="KGAT_bench"))
begun = time.perf_counter()
download(lambda: kaggle.address("bench"), Path(sys.argv[2]))
took = time.perf_counter() - begun
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text()).group(1)) / 1e3
print(json.dumps([took, peak]))
"""
ADDRESS = """
import sys
import kagglesdk.kaggle_env as env
env._env_to_endpoint[env.KaggleEnv.LOCAL] = sys.argv[1]
from assistant.credentials import Credentials
from assistant.kaggle_client import Kaggle
print(Kaggle(Credentials(token="KGAT_bench")).address("bench"))
"""


@contextlib.contextmanager
def server(bundle: Path, cut: int | None) -> Iterator[str]:
    """A Kaggle with that bundle, in its own process; gives its address."""
    program = (
        "import sys, time; from tests.kaggle_server import KaggleServer\n"
        "with KaggleServer() as server:\n"
        f"    server.person('bench', {TOKEN!r}); server.competition('bench', __import__('pathlib').Path(sys.argv[1]))\n"
        f"    server.storage_options.cut_every = {cut!r}\n"
        "    print(server.url, flush=True)\n"
        "    sys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", program, str(bundle)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    try:
        yield child.stdout.readline().strip()
    finally:
        child.terminate()
        child.wait()


def ours(url: str, to: Path) -> tuple[float, float]:
    """Seconds and peak megabytes of our download."""
    made = subprocess.run([sys.executable, "-c", OURS, url, str(to)], capture_output=True, text=True, check=True)
    to.unlink()
    took, peak = json.loads(made.stdout)
    return took, peak


def curl(url: str, to: Path, size: int) -> float:
    """Seconds that curl takes, begun again until the file is whole."""
    asked = subprocess.run([sys.executable, "-c", ADDRESS, url], capture_output=True, text=True, check=True)
    begun = time.perf_counter()
    while not to.exists() or to.stat().st_size < size:
        subprocess.run(["curl", "-s", "-C", "-", "-o", str(to), asked.stdout.strip()], check=False)
    took = time.perf_counter() - begun
    to.unlink()
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--megabytes", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    os.environ["KAGGLE_API_ENVIRONMENT"] = "LOCALHOST"
    os.environ["PYTHONPATH"] = str(Path(__file__).parent.parent)
    size = options.megabytes * 1_000_000
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        for name, length in (("whole", size), ("tenth", size // 10)):
            (folder / name).write_bytes(np.random.default_rng(0).bytes(length))
        for words, cut in (("uncut", None), ("cut every 20 MB", 20_000_000)):
            with server(folder / "whole", cut) as url:
                turns = [(curl(url, folder / "c", size), ours(url, folder / "o")) for _ in range(options.rounds)]
            with server(folder / "tenth", cut) as url:
                small = min(ours(url, folder / "o")[1] for _ in range(2))
            theirs, mine = min(turn[0] for turn in turns), min(turn[1][0] for turn in turns)
            peak = max(turn[1][1] for turn in turns)
            print(
                f"{words:16} curl {theirs:.2f} s ({size / theirs / 1e6:,.0f} MB/s), ours {mine:.2f} s "
                f"({size / mine / 1e6:,.0f} MB/s), curl's over ours {theirs / mine:.2f}; "
                f"peak {peak:.0f} MB, with a tenth of the file {small:.0f} MB"
            )


if __name__ == "__main__":
    main()
