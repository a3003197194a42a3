"""The device and the precision of a learner's arithmetic."""

from __future__ import annotations

import contextlib

import numpy as np
import torch

from recipes import ranks
from recipes.errors import RecipeError
from recipes.launcher import place

__all__ = ["bf16_pays", "chance_kept", "chosen_device", "chosen_precision", "identity", "on_device", "pass_size"]

PASSED = 512  # images at once that keep a large GPU busy
PER_GIGABYTE = 8  # images of 224 × 224 that are passed at once for each gigabyte of a GPU's memory


def chosen_device(name: str) -> torch.device:
    """That device; for auto the one that Accelerate gives this process. Of several processes each has the one that it is
    given. Raises RecipeError."""
    if place().count > 1:
        return ranks.of(name).device
    if name != "auto":
        try:
            device = torch.device(name)
            torch.zeros(1, device=device)
        except (RuntimeError, AssertionError) as error:
            raise RecipeError(
                f"no such device: {name!r} ({' '.join(str(error).split())[:80]}); take auto or cpu"
            ) from None
        if device.type == "cuda":  # streams and recordings are the current device's
            torch.cuda.set_device(device)
        return device
    from accelerate import PartialState

    return torch.device(str(PartialState().device))


def chance_kept(device: torch.device) -> contextlib.AbstractContextManager:
    """A while after which PyTorch draws as if it had not been, on the CPU and on that device."""
    return torch.random.fork_rng([device] if device.type == "cuda" else [])


def on_device(array: np.ndarray, device: torch.device) -> torch.Tensor:
    """The array there. A GPU is not waited for: what is small has left the array when this returns."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device, non_blocking=True)


def pass_size(device: torch.device, batch_size: int, size: int) -> int:
    """Images of that size to pass through a network at once, where nothing is learned."""
    if device.type != "cuda":
        return batch_size
    memory = torch.cuda.get_device_properties(device).total_memory / 1e9
    return int(np.clip(PER_GIGABYTE * memory * (224 / size) ** 2, batch_size, max(batch_size, PASSED)))


def identity(device: torch.device) -> str:
    """One name of a device for all processes, whatever number each of them gives it; none for the CPU."""
    if device.type == "cuda":
        return f"gpu-{torch.cuda.get_device_properties(device).uuid}"
    return "" if device.type == "cpu" else f"{device.type}-{device.index or 0}"


def chosen_precision(name: str, device: torch.device) -> str:
    """fp32 or bf16; for auto bf16 on a GPU that has it. Raises RecipeError."""
    if name not in ("auto", "fp32", "bf16"):
        raise RecipeError(f"no such precision: {name!r}; there are auto, fp32 and bf16")
    if name == "auto":
        return "bf16" if device.type == "cuda" and torch.cuda.is_bf16_supported() else "fp32"
    return name


def bf16_pays(network: torch.nn.Module, device: torch.device) -> bool:
    """Whether bf16 would train that network faster although `auto` is fp32: on a CPU with AMX, which multiplies such
    matrices. Depthwise convolutions are none, and may lose more than the rest gains (docs/scale.md has the figures)."""
    can = getattr(torch.cpu, "get_capabilities", dict)().get("amx_bf16", False)
    convolutions = (layer for layer in network.modules() if isinstance(layer, torch.nn.Conv2d))
    return (
        device.type == "cpu"
        and can
        and all(layer.groups < layer.in_channels or layer.groups == 1 for layer in convolutions)
    )
