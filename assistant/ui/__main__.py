"""The web app's front door as a program: `app.py`, `assistant serve` and `python -m assistant.ui`."""

from __future__ import annotations

import argparse
import os
import sys

__all__ = ["main"]


def main(argv: list[str] | None = None, program: str = "app.py") -> int:
    """Opens the page until Ctrl-C, the sample competition ready; 0, or 1 with one line where that is not possible.

    `program` is what `--help` and complaints call it.
    """
    parser = argparse.ArgumentParser(
        prog=program, description="Open the Recipe Assistant's page, the sample competition ready."
    )
    on_space = bool(os.environ.get("SPACE_ID"))
    parser.add_argument(
        "--host",
        default="0.0.0.0" if on_space else "127.0.0.1",
        help="address to listen on (default: %(default)s); where others can reach it, a password is asked for, each "
        "browser has runs of its own, and no folder is read",
    )
    parser.add_argument("--port", type=int, help="port to listen on (default: 7860, or the next that is free)")
    parser.add_argument(
        "--auth",
        action="append",
        default=[],
        metavar="NAME:PASSWORD",
        help="who may come in, where others can reach the page; may be repeated (default: a password is made up and printed)",
    )
    parser.add_argument("--browser", action="store_true", help="open the page in a browser")
    asked = parser.parse_args(argv)
    people = [tuple(each.split(":", 1)) for each in asked.auth]
    if not all(len(each) == 2 and all(each) for each in people):
        parser.error("--auth takes NAME:PASSWORD")

    from assistant.printed import print_line
    from assistant.runs import RunError, explain
    from assistant.ui import zero

    zero.prepare()
    from assistant.ui.serving import launch
    from recipes.errors import RecipeError

    try:
        launch(asked.host, asked.port, asked.browser, on_space, people)
    except (RunError, RecipeError, OSError) as error:
        print_line(explain(error), error=True)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(program="python -m assistant.ui"))
