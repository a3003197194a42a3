"""Grad-CAM finds what a network looks at: on networks trained for seconds to name the colour of a small patch."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from recipes import PLAIN, Images, Learner, RecipeError, load
from recipes.errors import ImagesError
from recipes.exporting import Predictor
from recipes.gradcam import grad_cam, overlay
from recipes.network import Network
from recipes.tasks import Regression, SingleLabel

SIDE, PATCH = 128, 32
COLOURS = {"red": (250, 30, 30), "green": (30, 250, 30), "blue": (30, 30, 250)}


def patches(n: int, seed: int = 0) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Grey noise with a bright patch at a random place; names of its colour, and where it is, bool (n, SIDE, SIDE)."""
    chance = np.random.default_rng(seed)
    x = chance.integers(90, 150, (n, SIDE, SIDE, 1)).repeat(3, 3).astype(np.uint8)
    names, where = [list(COLOURS)[i % 3] for i in range(n)], np.zeros((n, SIDE, SIDE), bool)
    for i, name in enumerate(names):
        top, left = chance.integers(0, SIDE - PATCH + 1, 2)
        where[i, top : top + PATCH, left : left + PATCH] = True
        x[i][where[i]] = COLOURS[name]
    return x, names, where


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """`trained(arch)`: a model that names the patch's colour, as `load` gives it; trained once an architecture."""
    made = {}

    def model(arch: str, epochs: int, rate: float):
        if arch not in made:
            folder = tmp_path_factory.mktemp(arch)
            x, names, _ = patches(240)
            places = {"cache": folder / "cache", "folder": folder / "models", "report": lambda event: None}
            learner = Learner(
                Images.from_arrays(x, names), arch, SIDE, "none", batch_size=16, device="cpu", crop=1.0,
                augmentation=PLAIN, **places,
            )  # fmt: skip
            learner.unfreeze()
            learner.fit_one_cycle(epochs, rate)
            learner.export(folder / "model")
            made[arch] = load(folder / "model")
        return made[arch]

    return model


NETWORKS = [("test_resnet", 4, 3e-3), ("test_vit", 6, 2e-3), ("test_mambaout", 6, 3e-3)]  # NCHW, tokens, NHWC


@pytest.mark.parametrize(("arch", "epochs", "rate"), NETWORKS)
def test_the_heat_lies_on_the_patch_that_makes_the_class(trained, arch, epochs, rate):
    model = trained(arch, epochs, rate)
    x, names, where = patches(48, seed=1)
    right = np.array([model.classes[i] for i in model.predict(list(x)).argmax(1)]) == names
    assert right.mean() > 0.9
    heat = grad_cam(model, list(x))
    assert heat.shape == (48, SIDE, SIDE)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    assert set(heat.max((1, 2)).round(6)) <= {0, 1}
    some = heat.any((1, 2))
    assert some.mean() > 0.8  # where every channel speaks against the class, there is none
    heat, where = heat[some], where[some]
    mass, elsewhere = ((heat * mask).sum((1, 2)) / heat.sum((1, 2)) for mask in (where, np.roll(where, 1, 0)))
    assert mass.mean() > 3 * (PATCH / SIDE) ** 2  # three times its share of the picture
    assert mass.mean() > 2 * elsewhere.mean()  # other pictures' patches lie elsewhere


@pytest.mark.parametrize(("arch", "epochs", "rate"), NETWORKS[:2])
def test_of_two_patches_the_heat_lies_on_the_one_that_is_asked_for(trained, arch, epochs, rate):
    model = trained(arch, epochs, rate)
    both = np.random.default_rng(5).integers(90, 150, (SIDE, SIDE, 1)).repeat(3, 2).astype(np.uint8)
    left, right = (slice(48, 80), slice(0, 32)), (slice(48, 80), slice(96, 128))
    both[left], both[right] = COLOURS["red"], COLOURS["green"]
    red, green = grad_cam(model, [both, both], ["red", model.classes.index("green")])
    assert red[left].sum() > 2 * red[right].sum()
    assert green[right].sum() > 2 * green[left].sum()


@pytest.mark.parametrize(("arch", "epochs", "rate"), NETWORKS[:2])
def test_the_model_is_left_as_it_was(trained, arch, epochs, rate):
    model = trained(arch, epochs, rate)
    network, x = model.network, list(patches(3, seed=2)[0])
    network.head[0].train()  # a mode that not every layer shares
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    modes = [layer.training for layer in network.modules()]
    asked = [parameter.requires_grad for parameter in network.parameters()]
    grad_cam(model, x)
    after = network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert [layer.training for layer in network.modules()] == modes
    assert all(parameter.grad is None for parameter in network.parameters())
    assert [parameter.requires_grad for parameter in network.parameters()] == asked
    assert not any(layer._forward_hooks or layer._backward_hooks for layer in network.modules())
    network.head[0].eval()


def test_paths_pictures_and_arrays_give_the_same_heat(trained, tmp_path):
    model = trained(*NETWORKS[0])
    array = patches(1, seed=3)[0][0]
    Image.fromarray(array).save(tmp_path / "a.png")
    one, two, three = grad_cam(model, [array, tmp_path / "a.png", Image.fromarray(array)])
    assert np.array_equal(one, two)
    assert np.array_equal(one, three)
    assert grad_cam(model, []).shape == (0, SIDE, SIDE)


def test_what_cannot_be_shown_is_told_in_one_line(trained, tmp_path):
    model = trained(*NETWORKS[0])
    picture = patches(1)[0][0]
    for classes, words in ([["mauve"]], "mauve"), ([[3]], "3"), ([[-1]], "-1"), ([["red", "red"]], "2 and 1"):
        with pytest.raises(RecipeError, match=words) as told:
            grad_cam(model, [picture], *classes)
        assert "\n" not in str(told.value)
    (tmp_path / "no.png").write_bytes(b"no picture")
    with pytest.raises(ImagesError, match=r"no\.png"):
        grad_cam(model, [tmp_path / "no.png"])


def test_a_network_without_a_map_of_places_says_so():
    network = Network("pit_ti_224", 2, 224, "none")  # its class token alone comes out
    network.eval()
    model = Predictor(network, SingleLabel(("a", "b")), 224, ((224, 224),), torch.device("cpu"))
    with pytest.raises(RecipeError, match="pit_ti_224 has no map of places"):
        grad_cam(model, [np.zeros((224, 224, 3), np.uint8)])


def test_a_number_is_explained_by_what_makes_it_larger():
    network = Network("test_resnet", 1, 64, "none")
    network.eval()
    model = Predictor(network, Regression(("age",), (0.0,), (1.0,)), 64, ((64, 64),), torch.device("cpu"))
    heat = grad_cam(model, [patches(1)[0][0]])
    assert heat.shape == (1, 64, 64)
    assert np.isfinite(heat).all()


def test_the_overlay_warms_the_square_that_was_seen_and_dims_the_rest():
    picture = np.full((40, 80, 3), 200, np.uint8)
    heat = np.zeros((8, 8), np.float32)
    heat[:, :4] = 1
    made = overlay(picture, heat, share=0.5)
    assert made.shape == (40, 80, 3)
    assert made.dtype == np.uint8
    assert (made[:10] == 50).all()  # a quarter of its light: the square takes half of the shorter side
    assert (made[:, :30] == 50).all()
    hot, cold = made[20, 32].astype(int), made[20, 48].astype(int)
    assert hot[0] > hot[2] + 30  # the colour of heat
    assert cold.max() - cold.min() <= 3  # grey stays grey
    assert overlay(picture, heat, side=20).shape == (10, 20, 3)
