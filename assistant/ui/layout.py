"""What the six steps are made of: a column each, with its heading and the ways back and onward."""

from __future__ import annotations

from typing import Any

import gradio as gr

from assistant.settings import zero_gpu
from assistant.ui import course, explore_step, form, kaggle_step, predict, recipe_step, results, submit_step, train_step
from assistant.ui.choose_step import FOLDER, KAGGLE, SAMPLE
from assistant.ui.look import heading

__all__ = ["CHOOSE", "RECIPE", "TITLES", "six_steps"]

CHOOSE, EXPLORE, RECIPE, TRAIN, RESULTS, SUBMIT = range(6)
TITLES = ("Choose", "Explore", "Recipe", "Train", "Results", "Submit")


def six_steps(public: bool) -> dict[str, Any]:
    """The components of all steps, by name."""
    return _choose(public) | _explore() | _recipe() | _train() | _results() | _submit()


def _step(number: int, words: str) -> gr.Column:
    """A step of the walk-through; gives the column for its parts."""
    column = gr.Column(elem_classes="section", elem_id=TITLES[number].lower())
    with column:
        gr.HTML(heading(number + 1, TITLES[number], words))
    return column


def _ways(number: int, onward: str = "") -> dict[str, Any]:
    """The buttons back and onward."""
    made: dict[str, Any] = {}
    with gr.Row(elem_classes="buttons ways"):
        if number > CHOOSE:
            made[f"back_{number}"] = gr.Button("Back", elem_id=f"back-{number}", size="md")
        if onward:
            made[f"on_{number}"] = gr.Button(onward, variant="primary", elem_id=f"on-{number}", size="md")
    return made


def _choose(public: bool) -> dict[str, Any]:
    choices = [("A Kaggle competition", KAGGLE), ("The sample (handwritten digits)", SAMPLE)]
    choices += [] if public else [("A folder on this machine", FOLDER)]
    with gr.Step(TITLES[CHOOSE], id=CHOOSE), _step(CHOOSE, "What is to be solved?"):
        made: dict[str, Any] = {
            "choice": gr.Radio(choices, value=SAMPLE, show_label=False, container=False, elem_id="choice")
        }
        with gr.Column(visible=False) as made["kaggle_column"]:
            made |= kaggle_step.build()
        with gr.Row(visible=False, equal_height=False, elem_classes="path") as made["path_row"]:
            made["path"] = gr.Textbox(
                label="Folder or archive",
                placeholder="/data/dog-breed-identification",
                info="With the images, a CSV of their labels or a folder for each class, and best the sample submission.",
                max_lines=1,
                elem_id="path",
            )
        made["choice_trouble"] = gr.HTML("", elem_id="choice-trouble")
        made |= _ways(CHOOSE, "Look at the data")
    return made


def _explore() -> dict[str, Any]:
    with (
        gr.Step(TITLES[EXPLORE], id=EXPLORE),
        _step(EXPLORE, "What was understood, and why. You can change every answer."),
    ):
        return explore_step.build() | _ways(EXPLORE, "Choose the recipe")


def _recipe() -> dict[str, Any]:
    lead = "Good settings are filled in for what you chose. Change what you like, then start."
    with gr.Step(TITLES[RECIPE], id=RECIPE), _step(RECIPE, lead):
        made = recipe_step.build()
        with gr.Row(elem_classes="buttons ways"):
            made["back_2"] = gr.Button("Back", elem_id="back-2", size="md")
            label = form.start_label(form.defaults(True)["recipe"])
            made["start"] = gr.Button(label, variant="primary", elem_id="start", size="md")
            made["on_2"] = gr.Button("To the run", visible=False, elem_id="on-2", size="md")
    return made


def _train() -> dict[str, Any]:
    lead = "Training is a process of its own: you may close this page and come back to it."
    if zero_gpu():
        lead = (
            "Training goes on in slices while this page is open; closed, it waits at a checkpoint until you resume it."
        )
    with gr.Step(TITLES[TRAIN], id=TRAIN), _step(TRAIN, lead):
        return train_step.build(train_step.previewed("eight_steps", "", "32")) | _ways(TRAIN, "See the results")


def _results() -> dict[str, Any]:
    with gr.Step(TITLES[RESULTS], id=RESULTS), _step(RESULTS, "The scores on images that were not trained on."):
        made = {"result": gr.HTML(course.idle([])["result"], elem_id="scores")}
        made |= results.build()
        with gr.Accordion("Ask it about pictures of your own", open=False, elem_id="predict"):
            made |= predict.build()
        return made | _ways(RESULTS, "Hand it in")


def _submit() -> dict[str, Any]:
    with gr.Step(TITLES[SUBMIT], id=SUBMIT), _step(SUBMIT, "The file, its check against the template, and its score."):
        made = submit_step.build()
        with gr.Row(elem_classes="buttons ways"):
            made["back_5"] = gr.Button("Back", elem_id="back-5", size="md")
            made["again"] = gr.Button("Another run", elem_id="again", size="md")
        return made
