"""The small pieces of HTML that pages to keep are made of, and how they look: the page of an exploration, a run's report."""

from __future__ import annotations

import base64
import html
import io
from collections.abc import Sequence
from typing import Any

import numpy as np

__all__ = ["STYLE", "and_more", "counted", "document", "escaped", "img", "listing", "note", "plot", "section"]


def document(title: str, kind: str, body: Sequence[str], style: str) -> str:
    """A whole page that loads nothing; `title` is HTML already, empty parts of `body` are left out."""
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}: {kind}</title>'
        '<meta name="viewport" content="width=device-width,initial-scale=1"><link rel="icon" href="data:,">'
        f"<style>{style}</style></head>\n<body><main>\n" + "\n".join(filter(None, body)) + "\n</main></body></html>\n"
    )


def img(pixels: np.ndarray, alt: str) -> str:
    """A picture, uint8 (height, width, 3), as an HTML image that holds its own bytes."""
    from PIL import Image

    out, small = io.BytesIO(), max(pixels.shape[:2]) <= 96
    Image.fromarray(pixels).save(out, "PNG" if small else "JPEG", quality=82)
    data = base64.b64encode(out.getvalue()).decode()
    kind, style = ("png", " class=small") if small else ("jpeg", "")
    return f'<img{style} loading="lazy" alt="{escaped(alt)}" src="data:image/{kind};base64,{data}">'


def section(title: str, *parts: str) -> str:
    """A part of the page under its title; nothing where it holds nothing."""
    inside = "".join(parts)
    return f"<section><h2>{escaped(title)}</h2>{inside}</section>" if inside else ""


def plot(drawn: tuple[bytes, float], alt: str, least: float = 480) -> str:
    """A figure (its PNG and its width in inches) on a white card, as large as fits; a narrow screen scrolls before its
    letters get too small to read, at `least` pixels where that is wide enough."""
    png, width = drawn[0], drawn[1] * 96
    style = f"min-width:{min(width * 0.58, least):.0f}px;max-width:{width * 1.2:.0f}px"
    data = base64.b64encode(png).decode()
    return f'<div class=plot><img alt="{escaped(alt)}" style="{style}" src="data:image/png;base64,{data}"></div>'


def listing(head: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table that scrolls in itself; all columns but the first `left` are numbers."""

    def line(cells: Sequence[str], tag: str) -> str:
        cells = [f"<{tag}{' class=n' * (i >= left)}>{escaped(cell)}</{tag}>" for i, cell in enumerate(cells)]
        return f"<tr>{''.join(cells)}</tr>"

    body = f"<thead>{line(head, 'th')}</thead><tbody>{''.join(line(row, 'td') for row in rows)}</tbody>"
    return f"<div class=scroll><table>{body}</table></div>" if rows else ""


def and_more(count: int, shown: int, where: str) -> str:
    """How many rows a table leaves out, and where they are."""
    return note(f"and {count - shown:,} more in {where}" if count > shown else "")


def counted(number: int, word: str) -> str:
    """1 pair, 2 pairs."""
    return f"{number:,} {word}{'' if number == 1 else 's'}"


def note(text: str, kind: str = "quiet") -> str:
    """A line of text, a quiet one as a rule; nothing where there is none."""
    return f"<p class={kind}>{escaped(text)}</p>" if text else ""


def escaped(text: Any) -> str:
    """Text that came from anywhere, for a page."""
    return html.escape(str(text))


STYLE = """
:root{color-scheme:light dark;--ink:#22272d;--quiet:#5d666f;--ground:#f5f6f7;--card:#fff;--line:#dde1e5;--accent:#c2410c}
@media screen and (prefers-color-scheme:dark){
:root{--ink:#e6e9ec;--quiet:#a3abb3;--ground:#14171a;--card:#1d2125;--line:#353b41;--accent:#ff8f52}}
*{box-sizing:border-box}h1{margin:0;font-size:2rem;line-height:1.2}h2{margin:2.5rem 0 .75rem;font-size:1.3rem}
body{margin:0;background:var(--ground);color:var(--ink);font:1rem/1.5 system-ui,sans-serif;overflow-wrap:anywhere}
main{max-width:1180px;margin:auto;padding:1.5rem 1rem 3rem}h3{margin:1.5rem 0 .5rem;font-size:1rem}
.quiet,dt,.score div{color:var(--quiet);font-size:.9rem}p.quiet{margin:.25rem 0 .75rem}.state{color:var(--accent);font-weight:600}
.scores,.grid,.pictures,dl{display:grid;gap:1rem;grid-template-columns:repeat(auto-fit,minmax(min(100%,29rem),1fr))}
.scores{grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));margin-top:1.5rem}dd,dl,figure{margin:0}
.score,.plot,.scroll,figure{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1rem}
.score{border-top:3px solid var(--accent)}.score b{display:block;font-size:2.1rem;line-height:1.2}
dl{grid-template-columns:repeat(auto-fill,minmax(10rem,1fr));gap:.75rem 1rem}.plot,.scroll{overflow:auto;padding:.6rem}
ul,ol{padding-left:1.6rem;margin:.5rem 0}li{margin:.35rem 0}footer{margin-top:3rem;border-top:1px solid var(--line)}
.plot{background:#fff;text-align:center}.plot img{width:100%;vertical-align:top}.grid+.scroll{margin-top:1rem}
.scroll{max-height:30rem;padding:0}table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .75rem;text-align:left;border-bottom:1px solid var(--line);overflow-wrap:break-word}
th{position:sticky;top:0;background:var(--card)}.n{text-align:right;white-space:nowrap}
.pictures{grid-template-columns:repeat(auto-fill,minmax(9.5rem,1fr));gap:.75rem}
figure{background:#fff;color:#22272d;padding:.5rem;font-size:.8rem;line-height:1.35}
figure img{width:100%;aspect-ratio:1;object-fit:contain;margin-bottom:.4rem}.small{image-rendering:pixelated}
@media print{html{font-size:11px}body{background:#fff}.scroll{max-height:none}th,td{padding:.2rem .4rem}
.plot,figure,tr,li,.score{break-inside:avoid}h2,h3{break-after:avoid}}
"""
