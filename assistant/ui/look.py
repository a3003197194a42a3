"""How the page looks: theme and style sheet, and the small pieces of HTML that every part of it is made of.

Whatever comes from a folder, a run or a person goes through `text`, so that a class named `<b>` stays a class.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from gradio import themes

from assistant import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["CSS", "alert", "empty", "heading", "plot", "table", "text", "theme"]

SANS = ["system-ui", "-apple-system", "Segoe UI", "Roboto", "Liberation Sans", "Arial", "sans-serif"]
MONO = ["ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "Liberation Mono", "monospace"]
ACCENT = themes.Color(
    c50="#fff4ed",
    c100="#ffe6d5",
    c200="#fecaaa",
    c300="#fda574",
    c400="#f9783c",
    c500="#d9480f",
    c600="#c2410c",
    c700="#a2350c",
    c800="#812e12",
    c900="#682912",
    c950="#381206",
    name="recipe",
)


def theme() -> themes.Base:
    """One accent colour, system fonts (nothing is fetched), quiet borders."""
    made = themes.Default(
        primary_hue=ACCENT, secondary_hue=ACCENT, neutral_hue="zinc", radius_size="md", font=SANS, font_mono=MONO
    )
    return made.set(
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        block_info_text_color="*neutral_500",
        block_info_text_color_dark="*neutral_400",
        block_border_width="0px",
        block_border_width_dark="0px",
        block_shadow="none",
        block_label_text_weight="600",
        block_title_text_weight="600",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        button_primary_text_color_dark="white",
        input_background_fill="white",
        input_border_width="1px",
    )


def text(value: object) -> str:
    """Anything as text that is safe inside HTML and its attributes."""
    return html.escape(str(value), quote=True)


def heading(number: int, title: str, words: str) -> str:
    """A section's heading with its number, and what is done there."""
    return f'<h2 class="head" tabindex="-1"><span class="number">{number}</span>{text(title)}</h2><p class="lead">{text(words)}</p>'


def empty(words: str) -> str:
    """What a place says that has nothing to show yet."""
    return f'<div class="empty">{text(words)}</div>'


def alert(words: str) -> str:
    """One line on what went wrong; nothing where there is nothing to say."""
    return f'<div class="alert" role="alert">{text(words)}</div>' if words else ""


def plot(figure: Figure | None, words: str) -> str:
    """A figure in a frame whose height is known before it is there; `words` describe it, or say what will be there."""
    if figure is None:
        return f'<figure class="plot">{empty(words)}</figure>'
    source = base64.b64encode(plots.to_png(figure, dpi=140)).decode()
    return (
        f'<figure class="plot"><img alt="{text(words)}" title="{text(words)}" decoding="sync" '
        f'src="data:image/png;base64,{source}"></figure>'
    )


def table(columns: Sequence[object], rows: Iterable[Sequence[object]], words: str, css: str = "") -> str:
    """A table with a caption; cells are text, rows that begin with None are set off (their None is left out)."""
    head = "".join(f'<th scope="col">{text(column)}</th>' for column in columns)
    body = "".join(
        f"<tr{' class=off' if row[0] is None else ''}>"
        + "".join(f"<td>{text(cell)}</td>" for cell in (row[1:] if row[0] is None else row))
        + "</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll {css}" tabindex="0"><table><caption>{text(words)}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


CSS = """
.gradio-container { max-width: 1180px !important; margin: 0 auto !important; padding: 0 16px 48px !important; }
.gradio-container, .gradio-container > .main { width: 100% !important; min-width: 0 !important; }
.gradio-container > .main { padding: 0 !important; }
.gradio-container .html-container { padding: 0; overflow: visible; }
.gradio-container h1, .gradio-container h2, .gradio-container p, .gradio-container figure, .gradio-container ol,
.gradio-container dl, .gradio-container dd { margin: 0; }
#top { padding: 26px 0 6px; }
#top h1 { font-size: 28px; line-height: 1.2; font-weight: 700; letter-spacing: -.01em; color: var(--body-text-color); }
#top p { margin-top: 6px; color: var(--body-text-color-subdued); font-size: 16px; max-width: 62ch; }
.section { background: var(--block-background-fill); border: 1px solid var(--border-color-primary);
  border-radius: 14px; padding: 22px 24px 24px !important; gap: 14px !important; scroll-margin-top: 12px; }
.head:focus { outline: none; }
.head { display: flex; align-items: center; gap: 12px; font-size: 20px; font-weight: 650; line-height: 1.25;
  color: var(--body-text-color); }
.number { flex: none; display: inline-grid; place-items: center; width: 28px; height: 28px; border-radius: 50%;
  background: var(--primary-600); color: white; font-size: 15px; font-weight: 700; }
.lead { color: var(--body-text-color-subdued); margin: 6px 0 0 40px !important; max-width: 76ch; }
.empty { display: grid; place-items: center; text-align: center; height: 100%; min-height: 72px; padding: 12px 18px;
  color: var(--body-text-color-subdued); border: 1px dashed var(--border-color-primary); border-radius: 10px; }
.alert { padding: 10px 14px; border-radius: 10px; border-left: 4px solid var(--primary-500); overflow-wrap: anywhere;
  background: var(--primary-50); color: var(--primary-900); }
.dark .alert { background: var(--primary-950); color: var(--primary-100); }

.read { display: grid; grid-template-columns: minmax(0, 1.1fr) minmax(0, 1fr); gap: 22px 36px; }
.read dl { display: grid; grid-template-columns: 8.2em minmax(0, 1fr); gap: 9px 14px; align-content: start; }
.read dt { color: var(--body-text-color-subdued); }
.read dd { overflow-wrap: anywhere; color: var(--body-text-color); }
.read h3 { font-size: 15px; font-weight: 600; margin: 0 0 8px; color: var(--body-text-color); }
.why { color: var(--body-text-color-subdued); }
.pictures { display: grid; gap: 8px; }
.pictures figure { display: grid; grid-template-columns: 2.2em minmax(0, 1fr); gap: 8px; align-items: start; }
.pictures.wide figure { grid-template-columns: 6.5em minmax(0, 1fr); }
.pictures figure > div { display: flex; flex-wrap: wrap; gap: 6px; }
.pictures figcaption { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; font-size: 14px; line-height: 44px;
  color: var(--body-text-color-subdued); }
.pictures img { width: 44px; height: 44px; object-fit: cover; border-radius: 6px; background: #8883; display: block; }
.pictures .broken { display: grid; place-items: center; width: 44px; height: 44px; border-radius: 6px;
  border: 1px dashed var(--border-color-primary); color: var(--body-text-color-subdued); }
.read details { margin: .4rem 0 1.2rem; } .read summary { cursor: pointer; margin-bottom: .5rem; }
.path { align-items: end !important; } .path .block { padding: 0 !important; }
.path .form { border: 0; background: none; gap: 1rem; flex-wrap: wrap; }
.pictures img.small { image-rendering: pixelated; }
.pictures.loose { grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); }
.pictures.loose figure { display: block; } .pictures.loose figcaption { line-height: 1.6; }
.pictures.loose img { width: 84px; height: 84px; }

.plot { height: 300px; display: block; }
.plot img { width: 100%; height: 100%; object-fit: contain; object-position: left top; display: block; }
.plot.long { overflow-y: auto; } .plot.long img { height: auto; }
.seen { display: grid; gap: 22px; align-content: start; }
.read .plot {  height: auto; max-height: 340px; }
.read .plot img { width: auto; height: auto; max-width: 100%; max-height: 340px; }
.read .plot.long img { max-height: none; }
.dark .plot img { filter: invert(.915) hue-rotate(180deg); mix-blend-mode: lighten; }
.plots { display: grid !important; grid-template-columns: repeat(auto-fit, minmax(min(100%, 400px), 1fr)); gap: 20px !important; }
.plots > * { min-width: 0 !important; }
#recipe .row { gap: 20px; } #recipe .form { gap: 18px 24px; background: none; border: 0; }
#recipe .block { padding: 0 !important; overflow: visible !important; }

.now { display: grid; gap: 8px; }
.now .line { display: flex; justify-content: space-between; gap: 4px 16px; flex-wrap: wrap; min-height: 1.5em;
  color: var(--body-text-color); }
.now .line strong { font-weight: 650; font-size: 17px; overflow-wrap: anywhere; }
.now .figures { font-variant-numeric: tabular-nums; color: var(--body-text-color-subdued); }
.now .which { color: var(--body-text-color-subdued); font-size: 13px; min-height: 1.5em; overflow-wrap: anywhere; }
.bar { height: 8px; border-radius: 4px; background: var(--border-color-primary); overflow: hidden; }
.bar i { display: block; height: 100%; border-radius: 4px; background: var(--primary-500); }
.buttons { gap: 10px !important; flex-wrap: wrap !important; }
.buttons > button { flex: 0 1 auto !important; min-width: 120px !important; }
.course { align-items: stretch; gap: 24px !important; }
.steps { list-style: none; padding: 0 !important; display: grid; gap: 2px; }
.steps li { display: grid; grid-template-columns: 26px minmax(0, 1fr); gap: 10px; align-items: center; padding: 5px 8px; margin: 0;
  border-radius: 8px; color: var(--body-text-color-subdued); min-height: 36px; line-height: 1.3; }
.steps li > b { display: grid; place-items: center; width: 24px; height: 24px; border-radius: 50%; font-size: 13px;
  font-weight: 600; border: 1.5px solid var(--border-color-primary); }
.steps li.done { color: var(--body-text-color); }
.steps li.done > b { border-color: var(--primary-500); color: var(--primary-500); }
.steps li.now { display: grid; color: var(--body-text-color); font-weight: 600; background: var(--primary-50); }
.dark .steps li.now { background: var(--primary-950); }
.steps li.now > b { border-color: var(--primary-600); background: var(--primary-600); color: white; }
.fold { padding: 0 8px 6px; color: var(--body-text-color-subdued); }
.scroll { overflow: auto; max-width: 100%; border: 1px solid var(--border-color-primary); border-radius: 10px; }
.scroll.tall { height: 326px; }
.scroll table { width: 100%; border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums;
  margin: 0; border: 0; }
.scroll.slim { width: fit-content; min-width: min(100%, 300px); }
.scroll caption { text-align: left; padding: 8px 12px; color: var(--body-text-color-subdued); font-size: 13px; }
.scroll tr { border: 0 !important; }
.scroll th, .scroll td { padding: 5px 6px !important; text-align: right; white-space: nowrap; border: 0 !important;
  color: var(--body-text-color); background: none; }
.scroll thead th { font-weight: 600; position: sticky; top: 0; background: var(--block-background-fill);
  box-shadow: inset 0 -1px var(--border-color-primary); }
.scroll th:first-child, .scroll td:first-child { text-align: left; padding-left: 12px !important; }
.scroll tr.off td { color: var(--primary-600); font-weight: 600; } .dark .scroll tr.off td { color: var(--primary-300); }
.notes { display: grid; gap: 6px; padding: 0 !important; list-style: none; margin: 0; }
.notes li { margin: 0; padding: 8px 12px; border-radius: 8px; background: var(--background-fill-secondary);
  color: var(--body-text-color); overflow-wrap: anywhere; }
.notes b { font-weight: 600; margin-right: 6px; }

.scores { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 220px), 1fr)); gap: 14px; margin-bottom: 4px; }
.score { border: 1px solid var(--border-color-primary); border-radius: 12px; padding: 14px 16px; }
.score h3 { margin: 0; font-size: 14px; font-weight: 600; color: var(--body-text-color-subdued); }
.score .value { font-size: 30px; font-weight: 700; line-height: 1.25; color: var(--body-text-color);
  font-variant-numeric: tabular-nums; }
.score.first { border-color: var(--primary-500); } .score.first .value { color: var(--primary-600); }
.dark .score.first .value { color: var(--primary-300); }
.score p { color: var(--body-text-color-subdued); font-size: 14px; }
.said { margin: 0 0 14px !important; font-size: 16px; color: var(--body-text-color); }
@media (min-width: 1360px) {
  #sidebar .toggle-button { width: auto; padding: 0 10px 0 6px; gap: 4px; }
  #sidebar .toggle-button::after { content: "Runs"; font-size: 13px; font-weight: 600; color: var(--body-text-color); }
  #sidebar.open .toggle-button::after { content: none; }
}
.runs [aria-current] { border-color: var(--primary-500) !important; }
/* gradio leaves a list open when its field is left by keyboard */
body:not(:has([role=combobox]:focus)) .options:has(> [role=listbox]) { display: none !important; }
.runs { list-style: none !important; margin: 0 !important; padding: 0 !important; display: grid; gap: 8px; }
.runs li { margin: 0 !important; padding: 0 !important; list-style: none !important; }
.runs button { display: grid; gap: 2px; width: 100%; padding: 8px 12px; text-align: left; cursor: pointer; border-radius: 10px;
  border: 1px solid var(--border-color-primary); background: var(--block-background-fill); color: var(--body-text-color); }
.runs button:hover, .runs button:focus-visible { border-color: var(--primary-500); background: var(--block-background-fill); }
.runs b { font-weight: 600; } .runs small { font-weight: 400; font-size: 12.5px; color: var(--body-text-color-subdued);
  overflow-wrap: anywhere; }
.ways { margin-top: 6px; }
.scroll td.words, .scroll th.words { text-align: left; }
.hide, .hidden-box { display: none !important; }
@media (max-width: 760px) {
  .gradio-container { padding: 0 8px 32px !important; }
  .section { padding: 18px 14px 18px !important; }
  #top { padding: 18px 6px 2px 30px; } #top h1 { font-size: 24px; }
  .lead { margin-left: 0 !important; }
  .read { grid-template-columns: minmax(0, 1fr); } .read dl { grid-template-columns: minmax(0, 1fr); gap: 0; }
  .read dd { margin-bottom: 8px; }
  .pictures:not(.loose) figure > div { max-height: 44px; overflow: hidden; }
  .plot { height: 250px; }
  .buttons > button { flex: 1 1 100% !important; }
}
"""
