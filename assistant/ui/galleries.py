"""What a look at every image found, as galleries: counts first, then each kind of finding with its pictures.

A card is a button that names its pictures by their rows (`data-rows`); pressing it asks the server for them in a larger
size, which only knows the pictures of the last look. All bytes are inside the page.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assistant.explore_plots import each_row, thumbnail
from assistant.page_parts import counted, img
from assistant.ui.look import text
from recipes.errors import Stopped

if TYPE_CHECKING:
    from assistant.explore import Findings
    from recipes import Images

__all__ = ["CLOSE", "CSS", "ON_LOAD", "OPEN", "Looked", "enlarged", "odd_sizes", "shown"]

CARDS, TOGETHER, SIDE, LARGE = 24, 4, 160, 900  # cards of a kind, pictures on one, pixels of a small and of a large one
STRETCHED, FAR = 3.0, 4.0  # longer by shorter side; times the usual shorter side: sizes beyond are odd


@dataclass(frozen=True)
class Looked:
    """A look at every image that has ended: what it found, its pictures, its page as HTML, and its report to keep."""

    found: Findings
    images: Images
    shown: str
    report: str


@dataclass(frozen=True)
class _Kind:
    """One kind of finding: how it is called where there are some, how many, and cards for the first of them."""

    key: str
    title: str
    count: int
    words: str
    cards: list[str]
    of: int  # what cards there could be


def shown(found: Findings, images: Images, should_stop: Callable[[], bool] = lambda: False) -> str:
    """The findings as HTML. Raises Stopped."""
    cards = _Cards(found.images, images, should_stop)
    kinds = [_broken(found, cards), _leaks(found, cards), _conflicts(found, cards), _twins(found, cards)]
    kinds.append(_odd(found, cards))
    tiles = "".join(map(_tile, kinds))
    clean = [kind.title.lower() for kind in kinds if not kind.count]
    none = f'<p class="why">Nothing of these: {text(", ".join(clean))}.</p>' if clean else ""
    return (
        f'<div class="galleries"><h3>What was found in {counted(len(images), "image")}</h3><div class="tiles">{tiles}</div>{none}'
        f'<div class="beside"><div>{"".join(map(_section, kinds))}</div>{_advice(found.advice)}</div></div>'
    )


def enlarged(looked: Looked, rows: str) -> str:
    """Those pictures in a window of their own; `rows` are numbers with commas between, as cards name them."""
    numbers = [int(row) for row in re.findall(r"\d{1,9}", rows[:200])][:TOGETHER]
    numbers = [row for row in numbers if row < len(looked.images)]
    if not numbers:
        return ""
    figures = "".join(_large(looked, row) for row in numbers)
    return (
        '<dialog aria-label="Pictures, enlarged"><form method="dialog"><button autofocus>Close</button></form>'
        f'<div class="large">{figures}</div></dialog>'
    )


def odd_sizes(table: pd.DataFrame) -> pd.DataFrame:
    """Of the images that can be opened those with sides far from the usual: row and why, the oddest first.

    `table` is that of `Findings.images`.
    """
    good = table[table.broken == ""]
    shorter = good[["width", "height"]].min(axis=1).clip(lower=1).to_numpy(float)
    longer = good[["width", "height"]].max(axis=1).to_numpy(float)
    usual, shape = (float(np.median(part)) if len(good) else 1.0 for part in (shorter, longer / shorter))
    times, stretch = shorter / usual, longer / shorter
    far = np.maximum(times, 1 / times)
    odd = np.maximum(far / FAR, np.where(shape < STRETCHED, stretch / STRETCHED, 0))
    why = np.where(
        far / FAR >= stretch / STRETCHED,
        np.where(times < 1, "far smaller than most", "far larger than most"),
        "stretched",
    )
    chosen = np.flatnonzero(odd >= 1)
    chosen = chosen[np.argsort(-odd[chosen], kind="stable")]
    return pd.DataFrame({"row": good.index.to_numpy()[chosen], "why": why[chosen]})


class _Cards:
    """Cards of a table's rows, each picture decoded once."""

    def __init__(self, table: pd.DataFrame, images: Images, should_stop: Callable[[], bool]):
        self.table, self.images, self.should_stop = table, images, should_stop
        self.made: dict[int, str] = {}

    def of(self, rows: Sequence[int], more: str = "") -> str:
        """A button with those pictures side by side, each over its name and label."""
        some = list(rows)[:TOGETHER]
        pictures = "".join(
            f"<figure>{self._picture(row)}<figcaption>{_caption(self.table, row)}</figcaption></figure>" for row in some
        )
        rest = f'<p class="why">{text(more)}</p>' if more else ""
        label = f"Enlarge {', '.join(str(self.table.id.iat[row]) for row in some)}"
        named = ",".join(map(str, some))
        return (
            f'<li class="n{len(some)}"><button type="button" data-rows="{named}" aria-label="{text(label)}">{pictures}'
            f"</button>{rest}</li>"
        )

    def _picture(self, row: int) -> str:
        if self.should_stop():
            raise Stopped
        if row not in self.made:
            pixels = thumbnail(self.images.sources[row], SIDE)
            self.made[row] = (
                img(pixels, "") if pixels is not None else '<span class="nothing" aria-hidden="true">?</span>'
            )
        return self.made[row]


def _caption(table: pd.DataFrame, row: int) -> str:
    split, label = table["split"].iat[row], table["label"].iat[row]
    said = f"<b>{text(label)}</b>" if split == "train" else "<i>test</i>"
    name = text(table["id"].iat[row])
    return f'{said}<span class="name" title="{name}">{name}</span>'


def _broken(found: Findings, cards: _Cards) -> _Kind:
    counts = found.figures["broken"]
    made = [
        f'<li class="n1"><div class="whole"><span class="nothing" aria-hidden="true">?</span><p><span class="name">'
        f"{text(row.id)}</span> <i>{text(row.split)}</i><br>{text(row.reason)}</p></div></li>"
        for row in each_row(found.broken.head(CARDS))
    ]
    words = f"{counts['train']:,} of train, {counts['test']:,} of test cannot be used; training sets them aside."
    return _Kind("broken", "Broken files", len(found.broken), words, made, len(found.broken))


def _leaks(found: Findings, cards: _Cards) -> _Kind:
    pairs = found.leaks()
    count = found.figures["duplicates"]["test_images_in_train"]
    words = f"{counted(count, 'test image')} can be seen in train, with {'its' if count == 1 else 'their'} label."
    return _Kind("leaks", "Test images in train", count, words, _pairs(pairs, cards), len(pairs))


def _conflicts(found: Findings, cards: _Cards) -> _Kind:
    pairs = found.conflicts()
    words = "The same picture with different labels: at least one of the two may be wrong."
    return _Kind("conflicts", "Contradicting labels", len(pairs), words, _pairs(pairs, cards), len(pairs))


def _pairs(pairs: pd.DataFrame, cards: _Cards) -> list[str]:
    return [cards.of([pair.row_a, pair.row_b], _alike(pair.kind)) for pair in each_row(pairs.head(CARDS))]


def _twins(found: Findings, cards: _Cards) -> _Kind:
    """Pictures of one split that are there more than once."""
    within = found.duplicates[found.duplicates.split_a == found.duplicates.split_b]
    clusters = [part for _, part in within.groupby("cluster")]
    made = []
    for part in clusters[:CARDS]:
        rows = list(dict.fromkeys([*part.row_a, *part.row_b]))
        more = f", {len(rows) - TOGETHER:,} more of them" if len(rows) > TOGETHER else ""
        made.append(cards.of(rows, _alike(*part.kind) + more))
    words = "Exact: files with the same content. Near: the same picture encoded, resized or lit anew."
    return _Kind("twins", "Duplicates", len(within), words, made, len(clusters))


def _alike(*kinds: str) -> str:
    return " and ".join(sorted(set(kinds)))


def _odd(found: Findings, cards: _Cards) -> _Kind:
    odd, table = odd_sizes(found.images), found.images
    made = [
        cards.of([odd_one.row], f"{table.width.iat[odd_one.row]} × {table.height.iat[odd_one.row]}: {odd_one.why}")
        for odd_one in each_row(odd.head(CARDS))
    ]
    words = f"Beyond {FAR:g} times the usual side, or {STRETCHED:g} times as long as wide."
    return _Kind("odd", "Odd sizes", len(odd), words, made, len(odd))


def _tile(kind: _Kind) -> str:
    inside = f"<b>{kind.count:,}</b><span>{text(kind.title)}</span>"
    if not kind.count:
        return f'<div class="tile none">{inside}</div>'
    return f'<button type="button" class="tile" data-to="gallery-{kind.key}">{inside}</button>'


def _section(kind: _Kind) -> str:
    if not kind.count:
        return ""
    more = kind.of - len(kind.cards)
    rest = f'<p class="why">and {more:,} more, as the whole report tells</p>' if more > 0 else ""
    return (
        f'<section id="gallery-{kind.key}" tabindex="-1" aria-label="{text(kind.title)}"><h3>{text(kind.title)} '
        f'<span class="why">{kind.count:,}</span></h3><p class="why">{text(kind.words)}</p>'
        f'<ul class="finds">{"".join(kind.cards)}</ul>{rest}</section>'
    )


def _advice(advice: Iterable[str]) -> str:
    lines = []
    for said in advice:
        head, _, rest = said.partition(": ")
        lines.append(f"<li><b>{text(head)}</b> {text(rest)}</li>")
    return f'<aside aria-label="Advice"><h3>Advice</h3><ul class="notes">{"".join(lines)}</ul></aside>' if lines else ""


def _large(looked: Looked, row: int) -> str:
    each: Any = looked.found.images.loc[row]
    pixels = thumbnail(looked.images.sources[row], LARGE)
    picture = _img(pixels, str(each.id)) if pixels is not None else '<span class="nothing">cannot be opened</span>'
    label = f"{each.label} (train)" if each.split == "train" else "test"
    size = f"{each.width} × {each.height} pixels, {each.format}, {each.bytes / 1000:,.1f} kB"
    return f"<figure>{picture}<figcaption><b>{text(label)}</b><br>{text(each.id)}<br>{text(size)}</figcaption></figure>"


def _img(pixels: np.ndarray, alt: str) -> str:
    return img(pixels, alt).replace(' loading="lazy"', "")  # its bytes are here already


ON_LOAD = """
element.addEventListener("click", (event) => {
  const card = event.target.closest("[data-rows]"), tile = event.target.closest("[data-to]");
  if (card) { card.classList.add("asked"); trigger("click", {rows: card.dataset.rows}); }
  if (!tile) return;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches, to = document.getElementById(tile.dataset.to);
  to.scrollIntoView({behavior: calm ? "auto" : "smooth", block: "start"});
  to.focus({preventScroll: true});
});
"""
OPEN = """() => {
  document.querySelectorAll("#looked .asked").forEach((card) => card.classList.remove("asked"));
  const dialog = document.querySelector("#enlarged dialog");
  if (dialog && !dialog.open) dialog.showModal();
}"""
CLOSE = """
element.addEventListener("click", (event) => {
  if (event.target.matches("dialog")) event.target.close();  // beside the pictures
});
"""

CSS = """
.galleries { display: grid; gap: 12px; }
.galleries h3 { font-size: 15px; font-weight: 600; margin: 0; color: var(--body-text-color); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 150px), 1fr)); gap: 10px; }
.tile { margin: 0 !important; }
.tile { display: grid; gap: 2px; padding: 10px 14px; text-align: left; font: inherit; font-size: 14px; border-radius: 10px;
  border: 1px solid var(--border-color-primary); background: none; color: var(--body-text-color); }
.tile b { font-size: 24px; line-height: 1.2; font-weight: 700; font-variant-numeric: tabular-nums; }
button.tile { cursor: pointer; border-color: var(--primary-500); } button.tile b { color: var(--primary-600); }
.dark button.tile b { color: var(--primary-300); }
.tile.none, .tile.none b { color: var(--body-text-color-subdued); }
.galleries .beside { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 300px); gap: 20px 28px; align-items: start; }
.galleries aside { display: grid; gap: 8px; font-size: 14px; }
.galleries, .galleries section { grid-template-columns: minmax(0, 1fr); }
.galleries section { display: grid; gap: 4px; padding-top: 12px; scroll-margin-top: 12px; }
.galleries section:first-child { padding-top: 0; }
.galleries section:focus { outline: none; }
.galleries .why { font-size: 14px; font-weight: 400; }
.finds { list-style: none !important; margin: 6px 0 0 !important; padding: 0 !important; display: flex; flex-wrap: wrap;
  gap: 12px; }
.finds li { margin: 0 !important; padding: 0 !important; list-style: none !important; max-width: 100%; }
.finds button, .whole { display: flex; gap: 8px; padding: 8px; border-radius: 10px; font: inherit; text-align: left;
  max-width: 100%; border: 1px solid var(--border-color-primary); background: var(--background-fill-secondary);
  color: var(--body-text-color); }
.finds button { cursor: zoom-in; overflow: hidden; } .finds button.asked { cursor: progress; opacity: .7; }
.finds button:hover { border-color: var(--body-text-color-subdued); }
.galleries button:focus-visible, #enlarged button:focus-visible { outline: 3px solid var(--primary-500); outline-offset: 1px; }
.finds figure { flex: 0 1 104px; width: 104px; min-width: 0; }
.finds img, .finds .nothing { width: 100%; height: 104px; object-fit: contain; display: block; border-radius: 6px;
  background: #8882; }
.nothing { display: grid !important; place-items: center; font-size: 22px; color: var(--body-text-color-subdued); }
.finds img.small, .large img.small { image-rendering: pixelated; }
.finds figcaption, .whole { font-size: 13px; line-height: 1.4; } .finds figcaption { margin-top: 4px; }
.finds figcaption > * { display: block; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.finds .name { color: var(--body-text-color-subdued); } .finds i { color: var(--body-text-color-subdued); }
.finds li > .why { padding: 2px 2px 0; font-size: 13px; width: 0; min-width: 100%; }
.whole { width: 300px; align-items: center; } .whole .nothing { flex: none; width: 64px; height: 64px; }
.whole p { min-width: 0; overflow-wrap: anywhere; }
#enlarged dialog { position: fixed; inset: 0; margin: auto !important; width: fit-content; height: fit-content;
  border: 0; border-radius: 14px; padding: 16px; max-width: min(96vw, 1500px); max-height: 94vh; overflow: auto;
  background: var(--block-background-fill); color: var(--body-text-color); }
#enlarged dialog::backdrop { background: #000a; }
#enlarged form { display: flex; justify-content: end; margin-bottom: 10px; }
#enlarged button { font: inherit; font-weight: 600; padding: 4px 14px; min-height: 34px; border-radius: 8px; cursor: pointer;
  border: 1px solid var(--border-color-primary); background: none; color: var(--body-text-color); }
.large { display: flex; flex-wrap: wrap; gap: 16px; justify-content: center; }
.large figure { flex: 0 1 auto; max-width: 900px; overflow-wrap: anywhere; font-size: 14px; }
.large img { display: block; max-width: 100%; max-height: 72vh; margin: 0 0 8px; border-radius: 6px; }
.large figure:not(:only-child) { max-width: min(100%, 46vw); } .large img.small { width: min(100%, 320px); }
@media (max-width: 760px) {
  .large figure:not(:only-child) { max-width: 100%; }
  .large figure:not(:only-child) img { max-height: 34vh; }
}
.galleries .beside:not(:has(section)) { grid-template-columns: minmax(0, 1fr); gap: 0; }
.galleries .beside:not(:has(section)) .notes { display: grid; gap: 8px;
  grid-template-columns: repeat(auto-fit, minmax(min(100%, 260px), 1fr)); }
@media (max-width: 900px) { .galleries .beside { grid-template-columns: minmax(0, 1fr); } .galleries aside { order: -1; } }
"""
