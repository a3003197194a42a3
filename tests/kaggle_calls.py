"""The calls of the Kaggle server of these tests: what each answers, in the JSON of the real one.

Fields are named as `kagglesdk` 0.1.37 reads them. What each refusal says is what public reports quote where there are
any, and otherwise close to it.
"""

from __future__ import annotations

import base64
import csv
import io
import secrets
import time
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from tests.kaggle_competitions import Competition, Person, Submission, now
from tests.kaggle_faults import Expire, Fault
from tests.kaggle_storage import Stored, Upload
from tests.kaggle_wire import Bytes, Reply

if TYPE_CHECKING:
    from tests.kaggle_server import KaggleServer

__all__ = ["CALLS", "SERVICES", "STATUSES", "WITH_ADDRESSES", "WITH_ENUMS", "Call", "Refused"]

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_PAGE_SIZE = 20
_LEADERBOARD = ["Rank", "TeamId", "TeamName", "LastSubmissionDate", "Score", "SubmissionCount", "TeamMemberUserNames"]


class Refused(Exception):
    """A call that is answered with an error; `status` is its name where the code has several."""

    def __init__(self, code: int, message: str, status: str = "") -> None:
        super().__init__(message)
        self.code, self.message, self.status = code, message, status or STATUSES.get(code, "UNKNOWN")


@dataclass(frozen=True)
class Call:
    """One call: who asks, and the request's JSON."""

    server: KaggleServer
    person: Person
    asked: dict
    faults: tuple[Fault, ...]

    @property
    def expired(self) -> bool:
        """Whether the address that is handed out has to be out of date."""
        return any(isinstance(fault, Expire) for fault in self.faults)

    def competition(self) -> Competition:
        """The competition that is asked about; one that the person may not see is as good as none."""
        found = self.server.competitions.get(self.asked.get("competitionName") or "")
        if found is None or not found.is_visible_to(self.person.name):
            raise Refused(404, "Competition not found.")
        return found

    def accepted(self, doing: str) -> Competition:
        competition = self.competition()
        if not competition.has_accepted(self.person.name):
            raise Refused(403, f"You must accept this competition's rules before you'll be able to {doing}.")
        return competition


# --- competitions ---


def _list_competitions(call: Call) -> dict:
    seen = [each for each in call.server.competitions.values() if each.is_visible_to(call.person.name)]
    seen = [each for each in seen if _in_group(each, call) and _in_category(each, call) and _is_found(each, call)]
    page, token = _page(call, _sorted(seen, call.asked.get("sortBy") or ""))
    return {"competitions": [_competition(each, call) for each in page], "nextPageToken": token}


def _get_competition(call: Call) -> dict:
    return _competition(call.competition(), call)


def _list_competition_pages(call: Call) -> dict:
    competition, only = call.competition(), call.asked.get("pageName")
    pages = {
        "description": competition.description,
        "evaluation": competition.evaluation,
        "rules": competition.rules,
        "data-description": competition.data_description,
    }
    return {
        "pages": [
            {"name": name, "content": text, "isPublished": True, "mimeType": "text/markdown"}
            for name, text in pages.items()
            if not only or only.lower() == name
        ]
    }


def _competition(competition: Competition, call: Call) -> dict:
    teams = competition.teams()
    ranks = [rank for rank, (_, _, members) in enumerate(teams, 1) if call.person.name in members]
    url = f"https://www.kaggle.com/competitions/{competition.slug}"
    return {
        "id": competition.id,
        "ref": url if call.server.full_refs else competition.slug,
        "title": competition.title,
        "url": url,
        "description": competition.description,
        "organizationName": "",
        "category": competition.category,
        "reward": competition.reward,
        "tags": [{"ref": tag, "name": tag, "fullPath": f"data type > {tag}"} for tag in competition.tags],
        "deadline": _date(competition.deadline),
        "teamCount": len(teams),
        "userHasEntered": competition.has_accepted(call.person.name),
        "userRank": ranks[0] if ranks else None,
        "newEntrantDeadline": _date(competition.deadline),
        "enabledDate": _date(competition.created),
        "dateCreated": _date(competition.created),
        "maxDailySubmissions": competition.max_daily,
        "maxTeamSize": 5,
        "evaluationMetric": competition.evaluation_metric,
        "awardsPoints": competition.awards_points,
        "isKernelsSubmissionsOnly": competition.notebooks_only,
        "submissionsDisabled": competition.submissions_disabled,
        "thumbnailImageUrl": competition.picture_url,
        "hostName": "",
    }


def _in_group(competition: Competition, call: Call) -> bool:
    group = (call.asked.get("group") or "").removeprefix("COMPETITION_LIST_TAB_")
    if group == "ENTERED":
        return competition.has_accepted(call.person.name)
    if group == "COMMUNITY":
        return competition.category == "Community"
    return group not in ("HOSTED", "UNLAUNCHED", "UNLAUNCHED_COMMUNITY")


def _in_category(competition: Competition, call: Call) -> bool:
    segment = (call.asked.get("category") or "").removeprefix("HOST_SEGMENT_")
    return segment in ("", "UNSPECIFIED") or segment == competition.category.upper().replace(" ", "_")


def _is_found(competition: Competition, call: Call) -> bool:
    text = f"{competition.title} {competition.slug} {competition.description}".lower()
    return (call.asked.get("search") or "").lower() in text


def _sorted(competitions: list[Competition], sort_by: str) -> list[Competition]:
    name = sort_by.removeprefix("COMPETITION_SORT_BY_")
    keys: dict[str, tuple[Callable[[Competition], object], bool]] = {
        "PRIZE": (lambda each: int("".join(filter(str.isdigit, each.reward)) or 0), True),
        "EARLIEST_DEADLINE": (lambda each: each.deadline, False),
        "LATEST_DEADLINE": (lambda each: each.deadline, True),
        "NUMBER_OF_TEAMS": (lambda each: len(each.teams()), True),
        "RECENTLY_CREATED": (lambda each: each.id, True),
    }
    if name not in keys:
        return competitions
    key, descending = keys[name]
    return sorted(competitions, key=key, reverse=descending)  # type: ignore[arg-type]


# --- data ---


def _list_data_files(call: Call) -> dict:
    competition = call.competition()
    page, token = _page(call, list(competition.bundle.members.items()))
    files = [
        {"ref": name, "name": name, "totalBytes": size, "creationDate": _date(competition.created)}
        for name, size in page
    ]
    return {"files": files, "nextPageToken": token}


def _summary(call: Call) -> dict:
    competition = call.competition()
    types = [
        {"extension": ending, "fileCount": count, "totalSize": size} for ending, count, size in competition.extensions()
    ]
    return {"fileSummaryInfo": {"totalFileCount": len(competition.bundle.members), "fileTypes": types}}


def _download_all(call: Call) -> Reply:
    competition = call.accepted("download files")
    return _redirect(call, competition, "bundle/archive.zip", competition.bundle.stored)


def _download_one(call: Call) -> Reply:
    competition = call.accepted("download files")
    name = call.asked.get("fileName") or ""
    stored = competition.bundle.member(name)
    if stored is None:
        raise Refused(404, f"File not found: {name}")
    return _redirect(call, competition, f"upload/files/{name}", stored)


def _redirect(call: Call, competition: Competition, place: str, stored: Stored) -> Reply:
    path = f"/kaggle-competitions-data/kaggle-v2/{competition.id}/{competition.bundle.version}/{place}"
    lives = -1 if call.expired else call.server.address_lives
    return Reply(302, {"Location": call.server.storage.sign(call.server.storage_url, path, stored, lives)})


# --- leaderboards ---


def _get_leaderboard(call: Call) -> dict:
    competition = call.competition()
    page, token = _page(call, list(enumerate(competition.teams(), 1)))
    rows = [
        {"teamId": 1000 + rank, "teamName": name, "submissionDate": _date(competition.created), "score": _text(score)}
        for rank, (name, score, _) in page
    ]
    return {"submissions": rows, "nextPageToken": token}


def _download_leaderboard(call: Call) -> Reply:
    competition = call.competition()
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    writer.writerow(_LEADERBOARD)
    for rank, (name, score, members) in enumerate(competition.teams(), 1):
        at = competition.created.strftime("%Y-%m-%d %H:%M:%S")
        writer.writerow([rank, 1000 + rank, name, at, _text(score), 1, ",".join(members)])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{competition.slug}-publicleaderboard-{now():%Y-%m-%dT%H:%M:%S}.csv", rows.getvalue())
    name = f"{competition.slug}.zip"
    headers = {"Content-Type": "application/zip", "Content-Disposition": f"attachment; filename={name}"}
    return Reply(200, headers, Bytes(packed.getvalue()))


# --- submissions ---


def _start_upload(call: Call) -> dict:
    competition = call.accepted("submit")
    upload = Upload(
        token=secrets.token_urlsafe(48),
        person=call.person.name,
        competition=competition.slug,
        name=call.asked.get("fileName") or "submission.csv",
        size=int(call.asked.get("contentLength") or 0),
        expired=call.expired,
    )
    place = secrets.token_urlsafe(24)
    call.server.storage.uploads[place] = upload
    return {"token": upload.token, "createUrl": f"{call.server.storage_url}/upload/{place}"}


def _create_submission(call: Call) -> dict:
    competition = call.accepted("submit")
    with competition.lock:
        _check_may_submit(competition, call)
        upload = _uploaded(competition, call)
        upload.used = True
        message = call.asked.get("submissionDescription") or ""
        made = Submission(
            ref=call.server.next_ref(),
            person=call.person.name,
            message=message,
            data=upload.data or b"",
            date=now(),
            file_name=upload.name,
        )
        competition.submissions.append(made)
    return {"message": f"Successfully submitted to {competition.title}", "ref": made.ref}


def _check_may_submit(competition: Competition, call: Call) -> None:
    why = ""
    if competition.notebooks_only:
        why = "This competition only accepts Submissions from Notebooks."
    elif competition.submissions_disabled:
        why = "Submissions are disabled for this competition."
    elif competition.is_over() and not competition.late_submissions:
        why = "The deadline of this competition has passed: it no longer accepts submissions."
    elif competition.counted_today(call.person.name) >= competition.max_daily:
        why = f"Your team has used its daily submission allowance ({competition.max_daily}). Please try again tomorrow."
    if why:
        raise Refused(400, why, "FAILED_PRECONDITION")


def _uploaded(competition: Competition, call: Call) -> Upload:
    token = call.asked.get("blobFileTokens") or ""
    uploads = list(call.server.storage.uploads.values())
    upload = next((each for each in uploads if each.token == token and each.person == call.person.name), None)
    if upload is None or upload.competition != competition.slug:
        raise Refused(400, "The file token is not valid.")
    if upload.used:
        raise Refused(400, "The file token was used already.")
    if upload.data is None:
        raise Refused(400, "The file was not uploaded.")
    return upload


def _list_submissions(call: Call) -> dict:
    competition = call.accepted("see submissions")
    group = (call.asked.get("group") or "").removeprefix("SUBMISSION_GROUP_")
    made = competition.submissions_of(call.person.name)
    if group == "SUCCESSFUL":
        made = [each for each in made if each.status == "COMPLETE"]
    page, token = _page(call, made)
    return {"submissions": [_submission(competition, each) for each in page], "nextPageToken": token}


def _get_submission(call: Call) -> dict:
    ref = int(call.asked.get("ref") or 0)
    for competition in call.server.competitions.values():
        for made in competition.submissions_of(call.person.name):
            if made.ref == ref:
                return _submission(competition, made)
    raise Refused(404, "Submission not found.")


def _submission(competition: Competition, made: Submission) -> dict:
    """A submission as it stands once this question about it is counted."""
    made.polled(competition.pending_polls, competition.grader)
    return {
        "ref": made.ref,
        "totalBytes": len(made.data),
        "date": _date(made.date),
        "description": made.message,
        "errorDescription": made.error,
        "fileName": made.file_name,
        "publicScore": _text(made.public),
        "privateScore": _text(made.private) if competition.is_over() else "",
        "status": made.status,
        "submittedBy": made.person,
        "submittedByRef": made.person,
        "teamName": made.person,
        "url": f"https://www.kaggle.com/submissions/{made.ref}/{made.ref}.raw",
    }


def _limits(call: Call) -> dict:
    competition = call.competition()
    today = competition.counted_today(call.person.name)
    closed = competition.submissions_disabled or (competition.is_over() and not competition.late_submissions)
    return {
        "numToday": today,
        "numTotal": len(competition.submissions_of(call.person.name)),
        "numAllowedNow": 0 if closed else max(0, competition.max_daily - today),
        "limitedByTotal": False,
    }


# --- people ---


def _introspect(call: Call) -> dict:
    person = call.server.identified(f"Bearer {call.asked.get('token') or ''}")
    if person is None:
        return {"active": False}
    return {
        "active": True,
        "username": person.name,
        "userId": call.server.number_of(person),
        "scope": "resources.admin:*",
        "exp": int(time.time()) + 3600,
    }


_COMPETITIONS: dict[str, Callable[[Call], dict | Reply]] = {
    "CreateSubmission": _create_submission,
    "DownloadDataFile": _download_one,
    "DownloadDataFiles": _download_all,
    "DownloadLeaderboard": _download_leaderboard,
    "GetCompetition": _get_competition,
    "GetCompetitionDataFilesSummary": _summary,
    "GetLeaderboard": _get_leaderboard,
    "GetSubmission": _get_submission,
    "GetSubmissionLimits": _limits,
    "ListCompetitionPages": _list_competition_pages,
    "ListCompetitions": _list_competitions,
    "ListDataFiles": _list_data_files,
    "ListSubmissions": _list_submissions,
    "StartSubmissionUpload": _start_upload,
}
CALLS = {**_COMPETITIONS, "IntrospectToken": _introspect}
SERVICES = {
    **dict.fromkeys(_COMPETITIONS, "competitions.CompetitionApiService"),
    "IntrospectToken": "security.OAuthService",
}
WITH_ENUMS = ("GetSubmission", "ListSubmissions")  # the only answers here that have a value out of a fixed set
WITH_ADDRESSES = ("DownloadDataFile", "DownloadDataFiles", "StartSubmissionUpload")


# --- the wire's forms ---


def _page(call: Call, rows: list) -> tuple[list, str]:
    """The rows of the page that is asked for, and the next page's token; it is "" on the last."""
    size = int(call.asked.get("pageSize") or _PAGE_SIZE)
    start = max(0, int(call.asked.get("page") or 1) - 1) * size
    if token := call.asked.get("pageToken"):
        try:
            start = int(base64.urlsafe_b64decode(token))
        except ValueError:
            raise Refused(400, f"Not a page token: {token}") from None
    stop = start + size
    more = stop < len(rows) or (call.server.empty_last_page and start < len(rows))
    return rows[start:stop], base64.urlsafe_b64encode(str(stop).encode()).decode() if more else ""


def _date(time: datetime) -> str:
    """Seven digits of a second, as .NET writes them."""
    return f"{time:%Y-%m-%dT%H:%M:%S}.{time.microsecond:06d}0Z"


def _text(score: float | None) -> str:
    return "" if score is None else f"{score:.5f}"
