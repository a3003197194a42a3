"""The precision of a learner's arithmetic."""

import pytest
import timm
import torch

from recipes.device import bf16_pays


@pytest.mark.parametrize(("arch", "pays"), [("test_resnet", True), ("test_vit", True), ("mobilenetv2_035", False)])
def test_bf16_is_worth_a_word_on_processors_that_multiply_such_matrices(monkeypatch, arch, pays):
    network = timm.create_model(arch)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"amx_bf16": True}, raising=False)
    assert bf16_pays(network, torch.device("cpu")) is pays
    assert not bf16_pays(network, torch.device("cuda"))
    monkeypatch.setattr(torch.cpu, "get_capabilities", dict, raising=False)
    assert not bf16_pays(network, torch.device("cpu"))
