"""From what somebody names (a folder, an archive, the word sample) to the Competition that it holds."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from assistant import reading, sample
from assistant.archives import Progress, has_archives, is_archive, unpack
from assistant.competition import Competition, CompetitionError
from assistant.settings import home

__all__ = ["competition_of", "settings_in", "unpacked"]


def competition_of(
    source: str | Path, settings: Mapping[str, str] | None = None, report: Callable[[Progress], None] | None = None
) -> Competition:
    """The competition in a folder, or in an archive or a folder of archives, which are unpacked first and only once;
    for the word sample, the embedded one. `settings` overrule what is read. Raises CompetitionError, StorageError."""
    if str(source) == "sample" and not Path("sample").is_dir():
        return reading.read(sample.write_sample(home() / "sample"), settings)
    return reading.read(unpacked(Path(source).expanduser(), report), settings)


def settings_in(given: Iterable[str]) -> dict[str, str]:
    """Settings written as name=value. Raises CompetitionError for one that is not."""
    settings = {}
    for setting in given:
        name, sign, value = setting.partition("=")
        if not sign:
            raise CompetitionError(f"not a setting: {setting[:60]!r}; write name=value")
        settings[name.strip()] = value.strip()
    return settings


def unpacked(source: Path, report: Callable[[Progress], None] | None = None) -> Path:
    """The folder itself, or the place among the downloads where it (or the archives in it) were unpacked. Raises
    CompetitionError."""
    source = source.absolute()
    packed = is_archive(source) if source.is_file() else source.is_dir() and has_archives(source)
    if not packed:
        return source
    name = source.name.split(".")[0] or "competition"
    mark = hashlib.blake2b(str(source).encode(), digest_size=4).hexdigest()
    return unpack(source, home() / "unpacked" / mark / name, report=report)
