"""What each process does in test_ranks.py, started by `accelerate launch`: `in_ranks.py WHAT FOLDER`. What it found goes to
FOLDER/WHAT-RANK.json."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
import threading
import time
from pathlib import Path

import numpy as np
import torch

from recipes import EIGHT_STEPS, Images, Learner, events
from recipes.activations import weights_key
from recipes.errors import RecipeError, Stopped

RECIPE = EIGHT_STEPS.changed(ratio=1, max_cycles=2, style="plain", batches=30)
EPOCHS = 8  # of RECIPE: 2, 3, 1 and 2


def images(number: int = 240) -> Images:
    """Stripes across, stripes down and discs in noise, 24 px; 30 of them to predict."""
    y, x = np.mgrid[:24, :24]
    kinds = [np.sin(y / 2), np.sin(x / 2), 1.5 * (np.hypot(y - 12, x - 12) < 7) - 0.5]
    noise = np.random.default_rng(0).normal(0, 25, (number, 24, 24))
    grey = np.stack([128 + 50 * kinds[i % 3] for i in range(number)]) + noise
    pictures = np.clip(np.stack([grey] * 3, -1), 0, 255).astype(np.uint8)
    return Images.from_arrays(pictures, ["across", "down", "disc"] * (number // 3), test=pictures[:30])


def learner(folder: Path, table: Images | None = None, **more) -> Learner:
    """A tiny network with random weights on the CPU."""
    places = {"cache": folder / "cache", "folder": folder / "models"}
    settings = {"arch": "test_resnet", "size": 24, "weights": "none", "batch_size": 16, "device": "cpu", "ema": 0.9}
    return Learner(images() if table is None else table, **settings, **places, **more)


def head_only(made: Learner) -> dict[str, list[float]]:
    """The head trained on views, then its weights' sums, and what a sweep before that suggested."""
    rate = made.lr_find(batches=20).suggestion
    made.fit(1e-2, cycles=1, cycle_len=2)
    weights = [made.network.state_dict()[f"head.{name}"] for name in ("2.weight", "6.weight", "0.running_mean")]
    return {"rate": [rate], "sums": [float(weight.abs().sum()) for weight in weights]}


def whole_recipe(made: Learner, folder: Path) -> dict:
    """The recipe, TTA and a model; what they brought."""
    told: list[events.Event] = []
    result = RECIPE.run(made, report=told.append, checkpoints=folder / "checkpoints")
    answers = made.tta("test", n=2)
    made.export(folder / "model")
    made.save("last")
    return {
        "accuracy": result.metrics["accuracy"],
        "epochs": [[epoch.train_loss, epoch.valid_loss] for epoch in result.epochs],
        "rates": [sweep.suggestion for sweep in result.sweeps],
        "told": sorted({event.event for event in told}),
        "weights": weights_key(made.network),
        "answers": answers.tolist(),
    }


def stopped(folder: Path) -> bool:
    """Stops after the first batch of all layers, in the middle of an epoch; whether it did."""

    def stop() -> bool:
        fit = made.optimizer is not None and len(made.optimizer.param_groups) > 2
        return made.ranks.first and made.step == 8 and fit and bool(made.optimizer.state)

    made = learner(folder, should_stop=lambda: stop())
    try:
        RECIPE.run(made, checkpoints=folder / "checkpoints")
    except Stopped:
        return True
    return False


def messages(made: Learner) -> dict:
    """What each kind of message gives."""
    ranks = made.ranks
    rows = np.arange(7)
    mine = torch.from_numpy(ranks.share(rows)).to(torch.bfloat16)
    sums = [torch.full((2, 3), float(ranks.rank + 1)), torch.tensor(10.0 * (ranks.rank + 1))]
    ranks.add_up(sums)
    taken = [torch.full((2,), float(ranks.rank)), torch.tensor(ranks.rank)]
    ranks.take_first(taken)
    order: list[str] = []
    ranks.first_here(lambda: order.append(f"{time.monotonic():.6f}"))
    return {
        "mine": ranks.share(rows).tolist(),
        "few": ranks.share(np.arange(3)).tolist(),
        "gathered": ranks.gathered(mine, 7).tolist(),
        "sums": [tensor.tolist() for tensor in sums],
        "taken": [tensor.tolist() for tensor in taken],
        "same": ranks.same({"rank": ranks.rank}),
        "sent": [ranks.sent(b"").decode(), ranks.sent(f"from {ranks.rank}".encode()).decode()],
        "all": [ranks.all(True), ranks.all(ranks.rank == 1)],
        "at": float(order[0]),
        "failed": _told(lambda: ranks.together(lambda: _fail_on(ranks.rank, 1))),
        "other images": _told(lambda: learner(made.cache.parent / "other", images(240 - 3 * ranks.rank)).prepare()),
    }


def _fail_on(rank: int, failing: int) -> None:
    if rank == failing:
        raise RecipeError(f"a disk is full: on {rank}")


def _told(work) -> str:
    try:
        work()
    except RecipeError as error:
        return str(error)
    return ""


def everything(folder: Path) -> dict:
    """All of the above in one launch."""
    made = learner(folder / "whole")
    found = {"messages": messages(made), "head": head_only(learner(folder / "head"))}
    found["whole"] = whole_recipe(made, folder / "whole")
    found["stopped"] = stopped(folder / "stop")
    if made.ranks.first:
        shutil.copytree(folder / "stop", folder / "stop-alone")
    found["resumed"] = whole_recipe(learner(folder / "stop"), folder / "stop")
    return found


def killed(folder: Path) -> dict:
    """The second process is killed in the middle; what the first one says."""
    made = learner(folder)

    def kill() -> None:
        while made.step < 4:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGKILL)

    if made.ranks.rank == 1:
        threading.Thread(target=kill, daemon=True).start()
    else:
        signal.signal(
            signal.SIGTERM, signal.SIG_IGN
        )  # the launcher's, so that there is time to write down what was told
    return {"told": _told(lambda: RECIPE.run(made))}


if __name__ == "__main__":
    what, place = sys.argv[1], Path(sys.argv[2])
    found = {"everything": everything, "killed": killed}[what](place)
    (place / f"{what}-{os.environ['RANK']}.json").write_text(json.dumps(found))
