"""What importing costs, and that every public name is there."""

import subprocess
import sys

import pytest

import recipes


def loaded_by(code: str) -> set[str]:
    script = f"{code}\nimport sys; print(*(name.partition('.')[0] for name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


HEAVY = {"gradio", "kaggle", "kagglesdk", "torch", "timm", "matplotlib", "assistant", "app"}


def test_importing_recipes_loads_neither_gradio_nor_kaggle_nor_torch():
    assert not loaded_by("import recipes") & HEAVY


def test_a_table_of_images_needs_no_torch():
    assert not loaded_by("from recipes import Images, RecipeError") & HEAVY


def test_a_recipe_is_planned_without_torch_and_scipy():
    code = "from recipes import EIGHT_STEPS, progressive\nfrom recipes.planning import Counts, plan\n"
    code += "plan(progressive(EIGHT_STEPS, (32, 64)), Counts(100, 20))"
    assert not loaded_by(code) & {*HEAVY, "scipy", "sklearn"}


@pytest.mark.parametrize("name", recipes.__all__)
def test_every_public_name_is_there(name):
    value = getattr(recipes, name)
    assert value is not None
    assert name in dir(recipes)
    if hasattr(value, "__module__"):
        assert value.__module__.startswith("recipes.")


def test_an_unknown_name_is_an_attribute_error_as_everywhere():
    with pytest.raises(AttributeError, match="module 'recipes' has no attribute 'Lerner'"):
        recipes.Lerner  # noqa: B018
