"""What all tests share: a home of their own, no network, and small pictures."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"  # read when huggingface_hub is first imported

import numpy as np
import pytest
from PIL import Image

# Files that take minutes: where files are shared among processes, none of these is begun last.
LONG = (
    "resume", "launched", "first_page", "kaggle_path", "zero", "slices", "bench", "line", "cli", "runs", "preview",
    "notebook", "accessible", "ranks", "explore", "kaggle_command",
)  # fmt: skip
COLOURS = {"red": (200, 40, 40), "green": (40, 200, 40), "blue": (40, 40, 200)}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, each in its own order."""
    rank = {f"test_{name}.py": number for number, name in enumerate(LONG)}
    items.sort(key=lambda item: rank.get(item.path.name, len(rank)))


@pytest.fixture(autouse=True)
def own_home(tmp_path, monkeypatch):
    """No test writes to, or reads from, the folders of whoever runs it."""
    monkeypatch.setenv("ASSISTANT_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("RECIPES_WEIGHTS", raising=False)
    monkeypatch.delenv("KAGGLE_API_TOKEN", raising=False)


def _coloured(n: int, side: int = 16, seed: int = 0) -> tuple[np.ndarray, list[str]]:
    names = [list(COLOURS)[i % 3] for i in range(n)]
    noise = np.random.default_rng(seed).integers(-35, 36, (n, side, side, 3))
    x = np.array([COLOURS[name] for name in names])[:, None, None, :] + noise
    return x.astype(np.uint8), names


@pytest.fixture(autouse=True)
def nobody_stands_by(monkeypatch):
    """Workers get ready for a run only where a test wants one to: each loads for seconds."""
    monkeypatch.setattr("assistant.processes.SPARE", float("inf"))


@pytest.fixture
def coloured():
    """`coloured(n, side, seed)`: n noisy patches of red, green and blue in turn, uint8, and their names."""
    return _coloured


@pytest.fixture
def write():
    """`write(path, picture, **options)`: saves an array or a PIL image, making its folder, and returns the path."""

    def written(path: Path, picture: np.ndarray | Image.Image, **options) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(path, **options)
        return path

    return written
