"""Asking a finished run's model: pictures are dropped, and it says what they are, on the CPU.

What was dropped is looked at and forgotten: the files are deleted when they were answered.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import gradio as gr
import numpy as np
from gradio.utils import get_upload_folder
from PIL import Image, UnidentifiedImageError

from assistant.page_parts import img
from assistant.runs import Run, RunError
from assistant.ui.look import alert, empty, text
from assistant.ui.models import ONE_AT_A_TIME, model_of
from recipes.dicom import dicom_pixels, is_dicom
from recipes.errors import RecipeError, one_line
from recipes.pixels import open_picture

if TYPE_CHECKING:
    from recipes import Predictor

__all__ = ["CSS", "Told", "ask", "build", "told_of", "wire"]

PICTURES, MEGABYTES, MEGAPIXELS, TOP, SIDE = 24, 20, 60, 3, 200  # at once, of each, answers, pixels shown
AWAITED = "What the network says of your pictures will be here."
KINDS = [".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".dcm"]
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")


@dataclass(frozen=True)
class Told:
    """A picture's name, small pixels of it, uint8 (height, width, 3), and the model's first answers: each a class and
    its probability, or a number's name and the number."""

    name: str
    pixels: np.ndarray
    answers: tuple[tuple[str, float], ...]


def build() -> dict[str, Any]:
    """The parts of the step, by name."""
    with gr.Column(elem_classes="predict") as box:
        files = gr.File(
            label=f"Drop up to {PICTURES} pictures, {MEGABYTES} MB each", file_count="multiple", file_types=KINDS,
            type="filepath", elem_id="predict-files", height=140,
        )  # fmt: skip
        answers = gr.HTML(empty(AWAITED), elem_id="predict-answers")
    return {"predict_box": box, "predict_files": files, "predict_answers": answers}


def wire(parts: dict[str, Any], of: Any, find: Callable[..., Run | None], person: Sequence[Any] = ()) -> None:
    """Connects the parts. `of` is the component that holds the run's name; `find(name, *person)` gives the run that
    this person may see, or None."""

    def asked(name: str, files: list[str] | None, *whose: Any) -> Iterator[dict[Any, Any]]:
        yield {parts["predict_answers"]: empty(f"Looking at {len(files or [])} pictures …")}
        yield {parts["predict_answers"]: ask(find(name, *whose), files), parts["predict_files"]: None}

    of.change(
        lambda: empty(AWAITED), None, [parts["predict_answers"]], api_visibility="private", show_progress="hidden"
    )
    parts["predict_files"].upload(
        asked,
        [of, parts["predict_files"], *person],
        [parts["predict_answers"], parts["predict_files"]],
        api_visibility="private",
        show_progress="hidden",
    )


def ask(run: Run | None, files: Sequence[str] | None) -> str:
    """What the run's model says of the files, as HTML; files that were uploaded are deleted then."""
    listed = [Path(file) for file in files or []]
    try:
        if run is None or run.state() != "done":
            raise RunError("no model to ask: the run is not on this machine, or not done; open one that is")
        with ONE_AT_A_TIME:
            model = model_of(run)
            told, troubles = told_of(model, listed)
        return _answers(model, told, troubles)
    except (RunError, RecipeError, OSError, ValueError) as error:
        return alert(one_line(error))
    finally:
        for file in listed:
            _forget(file)


def told_of(model: Predictor, files: Sequence[Path]) -> tuple[list[Told], list[str]]:
    """The model's answers to the files that can be read, and a line for each that cannot, in their order."""
    told, troubles = [], []
    if len(files) > PICTURES:
        troubles.append(f"{len(files)} pictures at once: the first {PICTURES} are answered; drop the others afterwards")
    for file in files[:PICTURES]:
        try:
            picture = _opened(file, model.scales[0][0])
        except Exception as error:  # decoders raise whatever their library does
            troubles.append(f"{file.name}: {_why(error, file)}")
            continue
        given = model.predict([picture])[0]
        order = range(len(given)) if model.task.name == "regression" else np.argsort(-given, kind="stable")[:TOP]
        picture.thumbnail((SIDE, SIDE))
        answers = tuple((model.classes[i], float(given[i])) for i in order)
        told.append(Told(file.name, np.asarray(picture), answers))
    return told, troubles


def _opened(file: Path, short: int) -> Image.Image:
    """The picture upright in RGB. Raises an error that says what is wrong with it."""
    if file.stat().st_size > MEGABYTES * 2**20:
        raise ValueError(f"larger than {MEGABYTES} MB; make it smaller")
    if _pixels_said(file) > MEGAPIXELS * 10**6:
        raise ValueError(f"more than {MEGAPIXELS} million pixels; make it smaller")
    return open_picture(file, short)


def _pixels_said(file: Path) -> int:
    """How many pixels the file's header tells of. Raises ValueError for other kinds of files than those of `FORMATS`,
    whatever their names: some of Pillow's other readers start programs."""
    if file.stat().st_size == 0:
        raise ValueError("empty file")
    if is_dicom(file):
        return dicom_pixels(file)
    try:
        with Image.open(file, formats=FORMATS) as picture:
            return picture.width * picture.height
    except Image.DecompressionBombError:
        return sys.maxsize
    except UnidentifiedImageError:
        raise ValueError("not a picture, or a broken one; JPEG, PNG, WebP, BMP, GIF, TIFF and DICOM are read") from None


def _why(error: Exception, file: Path) -> str:
    """One line without the place where the server keeps the file."""
    return " ".join(str(error).replace(str(file), file.name).split())[:160] or type(error).__name__


def _forget(file: Path) -> None:
    """Deletes an uploaded file; any other is left alone."""
    try:
        if file.resolve().is_relative_to(Path(get_upload_folder()).resolve()):
            os.unlink(file)
    except OSError:
        pass  # somebody else's upload of the same picture was answered first


def _answers(model: Predictor, told: Sequence[Told], troubles: Sequence[str]) -> str:
    lines = "".join(f"<li><b>Not read</b>{text(line)}</li>" for line in troubles)
    notes = f'<ul class="notes" role="alert">{lines}</ul>' if troubles else ""
    if not told:
        return notes or empty(AWAITED)
    number = model.task.name == "regression"
    rows = "".join(_card(each, number) for each in told)
    more = "" if number or len(model.classes) <= TOP else f"the {TOP} most probable of {len(model.classes):,} classes"
    words = f"{len(told)} {'picture' if len(told) == 1 else 'pictures'}{more and f', {more}'}"
    return f'{notes}<p class="walk-words" role="status">{text(words)}</p><ol class="asked">{rows}</ol>'


def _card(told: Told, number: bool) -> str:
    rows, name = "".join(_row(name, value, number) for name, value in told.answers), text(told.name)
    table = f'<table><caption class="unseen">Answers for {name}</caption><tbody>{rows}</tbody></table>'
    picture = img(told.pixels, told.name)
    return f'<li><div class="seen">{picture}</div><div class="says"><h4 title="{name}">{name}</h4>{table}</div></li>'


def _row(name: str, value: float, number: bool) -> str:
    said = f"{value:.4g}" if number else f"{value:.1%}"
    bar = "" if number else f'<i class="much" style="width:{100 * min(max(value, 0), 1):.1f}%"></i>'
    return f'<tr><th scope="row" title="{text(name)}">{text(name)}{bar}</th><td>{said}</td></tr>'


CSS = """
.predict { gap: 14px !important; }
.asked { list-style: none; padding: 0 !important; display: grid; gap: 12px 24px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 340px), 1fr)); }
.asked li { display: grid; grid-template-columns: 96px minmax(0, 1fr); gap: 14px; margin: 0; padding: 10px;
  border: 1px solid var(--border-color-primary); border-radius: 10px; }
.asked .seen img { width: 96px; height: 96px; object-fit: contain; border-radius: 8px; margin: 0; display: block;
  background: var(--background-fill-secondary); }
.asked img.small { image-rendering: pixelated; }
.asked h4 { margin: 0 0 4px; font-size: 13px; font-weight: 400; color: var(--body-text-color-subdued); overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.asked table { width: 100%; border-collapse: collapse; margin: 0; font-size: 14px; border: 0;
  font-variant-numeric: tabular-nums; }
.asked tr, .asked td, .asked th { border: 0 !important; padding: 2px 0 !important; background: none !important;
  color: var(--body-text-color); }
.asked th { width: 100%; max-width: 0; text-align: left; font-weight: 400; overflow: hidden;
  text-overflow: ellipsis; white-space: nowrap; }
.asked tr:first-child th, .asked tr:first-child td { font-weight: 650; }
.asked td:last-child { text-align: right; padding-left: 10px !important; vertical-align: top; }
.asked .much { display: block; height: 6px; border-radius: 3px; margin-top: 1px; background: var(--primary-500);
  min-width: 2px; }
.asked tr:not(:first-child) .much { opacity: .55; }
#predict-files { border: 1px dashed var(--border-color-primary) !important; border-radius: 10px; }
"""
