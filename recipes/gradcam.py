"""Where a network looks: the parts of a picture that speak for a class (Grad-CAM, Selvaraju et al. 2017).

The map is the backbone's last one before pooling: of a convolutional network its channels by place, of a transformer
its tokens laid out as the grid that they were cut from.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from recipes.errors import RecipeError
from recipes.exporting import Picture, Predictor
from recipes.network import Network, channels_are_last
from recipes.pixels import as_seen, open_picture

__all__ = ["grad_cam", "overlay"]

BATCH = 8
LEAST = 0.25  # brightness of what the network was not shown
# Stops of matplotlib's inferno: its lightness rises evenly, so it can be read without seeing colours
HEAT = [(0, 0, 4), (87, 16, 110), (188, 55, 84), (249, 142, 9), (252, 255, 164)]


def grad_cam(model: Predictor, images: Sequence[Picture], classes: Sequence[int | str] | None = None) -> np.ndarray:
    """How much each part of the square that the model sees speaks for a class, float32 (n, size, size) from 0 to 1.

    `images` are paths, PIL images or uint8 arrays; `classes` a class number or name an image, by default the most
    probable one (of a regression, the first number: what speaks for a larger one). A map is all zero where nothing
    speaks for the class. The model is left as it was, to the bit. Raises ImagesError naming the picture that cannot be
    read, and RecipeError for an unknown class or a network without such a map.
    """
    numbers = None if classes is None else _numbers(model, classes, len(images))
    made = [np.zeros((0, model.size, model.size), np.float32)]
    with _in_evaluation(model.network):
        for first in range(0, len(images), BATCH):
            batch = model.batch_of(images[first : first + BATCH])
            wanted = None if numbers is None else torch.tensor(numbers[first : first + BATCH], device=batch.device)
            heat = functional.interpolate(
                _maps(model.network, batch, wanted)[:, None], size=batch.shape[-2:], mode="bicubic"
            )
            made.append(_to_one(heat[:, 0]).cpu().numpy().astype(np.float32))
    return np.concatenate(made)


def overlay(
    picture: Picture, heat: np.ndarray, share: float = 1.0, strength: float = 0.5, side: int | None = None
) -> np.ndarray:
    """The picture with the heat laid over the square in its middle that the model saw, uint8 (height, width, 3).

    `share` is the part of the shorter side that this square takes (the model's `share`); what lies outside is dimmed.
    `side` limits the longer side in pixels.
    """
    seen = as_seen(picture.copy()) if isinstance(picture, Image.Image) else open_picture(_source(picture), side)
    if side is not None:
        seen.thumbnail((side, side))
    pixels = np.asarray(seen, np.float32)
    across = max(1, min(round(min(seen.size) * share), *seen.size))
    left, top = (seen.width - across) // 2, (seen.height - across) // 2
    warm = np.asarray(Image.fromarray(np.asarray(heat, np.float32)).resize((across, across), Image.Resampling.BILINEAR))
    warm = np.clip(warm, 0, 1)[..., None]
    out, inside = pixels * LEAST, (slice(top, top + across), slice(left, left + across))
    much = strength * np.sqrt(warm)  # the root, so that the edge of the heat can be seen
    grey = pixels[inside] @ np.array([0.299, 0.587, 0.114], np.float32)
    out[inside] = (1 - much) * (0.45 * pixels[inside] + 0.35 * grey[..., None]) + much * _coloured(warm[..., 0])
    return np.clip(np.rint(out), 0, 255).astype(np.uint8)


def _maps(network: Network, batch: torch.Tensor, wanted: torch.Tensor | None) -> torch.Tensor:
    """Heat on the grid of the last map, (n, rows, columns). The map is the gradient's leaf, so no gradient reaches a
    weight and none is kept."""
    with torch.no_grad():
        out = network.backbone.forward_features(batch)
    with torch.enable_grad():
        last = (out[-1] if isinstance(out, (tuple, list)) else out).detach().clone().requires_grad_()
        logits = network.head_on(network.pooled(last))
        chosen = logits.argmax(1) if wanted is None else wanted
        (slopes,) = torch.autograd.grad(logits.gather(1, chosen[:, None]).sum(), last)
    grid, slope = _as_grid(network, last.detach()).float(), _as_grid(network, slopes).float()
    weights = slope.mean((2, 3), keepdim=True)
    return (weights * grid).sum(1).relu()


def _as_grid(network: Network, out: torch.Tensor) -> torch.Tensor:
    """A backbone's last output as (n, channels, rows, columns); tokens before those of the patches are left out."""
    if out.ndim == 4:
        grid = out.permute(0, 3, 1, 2) if channels_are_last(network.backbone, out) else out
    elif out.ndim == 3:
        told = getattr(network.backbone, "num_prefix_tokens", None) or 0
        squares = [n for n in (told, 0, 1) if math.isqrt(out.shape[1] - n) ** 2 == out.shape[1] - n]
        patches = out[:, squares[0] :] if squares else out[:, :1]
        side = math.isqrt(patches.shape[1])
        grid = patches.transpose(1, 2).reshape(len(out), -1, side, side)
    else:
        grid = out.reshape(len(out), -1, 1, 1)
    if min(grid.shape[2:]) < 2:
        raise RecipeError(
            f"{network.arch} has no map of places before its pooling: it ends in {tuple(out.shape[1:])}; where it looks "
            "cannot be shown, take a convolutional network or a vision transformer such as resnet34 or vit_small_patch16_224"
        )
    return grid


def _to_one(heat: torch.Tensor) -> torch.Tensor:
    heat = heat.relu()
    return (heat / heat.amax((1, 2), keepdim=True).clamp_min(1e-12)).clamp(0, 1)


def _numbers(model: Predictor, classes: Sequence[int | str], images: int) -> list[int]:
    """Class numbers for each image, checked."""
    if len(classes) != images:
        raise RecipeError(f"classes and images differ in number: {len(classes)} and {images}; give a class an image")
    known = {name: number for number, name in enumerate(model.classes)}
    made = []
    for name in classes:
        number = known.get(name, -1) if isinstance(name, str) else int(name)
        if not 0 <= number < len(model.classes):
            raise RecipeError(f"not a class of the model: {name!r}; it has {len(model.classes)}, numbered from 0")
        made.append(number)
    return made


@contextmanager
def _in_evaluation(network: Network) -> Iterator[None]:
    """Evaluation mode inside; afterwards each layer is in its own mode again."""
    modes = [(layer, layer.training) for layer in network.modules()]
    network.eval()
    try:
        yield
    finally:
        for layer, mode in modes:
            layer.training = mode


def _coloured(heat: np.ndarray) -> np.ndarray:
    """Heat from 0 to 1 as colours, float32 (height, width, 3)."""
    at = np.linspace(0, 1, len(HEAT))
    return np.stack([np.interp(heat, at, channel) for channel in np.array(HEAT).T], -1).astype(np.float32)


def _source(picture: Any) -> Path | np.ndarray:
    return picture if isinstance(picture, np.ndarray) else Path(os.fspath(picture))
