"""What the Kaggle tests share: a server, people with tokens, and patience for machines that answer at once."""

from __future__ import annotations

import csv
import io
import zipfile

import numpy as np

from assistant.credentials import Credentials
from assistant.kaggle_client import Kaggle
from assistant.patience import Patience

QUICK = Patience(connect=2, read=0.5, answer=1.5, tries=4, first=0.02, longest=0.1, asked=2, window=1)
TOKEN = "KGAT_0123456789abcdef_ann"
SLUG = "birds-2031"


def signed_in(token: str = TOKEN, **changes) -> Kaggle:
    """The person with that token, who loses patience quickly."""
    return Kaggle(Credentials(token=token), QUICK, **changes)


def bundle(size: int = 3_000_000, seed: int = 0) -> bytes:
    """A zip as Kaggle makes them: a table, and bytes that do not compress."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        rows = io.StringIO()
        csv.writer(rows).writerows([("id", "label"), ("1", "owl"), ("2", "wren")])
        archive.writestr("train.csv", rows.getvalue())
        archive.writestr("big.bin", np.random.default_rng(seed).bytes(size))
    return made.getvalue()


def content(packed: bytes) -> dict[str, bytes]:
    """The files in a bundle by name."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
