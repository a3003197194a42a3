"""The notebook in docs/ is a valid one without anybody's outputs, and its cells do what they say."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
PATH = ROOT / "docs" / "recipe-assistant.ipynb"
# Runs one cell in an IPython as a notebook has it, and tells what was shown and printed as one JSON line.
SHELL = """
import json, sys
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
shell = InteractiveShell.instance()
with capture_output() as shown:
    result = shell.run_cell(sys.stdin.read())
told = {"printed": shown.stdout, "html": [out.data.get("text/html", "") for out in shown.outputs]}
told |= {"error": repr(result.error_in_exec or result.error_before_exec or ""), "result": repr(result.result)}
if result.success and len(sys.argv) > 1:
    import urllib.request
    with urllib.request.urlopen(sys.argv[1]) as answer:
        told |= {"status": answer.status, "body": answer.read(100_000).decode()}
print("TOLD", json.dumps(told), flush=True)
"""


@pytest.fixture(scope="module")
def notebook():
    return nbformat.read(PATH, as_version=4)


def cell(notebook, tag: str) -> str:
    (source,) = [c.source for c in notebook.cells if c.cell_type == "code" and c.metadata.get("tags") == [tag]]
    return source


def told_by(source: str, folder: Path, *given: str) -> dict:
    environment = os.environ | {"ASSISTANT_HOME": str(folder / "home"), "GRADIO_TEMP_DIR": str(folder / "gradio")}
    environment |= {"PYTHONPATH": str(ROOT), "HOME": str(folder), "IPYTHONDIR": str(folder / "ipython")}
    done = subprocess.run(
        [sys.executable, "-c", SHELL, *given],
        cwd=folder,
        env=environment,
        input=source,
        capture_output=True,
        text=True,
        timeout=300,
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith("TOLD ")]
    assert lines, done.stderr[-2000:]
    return json.loads(lines[-1].removeprefix("TOLD "))


def test_the_notebook_is_valid_and_holds_no_outputs_and_no_paths(notebook):
    nbformat.validate(notebook)
    code = [c for c in notebook.cells if c.cell_type == "code"]
    tags = ["network", "page", "colab", "token", "network", "recipes"]
    assert [c.metadata.get("tags") for c in code] == [[tag] for tag in tags]
    assert all(c.outputs == [] and c.execution_count is None for c in code)
    assert not re.search(r"/(home|root|tmp|Users)/|KGAT|hf_", PATH.read_text())
    for c in code:
        python = "\n".join(line for line in c.source.splitlines() if not line.startswith(("%", "!")))
        compile(python, c.id, "exec")


def test_the_page_opens_in_the_notebook_and_asks_for_the_password_that_is_printed(notebook, tmp_path):
    source = cell(notebook, "page")
    assert source.endswith("launch(share=True, block=False)")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # without a public address; still with people, so that the password is asked for
    here = source.replace("share=True", f"host='0.0.0.0', port={port}")
    told = told_by(here, tmp_path, f"http://127.0.0.1:{port}/")
    assert told["error"] == "''"
    assert re.search(r"sign in as guest with the password \S{12}", told["printed"])
    (frame,) = [html for html in told["html"] if "<iframe" in html]
    assert f":{port}/" in frame
    assert told["status"] == 200
    assert '"auth_required":true' in told["body"].replace(" ", "")


def test_without_a_public_address_the_page_is_its_owners(notebook, tmp_path):
    source = cell(notebook, "colab")
    opened = next(line for line in source.splitlines() if line.startswith("launch("))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = f"from assistant.ui.serving import launch\n{opened.replace('7861', str(port))}"
    told = told_by(here, tmp_path, f"http://127.0.0.1:{port}/")
    assert told["error"] == "''"
    assert "password" not in told["printed"]
    assert told["status"] == 200
    assert "Recipe Assistant" in told["body"]


def test_the_lines_with_recipes_train_and_predict(notebook, tmp_path):
    source = cell(notebook, "recipes").replace('arch="resnet10t"', 'arch="test_resnet"')
    told = told_by(source, tmp_path)
    assert told["error"] == "''"
    found = re.fullmatch(r"\(\{'accuracy': ([\d.]+), .*\}, \(450, 10\)\)", told["result"])
    assert found, told["result"]
    assert float(found[1]) > 0.5
