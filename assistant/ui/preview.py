"""What the Recipe step shows of a run before it is started: the rates, the augmented pictures, the time that it will
take, and the same run as a command and as a script.
"""

from __future__ import annotations

import base64
import functools
import io
from typing import TYPE_CHECKING

import numpy as np

from assistant.as_code import as_command, as_python
from assistant.competition import Competition
from assistant.image_table import image_table
from assistant.planned import plan_of
from assistant.plots_recipe import schedule
from assistant.runs import Options
from assistant.ui.look import alert, plot, text
from recipes.advice import BF16_PAYS
from recipes.architectures import ARCHITECTURES
from recipes.errors import ImagesError

if TYPE_CHECKING:
    from recipes import Images
    from recipes.estimate import Estimate, Part
    from recipes.planning import Counts

__all__ = [
    "CSS",
    "architectures",
    "as_command",
    "as_python",
    "augmentation_shown",
    "estimate_shown",
    "schedule_shown",
]

CSS = """
.views { display: grid; grid-template-columns: repeat(auto-fill, minmax(112px, 1fr)); gap: 10px; max-width: 880px; }
.views figure { margin: 0; display: grid; gap: 4px; } .views figcaption { font-size: 13px; line-height: 1.4;
  color: var(--body-text-color-subdued); }
.views img { width: 100%; aspect-ratio: 1; border-radius: 8px; display: block; background: #8883; }
.views img.small { image-rendering: pixelated; } .views .plain img { outline: 2px solid var(--primary-500); outline-offset: 2px; }
.takes { color: var(--body-text-color); } .takes .why { display: block; font-size: 13.5px; margin-top: 2px; }
"""
TRIED = 20  # pictures, one after the other, until one can be opened
SMALL = 96  # pixels below which a picture is shown with its own pixels


def schedule_shown(options: Options, counts: Counts) -> str:
    """The learning rates of a run with these options as a plot; `counts` as `assistant.planned.counts_of` gives them.
    Raises RecipeError."""
    plan = plan_of(options, counts)
    steps = [f"step {step.number}: {step.title}, {step.epochs} epochs" for step in plan.steps if step.epochs]
    return plot(schedule(plan), f"The learning rate over all steps that train. {'; '.join(steps)}")


def augmentation_shown(competition: Competition, options: Options, picture: int = 0) -> str:
    """A training image as it is and six random views of it, as they will be trained on; `picture` counts through the
    training images in an order drawn from the seed, any whole number will do. Raises RecipeError, CompetitionError."""
    from recipes import chance
    from recipes.augment import Augmentation
    from recipes.preview import views

    images, shapes = _table(competition.model_dump_json(), options.valid, options.seed)
    order, size = chance.order(images.train.rows, options.seed), options.sizes[-1]
    for turn in range(TRIED):
        row = int(order[(picture + turn) % len(order)])
        try:
            made = views(
                images.sources[row],
                row,
                shapes,
                size,
                Augmentation(options.augment, options.max_zoom),
                largest=max(options.sizes),
                seed=options.seed,
            )
        except ImagesError:
            continue  # it is named when training begins
        label = images.label(row)
        names = [f"{label}, as it is", *(f"view {number}" for number in range(1, len(made)))]
        shown = "".join(_picture(view, name, number == 0) for number, (view, name) in enumerate(zip(made, names)))
        return f'<div class="views">{shown}</div>'
    raise ImagesError(f"no training image can be opened: {TRIED} were tried; look at the folder with assistant explore")


def estimate_shown(estimate: Estimate) -> str:
    """How long the run will take and how much memory, and what that rests on."""
    memory = f"{_bytes(estimate.memory)} of memory"
    if not estimate.fits:
        smaller = (
            f"the largest batch that fits is {estimate.largest_batch:,}"
            if estimate.largest_batch >= 2
            else "no batch fits: take a smaller size or architecture"
        )
        return alert(
            f"Out of memory: batches of {estimate.batch_size:,} take up to {memory}, {_bytes(estimate.free)} are free; "
            f"{smaller}. With memory enough it would take about {_span(estimate.low, estimate.high)}."
        )
    where = _count(estimate.threads, "core") if estimate.device == "cpu" else f"the device {estimate.device}"
    words = (
        f"About {_span(estimate.low, estimate.high)} on {where}; up to {memory} and {_bytes(estimate.disk)} of disk; "
        f"the longest part is {_named(estimate.longest)}."
    )
    why = f"Measured: {estimate.rests_on}."
    if estimate.bf16_pays:
        why += f" {BF16_PAYS[:1].upper()}{BF16_PAYS[1:]}."
    return f'<p class="takes">{text(words)} <span class="why">{text(why)}</span></p>'


def architectures() -> list[tuple[str, str]]:
    """Networks to choose from, small first: what each costs in words, and its name."""
    return [
        (f"{a.name} · {a.parameters:g} M parameters, {a.multiply_adds:g} G multiply-adds · {a.words}", a.name)
        for a in ARCHITECTURES
    ]


@functools.lru_cache(maxsize=4)
def _table(competition: str, valid: float, seed: int) -> tuple[Images, tuple[int, float]]:
    """The table of a competition's images, and how large they usually are."""
    from recipes.pixels import usual_shape

    images = image_table(Competition.model_validate_json(competition), valid, seed)
    return images, usual_shape(images.sources)


def _picture(pixels: np.ndarray, name: str, plain: bool) -> str:
    from PIL import Image

    out, small = io.BytesIO(), len(pixels) < SMALL
    Image.fromarray(pixels).save(out, "PNG") if small else Image.fromarray(pixels).save(out, "JPEG", quality=90)
    source = f"data:image/{'png' if small else 'jpeg'};base64,{base64.b64encode(out.getvalue()).decode()}"
    return (
        f'<figure{" class=plain" if plain else ""}><img alt="{text(name)}"{" class=small" if small else ""} '
        f'src="{source}"><figcaption>{text(name)}</figcaption></figure>'
    )


def _named(part: Part) -> str:
    what = f"{part.title[:1].lower()}{part.title[1:]}"
    return (f"step {part.step}, {what}" if part.step else what) + (f", at {part.size} px" if part.step else "")


def _span(low: float, high: float) -> str:
    """Two durations as a person would say them."""
    for unit, seconds in (("hour", 3600), ("minute", 60), ("second", 1)):
        if high >= 1.5 * seconds or seconds == 1:
            first, last = _round(low / seconds), _round(high / seconds)
            number = last if first == last else f"{first} to {last}"
            return f"{number} {unit}{'' if last == '1' else 's'}"
    raise AssertionError


def _round(number: float) -> str:
    if number >= 10:
        return f"{float(f'{number:.2g}'):,.0f}"
    return f"{max(round(number * 2) / 2, 0.5):g}"


def _bytes(number: float) -> str:
    for unit, size in (("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.1f} {unit}" if number < 10 * size else f"{number / size:,.0f} {unit}"
    return f"{max(1, round(number / 1e3))} kB"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
