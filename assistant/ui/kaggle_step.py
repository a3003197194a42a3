"""Choosing at Kaggle: sign in, search, look at what matters, download; the token stays in this session."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import gradio as gr

from assistant.credentials import credentials_in, found_here
from assistant.fetching import Outlook, Stage, fetch, look
from assistant.kaggle_client import CATEGORIES, SORTS, Kaggle
from assistant.kaggle_errors import SETTINGS_PAGE, KaggleError
from assistant.kaggle_wire import Listed, ListedPage, slug_in
from assistant.printed import megabytes
from assistant.ui.course import now_line
from assistant.ui.jobs import Job, in_words
from assistant.ui.look import alert, empty, text
from assistant.ui.session import Session
from recipes.progress import clock

__all__ = [
    "CSS",
    "SIGNED",
    "build",
    "check_again",
    "download",
    "look_at",
    "progress",
    "search",
    "sign_in",
    "sign_out",
    "welcome",
]

Changes = dict[str, Any]
SIGNED = ("who", "sign_row", "sign_out", "search_column", "token")  # the parts that say who is signed in
# a card of the search results, or the link in it, names the competition that is meant
CHOOSE_CARD = """element.addEventListener("click", (event) => {
  const card = event.target.closest("[data-slug]");
  if (card) trigger("click", {slug: card.dataset.slug});
});"""
SEARCHED = "Search by words, or paste a competition's address: what is found will be here."


def build() -> dict[str, Any]:
    """The components by name."""
    made: dict[str, Any] = {}
    with gr.Row(elem_classes="signed"):
        made["who"] = gr.HTML(_signed_out(), elem_id="who", min_width=200)
        made["sign_out"] = gr.Button("Sign out", visible=False, size="sm", scale=0, min_width=110, elem_id="sign-out")
    with gr.Row(equal_height=False, elem_classes="path") as made["sign_row"]:
        made["token"] = gr.Textbox(
            label="Kaggle token",
            type="password",
            placeholder="KGAT_… or username:key",
            info="Used for this session only, and kept nowhere.",
            max_lines=1,
            scale=5,
            min_width=280,
            elem_id="token",
        )
        made["sign_in"] = gr.Button("Sign in", scale=1, min_width=110, elem_id="sign-in")
    with gr.Column(visible=False) as made["search_column"]:
        with gr.Row(equal_height=False, elem_classes="path"):
            made["words"] = gr.Textbox(
                label="Competition",
                placeholder="dog breeds, or https://www.kaggle.com/competitions/…",
                max_lines=1,
                scale=5,
                min_width=240,
                elem_id="words",
            )
            made["category"] = gr.Dropdown(
                [("All", ""), *((_title(name), name) for name in CATEGORIES)],
                value="",
                label="Category",
                scale=2,
                min_width=140,
                elem_id="category",
            )
            made["sort"] = gr.Dropdown(
                [("Kaggle's order", ""), *((_title(name), name) for name in SORTS)],
                value="",
                label="Sorted by",
                scale=2,
                min_width=140,
                elem_id="sort",
            )
            made["search"] = gr.Button("Search", scale=1, min_width=110, elem_id="search")
        made["found"] = gr.HTML(empty(SEARCHED), elem_id="found", js_on_load=CHOOSE_CARD)
        made["page"] = gr.Number(1, visible="hidden", precision=0, label="Page", elem_id="page-number")
        with gr.Row(elem_classes="buttons"):
            made["fewer"] = gr.Button("Previous page", visible=False, size="sm", elem_id="previous-page")
            made["more"] = gr.Button("Next page", visible=False, size="sm", elem_id="next-page")
        made["about"] = gr.HTML("", elem_id="about")
        with gr.Row(elem_classes="buttons"):
            made["fetch"] = gr.Button("Download the data", variant="primary", visible=False, elem_id="fetch")
            made["check_again"] = gr.Button("Check again", visible=False, elem_id="check-again")
            made["stop_fetch"] = gr.Button("Stop the download", visible=False, elem_id="stop-fetch")
        made["fetching"] = gr.HTML("", elem_id="fetching")
    return made


def welcome(session: Session, ask: bool = True) -> Changes:
    """What is shown when Kaggle is chosen: on a machine of one's own, who its token belongs to (where Kaggle may be asked)."""
    if session.kaggle is not None or not session.owner or session.left_kaggle or not ask:
        return _who(session)
    try:
        found = found_here()
        if found is None:
            return _who(session)
        session.kaggle = Kaggle(found)
    except KaggleError as error:
        return _who(session) | {"who": _signed_out() + alert(in_words(error))}
    return _who(session) | search(session, "", "", "", 1)


def sign_in(session: Session, token: str) -> Changes:
    """Signs in with what was typed, which is forgotten by the page at once."""
    try:
        session.sign_out()
        session.kaggle = Kaggle(credentials_in(token or "", "the token typed here"))
    except Exception as error:
        return _who(session) | {"who": _signed_out() + alert(in_words(error)), "token": ""}
    return _who(session) | {"token": ""} | search(session, "", "", "", 1)


def sign_out(session: Session) -> Changes:
    """Forgets the person."""
    session.sign_out()
    session.left_kaggle = True
    return _who(session) | {"found": empty(SEARCHED), "about": "", "fetching": ""} | _buttons(session)


def search(session: Session, words: str, category: str, sort: str, page: float | None) -> Changes:
    """A page of what Kaggle finds; a competition's address is looked at right away."""
    if session.kaggle is None:
        return _who(session)
    if "kaggle.com/" in (words or "") and slug_in(words) is not None:
        return look_at(session, words)
    try:
        found = session.kaggle.find((words or "").strip(), category or "", sort or "", int(page or 1))
    except Exception as error:
        return {"found": alert(in_words(error))}
    return {
        "found": _cards(found, words),
        "page": found.page,
        "more": gr.update(visible=found.more),
        "fewer": gr.update(visible=found.page > 1),
    }


def look_at(session: Session, slug: object) -> Changes:
    """What matters about a competition before its data is downloaded."""
    if session.kaggle is None:
        return _who(session)
    try:
        session.outlook = look(session.kaggle, str(slug))
    except Exception as error:
        session.outlook = None
        return {"about": alert(in_words(error)), "fetching": ""} | _buttons(session)
    going_on = session.fetching is not None and session.fetching.state == "running"
    return {"about": _outlook(session.outlook)} | ({} if going_on else {"fetching": ""}) | _buttons(session)


def check_again(session: Session) -> Changes:
    """Looks once more, after the rules were accepted."""
    return look_at(session, session.outlook.listed.slug) if session.outlook else {}


def download(session: Session) -> Changes:
    """Begins to fetch the competition that was looked at."""
    kaggle, outlook = session.kaggle, session.outlook
    if kaggle is None or outlook is None or (session.fetching and session.fetching.state == "running"):
        return {}
    slug = outlook.listed.slug

    def work(job: Job) -> Any:
        mine = kaggle.listening(job.say, job.should_stop)
        folders[slug] = fetch(mine, slug, report=job.tell, should_stop=job.should_stop)
        return slug

    folders = session.folders  # of this person: whoever signs in next has others
    session.moved_on = False
    session.fetching = Job(work, slug)
    return {"fetching": _going_on(session.fetching), "beside": gr.update(active=True)} | _buttons(session)


def progress(session: Session, ready: Callable[[str], Changes]) -> Changes:
    """How the download is; `ready(slug)` says what follows when all is there."""
    job = session.fetching
    if job is None:
        return {}
    if job.state == "running":
        return {"fetching": _going_on(job)}
    session.fetching = None
    if job.state == "done" and session.outlook is not None and session.outlook.listed.slug == job.result:
        session.outlook = replace(session.outlook, fetched=session.folders.get(job.result))
    if job.state == "done" and session.moved_on:
        said = empty(f"The data of {job.result} is here: “Use this data” goes on with it.")
        return {"fetching": said} | _buttons(session)
    if job.state == "done":
        return {"fetching": ""} | _buttons(session) | ready(job.result)
    said = alert(job.error) if job.error else empty("Stopped. What has come is kept: the download goes on from there.")
    return {"fetching": said} | _buttons(session)


def _who(session: Session) -> Changes:
    """The part about who is signed in."""
    inside = session.kaggle is not None
    who = f"Signed in at Kaggle as <b>{text(session.kaggle.name)}</b>." if session.kaggle else ""
    return {
        "who": f'<p class="said">{who}</p>' if inside else _signed_out(),
        "sign_row": gr.update(visible=not inside),
        "sign_out": gr.update(visible=inside),
        "search_column": gr.update(visible=inside),
    }


def _signed_out() -> str:
    return (
        '<p class="said">Sign in with a token of your own: '
        f'<a href="{SETTINGS_PAGE}" target="_blank" rel="noopener">make one on Kaggle\'s settings page</a>.</p>'
    )


def _buttons(session: Session) -> Changes:
    """Which of the buttons make sense now."""
    running = session.fetching is not None and session.fetching.state == "running"
    outlook = session.outlook
    blocked = outlook is not None and bool(outlook.obstacles)
    again = outlook is not None and outlook.fetched is not None
    return {
        "fetch": gr.update(
            visible=outlook is not None and not blocked and not running,
            value="Use this data" if again else "Download the data",
        ),
        "check_again": gr.update(visible=blocked),
        "stop_fetch": gr.update(visible=running),
    }


def _cards(found: ListedPage, words: str) -> str:
    if not found.competitions:
        return empty(f"Nothing found for “{words}”. Try fewer words." if words else "Nothing found.")
    return f'<ul class="competitions">{"".join(map(_card, found.competitions))}</ul>'


def _card(listed: Listed) -> str:
    picture = (
        f'<img alt="" loading="lazy" src="{text(listed.picture)}">' if listed.picture else '<i class="no-picture"></i>'
    )
    facts = [listed.metric, days_in_words(listed), listed.reward, f"{listed.teams:,} teams" if listed.teams else ""]
    marks = [("entered", "good")] if listed.entered else []
    marks += [("only notebooks may submit", "warn")] if listed.notebooks_only else []
    tags = "".join(f'<em class="{kind}">{words}</em>' for words, kind in marks)
    return (
        f'<li><button type="button" data-slug="{text(listed.slug)}">{picture}<span><b>{text(listed.title)}</b>'
        f"<small>{text(' · '.join(filter(None, facts)))}</small>{tags}</span></button></li>"
    )


def days_in_words(listed: Listed) -> str:
    """How long it still goes on."""
    left = listed.days_left
    if left is None:
        return ""
    if left < 0:
        return "over"
    return "ends today" if left == 0 else f"{left:,} {'day' if left == 1 else 'days'} left"


def _outlook(outlook: Outlook) -> str:
    listed, size = outlook.listed, outlook.size
    data = f"{size.files or 0:,} files, {megabytes(size.bytes)}" if size.bytes is not None else "Kaggle does not tell"
    needed = f", about {megabytes(outlook.needed)} needed" if outlook.needed else ""
    left = f", {outlook.allowance.left} left today" if outlook.allowance.left is not None else ""
    deadline = f"{listed.deadline:%d %B %Y}, {days_in_words(listed)}" if listed.deadline else "none"
    rules = f'<a href="{text(listed.rules)}" target="_blank" rel="noopener">the rules</a>'
    rows = [
        ("Metric", text(listed.metric or "not told")),
        ("Deadline", text(deadline)),
        ("Prize", text(listed.reward)),
        ("Teams", f"{listed.teams:,}" if listed.teams else ""),
        ("Submissions", f"{listed.max_daily} a day{left}" if listed.max_daily else ""),
        ("Data", data),
        ("Disk", f"{megabytes(outlook.free)} free{needed}"),
        ("Rules", f"{rules} are accepted" if listed.entered else f"{rules} are not accepted yet"),
    ]
    facts = "".join(f"<dt>{name}</dt><dd>{words}</dd>" for name, words in rows if words)
    stands = "".join(alert(str(error)) for error in outlook.obstacles)
    notes = "".join(f'<p class="note">{text(note[:1].upper() + note[1:])}.</p>' for note in outlook.notes)
    scored = outlook.evaluation[:1200] + ("…" if len(outlook.evaluation) > 1200 else "")
    how = f"<details><summary>How it is scored</summary><p class='prose'>{text(scored)}</p></details>" if scored else ""
    page = f'<a href="{text(listed.url)}" target="_blank" rel="noopener">{text(listed.title)}</a>'
    return f'<div class="read about"><div><h3>{page}</h3><dl>{facts}</dl>{how}</div><div>{stands}{notes}</div></div>'


def _going_on(job: Job) -> str:
    """The bar of a download or of what is unpacked."""
    now: Stage | None = job.now
    if now is None:
        return now_line("Asking Kaggle for the data", which=job.line)
    verb = f"Downloading {job.about}" if now.stage == "download" else f"Unpacking {now.name} of {job.about}"
    total = f" of {megabytes(now.total_bytes)}" if now.total_bytes else ""
    figures = [f"{megabytes(now.done_bytes)}{total}"]
    figures += [f"{now.bytes_per_second / 1e6:.1f} MB/s"] if now.bytes_per_second else []
    figures += [f"{clock(now.seconds_left)} left"] if now.seconds_left is not None else []
    share = now.done_bytes / now.total_bytes if now.total_bytes else 0.0
    return now_line(verb, " · ".join(figures), share, job.line)


def _title(name: str) -> str:
    return name[:1].upper() + name[1:].replace("-", " ")


CSS = """
.signed { align-items: center !important; gap: 12px !important; }
.competitions { list-style: none; margin: 0; padding: 0 !important; display: grid; gap: 10px;
  grid-template-columns: repeat(auto-fill, minmax(min(100%, 320px), 1fr));
  max-height: 420px; overflow-y: auto; padding: 3px !important; }
.competitions li { margin: 0; }
.competitions button { display: grid; grid-template-columns: 56px minmax(0, 1fr); gap: 12px; width: 100%; height: 100%;
  padding: 10px; text-align: left; align-items: start; border: 1px solid var(--border-color-primary); border-radius: 10px;
  cursor: pointer;
  background: var(--block-background-fill); color: var(--body-text-color); }
.competitions button:hover, .competitions button:focus-visible { border-color: var(--primary-500); outline: none;
  box-shadow: 0 0 0 2px var(--primary-500); }
.competitions img, .no-picture { width: 56px; height: 56px; object-fit: cover; border-radius: 8px; background: #8883;
  display: block; margin: 0 !important; }
.competitions span { display: grid; gap: 3px; min-width: 0; } .competitions b { font-weight: 600; overflow-wrap: anywhere; }
.competitions small { font-weight: 400; color: var(--body-text-color-subdued); font-size: 13px; line-height: 1.4; }
.competitions em { font-style: normal; font-size: 12.5px; font-weight: 600; } .competitions em.good { color: #15803d; }
.competitions em.warn { color: var(--primary-600); }
.dark .competitions em.good { color: #4ade80; } .dark .competitions em.warn { color: var(--primary-300); }
@media (max-width: 760px) { .competitions { grid-template-columns: minmax(0, 1fr); } }
.note { padding: 10px 14px; border-radius: 10px; background: var(--background-fill-secondary); margin: 8px 0 0 !important; }
.prose { white-space: pre-wrap; color: var(--body-text-color-subdued); }
.about a, .said a { padding: 0 !important; color: var(--primary-600) !important; text-decoration: underline; }
.dark .about a { color: var(--primary-300) !important; }
.dark .said a { color: var(--primary-300) !important; }
"""
