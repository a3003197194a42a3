"""The docs say what the code does: generated blocks are current, links and pictures are there, every name of the
contract resolves."""

from __future__ import annotations

import importlib.util
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.fixture(scope="module")
def make():
    """docs/make.py as a module."""
    spec = importlib.util.spec_from_file_location("docs_make", ROOT / "docs" / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_generated_blocks_are_current(page, make):
    text = page.read_text()
    assert make.rewritten(text) == text, "run: uv run python docs/make.py --text"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_and_pictures_are_there(page):
    for target in re.findall(r"\]\(([^)#]+)", page.read_text()):
        if not target.startswith(("http://", "https://")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_what_a_space_installs_is_made_from_the_lock_file(make):
    if shutil.which("uv") is None:
        pytest.skip("no program uv")
    assert (ROOT / "requirements.txt").read_text() == make.requirements(), "run: uv run python docs/make.py --text"


def test_the_space_has_the_gradio_of_the_lock_file():
    front = (ROOT / "README.md").read_text().split("---")[1]
    said = dict(line.split(": ", 1) for line in front.strip().splitlines() if ": " in line)
    assert said["sdk"] == "gradio"
    assert (ROOT / said["app_file"]).is_file()
    assert len(said["short_description"]) <= 60
    locked = re.search(r'name = "gradio"\nversion = "([^"]+)"', (ROOT / "uv.lock").read_text())
    assert locked is not None
    assert said["sdk_version"] == locked.group(1)


def test_every_setting_of_a_step_has_a_range_and_a_help_text():
    from dataclasses import fields

    from recipes import steps

    for name in steps.__all__:
        for spec in fields(getattr(steps, name)):
            assert len(spec.metadata["help"]) > 10, (name, spec.name)
            assert "choices" in spec.metadata or {"min", "max"} <= set(spec.metadata), (name, spec.name)


def test_every_option_of_a_run_has_a_description():
    from assistant.runs import Options

    assert all(len(spec.description or "") > 5 for spec in Options.model_fields.values())
