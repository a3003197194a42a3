"""Batch normalisation folded into the convolution before it, wherever its statistics stand still.

`norm(conv(x))` with fixed statistics is one convolution with scaled weights and a bias. Folding leaves out a pass over
each layer's whole output, forth and back; parameters, gradients and the names of weights stay what they are, since the
scaled weights are made anew in each pass. A fifth of a small network's training time on a CPU went into those passes.
"""

from __future__ import annotations

import functools
from collections import Counter
from typing import Any

import torch
from torch import nn

__all__ = ["fold"]

NEAR = 1e-3  # of the largest output: how far a folded network's may be from what it was


def fold(backbone: Any, size: int) -> int:
    """Folds each `nn.Conv2d` of a timm backbone with the one batch normalisation that it feeds; returns how many pairs.

    Which feeds which is seen in a pass over a picture of `size` pixels. A pair is left as it was where the backbone does
    not give the same outputs with it folded, as where something else reads the convolution's output, too.
    """
    training = backbone.training
    backbone.eval()
    try:
        with torch.no_grad():
            views = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
            pairs = _pairs(backbone, views)
            if not pairs:
                return 0
            kept = _disturb([norm for _, norm in pairs])
            try:
                expected = _joined(backbone.forward_features(views))
                return len(_folded(backbone, views, expected, pairs))
            finally:
                for tensor, value in kept:
                    tensor.copy_(value)
    finally:
        backbone.train(training)


def _folded(backbone: Any, views: torch.Tensor, expected: torch.Tensor, pairs: list) -> list:
    """The pairs that were folded: those with which the outputs stay what they are, looked for half by half."""
    _set(pairs, True)
    found = _joined(backbone.forward_features(views))
    if bool((found - expected).abs().max() <= NEAR * expected.abs().max()):
        return pairs
    _set(pairs, False)
    if len(pairs) == 1:
        return []
    half = len(pairs) // 2
    return [pair for some in (pairs[:half], pairs[half:]) for pair in _folded(backbone, views, expected, some)]


class _Conv(nn.Conv2d):
    """A convolution that scales and shifts as its batch normalisation, the one thing that it feeds, would."""

    feeds: list[Any]

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        (norm,) = self.feeds
        if norm.training:
            return super().forward(input)
        scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
        shift = norm.bias - norm.running_mean * scale
        if self.bias is not None:
            shift = shift + self.bias * scale
        return self._conv_forward(input, self.weight * scale[:, None, None, None], shift)


class _Norm(nn.BatchNorm2d):
    """A batch normalisation that has nothing left to do while its statistics stand still."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) if self.training else input


@functools.cache
def _kinds() -> dict[type, type]:
    """Each kind of batch normalisation that can be folded, and the same folded; timm's has an activation behind it."""
    from timm.layers.norm_act import BatchNormAct2d

    class NormAct(BatchNormAct2d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            own: Any = self
            return super().forward(x) if self.training else own.act(own.drop(x))

    return {nn.BatchNorm2d: _Norm, BatchNormAct2d: NormAct}


def _pairs(backbone: Any, views: torch.Tensor) -> list[tuple[Any, Any]]:
    """Convolutions and the batch normalisations that read their outputs, each called once in a pass."""
    calls: Counter[nn.Module] = Counter()
    made: dict[int, tuple[nn.Module, torch.Tensor]] = {}  # outputs are held, so that no number comes twice
    fed: list[tuple[Any, Any]] = []

    def after(module: nn.Module, _: Any, out: torch.Tensor) -> None:
        calls[module] += 1
        if type(module) is nn.Conv2d:
            made[id(out)] = module, out

    def before(module: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        if type(module) in _kinds() and id(given[0]) in made:
            fed.append((made[id(given[0])][0], module))

    hooks = []
    for module in backbone.modules():
        if isinstance(module, (nn.Conv2d, nn.modules.batchnorm._BatchNorm)):
            hooks += [module.register_forward_hook(after), module.register_forward_pre_hook(before)]
    try:
        backbone.forward_features(views)
    finally:
        for hook in hooks:
            hook.remove()
    readers = Counter(conv for conv, _ in fed)
    return [
        (conv, norm)
        for conv, norm in fed
        if calls[conv] == calls[norm] == readers[conv] == 1 and norm.affine and norm.track_running_stats
    ]


def _set(pairs: list[tuple[Any, Any]], folded: bool) -> None:
    back = {value: key for key, value in _kinds().items()}
    for conv, norm in pairs:
        if folded:
            conv.__class__, norm.__class__ = _Conv, _kinds()[type(norm)]
            conv.feeds = [norm]  # in a list it is no part of the convolution
        else:
            conv.__class__, norm.__class__ = nn.Conv2d, back[type(norm)]
            del conv.feeds


def _disturb(norms: list[Any]) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Gives untrained norms something to do, and leaves trained ones about what they are: others' statistics would blow
    a trained network's outputs up until rounding decides them. Returns what to put back."""
    chance = torch.Generator().manual_seed(0)

    def some(like: torch.Tensor) -> torch.Tensor:
        return torch.rand(like.shape, generator=chance) - 0.5

    kept = []
    for norm in norms:
        tensors = norm.weight, norm.bias, norm.running_mean, norm.running_var
        kept += [(tensor, tensor.detach().clone()) for tensor in tensors]
        spread = norm.running_var.sqrt()
        norm.running_mean.add_(0.2 * some(spread) * spread)
        norm.bias.add_(0.2 * some(spread))
        norm.running_var.mul_(1 + 0.4 * some(spread))
        norm.weight.mul_(1 + 0.4 * some(spread))
    return kept


def _joined(out: Any) -> torch.Tensor:
    parts = out if isinstance(out, (tuple, list)) else [out]
    return torch.cat([part.detach().float().reshape(-1) for part in parts])
