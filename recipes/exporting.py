"""Weights in files, and models that predict without the images that they learned from. Safetensors and JSON only."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from safetensors import SafetensorError, safe_open
from safetensors.torch import save

from recipes.errors import ImagesError, NetworkError, RecipeError, few
from recipes.network import Network
from recipes.pixels import as_seen, centre_square, open_pixels
from recipes.store import atomic_write, writable_folder
from recipes.tasks import MultiLabel, Regression, SingleLabel, Task, answers_of

if TYPE_CHECKING:
    from recipes.learner import Learner

__all__ = ["Picture", "Predictor", "export", "load", "load_weights", "save_weights"]

VERSION = 2
Picture = str | os.PathLike | np.ndarray | Image.Image


def save_weights(learner: Learner, name: str) -> Path:
    """The network's weights and statistics as `folder/name.safetensors`."""
    if not re.fullmatch(r"[\w.\- ]+", name) or name.startswith("."):
        raise RecipeError(f"not a file name: {name!r}; use letters, digits, blanks, points, dashes and underlines")
    path = learner.folder / f"{name}.safetensors"
    if not learner.ranks.first:
        return path
    writable_folder(learner.folder)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in learner.network.state_dict().items()}
    atomic_write(path, save(tensors, metadata={"arch": learner.arch, "size": str(learner.size)}))
    return path


def load_weights(learner: Learner, name: str) -> None:
    """The weights that `save_weights` wrote, into the learner's network; of several ranks the first one's."""
    if not learner.ranks.first:
        return
    path = learner.folder / f"{name}.safetensors"
    tensors = _read(path)
    _into(learner.network, tensors, path)


def export(learner: Learner, folder: Path) -> Path:
    """`folder/model.safetensors` and `folder/model.json`; of several ranks the first one writes them."""
    if not learner.ranks.first:
        return folder
    writable_folder(folder)
    scales, task = learner.pixels.scales, learner.images.task
    about: dict[str, Any] = {
        "version": VERSION,
        "arch": learner.arch,
        "size": learner.size,
        "scales": scales,
        "task": task.name,
        "classes": list(task.classes),
        "mean": list(learner.network.mean),
        "std": list(learner.network.std),
        "hidden": learner.network.hidden,
        "weights_from": learner.network.weights_from,
    }
    if isinstance(task, Regression):
        about["target_mean"], about["target_deviation"] = list(task.mean), list(task.deviation)
    tensors = {key: tensor.detach().cpu().contiguous() for key, tensor in learner.network.state_dict().items()}
    atomic_write(folder / "model.safetensors", save(tensors))
    atomic_write(folder / "model.json", json.dumps(about, indent=1, ensure_ascii=False))
    return folder


@dataclass(frozen=True)
class Predictor:
    """A trained model that answers for image files or arrays. Made by `load`."""

    network: Network
    task: Task
    size: int
    scales: tuple[tuple[int, int], ...]
    device: torch.device

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the answer's columns."""
        return self.task.classes

    @property
    def share(self) -> float:
        """The part of a picture's shorter side that the square takes which the network sees."""
        return self.size / self.scales[-1][0]

    def predict(self, pictures: Sequence[Picture] | str | os.PathLike, batch_size: int = 32) -> np.ndarray:
        """Probabilities (numbers, for regression) of plain views, float32 (pictures, classes).

        A picture is a path, a PIL image, or a uint8 array H×W or H×W×C. Raises ImagesError naming the file that cannot
        be read.
        """
        listed = [pictures] if isinstance(pictures, (str, os.PathLike)) else list(pictures)
        out = [np.zeros((0, len(self.classes)), np.float32)]
        with torch.inference_mode():
            for first in range(0, len(listed), batch_size):
                logits = self.network(self.batch_of(listed[first : first + batch_size]))
                out.append(answers_of(self.task, logits.float()).cpu().numpy())
        return np.concatenate(out)

    def batch_of(self, pictures: Sequence[Picture]) -> torch.Tensor:
        """The plain views as the network takes them, float32 (pictures, 3, size, size). Raises ImagesError."""
        squares = np.stack([self._square(picture) for picture in pictures])
        batch = torch.from_numpy(squares).to(self.device).permute(0, 3, 1, 2).float() / 255
        mean = torch.tensor(self.network.mean, device=self.device).view(1, 3, 1, 1)
        std = torch.tensor(self.network.std, device=self.device).view(1, 3, 1, 1)
        return ((batch - mean) / std).contiguous(memory_format=torch.channels_last)

    def top(self, pictures: Sequence[Picture], k: int = 1) -> list[list[tuple[str, float]]]:
        """The `k` most probable classes of each picture with their probabilities, best first."""
        return [[(self.classes[i], float(row[i])) for i in np.argsort(-row)[:k]] for row in self.predict(pictures)]

    def _square(self, picture: Picture) -> np.ndarray:
        try:
            if isinstance(picture, Image.Image):
                opened = as_seen(picture)
            else:
                source = picture if isinstance(picture, np.ndarray) else Path(picture)
                opened = open_pixels(source, self.scales[0][0])
            return centre_square(opened, self.size, self.scales)
        except Exception as error:
            name = "the array" if isinstance(picture, (np.ndarray, Image.Image)) else picture
            raise ImagesError(f"a picture cannot be read: {name}: {error}; leave it out or replace it") from None


def load(folder: str | os.PathLike, device: str = "cpu") -> Predictor:
    """The model that `Learner.export` or a run wrote. Raises NetworkError where the folder holds none."""
    folder = Path(folder)
    try:
        about = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise NetworkError(
            f"no model here: {folder} has no readable model.json; give a folder that export() or a run wrote"
        ) from None
    if about.get("version") != VERSION:
        raise NetworkError(
            f"the model is of another version: {about.get('version')}, this program reads {VERSION}; export it again"
        )
    classes = tuple(about["classes"])
    if about["task"] == "regression":
        task: Task = Regression(classes, tuple(about["target_mean"]), tuple(about["target_deviation"]))
    else:
        task = {"single_label": SingleLabel, "multi_label": MultiLabel}[about["task"]](classes)
    network = Network(about["arch"], task.outputs, about["size"], "none", hidden=about["hidden"])
    path = folder / "model.safetensors"
    _into(network, _read(path), path)
    network.freeze_to(2)
    network.eval()
    made = torch.device(device)
    return Predictor(network.to(made), task, about["size"], about["scales"], made)


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(str(path), "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    except FileNotFoundError:
        raise NetworkError(f"no such weights: {path}; save them first") from None
    except (SafetensorError, OSError) as error:
        raise NetworkError(f"weights cannot be read: {path} ({error}); save them again") from None


def _into(network: Network, tensors: dict[str, torch.Tensor], path: Path) -> None:
    needed = network.state_dict()
    wrong = [name for name in (*needed, *tensors) if name not in needed or name not in tensors]
    wrong = wrong or [name for name in needed if tensors[name].shape != needed[name].shape]
    if wrong:  # before any is taken over
        raise NetworkError(
            f"weights do not fit {network.arch}: {path} differs in {few(wrong)}; load them with the settings that saved them"
        )
    network.load_state_dict(tensors)
