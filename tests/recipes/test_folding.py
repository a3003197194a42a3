"""Batch normalisation folded into convolutions: the same network, with fewer passes over its outputs."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import timm
import torch
from torch import nn

from recipes.folding import fold
from recipes.network import Network


def made(arch: str) -> Any:
    """A network with trained-looking statistics."""
    torch.manual_seed(0)
    network: Any = timm.create_model(arch, num_classes=0, global_pool="")
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor, low in (
                (module.weight, 0.5),
                (module.bias, -0.5),
                (module.running_mean, -0.5),
                (module.running_var, 0.5),
            ):
                nn.init.uniform_(tensor, low, low + 1)
    return network.eval()


def slopes(network: Any, views: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    network.forward_features(views).square().mean().backward()
    return {
        name: parameter.grad.clone() for name, parameter in network.named_parameters() if parameter.grad is not None
    }


@pytest.mark.parametrize("arch", ["test_resnet", "mobilenetv3_small_100", "resnetv2_18d", "densenet121"])
def test_a_folded_network_gives_the_same_outputs_and_gradients(arch):
    plain = made(arch)
    folded = copy.deepcopy(plain)
    assert fold(folded, 64) > 5
    assert list(folded.state_dict()) == list(plain.state_dict())
    for name, tensor in folded.state_dict().items():
        assert torch.equal(tensor, plain.state_dict()[name]), name
    plain, folded, views = plain.double(), folded.double(), torch.randn(2, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        expected, found = plain.forward_features(views), folded.forward_features(views)
    assert torch.allclose(found, expected, rtol=1e-8, atol=1e-9)
    expected, found = slopes(plain, views), slopes(folded, views)
    assert list(found) == list(expected)
    for name, slope in expected.items():
        assert torch.allclose(found[name], slope, rtol=1e-6, atol=1e-9 * float(slope.abs().max())), name


def test_statistics_are_learned_as_ever_where_they_are_not_kept():
    plain = made("test_resnet")
    folded = copy.deepcopy(plain)
    fold(folded, 32)
    views = torch.randn(8, 3, 32, 32)
    assert torch.equal(plain.train().forward_features(views), folded.train().forward_features(views))
    for name, tensor in folded.state_dict().items():
        assert torch.equal(tensor, plain.state_dict()[name]), name


def test_a_copy_is_folded_by_its_own_weights():
    network = made("test_resnet")
    fold(network, 32)
    other = copy.deepcopy(network)
    views = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        before = other.forward_features(views)
        for parameter in network.parameters():
            parameter.zero_()
        assert torch.equal(other.forward_features(views), before)


@pytest.mark.parametrize("arch", ["mobilenetv2_035", "efficientnet_lite0"])
def test_a_trained_network_whose_layers_have_scales_of_their_own_is_folded(arch):
    torch.manual_seed(0)
    network: Any = timm.create_model(arch, num_classes=0, global_pool="")
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data.mul_(10 ** float(torch.empty(()).uniform_(-1, 3)))
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 1.0
    with torch.no_grad():
        network.train().forward_features(torch.rand(8, 3, 64, 64))  # now each norm knows its own inputs
    plain, views = copy.deepcopy(network).eval(), torch.rand(2, 3, 64, 64)
    assert fold(network.eval(), 64) == sum(isinstance(module, nn.Conv2d) for module in plain.modules())
    with torch.no_grad():
        expected, found = plain.forward_features(views), network.forward_features(views)
    assert (found - expected).abs().max() < 1e-4 * expected.abs().max()


class _ReadTwice(nn.Module):
    """A convolution whose output is read once more beside its batch normalisation."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)

    def forward_features(self, views: torch.Tensor) -> torch.Tensor:
        out = self.conv(views)
        return self.norm(out) + out


def test_a_convolution_that_something_else_reads_is_left_alone():
    network = _ReadTwice().eval()
    kept = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert fold(network, 16) == 0
    assert type(network.conv) is nn.Conv2d
    assert type(network.norm) is nn.BatchNorm2d
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, kept[name]), name


def test_the_other_pairs_of_such_a_network_are_folded():
    network: Any = _ReadTwice()
    network.more = nn.Sequential(*(nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4)) for _ in range(4)))
    twice, views = network.eval().forward_features, torch.randn(2, 3, 32, 32)
    network.forward_features = lambda views: network.more(twice(views))
    with torch.no_grad():
        expected = network.forward_features(views)
        assert fold(network, 32) == 4
        assert torch.allclose(network.forward_features(views), expected, atol=1e-5)
    assert type(network.conv) is nn.Conv2d


def test_networks_are_folded_unless_there_is_nothing_to_fold():
    assert any(hasattr(module, "feeds") for module in Network("test_resnet", 2, 32, "none").modules())
    assert fold(timm.create_model("test_vit", num_classes=0), 160) == 0
