"""Backbones, the head, three layer groups, and where weights come from."""

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import nn

from recipes.errors import NetworkError
from recipes.network import Network, WeightsUnreachable, backbone_weights

TINY = "test_efficientnet"


def one_line(error) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert "; " in text, "says what to do"
    return text


@pytest.fixture
def weights_folder(tmp_path, monkeypatch):
    """`RECIPES_WEIGHTS`, with weights of test_resnet as timm publishes them: with a classifier."""
    folder = tmp_path / "weights"
    folder.mkdir()
    monkeypatch.setenv("RECIPES_WEIGHTS", str(folder))
    torch.manual_seed(7)
    tensors = timm.create_model("test_resnet", num_classes=1000).state_dict()
    for name, tensor in tensors.items():
        if name.endswith("running_mean"):
            tensor.uniform_(-1, 1)
    save_file(tensors, folder / "test_resnet.safetensors")
    return folder, tensors


# ---------------------------------------------------------------- architecture


@pytest.mark.parametrize(
    ("arch", "size", "width"),
    [
        ("resnet34", 32, 2 * 512),
        ("resnext50_32x4d", 32, 2 * 2048),
        ("convnext_tiny", 32, 2 * 768),
        ("efficientnet_b0", 32, 2 * 1280),
        ("mobilenetv2_100", 32, 2 * 1280),
        ("vit_small_patch16_224", 32, 2 * 384),
    ],
)
def test_the_issues_networks_have_the_fastai_head_and_three_layer_groups(arch, size, width):
    network = Network(arch, 7, size, "none")
    kinds = [nn.BatchNorm1d, nn.Dropout, nn.Linear, nn.ReLU, nn.BatchNorm1d, nn.Dropout, nn.Linear]
    assert [type(layer) for layer in network.head] == kinds
    assert [network.head[1].p, network.head[5].p] == [0.25, 0.5]
    assert network.width == network.head[0].num_features == network.head[2].in_features == width
    assert (network.head[2].out_features, network.head[6].out_features) == (512, 7)

    early, late, head = network.groups
    names = [name for name, _ in network.named_parameters()]
    assert sorted(early + late + head) == sorted(names), "every parameter is in exactly one group"
    assert min(map(len, network.groups)) > 0
    assert all(name.startswith("head.") for name in head)
    assert not any(name.startswith("head.") for name in early + late)
    stem = next(name for name in names if name.startswith("backbone."))
    assert stem in early
    places = {name: place for place, name in enumerate(names)}
    blocks = [name for name in early + late if any(part.isdigit() for part in name.split("."))]
    assert max(places[n] for n in blocks if n in set(early)) < min(places[n] for n in blocks if n in set(late))

    network.eval()
    with torch.no_grad():
        batch = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(0))
        features = network.features(batch)
        assert features.shape == (2, width)
        torch.testing.assert_close(network(batch), network.head_on(features))


def test_pooling_joins_the_maximum_and_the_mean_of_all_places():
    network = Network(TINY, 3, 64, "none").eval()
    batch = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        maps = network.backbone.forward_features(batch)
        torch.testing.assert_close(network.features(batch), torch.cat([maps.amax((2, 3)), maps.mean((2, 3))], 1))


def test_pooling_of_tokens_joins_the_class_token_and_the_mean_of_the_patches():
    network = Network("test_vit", 3, 64, "none").eval()
    batch = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        tokens = network.backbone.forward_features(batch)
        assert tokens.shape[1] == 1 + 16
        torch.testing.assert_close(network.features(batch), torch.cat([tokens[:, 0], tokens[:, 1:].mean(1)], 1))


def test_the_head_is_drawn_from_the_seed_and_leaves_torchs_generator_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (Network(TINY, 3, 32, "none", seed=seed) for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    tensors = first.state_dict()
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in tensors.items())
    assert not torch.equal(tensors["head.2.weight"], other.state_dict()["head.2.weight"])
    assert not torch.equal(tensors["backbone.conv_stem.weight"], other.state_dict()["backbone.conv_stem.weight"])


def test_an_unknown_architecture_names_the_nearest():
    for arch, like in (("resnet33", "resnet34"), ("convnext-tiny", "convnext_tiny"), ("", "resnet34")):
        with pytest.raises(NetworkError, match=f"unknown architecture: '{arch}'; did you mean .*{like}") as error:
            Network(arch, 3, 32, "none")
        one_line(error)


@pytest.mark.parametrize(
    ("arch", "size", "says"),
    [
        ("vit_small_patch16_224", 100, "takes multiples of 16 px only .*100 asked for; use 96 or 112"),
        ("test_vit", 7, "takes multiples of 16 px only .*7 asked for; use 16 or 32"),
        ("mixer_s16_224", 128, "cannot take 128 px: .*trained at 224 px, try that"),
        ("xcit_nano_12_p16_224", 100, "takes 224 px only: 100 asked for"),
        ("vgg11", 16, "cannot take 16 px: .*trained at 224 px"),
        (TINY, 0, "no picture has this size: 0; test_efficientnet was trained at 160 px"),
        (TINY, -3, "no picture has this size: -3"),
    ],
)
def test_a_size_that_a_network_cannot_take_gives_the_sizes_that_it_takes(arch, size, says):
    with pytest.raises(NetworkError, match=says) as error:
        Network(arch, 3, size, "none")
    one_line(error)


def test_networks_of_patches_take_every_multiple_of_their_patch():
    network = Network("test_vit", 3, 32, "none").eval()
    network.check_size(80)
    with torch.no_grad():
        assert network(torch.zeros(1, 3, 80, 80)).shape == (1, 3)


# ---------------------------------------------------------------- what learns


def learning(network):
    parameters = dict(network.named_parameters())
    return [{parameters[name].requires_grad for name in names} for names in network.groups]


def test_freezing_to_a_group_stops_all_before_it():
    network = Network(TINY, 3, 32, "none")
    for group, wanted in ((0, "111"), (1, "011"), (2, "001"), (-1, "001"), (-2, "011"), (-3, "111")):
        network.freeze_to(group)
        assert learning(network) == [{mark == "1"} for mark in wanted]
    for group in (3, -4):
        with pytest.raises(NetworkError, match=r"no such layer group: .*; there are 0"):
            network.freeze_to(group)


def norms(network, names):
    modules = dict(network.named_modules())
    owners = {name.rpartition(".")[0] for name in names}
    return [modules[name] for name in sorted(owners) if isinstance(modules[name], nn.modules.batchnorm._BatchNorm)]


def test_frozen_batchnorm_runs_in_evaluation_mode():
    network = Network(TINY, 3, 32, "none")
    for group in (2, 1, 0):
        network.freeze_to(group)
        network.train()
        for number, names in enumerate(network.groups):
            found = norms(network, names)
            assert found
            assert {norm.training for norm in found} == {number >= group}, f"group {number} frozen to {group}"
    network.eval()
    assert not any(module.training for module in network.modules())


def test_statistics_that_were_pretrained_are_kept_when_the_body_learns(weights_folder):
    pretrained, fresh = (Network("test_resnet", 3, 32, weights) for weights in ("auto", "none"))
    for network, kept in ((pretrained, True), (fresh, False)):
        network.freeze_to(0)
        network.train()
        before = {name: t.clone() for name, t in network.state_dict().items() if name.endswith("running_mean")}
        network(torch.randn(8, 3, 32, 32))
        for name, tensor in before.items():
            same = torch.equal(network.state_dict()[name], tensor)
            assert same is (kept and name.startswith("backbone.")), name


# ---------------------------------------------------------------- weights


def test_weights_come_from_the_folder_without_the_classifier(weights_folder):
    folder, tensors = weights_folder
    assert backbone_weights("test_resnet") == folder / "test_resnet.safetensors"
    assert backbone_weights("resnet34") is None
    for weights in ("auto", str(folder / "test_resnet.safetensors")):
        network = Network("test_resnet", 3, 32, weights)
        assert network.weights_from == "test_resnet.safetensors"
        for name, tensor in network.backbone.state_dict().items():
            assert torch.equal(tensor, tensors[name]), name
    assert "fc.weight" in tensors
    assert Network("test_resnet", 3, 32, "none").weights_from == "none: random weights"


def test_weights_without_a_classifier_are_as_good(weights_folder):
    folder, tensors = weights_folder
    save_file({k: t for k, t in tensors.items() if not k.startswith("fc.")}, folder / "test_resnet.safetensors")
    network = Network("test_resnet", 3, 32)
    assert torch.equal(network.backbone.state_dict()["conv1.0.weight"], tensors["conv1.0.weight"])


def test_weights_that_lack_tensors_or_fit_another_network_say_which(weights_folder):
    folder, tensors = weights_folder
    path = folder / "test_resnet.safetensors"
    save_file({k: t for k, t in tensors.items() if k != "conv1.0.weight"}, path)
    with pytest.raises(NetworkError, match=r"weights do not fit test_resnet: .* lacks conv1.0.weight") as error:
        Network("test_resnet", 3, 32)
    one_line(error)
    save_file({**tensors, "conv1.0.weight": tensors["conv1.0.weight"][:, :1].contiguous()}, path)
    with pytest.raises(NetworkError, match=r"weights do not fit test_resnet: .* lacks conv1.0.weight"):
        Network("test_resnet", 3, 32)
    with pytest.raises(NetworkError, match=r"weights do not fit test_efficientnet: .* and \d+ more"):
        Network(TINY, 3, 32, str(path))


def test_files_that_hold_no_weights_are_told_in_one_line(tmp_path):
    (tmp_path / "a.safetensors").write_text("<html>")
    with pytest.raises(NetworkError, match=r"weights cannot be read: .*a.safetensors"):
        Network(TINY, 3, 32, str(tmp_path / "a.safetensors"))
    for weights in (tmp_path / "gone.safetensors", tmp_path):
        with pytest.raises(NetworkError) as error:
            Network(TINY, 3, 32, str(weights))
        one_line(error)


def test_weights_that_cannot_be_reached_say_so_and_what_to_do(monkeypatch, tmp_path):
    monkeypatch.setenv("RECIPES_WEIGHTS", str(tmp_path))
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(
        WeightsUnreachable, match="no pretrained weights for test_resnet: not in RECIPES_WEIGHTS"
    ) as error:
        Network("test_resnet", 3, 32)
    assert one_line(error).endswith(
        "put test_resnet.safetensors in a folder and set RECIPES_WEIGHTS to it, or ask for random weights with weights none"
    )
