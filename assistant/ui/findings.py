"""What was understood of a folder, an answer a row: its reason, and right there what else it might be.

A row's list offers what `--set` takes. Choosing sends `field=value`; *Undo* sends `field=` (back to what was read), *Undo all*
an empty text. Keys go through a list without reading the folder at each stop: Enter, or leaving the list, says it.
"""

from __future__ import annotations

from collections.abc import Mapping

from assistant.competition import Competition, Finding, task_in_words
from assistant.reading import SETTINGS
from assistant.ui.look import text
from recipes.errors import few

__all__ = ["AFTERWARDS", "CSS", "ON_LOAD", "overruled", "rows"]

TITLES = {
    "task": "Task",
    "labels": "Labels",
    "id": "Ids",
    "value": "Answer",
    "positive": "Probability of",
    "top": "Classes a row",
    "template": "Template",
    "metric": "Score",
    "group": "Groups",
}
OPEN = ("labels", "id", "template", "metric", "group", "top")  # also take a text that is on no list
WITH = {"labels": "target"}  # a setting that belongs to another's row
WORDS = {
    "task": {
        "single_label": "one class for each image",
        "multi_label": "tags for each image",
        "regression": "numbers for each image",
    },
    "value": {
        "probability": "probabilities",
        "label": "a class name a row",
        "tags": "tags",
        "ranked": "classes, likeliest first",
        "number": "numbers",
    },
    "labels": {"folders": "the folders of the pictures", "names": "the names of the pictures"},
}


def overruled(given: Mapping[str, str], said: str) -> dict[str, str]:
    """The settings after `field=value` was said; an empty value takes a row's settings back, an empty text all."""
    field, _, value = said.partition("=")
    if not said:
        return {}
    kept = {name: old for name, old in given.items() if name not in (field, WITH.get(field))}
    return kept | ({field: value} if value else {})


def rows(competition: Competition, given: Mapping[str, str]) -> str:
    """The answers as rows, those that `given` settings overrule marked so, each with a way back."""
    found = {finding.field: finding for finding in competition.evidence}
    shown = [_row(competition, found[field], given) for field in TITLES if field in found]
    rowless = set(given) - {name for field in found for name in (field, WITH.get(field))}
    shown += [_said_only(name, given[name]) for name in SETTINGS if name in rowless]
    return "".join(shown)


def _row(competition: Competition, finding: Finding, given: Mapping[str, str]) -> str:
    field, title = finding.field, TITLES[finding.field]
    if field == "positive" and competition.submission.value != "probability":
        title = "1 stands for"
    yours = field in given or WITH.get(field) in given
    sentence = _sentence(competition, field)
    about = f"<p>{text(sentence)}</p>" if sentence else ""
    told = f"you said {WITH[field]}={given[WITH[field]]}" if yours and field not in given else finding.why
    why = f'<p class="why">{text(told)}</p>' if told else ""
    return (
        f'<div class="finding{" yours" if yours else ""}" data-row="{field}">'
        f'<dt><label for="say-{field}">{title}</label></dt><dd><div class="say">{_list(finding)}{_undo(field, title, yours)}'
        f'</div>{_other(field, title)}<div id="why-{field}">{about}{why}</div><p class="trouble"></p></dd></div>'
    )


def _list(finding: Finding) -> str:
    field = finding.field
    now = _words(field, finding.said) if finding.said else finding.answer
    options = [f'<option selected value="{text(finding.said)}">{text(now)}</option>']
    options += [f'<option value="{text(value)}">{text(_words(field, value))}</option>' for value in finding.choices]
    options += ["<option data-other>something else …</option>"] if field in OPEN else []
    alone = " disabled" if len(options) == 1 else ""
    return f'<select id="say-{field}" data-field="{field}" aria-describedby="why-{field}"{alone}>{"".join(options)}</select>'


def _undo(field: str, title: str, yours: bool) -> str:
    if not yours:
        return ""
    label = f"Undo {title}: back to what was read"
    return f'<button type="button" data-undo="{field}" aria-label="{text(label)}">Undo</button>'


def _other(field: str, title: str) -> str:
    if field not in OPEN:
        return ""
    return (
        f'<div class="say other" hidden><input type="text" data-field="{field}" aria-label="{text(f"{title}, something else")}" '
        f'placeholder="{text(SETTINGS[field])}" autocomplete="off" spellcheck="false">'
        '<button type="button" data-say>Read again</button></div>'
    )


def _said_only(name: str, value: str) -> str:
    """A setting that no answer of the reading shows."""
    return (
        f'<div class="finding yours" data-row="{name}"><dt>{text(name)}</dt><dd><div class="say"><span>{text(value)}</span>'
        f"{_undo(name, name, True)}</div></dd></div>"
    )


def _words(field: str, value: str) -> str:
    if field == "metric":
        return value.replace("_", " ")
    return WORDS.get(field, {}).get(value) or (value.replace(":", ": ", 1) if field == "labels" else value)


def _sentence(competition: Competition, field: str) -> str:
    """What an answer comes to."""
    asked = competition.submission
    if competition.unsupported:
        return ""
    if field == "task":
        return f"{task_in_words(competition)}: {few(competition.classes, 10)}"
    if field == "value":
        return f"Columns {few([asked.id_column, *asked.columns], 6)}"
    return f"{competition.metric.direction.capitalize()} is better" if field == "metric" else ""


ON_LOAD = """
const chosen = (select) => select.selectedOptions[0];
const back = (select) => { select.selectedIndex = [...select.options].findIndex((each) => each.defaultSelected); };
const say = (field, value, row) => {
  if (element.dataset.asked !== undefined) return;
  element.dataset.asked = field;
  element.setAttribute("aria-busy", "true");
  element.querySelectorAll(".trouble").forEach((line) => { line.textContent = ""; });
  if (row) { row.classList.remove("waiting"); row.classList.add("asking"); }
  trigger("click", {say: field ? `${field}=${value}` : ""});
};
const done = (select) => {
  const row = select.closest("[data-row]"), option = chosen(select), other = row.querySelector(".other");
  const open = option.hasAttribute("data-other");
  if (other) other.hidden = !open;
  row.classList.remove("waiting");
  if (open) return other.querySelector("input").focus();
  if (option.defaultSelected) return;
  say(select.dataset.field, option.value, row);
  back(select);  // it shows what is, until the folder is read again
};
const typed = (row) => {
  const input = row.querySelector(".other input");
  if (!input.value.trim()) return;
  say(input.dataset.field, input.value.trim(), row);
  back(row.querySelector("select"));
};
let keyed = false;
element.addEventListener("pointerdown", () => { keyed = false; });
element.addEventListener("change", (event) => {
  if (!event.target.matches("select")) return;
  if (!keyed) return done(event.target);
  event.target.closest("[data-row]").classList.toggle("waiting", !chosen(event.target).defaultSelected);
});
element.addEventListener("focusout", (event) => {
  if (event.target.matches(".waiting select")) done(event.target);
});
element.addEventListener("keydown", (event) => {
  const row = event.target.closest("[data-row]");
  if (event.target.matches("input") && event.key === "Enter") { event.preventDefault(); typed(row); }
  if (!event.target.matches("select")) return;
  keyed = true;
  if (event.key === "Enter" && row.classList.contains("waiting")) { event.preventDefault(); done(event.target); }
  if (event.key === "Escape") { back(event.target); row.classList.remove("waiting"); }
});
element.addEventListener("click", (event) => {
  const row = event.target.closest("[data-row]");
  if (event.target.closest("[data-say]")) typed(row);
  const undo = event.target.closest("[data-undo]");
  if (undo) say(undo.dataset.undo, "", row);
});
"""
# Once the answer is there: the rows take questions again, the focus is where it was, and a refusal stands in its row.
AFTERWARDS = """() => {
  const rows = document.getElementById("understood"), asked = rows.querySelector("[data-asked]") ?? rows;
  const field = asked.dataset.asked, refused = document.getElementById("not-so");
  const alert = refused.querySelector("[role=alert]");
  delete asked.dataset.asked;
  asked.removeAttribute("aria-busy");
  rows.querySelectorAll(".asking").forEach((row) => row.classList.remove("asking"));
  const row = field ? rows.querySelector(`[data-row="${field}"]`) : null, line = row?.querySelector(".trouble");
  if (line) line.textContent = alert?.textContent ?? "";
  refused.classList.toggle("told", Boolean(line && alert));
  const at = document.activeElement;
  const still = !at || at === document.body || at.matches("h2.head") || rows.contains(at);  // nobody has gone elsewhere
  if (!still) return;
  const other = row?.querySelector(".other:not([hidden]) input");
  const to = other ?? row?.querySelector("select:enabled, [data-undo]") ?? rows.querySelector("select:enabled");
  to?.focus({preventScroll: true});
}"""

CSS = """
.findings { display: grid; gap: 14px; align-content: start; }
.findings dl.rows { display: grid; grid-template-columns: minmax(0, 1fr); gap: 12px; }
.finding { display: grid; grid-template-columns: 7.4em minmax(0, 1fr); gap: 2px 14px; }
.finding dt { line-height: 34px; } .finding p { margin: 2px 0 0; line-height: 1.4; }
.finding .why { font-size: 14px; }
.findings > dl:not(.rows) { grid-template-columns: 7.4em minmax(0, 1fr); }
.say { display: flex; flex-wrap: wrap; align-items: center; gap: 6px 10px; min-height: 34px; }
.say[hidden] { display: none; } .other { margin-top: 6px; }
.say select, .say input { font: inherit; color: var(--body-text-color); background-color: var(--input-background-fill);
  border: 1px solid var(--border-color-primary); border-radius: 8px; height: 34px; padding: 0 10px; max-width: 100%; }
.say select { min-width: min(100%, 15em); padding-right: 30px; text-overflow: ellipsis; appearance: none; cursor: pointer;
  background-repeat: no-repeat; background-position: right 10px center; background-size: 12px 8px;
  background-image: url("data:image/svg+xml,%3Csvg xmlns='http://www.w3.org/2000/svg' width='12' height='8' fill='none' \
stroke='%23808080' stroke-width='2'%3E%3Cpath d='m1 1 5 5 5-5'/%3E%3C/svg%3E"); }
.say select:disabled { background-image: none; opacity: 1; cursor: default; border-color: transparent; padding-left: 0; }
.say input { flex: 1 1 12em; min-width: 0; }
.say input::placeholder { color: var(--body-text-color-subdued); }
.dark .say select, .dark .say input { color-scheme: dark; }
.say select:hover:enabled { border-color: var(--body-text-color-subdued); }
.say :is(select, input, button):focus-visible, .undo-all:focus-visible { outline: 3px solid var(--primary-500);
  outline-offset: 1px; }
.say button, .undo-all { font: inherit; font-size: 14px; font-weight: 600; cursor: pointer; padding: 2px 10px; min-height: 30px;
  border-radius: 8px; border: 1px solid var(--border-color-primary); background: none; color: var(--body-text-color); }
.say button:hover, .undo-all:hover { border-color: var(--body-text-color-subdued); }
.say select:is(.yours *) { border-color: var(--primary-500); }
.yours .why { color: var(--primary-700); font-weight: 600; } .dark .yours .why { color: var(--primary-300); }
.asking > dd > .say::after { content: "reading again …"; color: var(--body-text-color-subdued); font-size: 14px; }
.waiting > dd > .say::after { content: "Enter reads the folder again"; color: var(--body-text-color-subdued); font-size: 14px; }
.finding .trouble:empty { display: none; }
.finding .trouble { margin-top: 6px; padding: 6px 10px; border-radius: 8px; border-left: 4px solid var(--primary-500);
  overflow-wrap: anywhere; background: var(--primary-50); color: var(--primary-900); }
.dark .finding .trouble { background: var(--primary-950); color: var(--primary-100); }
#not-so.told { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); }
.titled { display: flex; flex-wrap: wrap; align-items: center; justify-content: space-between; gap: 6px 12px; min-height: 34px; }
.read .titled h3 { margin: 0; }
@media (max-width: 760px) {
  .finding { grid-template-columns: minmax(0, 1fr); } .finding dt { line-height: 1.5; }
  .say select { flex: 1 1 auto; }
}
"""
