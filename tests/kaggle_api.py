"""The API port of the Kaggle server of these tests: who asks, what is called, and the JSON that goes back."""

from __future__ import annotations

import json
from typing import Any

from tests.kaggle_calls import CALLS, SERVICES, STATUSES, Call, Refused
from tests.kaggle_competitions import Person
from tests.kaggle_faults import BadJson, Cut, Fault, Truncate, UnknownEnum, UnknownField
from tests.kaggle_wire import Bytes, Reply, RequestHandler, in_place

__all__ = ["ApiHandler"]


class ApiHandler(RequestHandler):
    """POST of calls; a GET of "/" says what this is."""

    port = "api"

    def do_GET(self) -> None:
        self.call, self.person = "", None  # a connection may have been used for a call before
        if self.path != "/":
            return self.answer(self._error(404, "Not Found"))
        text = "A stand-in of Kaggle's API for tests: calls are POSTs to /api/v1/<service>/<Method>.\n"
        return self.answer(Reply(200, {"Content-Type": "text/plain; charset=utf-8"}, Bytes(text.encode())))

    def do_POST(self) -> None:
        raw = self.receive()
        service, _, self.call = self.path.removeprefix("/api").removeprefix("/v1/").partition("/")
        person = self.owner.identified(self.headers.get("Authorization"))
        self.person = person.name if person else None
        if SERVICES.get(self.call) != service:
            return self.answer(self._error(404, f"There is no {service}/{self.call} here."))
        faults = self.owner.faults.take(self.call, "api")
        for fault in faults:
            if isinstance(fault, Cut) and not fault.done:
                self.give_up(fault.how)
        reply = in_place(faults, lambda: self._carried_out(person, raw, faults), self._error)
        return self.answer(_damaged(reply, faults), faults)

    def _carried_out(self, person: Person | None, raw: bytes, faults: tuple[Fault, ...]) -> Reply:
        try:
            if person is None:
                raise Refused(401, "Unauthenticated")
            answer = CALLS[self.call](Call(self.owner, person, _parsed(raw), faults))
        except Refused as no:
            return self._error(no.code, no.message, no.status)
        return answer if isinstance(answer, Reply) else self._json(200, answer, faults)

    def _error(self, code: int, message: str, status: str = "") -> Reply:
        error = {"code": code, "message": message or "Something went wrong."}
        if not self.owner.flat_errors:
            error = {"error": {**error, "status": status or STATUSES.get(code, "UNKNOWN")}}
        return self._json(code, error)

    def _json(self, status: int, value: dict, faults: tuple[Fault, ...] = ()) -> Reply:
        for fault in faults:
            if isinstance(fault, UnknownEnum):
                value = _with_status(value, fault.value)
        if self.owner.omit_defaults:
            value = _without_defaults(value)
        for fault in faults:
            if isinstance(fault, UnknownField):
                value = _with_field(value, fault.name)
        return Reply(status, {"Content-Type": "application/json; charset=utf-8"}, Bytes(json.dumps(value).encode()))


def _parsed(raw: bytes) -> dict:
    try:
        asked = json.loads(raw or b"{}")
    except ValueError:
        raise Refused(400, "The request is not JSON.") from None
    if not isinstance(asked, dict):
        raise Refused(400, "The request is not a JSON object.")
    return asked


def _damaged(reply: Reply, faults: tuple[Fault, ...]) -> Reply:
    for fault in faults:
        data = reply.body.read(0, reply.body.size)
        if isinstance(fault, BadJson):
            reply.body = Bytes(data[: len(data) // 2])
        elif isinstance(fault, Truncate):
            reply.body = Bytes(data[: fault.to_bytes])
    return reply


def _without_defaults(value: Any) -> Any:
    """Fields that hold what a reader takes for granted are left out, as protobuf's JSON does."""
    if isinstance(value, list):
        return [_without_defaults(each) for each in value]
    if not isinstance(value, dict):
        return value
    kept = {name: _without_defaults(each) for name, each in value.items() if name != "status" or each != "PENDING"}
    return {name: each for name, each in kept.items() if each not in (None, False, 0, "", [], {})}


def _with_field(value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [_with_field(each, name) for each in value]
    if not isinstance(value, dict):
        return value
    return {**{key: _with_field(each, name) for key, each in value.items()}, name: {"of": ["who knows", 1]}}


def _with_status(value: Any, status: str) -> Any:
    if isinstance(value, list):
        return [_with_status(each, status) for each in value]
    if not isinstance(value, dict):
        return value
    return {key: status if key == "status" else _with_status(each, status) for key, each in value.items()}
