"""Kaggle as one signed-in person sees it: find, describe, download, submit, watch.

Built on `kagglesdk`, one client a person; nothing is shared between two of them, and nobody gets the machine's own
token by accident. The SDK's types are for asking; answers are read from the wire (`kaggle_wire`), since the SDK breaks
on an enum that it does not know. Every error is a KaggleError of one line without the token.
"""

from __future__ import annotations

import contextlib
import csv
import io
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import requests
from kagglesdk import KaggleClient
from kagglesdk.competitions.types import competition_api_service as asks
from kagglesdk.competitions.types.competition_enums import CompetitionListTab, CompetitionSortBy, HostSegment
from kagglesdk.kaggle_env import KaggleEnv, get_env
from kagglesdk.security.types.oauth_service import IntrospectTokenRequest

from assistant.credentials import Credentials
from assistant.kaggle_errors import (
    Fault,
    KaggleError,
    explained,
    fault_of_network,
    fault_of_status,
    plain,
    unknown_token,
)
from assistant.kaggle_wire import Allowance, Listed, ListedPage, Sent, Size, Team, file_sizes, slug_of
from assistant.network import Bounded, bare_session, body_of, read_whole
from assistant.patience import Patience, Waiting, leaving
from recipes.errors import nearest

__all__ = ["CATEGORIES", "SORTS", "Kaggle"]

_BIGGEST = 64 << 20  # bytes of a leaderboard
_UNREADABLE = Fault("something else came where JSON was expected", passing=True, read=False)
_Answer = TypeVar("_Answer")
# what the SDK raises on an answer that it cannot read
_UNREAD = (
    requests.exceptions.JSONDecodeError,
    KeyError,
    ValueError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
)
_PAGES = 25  # pages of one list that are read at most
_PAGE_SIZE = 20

CATEGORIES = {
    name.removeprefix("HOST_SEGMENT_").lower().replace("_", "-"): value
    for name, value in HostSegment.__members__.items()
    if value.value
}
SORTS = {
    name.removeprefix("COMPETITION_SORT_BY_").lower().replace("_", "-"): value
    for name, value in CompetitionSortBy.__members__.items()
}


class Kaggle:
    """One signed-in person. `name` is who Kaggle says it is, `place` where the token came from; calls wait out what
    passes as `patience` says, `tell` is given a line when that takes longer. Threads may share one.

    Every method raises KaggleError (one line, with a `kind`) and Stopped when `should_stop` said so while waiting.
    """

    def __init__(
        self,
        credentials: Credentials,
        patience: Patience = Patience(),  # noqa: B008 (it is frozen)
        should_stop: Callable[[], bool] = lambda: False,
        tell: Callable[[str], None] = lambda text: None,
    ):
        self.patience, self.should_stop, self.tell = patience, should_stop, tell
        self.place = credentials.place
        self._secret, self._answer = credentials.secret, threading.local()
        env = _environment()
        self.secure = env not in (KaggleEnv.LOCAL, KaggleEnv.TEST)
        # An empty token is nobody's; None would be the machine's.
        self._client = KaggleClient(env, api_token=credentials.token, response_processor=self._keep)
        self._client.__enter__()
        session = self._client.http_client()._session
        assert session is not None
        if credentials.username:
            session.auth = (credentials.username, credentials.key)
        for scheme in ("https://", "http://"):
            session.mount(scheme, Bounded(patience))
        session.get_redirect_target = lambda resp: None  # a redirect is an answer here: nothing signed goes elsewhere
        self._api = self._client.competitions.competition_api_client
        self.name = self._who(credentials)

    def __repr__(self) -> str:
        return f"Kaggle({self.name!r})"

    def __reduce__(self):
        raise TypeError("a signed-in person is never written down")

    def listening(
        self, tell: Callable[[str], None] | None = None, should_stop: Callable[[], bool] | None = None
    ) -> Kaggle:
        """The same person by the same connections, for one undertaking that is told and stopped apart from others; a stop
        of this one stops it, too."""
        other = object.__new__(Kaggle)
        stop = self.should_stop if should_stop is None else lambda: self.should_stop() or should_stop()
        other.__dict__ |= self.__dict__ | {"tell": tell or self.tell, "should_stop": stop}
        return other

    def close(self) -> None:
        """Closes the connections."""
        self._client.__exit__(None, None, None)

    def find(
        self, text: str = "", category: str = "", sort: str = "", page: int = 1, entered: bool = False
    ) -> ListedPage:
        """A page of the competitions that a search finds; `category` and `sort` as in CATEGORIES and SORTS."""
        request = asks.ApiListCompetitionsRequest()
        request.search, request.page, request.page_size = text or None, max(page, 1), _PAGE_SIZE
        if category:
            request.category = _one_of("category", category, CATEGORIES)
        if sort:
            request.sort_by = _one_of("order", sort, SORTS)
        if entered:
            request.group = CompetitionListTab.COMPETITION_LIST_TAB_ENTERED
        return ListedPage.of(self._ask(self._api.list_competitions, request), max(page, 1))

    def competition(self, slug: str) -> Listed:
        """What Kaggle tells of one competition."""
        slug = slug_of(slug)
        request = asks.ApiGetCompetitionRequest()
        request.competition_name = slug
        return Listed.of(self._ask(self._api.get_competition, request, slug), slug)

    def pages(self, slug: str) -> dict[str, str]:
        """The texts of its pages by name in lower case: description, evaluation, rules, data-description."""
        request = asks.ApiListCompetitionPagesRequest()
        request.competition_name = slug_of(slug)
        pages = self._ask(self._api.list_competition_pages, request, slug).get("pages")
        found = [page for page in pages if isinstance(page, Mapping)] if isinstance(pages, list) else []
        return {str(page.get("name", "")).lower(): str(page.get("content") or "") for page in found}

    def size(self, slug: str) -> Size:
        """Bytes and files of its data: by the summary, else by the list of files."""
        request = asks.ApiGetCompetitionDataFilesSummaryRequest()
        request.competition_name = slug_of(slug)
        with contextlib.suppress(KaggleError):
            told = Size.of_summary(self._ask(self._api.get_competition_data_files_summary, request, slug))
            if told is not None:
                return told
        return self._size_of_list(slug)

    def _size_of_list(self, slug: str) -> Size:
        request = asks.ApiListDataFilesRequest()
        request.competition_name, request.page_size = slug_of(slug), 200
        sizes: list[int] = []
        for wire in self._pages(self._api.list_data_files, request, slug):
            sizes += file_sizes(wire)
        more = bool(wire.get("nextPageToken"))  # more pages than are read: nobody knows then
        return Size(None, None) if more or not sizes else Size(sum(sizes), len(sizes))

    def address(self, slug: str) -> str:
        """A signed address of the bundle with all the data, good for a while; a secret. KaggleError of the kind rules
        where they are not accepted."""
        request = asks.ApiDownloadDataFilesRequest()
        request.competition_name = slug_of(slug)
        response = self._send(self._api.download_data_files, request, slug)
        response.close()
        return self._checked(response.headers.get("Location", ""), "where the data lies")

    def allowance(self, slug: str) -> Allowance:
        """The submissions that this person has made today and may still make."""
        request = asks.ApiGetSubmissionLimitsRequest()
        request.competition_name = slug_of(slug)
        return Allowance.of(self._ask(self._api.get_submission_limits, request, slug))

    def upload_place(self, slug: str, file: Path, size: int) -> tuple[str, str]:
        """Where a file of `size` bytes may be PUT, and the token that stands for it afterwards; both secrets."""
        request = asks.ApiStartSubmissionUploadRequest()
        request.competition_name, request.file_name = slug_of(slug), file.name
        request.content_length, request.last_modified_epoch_seconds = size, int(time.time())
        wire = self._ask(self._api.start_submission_upload, request, slug)
        token = wire.get("token")
        if not isinstance(token, str) or not token:
            raise KaggleError("Kaggle's answer could not be read: no token for the upload; try again", "unreadable")
        return self._checked(str(wire.get("createUrl", "")), "where the submission goes"), token

    def submit(self, slug: str, token: str, message: str) -> int | None:
        """Hands in what was uploaded; the number of the submission, None where Kaggle tells none. Asked once: whether
        it was taken is not known after a KaggleError of the kinds offline, busy or unreadable."""
        request = asks.ApiCreateSubmissionRequest()
        request.competition_name, request.blob_file_tokens = slug_of(slug), token
        request.submission_description = message
        wire = self._ask(self._api.create_submission, request, slug, once=True)
        return Sent.of(wire).ref or None

    def submission(self, ref: int) -> Sent:
        """One submission of this person's."""
        request = asks.ApiGetSubmissionRequest()
        request.ref = ref
        return Sent.of(self._ask(self._api.get_submission, request))

    def submissions(self, slug: str) -> list[Sent]:
        """This person's latest submissions, latest first."""
        request = asks.ApiListSubmissionsRequest()
        request.competition_name = slug_of(slug)
        listed = self._ask(self._api.list_submissions, request, slug).get("submissions")
        return [Sent.of(wire) for wire in listed if isinstance(wire, Mapping)] if isinstance(listed, list) else []

    def leaderboard(self, slug: str) -> list[Team]:
        """The public leaderboard, best first: whole where Kaggle gives the file of it, else its first pages."""
        request = asks.ApiDownloadLeaderboardRequest()
        request.competition_name = slug_of(slug)
        unread = (KaggleError, requests.RequestException, OSError, EOFError, zlib.error, csv.Error, RuntimeError)
        with contextlib.suppress(*unread, zipfile.BadZipFile, KeyError, ValueError):
            response = self._send(self._api.download_leaderboard, request, slug)
            return _teams_of_zip(leaving(lambda: self._bytes(response), self.should_stop))
        return self._first_teams(slug)

    def _first_teams(self, slug: str) -> list[Team]:
        request = asks.ApiGetLeaderboardRequest()
        request.competition_name, request.page_size = slug_of(slug), 200
        rows: list[Any] = []
        wire: Mapping[str, Any] = {}
        for wire in self._pages(self._api.get_leaderboard, request, slug):
            listed = wire.get("submissions")
            rows += listed if isinstance(listed, list) else []
        scored = [(row, Sent.of({"publicScore": row.get("score")}).public) for row in rows if isinstance(row, Mapping)]
        teams = [Team(str(row.get("teamName", "")), score) for row, score in scored if score is not None]
        return [] if wire.get("nextPageToken") else teams  # a board that is cut ranks nobody

    # ------------------------------------------------------------ how it is asked

    def _who(self, credentials: Credentials) -> str:
        """The name that Kaggle knows the credentials by. Raises KaggleError where it knows none."""
        if credentials.username:
            request = asks.ApiListCompetitionsRequest()
            request.group, request.page_size = CompetitionListTab.COMPETITION_LIST_TAB_ENTERED, 1
            self._ask(self._api.list_competitions, request)
            return credentials.username
        asked = IntrospectTokenRequest()
        asked.token = credentials.token
        try:
            told = self._ask(self._client.security.oauth_client.introspect_token, asked)
        except KaggleError as error:
            if error.kind not in ("unknown", "refused"):
                raise
            told = {}
        name = told.get("username")
        if told.get("active") is not True or not isinstance(name, str) or not plain(name):
            raise unknown_token(self.place)
        return plain(name)

    def _ask(self, method: Callable[[Any], Any], request: Any, slug: str = "", once: bool = False) -> Mapping[str, Any]:
        """Asks, and gives the JSON object of the answer."""
        return self._until_answered(lambda: _object_in(self._attempt(method, request)), slug, once)

    def _pages(self, method: Callable[[Any], Any], request: Any, slug: str) -> Iterator[Mapping[str, Any]]:
        """The answers of a list, page by page."""
        for _ in range(_PAGES):
            wire = self._ask(method, request, slug)
            yield wire
            token = wire.get("nextPageToken")
            if not isinstance(token, str) or not token or token == request.page_token:
                return
            request.page_token = token

    def _send(self, method: Callable[[Any], Any], request: Any, slug: str) -> requests.Response:
        """Asks for something that is not JSON, and gives the answer with its body unread."""
        return self._until_answered(lambda: self._attempt(method, request), slug)

    def _until_answered(self, attempt: Callable[[], _Answer | Fault], slug: str, once: bool = False) -> _Answer:
        """Tries until there is an answer, or no hope of one."""
        waiting = Waiting(self.patience, self.should_stop, self._tell)
        while isinstance(answer := leaving(attempt, self.should_stop), Fault):
            if once or not waiting.after(answer):
                raise self._error(answer, slug, max(waiting.failed, 1))
        return answer

    def _attempt(self, method: Callable[[Any], Any], request: Any) -> requests.Response | Fault:
        """One request. A fault is given back rather than raised: no exception may hold on to the request, which has
        the token in it."""
        self._answer.response = None
        try:
            method(request)
        except requests.HTTPError as error:
            if error.response is None:
                return Fault("no answer came", passing=True)
            body = self._clean(body_of(error.response))
            return fault_of_status(error.response.status_code, body, error.response.headers)
        except _UNREAD:
            pass  # an answer that the SDK cannot read; it is read leniently, if it came
        except (requests.RequestException, OSError) as error:
            return fault_of_network(error)
        response = self._answer.response
        return _UNREADABLE if response is None else response

    def _keep(self, response: requests.Response) -> None:
        """Called by the SDK with each good answer, before it reads it."""
        self._answer.response = response

    def _bytes(self, response: requests.Response) -> bytes:
        """The body of an answer that may be a redirect to where the body lies."""
        if not response.is_redirect:
            broken = read_whole(response, self.patience)
            if broken is not None:
                raise broken
            return response.content
        with bare_session(self.patience) as session:
            there = session.get(self._checked(response.headers.get("Location", ""), "where a file lies"))
            return there.content if there.status_code == 200 else b""

    def _checked(self, address: str, what: str) -> str:
        """An address that Kaggle gave, if it leads somewhere safe."""
        scheme = ""
        with contextlib.suppress(ValueError):
            scheme = urlsplit(address).scheme
        if scheme != "https" and (self.secure or scheme != "http"):
            found = f"an address that begins with {scheme}:" if scheme else "no address"
            raise KaggleError(f"Kaggle's answer could not be read: {found} for {what}; try again later", "unreadable")
        return address

    def _tell(self, text: str) -> None:
        self.tell(f"Kaggle: {self._clean(text)}")

    def _clean(self, text: str) -> str:
        return text.replace(self._secret, "***") if self._secret else text

    def _error(self, fault: Fault, slug: str, tries: int) -> KaggleError:
        if fault.status == 401:
            return unknown_token(self.place)
        said = replace(fault, message=self._clean(fault.message), found=self._clean(fault.found))
        return explained(said, slug, getattr(self, "name", ""), tries)


def _object_in(answer: requests.Response | Fault) -> Mapping[str, Any] | Fault:
    """The JSON object that an answer holds."""
    if isinstance(answer, Fault):
        return answer
    told = None
    with contextlib.suppress(ValueError, RecursionError):
        told = answer.json()
    if isinstance(told, Mapping):
        return told
    page = "html" in answer.headers.get("Content-Type", "")
    return replace(_UNREADABLE, found="a web page came where JSON was expected") if page else _UNREADABLE


def _teams_of_zip(content: bytes) -> list[Team]:
    """The leaderboard's file: a zip with one CSV, best first."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        first = min(archive.infolist(), key=lambda member: not member.filename.endswith(".csv"))
        text = archive.open(first).read(_BIGGEST).decode("utf-8-sig")
    teams = []
    for row in csv.DictReader(io.StringIO(text)):
        score = Sent.of({"publicScore": row.get("Score")}).public
        if score is not None:
            members = (row.get("TeamMemberUserNames") or "").replace(";", ",").split(",")
            teams.append(
                Team(row.get("TeamName") or "", score, tuple(name.strip() for name in members if name.strip()))
            )
    return teams


def _environment() -> KaggleEnv:
    """KAGGLE_API_ENVIRONMENT, as the SDK understands it."""
    try:
        return get_env()
    except Exception as error:
        found = plain(str(error))
    raise KaggleError(f"no such Kaggle: {found}; unset KAGGLE_API_ENVIRONMENT for kaggle.com", "refused")


def _one_of(what: str, name: str, known: Mapping[str, Any]) -> Any:
    if name.lower() in known:
        return known[name.lower()]
    near = nearest(name, known)
    raise KaggleError(
        f"no such {what}: {name}; did you mean {near[0]}?"
        if near
        else f"no such {what}: {name}; take one of {', '.join(known)}",
        "refused",
    )
