"""Tables that one can walk through: a confusion matrix, its largest cells, and what became of each tag.

A cell with images is a button that names what it opens in `data-view`; `ON_LOAD` tells the page which was pressed, and
lets the arrow keys go from button to button.
"""

from __future__ import annotations

import numpy as np

from assistant import mistakes
from assistant.answers import Answers
from assistant.ui.look import text

__all__ = ["CSS", "MATRIX_UP_TO", "ON_LOAD", "walkable"]

MATRIX_UP_TO, LISTED, LONG = 20, 40, 5  # classes in a matrix, rows in a list, letters of a name that is set upright
ON_LOAD = """
const buttons = () => [...element.querySelectorAll("button[data-view]")];
const only = (chosen) => buttons().forEach((each) => { each.tabIndex = each === chosen ? 0 : -1; });
element.addEventListener("focusin", (event) => { if (event.target.dataset.view) only(event.target); });
element.addEventListener("click", (event) => {
  const chosen = event.target.closest("button[data-view]");
  if (!chosen) return;
  buttons().forEach((each) => each.setAttribute("aria-pressed", String(each === chosen)));
  trigger("select", {view: chosen.dataset.view});
});
element.addEventListener("keydown", (event) => {
  const [down, across] = {ArrowDown: [1, 0], ArrowUp: [-1, 0], ArrowRight: [0, 1], ArrowLeft: [0, -1]}[event.key] ?? [];
  const cell = event.target.closest("td, th");
  if (down === undefined || !event.target.dataset.view || !cell) return;
  event.preventDefault();
  const rows = [...cell.closest("tbody").rows];
  let row = rows.indexOf(cell.parentElement) + down, column = cell.cellIndex + across;
  for (let found = rows[row]?.cells[column]; found; found = rows[row += down]?.cells[column += across]) {
    const next = found.querySelector("button[data-view]");
    if (next) return next.focus();
  }
});
"""


def walkable(answers: Answers) -> str:
    """The confusion matrix; of many classes its largest cells; of tags what became of each; nothing for numbers."""
    if answers.task == "regression":
        return ""
    if answers.task == "multi_label":
        made = _tags(answers)
    else:
        made = _matrix(answers) if len(answers.classes) <= MATRIX_UP_TO else _largest(answers)
    return made.replace('tabindex="-1"', 'tabindex="0"', 1)  # the arrow keys lead to the others


def _matrix(answers: Answers) -> str:
    counts, names = mistakes.counts(answers), answers.classes
    of, upright = counts.sum(1), max(map(len, names)) > LONG
    head = "".join(f'<th scope="col"><span title="{text(name)}">{text(name)}</span></th>' for name in names)
    rows = []
    for true, name in enumerate(names):
        cells = "".join(
            _cell(names, true, answered, int(counts[true, answered]), int(of[true])) for answered in range(len(names))
        )
        share = f"{counts[true, true] / of[true]:.0%}" if of[true] else "–"
        rows.append(
            f'<tr><th scope="row" title="{text(name)}">{text(name)}</th>{cells}<td class="share">{share}</td></tr>'
        )
    right, total = int(np.trace(counts)), int(counts.sum())
    words = f"{right:,} of {total:,} right. A row is a true class, a column what was answered. Press a number to see its images."
    head = f'<th scope="col" class="corner">true ↓ answered →</th>{head}<th scope="col" class="share">right</th>'
    return _table(words, head, rows, "matrix upright" if upright else "matrix")


def _cell(names: tuple[str, ...], true: int, answered: int, count: int, of: int) -> str:
    if not count:
        return '<td class="none">0</td>'
    said = "rightly" if true == answered else f"as {names[answered]}"
    words = f"{count:,} of {of:,} images of {names[true]} answered {said}: show them"
    css = "hit" if true == answered else "miss"
    share = (count / of) ** 0.5  # the root, so that few mistakes show too
    return f'<td class="{css}" style="--share:{100 * share:.0f}%">{_button(f"cell:{true}:{answered}", f"{count:,}", words)}</td>'


def _largest(answers: Answers) -> str:
    names, counts, rows = answers.classes, mistakes.counts(answers), []
    for found in mistakes.confusions(answers, LISTED):
        words = f"{found.count:,} of {found.of:,} images of {names[found.true]} answered as {names[found.answered]}: show them"
        button = _button(f"cell:{found.true}:{found.answered}", f"{found.count:,}", words)
        share = f"{found.count / found.of:.0%} of {found.of:,}"
        rows.append(
            f"<tr><td>{text(names[found.true])}</td><td>{text(names[found.answered])}</td><td>{button}</td><td>{share}</td></tr>"
        )
    right, total = int(np.trace(counts)), int(counts.sum())
    wrong = int((counts * (1 - np.eye(len(counts), dtype=int)) > 0).sum())
    which = f"The {len(rows)} most frequent of {wrong:,} confusions" if wrong > len(rows) else "The confusions"
    words = (
        f"{right:,} of {total:,} right. {which}; press a number to see its images."
        if rows
        else f"All {total:,} are right."
    )
    return _table(words, _heads("true class", "answered", "images", "of its class"), rows, "pairs")


def _tags(answers: Answers) -> str:
    rows = []
    for found in mistakes.tag_counts(answers)[:LISTED]:
        name, cells = answers.classes[found.tag], ""
        for what in mistakes.OUTCOMES:
            count = getattr(found, what)
            words = f"{count:,} {what.replace('_', ' ')} of {name}: show them"
            cells += f"<td>{_button(f'tag:{found.tag}:{what}', f'{count:,}', words) if count else '0'}</td>"
        rows.append(f'<tr><th scope="row">{text(name)}</th><td>{found.images:,}</td>{cells}</tr>')
    more = len(answers.classes) - len(rows)
    words = "What became of each tag, those with most mistakes first; press a number to see its images." + (
        f" {more:,} more tags have fewer." if more > 0 else ""
    )
    return _table(words, _heads("tag", "images", "found", "missed", "false alarms"), rows, "pairs tags")


def _heads(*names: str) -> str:
    return "".join(f'<th scope="col">{name}</th>' for name in names)


def _button(view: str, words: str, label: str) -> str:
    return (
        f'<button type="button" tabindex="-1" aria-pressed="false" data-view="{view}" aria-label="{text(label)}" '
        f'title="{text(label)}">{words}</button>'
    )


def _table(words: str, head: str, rows: list[str], css: str) -> str:
    return (
        f'<div class="walk"><p class="walk-words" aria-hidden="true">{text(words)}</p><div class="scroll {css}"><table>'
        f'<caption class="unseen">{text(words)}</caption><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div></div>"
    )


CSS = """
.unseen { position: absolute !important; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%);
  white-space: nowrap; }
.walk-words { color: var(--body-text-color-subdued); font-size: 14px; margin: 0 0 8px !important; max-width: 70ch; }
.walk { width: min-content; min-width: min(100%, 340px); max-width: 100%; }
.walk .scroll { width: fit-content; max-height: 640px; position: relative; }
.walk td, .walk th { text-align: center !important; }
.walk th:first-child, .walk .pairs:not(.tags) td:nth-child(-n+2) { text-align: left !important; }
.matrix td { padding: 2px !important; min-width: 42px; }
.matrix th[scope=row] { position: sticky; left: 0; z-index: 1; background: var(--block-background-fill); font-weight: 500;
  max-width: 11em; overflow: hidden; text-overflow: ellipsis; }
.matrix thead th { font-weight: 500; vertical-align: bottom; }
.matrix .corner { position: sticky; left: 0; z-index: 2; font-size: 12px;
  color: var(--body-text-color-subdued) !important; }
@media (max-width: 600px) { .matrix .corner { white-space: normal !important; width: 5.5em; } }
.matrix.upright thead th:not(.corner):not(.share) span { writing-mode: vertical-rl; transform: rotate(180deg);
  max-height: 9em;
  overflow: hidden; text-overflow: ellipsis; }
.matrix .share { color: var(--body-text-color-subdued) !important; font-weight: 400 !important;
  padding-inline: 10px !important; }
.matrix .none { color: var(--body-text-color-subdued) !important; opacity: .45; }
.walk td button { display: block; width: 100%; min-width: 38px; min-height: 32px; padding: 0 6px; border-radius: 6px;
  cursor: pointer;
  font: inherit; font-weight: 600; color: var(--body-text-color); border: 1px solid transparent;
  background: var(--background-fill-secondary); }
.matrix td.miss button { background: color-mix(in srgb, var(--primary-500) calc(var(--share) * .6), transparent); }
.matrix td.hit button { background: color-mix(in srgb, #31688e calc(var(--share) * .5), transparent); }
.walk td button:hover { border-color: var(--body-text-color-subdued); }
.walk td button:focus-visible { outline: 3px solid var(--primary-500); outline-offset: 1px; }
.walk td button[aria-pressed=true] { border-color: var(--body-text-color); box-shadow: 0 0 0 1px var(--body-text-color); }
.walk .pairs:not(.tags) td:nth-child(-n+2) { min-width: 8.5em; }
.pairs td:not(:has(button)) { white-space: normal !important; overflow-wrap: anywhere; }
"""
