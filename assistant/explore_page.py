"""The page of an exploration: every fact with its picture, the advice first.

It holds its pictures and its style in itself, loads nothing and runs nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from assistant import page_parts
from assistant.explore_plots import each_row, thumbnail
from assistant.page_parts import and_more, counted, document, escaped, img, listing, note, plot, section
from recipes.errors import Stopped
from recipes.images import Images

if TYPE_CHECKING:
    from assistant.explore import Findings

__all__ = ["page"]

LISTED, CLUSTERS, SAMPLES, TWINS = 50, 12, 96, 8  # rows of a table, clusters, sample pictures, pairs of a kind shown
FEW = 2  # pictures up to which a cluster is shown whole
Drawn = tuple[bytes, float]
NAMES = {"single_label": "classes", "multi_label": "tags", "regression": "numbers to predict"}
MODES = {
    "RGB": "colour",
    "L": "grey",
    "RGBA": "colour with transparency",
    "LA": "grey with transparency",
    "P": "palette",
    "CMYK": "CMYK, for print",
    "1": "black and white",
    "I;16": "grey, 16 bits",
    "I;16B": "grey, 16 bits",
    "I": "grey, 32 bits",
    "F": "grey, floating point",
}


def page(found: Findings, images: Images, drawn: Mapping[str, Drawn], should_stop: Callable[[], bool]) -> str:
    """The page as HTML. `drawn` holds the figures by name, as PNG with a width in inches; pictures are taken from
    `images`. Raises Stopped."""
    show = _Shown(images, should_stop)
    title = escaped(found.title or "The images")
    body = [
        f"<header><p class=quiet>What the images are, before training</p><h1>{title}</h1>"
        f"<p class=lead>{escaped(in_a_sentence(found.figures))}</p></header>",
        _cards(found.figures),
        section("Advice", _advice(found.advice)),
        section(*_classes(found, drawn)),
        section("Samples", _samples(found, images, show)),
        section("Sizes and shapes", *_sizes(found.figures, drawn)),
        section("Colours and formats", _kinds(found.figures)),
        section("Broken and empty files", *_broken(found)),
        section("Duplicates", *_duplicates(found, show)),
        section("Leaks: in train and in test", *_leaks(found, show)),
        section("The same picture with different labels", *_conflicts(found, show)),
        section("Groups", *_groups(found)),
        "<footer class=quiet>Made by Recipe Assistant. The tables behind this page lie beside it: classes.parquet, "
        "images.parquet, duplicates.parquet.</footer>",
    ]
    return document(title, "what the images are", body, STYLE)


def in_a_sentence(figures: dict[str, Any]) -> str:
    """What there is: how many images of how many classes, their formats and usual size."""
    many = f"{figures['train']:,} training and {figures['test']:,} test images"
    if not figures["test"]:
        many = f"{figures['train']:,} training images"
    classes, task = figures["classes"], figures["task"]
    of = {"single_label": f"of {classes:,} classes", "multi_label": f"with {classes:,} tags"}.get(
        task, f"with {'a number' if classes == 1 else f'{classes:,} numbers'} each"
    )
    formats = [name for name in figures["formats"] if name]
    kind = "in memory" if formats == ["array"] else " and ".join(formats) if len(formats) <= 2 else "in several formats"
    sizes = figures["sizes"].get("train")
    if not sizes:
        return f"{many} {of}; none of the training images can be opened."
    width, height = sizes["width"], sizes["height"]
    if all(side["min"] == side["max"] for side in (width, height)):
        size = f"all {width['min']:,.0f} × {height['min']:,.0f} pixels"
    else:
        size = f"most often near {width['median']:,.0f} × {height['median']:,.0f} pixels"
    return f"{many} {of}; {kind}, {size}."


class _Shown:
    """Pictures of a table's rows as HTML, each decoded once."""

    def __init__(self, images: Images, should_stop: Callable[[], bool]):
        self.images, self.should_stop = images, should_stop
        self.made: dict[int, str] = {}

    def __call__(self, row: int) -> str:
        if self.should_stop():
            raise Stopped
        if row not in self.made:
            pixels = thumbnail(self.images.sources[row])
            self.made[row] = img(pixels, self.images.ids[row]) if pixels is not None else "<span class=none>?</span>"
        return self.made[row]

    def card(self, rows: Iterable[int], *lines: str) -> str:
        pictures = "".join(f"<span>{self(row)}</span>" for row in rows)
        said = "<br>".join(lines)
        return f"<figure><div class=side>{pictures}</div><figcaption>{said}</figcaption></figure>"


def _cards(figures: dict[str, Any]) -> str:
    """The numbers that a reader looks for first."""
    twins, broken = figures["duplicates"], sum(figures["broken"].values())
    pairs = sum(twins[f"{kind}_{at}"] for kind in ("exact", "near") for at in ("train", "test", "across"))
    told = [
        ("training images", figures["train"], False),
        ("test images", figures["test"], False),
        (NAMES[figures["task"]], figures["classes"], False),
        ("cannot be used", broken, broken > 0),
        ("pairs of duplicates", pairs, pairs > 0),
        ("test images also in train", twins["test_images_in_train"], twins["test_images_in_train"] > 0),
    ]
    cards = [
        f"<div class='score{'' if loud else ' calm'}'><div>{name}</div><b>{n:,}</b></div>" for name, n, loud in told
    ]
    return f"<div class=scores>{''.join(cards)}</div>"


def _advice(advice: Sequence[str]) -> str:
    lines = []
    for text in advice:
        head, _, rest = text.partition(": ")
        lines.append(f"<li><b>{escaped(head)}:</b> {escaped(rest)}</li>")
    return f"<ul class=advice>{''.join(lines)}</ul>" if lines else ""


def _classes(found: Findings, drawn: Mapping[str, Drawn]) -> tuple[str, str]:
    table, figures = found.classes, found.figures
    shown = table.head(LISTED)
    names = {"single_label": ["class", "images", "share"], "multi_label": ["tag", "images", "share of images"]}
    rows = [(name, f"{count:,}", f"{share:.1%}") for name, count, share in shown.itertuples(index=False)]
    more = len(table) - len(shown)
    listed = listing(names.get(figures["task"], ["range", "images", "share"]), rows)
    rest = note(f"and {more:,} more in classes.parquet" if more > 0 else "")
    alt = "Images by range" if figures["task"] == "regression" else "Images in each class"
    title = {"single_label": "Classes", "multi_label": "Tags"}.get(figures["task"], "The numbers to predict")
    return (
        title,
        f"{note(_balance(figures))}<div class=grid>{plot(drawn['class_counts'], alt)}<div>{listed}{rest}</div></div>",
    )


def _balance(figures: dict[str, Any]) -> str:
    most, least = figures["largest_class"], figures["smallest_class"]
    if not most:
        return "Labelled images by the number that is to be predicted."
    ratio = most["images"] / max(least["images"], 1)
    if figures["task"] == "multi_label":
        return (
            f"The most frequent tag is on {most['share']:.0%} of the images, the rarest on {least['images']:,} of them."
        )
    if ratio < 1.1:
        return f"Balanced: every class has about {most['images']:,} images."
    how = "Nearly balanced" if ratio < 1.5 else "Mildly imbalanced" if ratio < 5 else "Strongly imbalanced"
    rare = figures["rare_classes"]
    few = f" {'One class has' if rare == 1 else f'{rare:,} classes have'} fewer than 20 images." if rare else ""
    return f"{how}: the largest class has {ratio:,.1f} times as many images as the smallest.{few}"


def _samples(found: Findings, images: Images, show: _Shown) -> str:
    from assistant.explore import spread_rows

    each = int(np.clip(SAMPLES // max(1, found.figures["classes"]), 2, 8))
    parts = []
    for name, rows in spread_rows(images, found.usable(), each, SAMPLES):
        if name:
            count = int(images.counts()[name])
            strip = "".join(f"<span>{show(row)}</span>" for row in rows)
            parts.append(f"<h3>{escaped(name)} <span class=quiet>{count:,}</span></h3><div class=strip>{strip}</div>")
        else:
            cards = [show.card([row], escaped(images.label(row)) or "no tag") for row in rows[: SAMPLES // 4]]
            parts.append(f"<div class=pictures>{''.join(cards)}</div>")
    more = len(images.classes) - len(parts) if images.task.name == "single_label" else 0
    return "".join(parts) + note(f"and {more:,} more classes" if more > 0 else "")


def _sizes(figures: dict[str, Any], drawn: Mapping[str, Drawn]) -> Iterable[str]:
    head = ["", "min", "5%", "median", "95%", "max"]
    rows = [
        (f"{split}, {name}", *(f"{value:,.0f}" for value in marks.values()))
        for split in ("train", "test")
        for name, marks in figures["sizes"].get(split, {}).items()
        if name != "shorter"
    ]
    yield note(_size_words(figures))
    yield listing(head, rows)
    if any(marks["min"] != marks["max"] for sizes in figures["sizes"].values() for marks in sizes.values()):
        sides = plot(drawn["image_sizes"], "Histograms of widths and heights")
        yield f"<div class='grid two'>{sides}{plot(drawn['aspect_ratios'], 'Histogram of width by height')}</div>"


def _size_words(figures: dict[str, Any]) -> str:
    sizes, aspect = figures["sizes"], figures["aspect"]
    if not sizes:
        return "No image can be opened."
    shapes = [
        f"{share:.0%} {name}" for name, share in aspect.items() if name in ("landscape", "portrait", "square") and share
    ]
    words = "Sides in pixels, of the upright picture: " + ", ".join(shapes) + "."
    turned = figures["rotated"]
    if turned:
        words += (
            f" {turned:,} {'is' if turned == 1 else 'are'} stored turned and set upright by the camera's mark (EXIF)."
        )
    if {"train", "test"} <= sizes.keys():
        ratio = sizes["test"]["shorter"]["median"] / max(sizes["train"]["shorter"]["median"], 1)
        if not 0.8 <= ratio <= 1.25:
            words += f" Test images are of other sizes than training images: their median shorter side is {ratio:.1f} times theirs."
    return words


def _kinds(figures: dict[str, Any]) -> str:
    total = max(1, sum(figures["modes"].values()))
    modes = [
        (f"{MODES.get(name, 'other')} ({name})", f"{n:,}", f"{n / total:.1%}") for name, n in figures["modes"].items()
    ]
    formats = [(name or "unknown", f"{n:,}", f"{n / total:.1%}") for name, n in figures["formats"].items()]
    size = figures["bytes"] / max(1, figures["train"] + figures["test"])
    words = f"{figures['bytes'] / 1e6:,.1f} MB in all, {size / 1e3:,.1f} kB an image."
    if figures["grey"] > 0.95 and figures["modes"].get("RGB", 0) > total / 2:
        words += " They are stored in colour and look grey."
    tables = listing(["colours", "images", "share"], modes) + listing(["format", "images", "share"], formats)
    return f"{note(words)}<div class='grid tables'>{tables}</div>"


def _broken(found: Findings) -> Iterable[str]:
    if not len(found.broken):
        yield note("None: every image was decoded from its first byte to its last.")
        return
    counts = found.figures["broken"]
    yield note(f"{counts['train']:,} of train, {counts['test']:,} of test cannot be used.")
    rows = [(row.id, row.split, row.reason) for row in each_row(found.broken.head(LISTED))]
    yield listing(["image", "split", "why"], rows, left=3)
    yield and_more(len(found.broken), LISTED, "images.parquet")


def _duplicates(found: Findings, show: _Shown) -> Iterable[str]:
    twins, table = found.figures["duplicates"], found.duplicates
    yield note(
        "Exact: files with the same content. Near: the same picture encoded, resized or lit anew; turned, mirrored and "
        "cropped copies are not sought. Of several that are alike, one pair fewer than there are pictures is counted."
    )
    where = {"train": "within train", "test": "within test", "across": "in train and in test"}
    rows = [(said, f"{twins[f'exact_{at}']:,}", f"{twins[f'near_{at}']:,}") for at, said in where.items()]
    yield listing(["pairs", "exact", "near"], rows)
    if not len(table):
        return
    yield f"<h3>{counted(twins['clusters'], 'cluster')}, the largest with {twins['largest_cluster']:,} pictures</h3>"
    cards = []
    for _, part in list(table[table.split_a == table.split_b].groupby("cluster"))[:CLUSTERS]:
        rows = dict.fromkeys([*part.row_a, *part.row_b])
        names = {**dict(zip(part.row_a, part.id_a)), **dict(zip(part.row_b, part.id_b))}
        listed = [escaped(names[row]) for row in list(rows)[:FEW]]
        more = [f"and {len(rows) - FEW:,} more"] if len(rows) > FEW else []
        kinds = " and ".join(sorted(set(part.kind)))
        cards.append(show.card(list(rows)[:FEW], f"<b>{kinds}</b>, {part.split_a.iat[0]}", *listed, *more))
    yield f"<div class=pictures>{''.join(cards)}</div>" if cards else ""


def _leaks(found: Findings, show: _Shown) -> Iterable[str]:
    leaks = found.leaks()
    if not found.figures["test"]:
        return
    if not len(leaks):
        yield note("None: no test image is also a training image.")
        return
    count = found.figures["duplicates"]["test_images_in_train"]
    yield note(f"{counted(count, 'test image')} can be seen in train, with {'its' if count == 1 else 'their'} label.")
    yield from _pairs(leaks, show)


def _conflicts(found: Findings, show: _Shown) -> Iterable[str]:
    conflicts = found.conflicts()
    if not len(conflicts):
        yield note("None: duplicates within train agree on their labels.") if len(found.duplicates) else ""
        return
    word = "numbers" if found.figures["task"] == "regression" else "labels"
    yield note(
        f"{counted(len(conflicts), 'pair')} of training images with different {word}: at least one of the two may be wrong."
    )
    yield from _pairs(conflicts, show)


def _pairs(pairs: pd.DataFrame, show: _Shown) -> Iterable[str]:
    """Some pairs as pictures, more of them as a table."""

    def says(pair: Any, side: str) -> str:
        label, split = getattr(pair, f"label_{side}"), getattr(pair, f"split_{side}")
        return f"{escaped(getattr(pair, f'id_{side}'))}: {f'<b>{escaped(label)}</b>' if split == 'train' else 'test'}"

    cards = [
        show.card([pair.row_a, pair.row_b], says(pair, "a"), says(pair, "b")) for pair in each_row(pairs.head(TWINS))
    ]
    yield f"<div class=pictures>{''.join(cards)}</div>"
    if len(pairs) > TWINS:
        rows = [
            (pair.id_a, pair.label_a or "test", pair.id_b, pair.label_b or "test", pair.kind)
            for pair in each_row(pairs.head(LISTED))
        ]
        yield listing(["image", "label", "image", "label", "kind"], rows, left=5)
        yield and_more(len(pairs), LISTED, "duplicates.parquet")


def _groups(found: Findings) -> Iterable[str]:
    figures = found.figures["groups"]
    if not figures:
        return
    words = f"{figures['count']:,} groups, {figures['median']:,.0f} images in the median one"
    both = f" {counted(figures['in_both'], 'group')} in train and in test." if figures["in_both"] else ""
    yield note(f"{words}; the largest, {figures['largest_group']}, has {figures['largest']:,}.{both}")
    rows = [
        (row.group, f"{row.images:,}", f"{row.train:,}", f"{row.test:,}") for row in each_row(found.groups.head(10))
    ]
    yield listing(["group", "images", "train", "test"], rows)
    yield note(f"and {len(found.groups) - 10:,} smaller ones" if len(found.groups) > 10 else "")


STYLE = (
    page_parts.STYLE
    + """
.lead{font-size:1.1rem;margin:.5rem 0 0}.calm{border-top-color:var(--line)}.advice{padding:0;list-style:none;max-width:60rem}
.advice li{background:var(--card);border:1px solid var(--line);border-left:3px solid var(--accent);border-radius:8px;
padding:.6rem .9rem;margin:.5rem 0}
.scores{grid-template-columns:repeat(auto-fit,minmax(9rem,1fr))}.scores .score{padding:.7rem .9rem}
.score b{font-size:1.7rem}.grid{align-items:start}.tables{grid-template-columns:repeat(auto-fit,minmax(min(100%,18rem),1fr))}
main>section>.scroll{width:fit-content;max-width:100%;min-width:min(100%,34rem)}
@media(min-width:900px){.two{grid-template-columns:17fr 10fr}}
.scroll+.grid,.grid+.grid{margin-top:1rem}.strip{display:flex;gap:.5rem;overflow-x:auto;padding-bottom:.3rem}
.strip span{flex:none}.strip img{height:7.5rem;width:auto;max-width:16rem;border-radius:4px;vertical-align:top;object-fit:cover}
.strip .small{min-width:4.5rem;height:4.5rem}.none{display:grid;place-items:center;width:6rem;height:6rem;background:var(--line)}
.side{display:flex;gap:.3rem;align-items:center}.side img{aspect-ratio:auto;max-height:13rem}
td:last-child:not(.n){overflow-wrap:anywhere}
.side span{flex:1;min-width:0}.pictures{grid-template-columns:repeat(auto-fill,minmax(13rem,1fr))}
h3 .quiet{font-weight:400;margin-left:.3rem}@media(max-width:480px){h1{font-size:1.6rem}main{padding:1rem .75rem 2rem}
.scores{grid-template-columns:repeat(2,1fr);gap:.6rem}th,td{padding:.35rem .5rem}.pictures{grid-template-columns:1fr}
.strip img{height:6rem}}
"""
)
