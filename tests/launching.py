"""Starting this project as `accelerate launch` does, on CPUs: real processes that talk over gloo."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

__all__ = ["launch"]

ROOT = Path(__file__).parent.parent


def launch(*words: str, processes: int = 2) -> subprocess.Popen:
    """`accelerate launch` with so many processes of one thread each; `words` are a script or `-m module`, and its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # --multi_gpu is what makes the launcher start several processes, also where there are only CPUs; --cpu starts one.
    options = ["--multi_gpu", "--num_processes", str(processes), "--num_machines", "1", "--mixed_precision", "no"]
    command = [sys.executable, "-m", "accelerate.commands.launch", *options, "--dynamo_backend", "no"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": "", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [*command, "--main_process_port", str(port), *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
        cwd=ROOT,
    )
