"""Who somebody says they are: a Kaggle token, or an old username and key, as given or as found on this machine.

Nothing here is stored or printed: a credential's own text says only where it came from.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from assistant.kaggle_errors import SETTINGS_PAGE, KaggleError

__all__ = ["Credentials", "credentials_in", "found_here"]

_OLD_KEY = re.compile(r"[0-9a-f]{32}")
_LONGEST = 4_096


@dataclass(frozen=True)
class Credentials:
    """A token, or a username and the key that belongs to it; `place` says where they were found."""

    token: str = field(default="", repr=False)
    username: str = ""
    key: str = field(default="", repr=False)
    place: str = "the token given"

    def __post_init__(self) -> None:
        written = self.token + self.username + self.key
        if len(written) > _LONGEST or not all("!" <= letter <= "~" for letter in written):
            raise _error(f"not a token: {self.place} holds blanks or letters that no token has")

    @property
    def secret(self) -> str:
        """What must not be seen anywhere: the token or the key."""
        return self.token or self.key


def credentials_in(text: str, place: str = "the token given") -> Credentials:
    """What somebody pasted: a token, `username:key`, or the content of kaggle.json. Raises KaggleError, without the
    text, where it is none of them."""
    text = text.strip().strip("\"'").removeprefix("Bearer ").strip()
    if text.startswith("{"):
        return _of_kaggle_json(text, place)
    if not text:
        raise _error(f"no token: {place} is empty")
    name, colon, key = text.partition(":")
    if colon and _OLD_KEY.fullmatch(key):
        return Credentials(username=name, key=key, place=place)
    if _OLD_KEY.fullmatch(text):
        raise _error(f"half of an old key: {place} is a key without its username; write username:key")
    return Credentials(token=text, place=place)


def found_here(environment: Mapping[str, str] | None = None, home: Path | None = None) -> Credentials | None:
    """The credentials of this machine's owner, from where Kaggle's own client looks: the environment, ~/.kaggle, and in
    a Kaggle or Colab notebook its secrets. None where there are none. Raises KaggleError for a damaged one."""
    environment = os.environ if environment is None else environment
    try:
        home = home or Path.home()
    except RuntimeError:  # a container's user without a home
        home = Path(os.devnull)
    folder = home / ".kaggle"
    places: list[Callable[[], Credentials | None]] = [
        lambda: _of_file(Path(environment.get("KAGGLE_API_V1_TOKEN", "")), "this Kaggle notebook"),
        lambda: _of_variable(environment),
        lambda: _of_file(folder / "access_token", "~/.kaggle/access_token"),
        lambda: _of_file(folder / "access_token.txt", "~/.kaggle/access_token.txt"),
        lambda: _of_pair(environment),
        lambda: _of_settings(environment, home),
        lambda: _of_login(folder / "credentials.json"),
        _of_kaggle_secrets,
        _of_colab_secrets,
    ]
    return next((found for place in places if (found := place()) is not None), None)


def _of_variable(environment: Mapping[str, str]) -> Credentials | None:
    """KAGGLE_API_TOKEN: a token, or the name of a file that holds one."""
    told = environment.get("KAGGLE_API_TOKEN", "").strip()
    if not told:
        return None
    if len(told) < 1_000 and "\0" not in told and Path(told).is_file():
        return _of_file(Path(told), "the file that KAGGLE_API_TOKEN names")
    return credentials_in(told, "KAGGLE_API_TOKEN")


def _of_file(path: Path, place: str) -> Credentials | None:
    text = _read(path)
    return credentials_in(text, place) if text else None


def _of_pair(environment: Mapping[str, str]) -> Credentials | None:
    name, key = (environment.get(f"KAGGLE_{part}", "").strip() for part in ("USERNAME", "KEY"))
    return Credentials(username=name, key=key, place="KAGGLE_USERNAME and KAGGLE_KEY") if name and key else None


def _of_settings(environment: Mapping[str, str], home: Path) -> Credentials | None:
    """kaggle.json: in KAGGLE_CONFIG_DIR, in ~/.kaggle, or in ~/.config/kaggle."""
    named = environment.get("KAGGLE_CONFIG_DIR")
    config = Path(environment.get("XDG_CONFIG_HOME") or home / ".config") / "kaggle"
    for folder in [Path(named)] if named else [home / ".kaggle", config]:
        text = _read(folder / "kaggle.json")
        if text:
            return _of_kaggle_json(text, str(folder / "kaggle.json"))
    return None


def _of_kaggle_json(text: str, place: str) -> Credentials:
    name = key = None
    with contextlib.suppress(ValueError, KeyError, TypeError):  # such an error holds the text, so it is not kept
        told = json.loads(text)
        name, key = told["username"], told["key"]
    if not isinstance(name, str) or not isinstance(key, str) or not name.strip() or not key.strip():
        raise _error(f"not a key file: {place} is not the kaggle.json that Kaggle gives out")
    return Credentials(username=name.strip(), key=key.strip(), place=place)


def _of_login(path: Path) -> Credentials | None:
    """What `kaggle auth login` left: its access token, as long as it is valid."""
    text = _read(path)
    if not text:
        return None
    ends = token = None
    with contextlib.suppress(ValueError, KeyError, TypeError):
        told = json.loads(text)
        ends, token = datetime.fromisoformat(told["access_token_expiration"]), told["access_token"]
    if ends is None or not token:
        return None
    ends = ends if ends.tzinfo else ends.replace(tzinfo=UTC)
    if ends <= datetime.now(UTC):
        raise KaggleError(f"the login has expired: {path}; renew it with: kaggle auth login", "token")
    return credentials_in(str(token), "~/.kaggle/credentials.json")


def _of_kaggle_secrets() -> Credentials | None:
    """The secrets of a Kaggle notebook: KAGGLE_API_TOKEN, or KAGGLE_USERNAME and KAGGLE_KEY."""
    if "KAGGLE_KERNEL_RUN_TYPE" not in os.environ:
        return None
    try:
        from kaggle_secrets import UserSecretsClient  # pyright: ignore[reportMissingImports]

        return _of_secrets(UserSecretsClient().get_secret, "this notebook's secrets")
    except ImportError:
        return None


def _of_colab_secrets() -> Credentials | None:
    """The secrets of a Colab notebook, by the same names."""
    try:
        from google.colab import userdata  # pyright: ignore[reportMissingImports]
    except ImportError:
        return None
    return _of_secrets(userdata.get, "this notebook's secrets")


def _of_secrets(secret: Callable[[str], str | None], place: str) -> Credentials | None:
    found = {}
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_USERNAME", "KAGGLE_KEY"):
        try:
            found[name] = (secret(name) or "").strip()
        except Exception:  # each service has its own for a secret that is not there, or not shared with the notebook
            found[name] = ""
    if found["KAGGLE_API_TOKEN"]:
        return credentials_in(found["KAGGLE_API_TOKEN"], place)
    return _of_pair(found)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    except (OSError, ValueError):
        return ""


def _error(found: str) -> KaggleError:
    return KaggleError(f"{found}; make a token at {SETTINGS_PAGE}", "token", SETTINGS_PAGE)
