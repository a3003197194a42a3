"""A timm backbone, the fast.ai head and three layer groups; and where weights come from.

The head is fastai's: concatenated pooling → BatchNorm → Dropout .25 → Linear 512 → ReLU → BatchNorm → Dropout .5 →
Linear. For networks of tokens, pooling joins the class token (where there is none, the mean) and the mean (the
maximum) of the patches.
"""

from __future__ import annotations

import os
import re
import socket
import warnings
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from recipes.architectures import ARCHITECTURES
from recipes.errors import NetworkError, few, nearest
from recipes.folding import fold
from recipes.inplace import spare_copies

__all__ = ["Network", "WeightsUnreachable", "backbone_weights", "channels_are_last", "check_name"]


class WeightsUnreachable(NetworkError):
    """Pretrained weights are neither in `RECIPES_WEIGHTS` nor to be had from the Hub."""


class Network(nn.Module):
    """`forward`: float (n, 3, size, size) → logits (n, outputs). `features`: the same → pooled activations (n,
    features).

    `head_on(features)` gives the logits of pooled activations, which are `width` numbers an image. `groups` are three
    lists of parameter names: early body, late body, head. Raises NetworkError for an unknown architecture, a size
    that it cannot take, or weights that do not fit.
    """

    backbone: Any

    def __init__(self, arch: str, outputs: int, size: int, weights: str = "auto", hidden: int = 512, seed: int = 42):
        super().__init__()
        self.arch, self.outputs, self.hidden = arch, outputs, hidden
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.backbone, self.weights_from = _make_backbone(arch, size, weights)
            self.backbone.eval()
            self.check_size(size)
            with torch.no_grad():
                self.width = width = self.features(torch.zeros(1, 3, size, size)).shape[1]
            self.head = nn.Sequential(
                nn.BatchNorm1d(width),
                nn.Dropout(0.25),
                nn.Linear(width, hidden),
                nn.ReLU(inplace=True),
                nn.BatchNorm1d(hidden),
                nn.Dropout(0.5),
                nn.Linear(hidden, outputs),
            )
            for layer in self.head:
                if isinstance(layer, nn.Linear):
                    nn.init.kaiming_normal_(layer.weight)
                    nn.init.zeros_(layer.bias)
        self.groups = _three_groups(
            self.backbone, [name for name, _ in self.named_parameters() if name.startswith("head.")]
        )
        self.frozen_to = 0
        self.keep_statistics = weights != "none"
        fold(self.backbone, size)
        spare_copies(self.backbone)
        self.to(memory_format=torch.channels_last)

    @property
    def mean(self) -> tuple[float, ...]:
        """Channel means that the weights were trained with, for values from 0 to 1."""
        return tuple(self.backbone.pretrained_cfg.get("mean") or (0.485, 0.456, 0.406))

    @property
    def std(self) -> tuple[float, ...]:
        """Channel deviations that the weights were trained with."""
        return tuple(self.backbone.pretrained_cfg.get("std") or (0.229, 0.224, 0.225))

    def features(self, batch: torch.Tensor) -> torch.Tensor:
        """Pooled outputs of the backbone, (n, features)."""
        return self.pooled(self.backbone.forward_features(batch))

    def pooled(self, out: torch.Tensor) -> torch.Tensor:
        """What the backbone's `forward_features` gave, pooled: (n, features)."""
        return _pool(self.backbone, out)

    def head_on(self, features: torch.Tensor) -> torch.Tensor:
        """Logits of pooled activations."""
        return self.head(features)

    def forward(self, batch: torch.Tensor) -> torch.Tensor:
        return self.head(self.features(batch))

    def freeze_to(self, group: int) -> None:
        """Layer groups before `group` (negative counts from the end) stop learning: freeze_to(-1) trains the head
        alone."""
        asked, group = group, group + 3 if group < 0 else group
        if not 0 <= group <= 2:
            raise NetworkError(f"no such layer group: {asked}; there are 0 (early body), 1 (late body) and 2 (head)")
        self.frozen_to = group
        parameters = dict(self.named_parameters())
        for number, names in enumerate(self.groups):
            for name in names:
                parameters[name].requires_grad_(number >= group)

    def train(self, mode: bool = True) -> Network:
        """Training mode for what learns: frozen layers stay in evaluation mode, so a frozen body gives the cached
        activations.

        Where the body has pretrained weights, its BatchNorm statistics are kept throughout (fastai's `bn_freeze`):
        those of a few small batches are worse. On 1,600 photos at 128 px that was .9725 against .9475 in validation
        accuracy after unfreezing.
        """
        super().train(mode)
        if mode and self.frozen_to == 2:
            self.backbone.eval()
        elif mode:
            frozen = {name for names in self.groups[: self.frozen_to] for name in names}
            for name, module in self.backbone.named_modules(prefix="backbone"):
                own = [f"{name}.{p}" for p, _ in module.named_parameters()]
                kept = self.keep_statistics and isinstance(module, nn.modules.batchnorm._BatchNorm)
                if kept or (own and all(p in frozen for p in own)):
                    module.eval()
        return self

    def check_size(self, size: int) -> None:
        """Raises NetworkError with the sizes that the architecture takes where `size` is not one of them."""
        trained_at = (self.backbone.pretrained_cfg.get("input_size") or (3, 224, 224))[-1]
        if size < 1:
            raise NetworkError(f"no picture has this size: {size}; {self.arch} was trained at {trained_at} px")
        patch = getattr(self.backbone, "patch_embed", None)
        fixed = getattr(patch, "img_size", None)
        if getattr(self.backbone, "dynamic_img_size", False) and patch is not None:
            side = patch.patch_size[0]
            if size % side:
                low = max(side, size // side * side)
                raise NetworkError(
                    f"{self.arch} takes multiples of {side} px only (it was trained at {trained_at}): {size} asked for; "
                    f"use {low} or {low + side}"
                )
        elif fixed is not None and getattr(patch, "strict_img_size", True) and size != fixed[0]:
            raise NetworkError(
                f"{self.arch} takes {fixed[0]} px only: {size} asked for; use --sizes {fixed[0]}, or resnet34, which takes any"
            )
        was_training = self.backbone.training
        self.backbone.eval()
        try:
            with torch.no_grad():
                device = next(self.backbone.parameters()).device
                self.backbone.forward_features(torch.zeros(1, 3, size, size, device=device))
        except (RuntimeError, AssertionError, ValueError, IndexError, ZeroDivisionError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            reason = " ".join(str(error).split())[:100]
            raise NetworkError(
                f"{self.arch} cannot take {size} px: {reason or type(error).__name__}; it was trained at {trained_at} px, try that"
            ) from None
        finally:
            self.backbone.train(was_training)


def backbone_weights(arch: str) -> Path | None:
    """The file with this architecture's weights in the folder `RECIPES_WEIGHTS`, if there is one."""
    folder = os.environ.get("RECIPES_WEIGHTS")
    path = Path(folder) / f"{arch}.safetensors" if folder else None
    return path if path is not None and path.is_file() else None


def channels_are_last(backbone: Any, out: torch.Tensor) -> bool:
    """Whether the backbone's output of four dimensions is (n, rows, columns, channels)."""
    return getattr(backbone, "output_fmt", "NCHW") == "NHWC" or (
        out.shape[1] != backbone.num_features and out.shape[-1] == backbone.num_features
    )


def check_name(arch: str) -> None:
    """Raises NetworkError with the names that are like it where timm has no network of that name."""
    if any(arch == known.name for known in ARCHITECTURES):
        return
    import timm

    if not timm.is_model(arch):
        names = timm.list_models()
        like = nearest(arch, names) or nearest(re.split(r"[-_.]", arch)[0], names) or ["resnet34", "convnext_tiny"]
        raise NetworkError(
            f"unknown architecture: {arch!r}; did you mean {few(like, 5)}? (timm.list_models() shows all)"
        )


def _make_backbone(arch: str, size: int, weights: str) -> tuple[Any, str]:
    check_name(arch)
    made = _created(arch, size, pretrained=False)
    if weights == "none":
        return made, "none: random weights"
    path = Path(weights) if weights != "auto" else backbone_weights(arch)
    if path is not None:
        _fill(made, arch, path)
        return made, str(path.name)
    try:
        kept = _kept_from_hub(made) if not _hub_answers() else None
        if kept is not None:
            _fill(made, arch, kept)
            return made, "Hugging Face Hub (kept copy)"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _created(arch, size, pretrained=True), "Hugging Face Hub"
    except Exception as error:  # the Hub client raises its own, requests', httpx' and timm's errors
        reason = " ".join(str(error).split())[:120] or type(error).__name__
        raise WeightsUnreachable(
            f"no pretrained weights for {arch}: not in RECIPES_WEIGHTS, and the Hub cannot be reached ({reason}); put "
            f"{arch}.safetensors in a folder and set RECIPES_WEIGHTS to it, or ask for random weights with weights none"
        ) from None


def _hub_answers(seconds: float = 3.0) -> bool:
    """Whether the Hub can be reached at all; its client would try for the better part of a minute."""
    if os.environ.get("HF_HUB_OFFLINE", "").upper() in ("1", "TRUE", "YES", "ON"):
        return False
    if any(os.environ.get(name) for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")):
        return True  # only the client knows the way through
    address = urlsplit(os.environ.get("HF_ENDPOINT") or "https://huggingface.co")
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((address.hostname or "", port), seconds).close()
    except OSError:
        return False
    return True


def _kept_from_hub(made: Any) -> Path:
    """The weights' file in the Hub client's own cache. Raises OSError where it is not there."""
    from huggingface_hub import hf_hub_download

    name = made.pretrained_cfg.get("hf_hub_filename") or "model.safetensors"
    if not made.pretrained_cfg.get("hf_hub_id"):
        raise FileNotFoundError("it has none for this architecture")
    return Path(hf_hub_download(made.pretrained_cfg["hf_hub_id"], name, local_files_only=True))


def _created(arch: str, size: int, pretrained: bool) -> Any:
    """The timm network without classifier; networks of patches take every multiple of their patch where timm can do
    that."""
    import timm

    more: dict[str, Any]
    for more in ({"dynamic_img_size": True}, {}):
        try:
            made = timm.create_model(arch, pretrained=pretrained, num_classes=0, global_pool="", **more)
        except TypeError:
            continue
        break
    else:
        made = timm.create_model(arch, pretrained=pretrained, num_classes=0)
    for name in ("pretrained_cfg",):
        if not isinstance(getattr(made, name, None), dict):
            setattr(made, name, {})
    return made


def _fill(made: nn.Module, arch: str, path: Path) -> None:
    """Loads a safetensors file into the backbone; the classifier's tensors are left out, all others must fit."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        tensors = load_file(path)
    except FileNotFoundError:
        raise NetworkError(f"no such weights: {path}; give a .safetensors file, auto or none") from None
    except (SafetensorError, OSError) as error:
        raise NetworkError(
            f"weights cannot be read: {path} ({error}); give a .safetensors file in timm's layout"
        ) from None
    needed = made.state_dict()
    lacking = [name for name in needed if name not in tensors or tensors[name].shape != needed[name].shape]
    lacking = [name for name in lacking if not name.endswith("num_batches_tracked")]
    if lacking:
        raise NetworkError(
            f"weights do not fit {arch}: {path.name} lacks {few(lacking)}; give the file of this architecture"
        )
    made.load_state_dict({name: tensors.get(name, value) for name, value in needed.items()})


def _three_groups(backbone: Any, head: list[str]) -> list[list[str]]:
    """Parameter names of the early body, the late body and the head. timm numbers a network's layers from the stem
    on; the first half of them is early."""
    from timm.models import group_parameters

    names = [name for name, _ in backbone.named_parameters()]
    try:
        layers: Any = group_parameters(backbone, backbone.group_matcher(coarse=True), reverse=True)
        number = {name: layers.get(name, 0) for name in names}
        # group_parameters puts what belongs to no block at the end; the body's last layers are where it belongs
        numbers = sorted({min(n, 10**6) for n in number.values()})
        rank = {n: i for i, n in enumerate(numbers)}
        early = {name for name in names if rank[min(number[name], 10**6)] * 2 < len(numbers)}
    except (AttributeError, KeyError, TypeError, RuntimeError):
        early = set(names[: len(names) // 2])
    if len(early) in (0, len(names)):
        early = set(names[: len(names) // 2])
    return [
        [f"backbone.{name}" for name in names if name in early],
        [f"backbone.{name}" for name in names if name not in early],
        head,
    ]


def _pool(backbone: Any, out: torch.Tensor) -> torch.Tensor:
    if isinstance(out, (tuple, list)):
        out = out[-1]
    if out.ndim == 2:
        return out
    if out.ndim == 3:
        prefix = getattr(backbone, "num_prefix_tokens", 0)
        patches = out[:, prefix:]
        if prefix:
            return torch.cat([out[:, 0], patches.mean(1)], 1)
        return torch.cat([patches.amax(1), patches.mean(1)], 1)
    places = (1, 2) if channels_are_last(backbone, out) else (2, 3)
    return torch.cat([out.amax(places), out.mean(places)], 1)
