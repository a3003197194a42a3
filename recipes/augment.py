"""Random views of a whole batch, on the device that trains: one fused warp for zoom, shift, rotation, flips and
turns, then lighting and normalisation. Every image of a batch is drawn differently; targets are not touched.

Ranges are those of the lectures (fastai 0.7 `transforms_basic`, `transforms_side_on`, `transforms_top_down`):
rotation up to 10 degrees, lighting .05, zoom up to 1.1, mirrored at the borders.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

from recipes import chance
from recipes.device import on_device
from recipes.pixels import Pixels
from recipes.styles import PLAIN, SIDE_ON, STYLES, TOP_DOWN, Augmentation

__all__ = ["PLAIN", "SIDE_ON", "STYLES", "TOP_DOWN", "Augmentation", "Viewer"]


class Viewer:
    """Views of decoded images as normalised batches: float32 (batch, 3, size, size), channels last, on `device`.

    `mean` and `std` are the backbone's, for values from 0 to 1. On a GPU the whole store moves there when it takes
    less than `share` of the free memory; then a batch needs no copy.
    """

    def __init__(
        self, pixels: Pixels, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device, share: float = 0.4
    ):
        self.pixels, self.device = pixels, device
        self.mean = torch.tensor(mean, device=device).view(1, 3, 1, 1)
        self.std = torch.tensor(std, device=device).view(1, 3, 1, 1)
        self.store: torch.Tensor | None = None
        if device.type == "cuda" and pixels.array.nbytes < share * torch.cuda.mem_get_info(device)[0]:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # the array may only be read, which is all that is done
                self.store = torch.from_numpy(np.ascontiguousarray(pixels.array)).to(device)

    def plain(self, rows: np.ndarray) -> torch.Tensor:
        """The centre square of each image, nothing random."""
        if self.store is not None:
            identity = self._geometry(rows, None, np.zeros((len(rows), 8)))
            return self._normalised(self._warp(self._gather(rows), rows, *identity))
        batch = torch.from_numpy(self.pixels.plain(rows)).to(self.device)
        return self._normalised(batch.permute(0, 3, 1, 2).float().div_(255))

    def random(self, rows: np.ndarray, augmentation: Augmentation, seed: int, *place: int) -> torch.Tensor:
        """A view of each image drawn from (seed, place, row)."""
        draws = chance.uniform(8, seed, *place, rows)
        views = self._warp(self._gather(rows), rows, *self._geometry(rows, augmentation, draws))
        return self._normalised(self._lit(views, augmentation, draws))

    def shown(self, batch: torch.Tensor) -> np.ndarray:
        """A normalised batch as pictures again, uint8 (batch, size, size, 3)."""
        pictures = (batch * self.std + self.mean).mul(255).round().clamp(0, 255).to(torch.uint8)
        return pictures.permute(0, 2, 3, 1).cpu().numpy()

    def _gather(self, rows: np.ndarray) -> torch.Tensor:
        if self.store is not None:
            batch = self.store[on_device(rows, self.device)]
        else:
            batch = torch.from_numpy(self.pixels.array[rows]).to(self.device)
        return batch.permute(0, 3, 1, 2).float().div_(255)

    def _geometry(
        self, rows: np.ndarray, augmentation: Augmentation | None, draws: np.ndarray
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """For each image the 2×2 matrix from view to stored coordinates (pixels from the middle) and the view's
        centre there, x before y: float32 (n, 2, 2) and (n, 2)."""
        pixels, size = self.pixels, self.pixels.size
        extent = pixels.shape[rows][:, ::-1].astype(np.float64)  # width, height as stored
        turned = pixels.turned[rows]
        eye = np.broadcast_to(np.eye(2), (len(rows), 2, 2))
        if augmentation is None:
            matrix, centre = eye.copy(), np.floor((extent - size) / 2) + size / 2
        else:
            angle = np.deg2rad(augmentation.rotation * (2 * draws[:, 0] - 1))
            cos, sin = np.cos(angle), np.sin(angle)
            rotate = np.stack([np.stack([cos, -sin], 1), np.stack([sin, cos], 1)], 1)
            # Zoom 1 shows the whole shorter side; max_zoom counts from the plain view, which may be a crop of it.
            short = pixels.array.shape[1]
            zoom = 1 + (augmentation.max_zoom * short / size - 1) * draws[:, 1]
            window = short / zoom
            matrix = rotate * (window / size)[:, None, None] @ _flips(augmentation.style, draws[:, 2])
            slack = np.maximum(extent - window[:, None], 0) / 2 + augmentation.shift * size
            centre = extent / 2 + slack * (2 * draws[:, 3:5] - 1)
        swap = np.array([[0.0, 1.0], [1.0, 0.0]])
        matrix = np.where(turned[:, None, None], swap @ matrix, matrix)
        return self._tensor(matrix), self._tensor(centre)

    def _warp(self, batch: torch.Tensor, rows: np.ndarray, matrix: torch.Tensor, centre: torch.Tensor) -> torch.Tensor:
        size, (height, width) = self.pixels.size, batch.shape[2:]
        steps = torch.arange(size, device=self.device, dtype=torch.float32) - (size - 1) / 2
        rows_of_view = torch.stack([steps.repeat(size), steps.repeat_interleave(size)])  # 2, size²: x, y
        place = (matrix @ rows_of_view).add_(centre[:, :, None]).sub_(0.5)
        limit = self._tensor(self.pixels.shape[rows][:, ::-1] - 1.0)[:, :, None]
        place = _mirrored(place, limit)
        place.mul_(self._tensor(np.array([2.0 / width, 2.0 / height]))[None, :, None])
        place.add_(self._tensor(np.array([1.0 / width - 1, 1.0 / height - 1]))[None, :, None])
        grid = place.view(-1, 2, size, size).permute(0, 2, 3, 1)
        return torch.nn.functional.grid_sample(batch, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def _lit(self, views: torch.Tensor, augmentation: Augmentation, draws: np.ndarray) -> torch.Tensor:
        if not augmentation.lighting:
            return views
        brightness, contrast = augmentation.lighting * (2 * draws[:, 5:7].T - 1)
        contrast = np.where(contrast < 0, 1 / (1 - contrast), 1 + contrast)
        factor, offset = self._tensor(contrast).view(-1, 1, 1, 1), self._tensor(brightness).view(-1, 1, 1, 1)
        middle = views.mean((1, 2, 3), keepdim=True)
        return views.mul_(factor).add_(middle * (1 - factor) + offset).clamp_(0, 1)

    def _normalised(self, batch: torch.Tensor) -> torch.Tensor:
        return batch.sub_(self.mean).div_(self.std).contiguous(memory_format=torch.channels_last)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return on_device(np.asarray(array, dtype=np.float32), self.device)


def _flips(style: str, draw: np.ndarray) -> np.ndarray:
    """One of the style's flips and turns an image: float64 (n, 2, 2)."""
    count = {"plain": 1, "side_on": 2, "top_down": 8}[style]
    turns = [np.linalg.matrix_power(np.array([[0.0, -1.0], [1.0, 0.0]]), quarter) for quarter in range(4)]
    mirror = np.array([[-1.0, 0.0], [0.0, 1.0]])
    all_eight = np.stack([turn @ flip for turn in turns for flip in (np.eye(2), mirror)])
    return all_eight[np.minimum((draw * count).astype(int), count - 1)]


def _mirrored(place: torch.Tensor, limit: torch.Tensor) -> torch.Tensor:
    """Coordinates mirrored at 0 and at `limit`, as often as it takes."""
    period = (2 * limit).clamp_min_(1e-6)
    place = place.abs_()
    if place.is_cuda or bool((place.amax(2, keepdim=True) >= period).any()):  # slow on a CPU, and seldom needed
        place = place.remainder_(period)
    return torch.minimum(place, period - place, out=place)
