"""Non-linearities in place: the same outputs and gradients to the bit, and less that is kept."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import timm
import torch
from torch import nn

from recipes.inplace import spare_copies
from recipes.network import Network

KINDS = [nn.ReLU6, nn.SiLU, nn.Hardswish, nn.Mish]


def learned(layer: nn.Module, values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Outputs and gradients, of a layer whose input nobody else reads."""
    given = values.clone().requires_grad_()
    out = layer(given * 1)
    (slopes,) = torch.autograd.grad(out, given, torch.linspace(-2, 2, out.numel()).reshape(out.shape).to(out.dtype))
    return out.detach(), slopes


def kept(network: Any, views: torch.Tensor) -> int:
    """Bytes that a pass keeps for the gradient, each storage once."""
    storages: dict[int, tuple[torch.Tensor, int]] = {}

    def hold(tensor: torch.Tensor) -> torch.Tensor:
        storages[tensor.untyped_storage().data_ptr()] = tensor, tensor.untyped_storage().nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(hold, lambda tensor: tensor):
        out = network.forward_features(views)
    assert out.requires_grad
    return sum(size for _, size in storages.values())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_outputs_and_gradients_are_the_same_to_the_bit(kind, dtype):
    edges = [0.0, -0.0, 6.0, -3.0, 3.0, float("inf"), -float("inf"), float("nan")]
    values = torch.cat([torch.randn(1000) * 5, torch.tensor(edges)]).to(dtype)
    layer = kind(inplace=True)
    expected = learned(layer, values)
    assert spare_copies(layer) == 1
    for found, wanted in zip(learned(layer, values), expected):
        assert torch.equal(found.nan_to_num(77), wanted.nan_to_num(77))


@pytest.mark.parametrize("kind", KINDS)
def test_where_nothing_is_learned_they_stay_in_place(kind):
    layer = kind(inplace=True)
    spare_copies(layer)
    with torch.no_grad():
        values = torch.randn(10)
        assert layer(values).data_ptr() == values.data_ptr()


@pytest.mark.parametrize("arch", ["mobilenetv2_035", "mobilenetv3_small_050", "efficientnet_b0"])
def test_networks_learn_the_same_and_keep_less(arch):
    torch.manual_seed(0)
    plain: Any = timm.create_model(arch, num_classes=0, global_pool="").eval()
    spared, views = copy.deepcopy(plain), torch.rand(2, 3, 64, 64)
    assert spare_copies(spared) > 10
    for network in (plain, spared):
        network.forward_features(views).square().sum().backward()
    for (name, one), (_, other) in zip(plain.named_parameters(), spared.named_parameters()):
        assert (one.grad is None) == (other.grad is None), name
        assert one.grad is None or torch.equal(one.grad, other.grad), name
    assert kept(spared, views) <= kept(plain, views) * (0.8 if "v2" in arch else 1)


def test_what_writes_beside_its_input_is_left_alone():
    assert spare_copies(nn.Sequential(nn.ReLU6(), nn.SiLU(), nn.ReLU(inplace=True))) == 0


def test_a_learners_network_is_spared_them():
    modules = list(Network("mobilenetv2_035", 2, 32, "none").modules())
    assert not any(type(module) in KINDS for module in modules)
