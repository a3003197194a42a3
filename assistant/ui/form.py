"""The recipe's form: one component a setting of a run, with the setting's own help text, and defaults for what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gradio as gr
from pydantic import ValidationError

from assistant.runs import Options, RunError
from assistant.sample import OPTIONS
from assistant.settings import zero_gpu
from recipes.architectures import ARCHITECTURES
from recipes.cookbook import EIGHT_STEPS
from recipes.writing import STEPS, as_text

__all__ = ["FIELDS", "NAMED", "build", "defaults", "options", "start_label", "values_of"]

NAMED = {
    "eight_steps": "the eight steps",
    "five_steps": "the five steps",
    "one_cycle": "one cycle",
    "own": "your own steps",
}
STYLES = [
    ("Plain: no flips (digits, text)", "plain"),
    ("Side-on: left-right flips (photos)", "side_on"),
    ("Top-down: all flips and turns (satellite, microscope)", "top_down"),
]
LABELS = {
    "recipe": "Recipe",
    "own": "Your own steps",
    "arch": "Architecture",
    "sizes": "Image sizes",
    "augment": "Augmentation",
    "tta": "Views in test-time augmentation",
    "seed": "Seed",
    "weights": "Weights",
    "batch_size": "Batch size",
    "folds": "Folds",
    "valid": "Validation share",
    "max_cycles": "Cycles at most",
    "ratio": "Rate ratio",
    "max_zoom": "Largest zoom",
    "smoothing": "Label smoothing",
    "ema": "Averaged weights",
    "precision": "Precision",
    "device": "Device",
}
FIELDS = tuple(LABELS)
WHOLE = ("tta", "seed", "batch_size", "folds")
UNSET = {"max_cycles": "the recipe's"}  # settings that may be left empty, and what that means
CHOICES: dict[str, list] = {
    "augment": STYLES,
    "weights": [("Pretrained", "auto"), ("Random", "none")],
    "precision": ["auto", "fp32", "bf16"],
}


def build() -> dict[str, Any]:
    """The components by the setting's name, in `FIELDS`' order, the rarer ones in an accordion; for the sample at first."""
    values, made = defaults(sample=True), {}
    made["recipe"] = gr.Radio(
        [(name[:1].upper() + name[1:], key) for key, name in NAMED.items()],
        value=values["recipe"],
        label=LABELS["recipe"],
    )
    made["own"] = gr.Textbox(
        value=values["own"],
        label=LABELS["own"],
        info=f"In their order, joined by +, settings in brackets. There are {', '.join(STEPS)}.",
        lines=2,
        max_lines=6,
        visible=False,
        elem_id="own",
    )
    with gr.Row():
        made["arch"] = gr.Dropdown(
            [OPTIONS["arch"], *(each.name for each in ARCHITECTURES)],
            value=values["arch"],
            label=LABELS["arch"],
            info=_help("arch"),
            allow_custom_value=True,
            elem_id="arch",
        )
        made |= {name: _component(name, values[name]) for name in ("sizes", "augment")}
    with gr.Row():
        made |= {name: _component(name, values[name]) for name in ("tta", "seed")}
    with gr.Accordion("Rarer settings", open=False, elem_id="rarer"):
        rarer = [name for name in FIELDS if name not in made]
        for start in range(0, len(rarer), 3):
            with gr.Row():
                made |= {name: _component(name, values[name]) for name in rarer[start : start + 3]}
    return {name: made[name] for name in FIELDS}


def defaults(sample: bool) -> dict[str, Any]:
    """What the form holds at first: the sample's own settings, or those for photos with pretrained weights."""
    photos = {"sizes": [128] if zero_gpu() else [128, 224]}
    return values_of(Options.model_validate(OPTIONS if sample else photos))


def values_of(chosen: Options) -> dict[str, Any]:
    """What the form holds for these options."""
    values = chosen.model_dump(include=set(FIELDS))
    words = {name: "" if values[name] is None else str(values[name]) for name in UNSET}
    own = chosen.recipe not in NAMED
    words |= {"own": chosen.recipe if own else as_text(EIGHT_STEPS), "recipe": "own" if own else chosen.recipe}
    return values | words | {"sizes": ",".join(map(str, chosen.sizes))}


def options(values: Mapping[str, Any]) -> Options:
    """The form's values as a run's options. Raises RunError."""
    given = dict(values)
    own = str(given.pop("own", "") or "").strip()
    if given.get("recipe") == "own":
        if not own:
            raise RunError("no steps are written; write some, joined by +, or choose another recipe")
        given["recipe"] = own
    try:
        given["sizes"] = [int(size) for size in str(given["sizes"]).replace(" ", "").strip(",").split(",")]
    except ValueError:
        raise RunError(f"not image sizes: {given['sizes']}; give one or more, such as 128,224") from None
    for name, value in given.items():
        if isinstance(value, str):
            given[name] = value.strip()
    if not given.get("arch"):
        raise RunError("no architecture is named; choose one, or write the name of any in timm")
    # an emptied field asks for the default
    try:
        return Options.model_validate({name: value for name, value in given.items() if value not in (None, "")})
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0])
        raise RunError(f"{LABELS.get(name, name)}: {first['msg'].removeprefix('Value error, ').lower()}") from None


def start_label(recipe: str) -> str:
    """The start button's words."""
    return f"Start {NAMED.get(recipe, 'training')}"


def _component(name: str, value: Any) -> Any:
    about: dict[str, Any] = {
        "value": value,
        "label": LABELS[name],
        "info": _help(name),
        "elem_id": name.replace("_", "-"),
    }
    if name in CHOICES:
        return gr.Dropdown(CHOICES[name], **about)
    if name in ("sizes", "device", *UNSET):
        return gr.Textbox(max_lines=1, placeholder=UNSET.get(name), **about)
    return gr.Number(precision=0 if name in WHOLE else None, **about)


def _help(name: str) -> str:
    words = {"augment": "Which way up may the images be turned?", "weights": "Where the network starts from."}
    return words.get(name) or Options.model_fields[name].description or ""
