# The habits of this project: `just` lists them.

default:
    @just --list

# Everything that the project needs, and the checks before each commit
setup:
    uv sync
    uv run --with pre-commit pre-commit install

# All tests; `just test tests/recipes` for some
test *ARGS:
    uv run pytest {{ARGS}}

# Style, types and the import rules of CONTRIBUTING.md
lint:
    uv run ruff check . && uv run ruff format --check . && uv run pyright && uv run lint-imports

# Mends what can be mended by itself
fix:
    uv run ruff check --fix . && uv run ruff format .

# The web app
serve *ARGS:
    uv run app.py {{ARGS}}

# The tests in a real browser
browser:
    uv run pytest -m browser

# The main job on photographs: just bench path/to/dogs-vs-cats
bench DATA *ARGS:
    uv run python bench/photos.py {{DATA}} {{ARGS}}

# Everything in bench/RESULTS.md, measured anew: just results path/to/dogs-vs-cats path/to/mobilenetv2_100.safetensors
results DATA WEIGHTS:
    uv run --group bench python bench/results.py --make {{DATA}} --weights {{WEIGHTS}}

# The recipe's pictures in docs/, and all generated blocks (docs/make_app.py and make_kaggle.py make the app's and Kaggle's pictures)
docs:
    uv run python docs/make.py
