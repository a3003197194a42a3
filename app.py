"""The web app's front door: `python app.py`, `uv run app.py` and Hugging Face Spaces start here."""

from __future__ import annotations

import sys

from assistant.ui.__main__ import main

__all__ = ["main"]

if __name__ == "__main__":
    sys.exit(main())
