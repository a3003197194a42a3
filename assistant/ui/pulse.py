"""The page's pulse: once a second it asks how its run is.

The answer is a few words and a number, which the browser puts into the line that is there. Only where more has happened
(an epoch, a step, an end) is the page told to ask for the parts that changed. A window that is not in front asks every
third second and a tab in the background nothing, so that open tabs cost the training next to nothing; a tab that is
looked at again catches up at once. (On ZeroGPU the page drives the run, so there it asks always.)
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any

import gradio as gr

from assistant.settings import zero_gpu
from assistant.ui import course
from assistant.ui.session import open_session
from assistant.ui.watch import watch_of

__all__ = ["build"]

BOOT = secrets.token_hex(8)  # of this server: a page that meets another one has lost its session, and opens itself anew

JS = """
const read = (id) => document.querySelector(`#${id} :is(input, textarea)`)?.value ?? "";
const AGAIN = 4000, STUCK = 40000;  // milliseconds until it is asked for once more, and until the page is opened anew
let boot = null, failed = 0, asking = false, beats = 0, mark = null, behindSince = 0, askedAt = 0;
const put = (line, words) => {
  const at = document.querySelector(`#now .${line}`);
  if (at && at.textContent !== words) at.textContent = words;
};
const beat = async () => {
  const name = read("run-name");
  if ((document.hidden && !ALWAYS) || asking || !name) return;
  asking = true;
  try {
    const told = await server.pulse(name, read("me"));
    failed = 0;
    if (boot && told.boot !== boot) { location.reload(); return; }
    boot = told.boot;
    if (told.mark === undefined) return;
    if (told.says !== undefined) {
      put("line strong", told.says);
      put("figures", told.figures);
      const bar = document.querySelector("#now .bar");
      if (bar) { bar.setAttribute("aria-valuenow", told.percent); bar.firstElementChild.style.width = told.percent + "%"; }
    }
    const now = performance.now(), behind = read("seen").split("-")[0] !== told.mark;
    if (!behind) { mark = null; return; }
    // an answer may be lost on its way: gradio then waits for it for ever
    if (mark === null) behindSince = now;
    if (now - behindSince > STUCK) { location.reload(); return; }
    if (mark !== told.mark || now - askedAt > AGAIN) { mark = told.mark; askedAt = now; trigger("news"); }
  } catch {
    failed += 1;
    if (failed > 2) put("figures", "The server does not answer; the training goes on without it. Trying again.");
  } finally { asking = false; }
};
setInterval(() => { if (document.hasFocus() || ++beats % 3 === 0) beat(); }, 1000);
document.addEventListener("visibilitychange", beat);
window.addEventListener("focus", beat);
"""


def build(public: bool) -> gr.HTML:
    """The component that beats; its event `news` says that there is more to show."""

    def pulse(given: Any) -> dict[str, Any]:
        """How the run of that name is, for whoever has that key; whatever else comes in finds none."""
        name, key = given if isinstance(given, list) and len(given) == 2 else (None, None)
        session, _ = open_session(key, public)
        watch = watch_of(session.find(name))
        return {"boot": BOOT} | (course.pulse(watch) if watch else {})

    functions: list[Callable[..., Any]] = [pulse]
    js = f"const ALWAYS = {str(zero_gpu()).lower()};{JS}"
    return gr.HTML("", visible="hidden", elem_id="pulse", js_on_load=js, server_functions=functions)
