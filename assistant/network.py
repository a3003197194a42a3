"""Sessions whose every wait has an end: for Kaggle's API, and bare ones for signed addresses, which must not be told
who asks."""

from __future__ import annotations

import time

import requests
from requests.adapters import HTTPAdapter
from urllib3.exceptions import HTTPError

from assistant.patience import Patience

__all__ = ["FAILED", "Bounded", "bare_session", "body_of", "read_whole"]

FAILED = (requests.RequestException, HTTPError, OSError, ValueError)  # what a request by a signed address may raise

_BIGGEST = 64 << 20  # bytes of an answer that is read whole


class Bounded(HTTPAdapter):
    """Bounds every wait for the network, and the time and size of an answer that is read whole. An answer that is
    streamed (`stream=True`, status 200 or 206, or a redirect) is left to the reader."""

    def __init__(self, patience: Patience):
        self.patience = patience
        super().__init__()

    def send(self, request, stream=False, timeout=None, verify=True, cert=None, proxies=None) -> requests.Response:
        timeouts = (self.patience.connect, self.patience.read)
        response = super().send(request, True, timeouts, verify, cert, proxies)
        if stream and (response.is_redirect or response.status_code in (200, 206)):
            return response
        broken = read_whole(response, self.patience)
        if broken is not None:
            raise broken
        return response


def read_whole(response: requests.Response, patience: Patience) -> requests.RequestException | None:
    """Reads an answer's body into it, within the time and size that an answer may have; gives what went wrong."""
    parts, size, end = [], 0, time.monotonic() + patience.answer
    broken: requests.RequestException | None = None
    try:
        while part := response.raw.read1(1 << 16, decode_content=True):
            parts.append(part)
            size += len(part)
            if time.monotonic() > end:
                broken = requests.exceptions.ReadTimeout("timed out")
            elif size > _BIGGEST:
                broken = requests.exceptions.ConnectionError("an answer without end")
            if broken is not None:
                break
    except Exception as error:  # urllib3's, http.client's and the decoders' own
        broken = requests.exceptions.ConnectionError(str(error))
    if broken is not None:
        response.close()
        return broken
    response._content, response._content_consumed = b"".join(parts), True  # type: ignore[attr-defined]
    response.raw.release_conn()
    return None


def body_of(response: requests.Response) -> str:
    """The beginning of an answer's body as text, whatever it says of its letters."""
    try:
        return response.content[:100_000].decode("utf-8", "replace")
    except FAILED:
        return ""


class _Bare(requests.Session):
    """Carries nobody's credentials: neither a token, nor what .netrc has for a host, nor cookies."""

    def rebuild_auth(self, prepared_request, response) -> None:
        prepared_request.headers.pop("Authorization", None)


def bare_session(patience: Patience) -> requests.Session:
    """A session for signed addresses."""
    session = _Bare()
    session.auth = lambda request: request  # without one, requests looks into .netrc
    session.max_redirects = 5
    session.headers["Accept-Encoding"] = "identity"  # ranges and checksums are of the bytes as they lie there
    for scheme in ("https://", "http://"):
        session.mount(scheme, Bounded(patience))
    return session
