"""The audits of all apps in one list, and whether they are whole."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import orjson
from anyio import to_thread
from fastapi import Query, Request
from hedgerow_kit import db, paging, problems
from hedgerow_kit.audit_reading import (
    AskedFor,
    AuditEntry,
    Auditor,
    Told,
    Verdict,
    Wanted,
    anchors_of,
    page,
    verify,
)
from hedgerow_kit.problems import UNAVAILABLE, UNPROCESSABLE, Problem
from pydantic import BaseModel, Field
from starlette.responses import Response

from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.domain.routes import ANALYSIS, APPS, GATEWAY
from hedgerow_gateway.upstream.apps import AppDown, AppRefused, Apps

router = problems.router(prefix="/v1/audit", tags=["audit"])

AUDITED = (GATEWAY, *sorted(APPS))
LIST_SECONDS = 10.0
_DONE = -1

T = TypeVar("T")
App = Annotated[str | None, Query(pattern=f"^({'|'.join(AUDITED)})$", description="Only this app's")]


class Audit(BaseModel):
    items: list[AuditEntry]
    next: str | None = None
    missing: list[str] = Field(description="Apps that could not be asked: their entries are not here")


class Verification(BaseModel):
    intact: bool = Field(description="Whether all that could be asked are whole, and all could be asked")
    apps: list[Verdict]
    missing: list[str] = Field(description="Apps that could not be asked: nothing is known of theirs")


class _Part(BaseModel):
    items: list[AuditEntry] = []
    next: str | None = None


@router.get("")
async def list_audits(
    request: Request,
    response: Response,
    principal: Auditor,
    wanted: AskedFor,
    app: App = None,
    after: paging.After = None,
    limit: paging.Limit = 50,
) -> Audit:
    """Who changed what, in all apps, oldest first. An app that is down is named, and the others are listed.

    Each app numbers its own entries; between apps they are ordered by the moment.
    """
    marks = _read_marker(after)
    asked = [one for one in AUDITED if app in (None, one) and marks.get(one) != _DONE]

    async def part(one: str) -> _Part:
        begin = marks.get(one, 0)
        if one == GATEWAY:
            return await to_thread.run_sync(_own_part, request, wanted, begin, limit)
        return _Part.model_validate(
            await _answer(request, one, "/v1/audit", _asking(wanted, begin, limit), seconds=LIST_SECONDS)
        )

    parts, missing = await _each(asked, part)
    merged = sorted(
        (item for found in parts.values() for item in found.items),
        key=lambda item: (item.at, AUDITED.index(item.app), item.seq),
    )[:limit]
    following = dict(marks)
    for one, found in parts.items():
        taken = [item.seq for item in merged if item.app == one]
        is_over = found.next is None and len(taken) == len(found.items)
        following[one] = _DONE if is_over else max([*taken, marks.get(one, 0)])
    marker = None
    if any(following[one] != _DONE for one in parts):
        marker = urlsafe_b64encode(orjson.dumps(following)).decode().rstrip("=")
        paging.link_next(request, response, marker)
    return Audit(items=merged, next=marker, missing=missing)


@router.get("/verification")
async def verify_audits(request: Request, principal: Auditor, anchor: Told = None) -> Verification:
    """Whether the audits are whole, each from its first entry to its last.

    Keep the `head` of each somewhere else and send it as `anchor` the next time: then a history that was
    written anew from somewhere on, or cut off at its end, is noticed as well.
    """
    anchors = {one: anchors_of(one, anchor) for one in AUDITED}

    async def verdict(one: str) -> Verdict:
        if one == GATEWAY:
            return await to_thread.run_sync(_own_verdict, request, anchors[one])
        told = [("anchor", f"{one}:{seq}:{value}") for seq, value in anchors[one].items()]
        answer = await _answer(request, one, "/v1/audit/verification", told, seconds=ANALYSIS.read_seconds)
        return Verdict.model_validate(answer)

    found, missing = await _each(AUDITED, verdict)
    intact = not missing and all(one.intact for one in found.values())
    return Verification(intact=intact, apps=list(found.values()), missing=missing)


async def _each(apps: Sequence[str], ask: Callable[[str], Awaitable[T]]) -> tuple[dict[str, T], list[str]]:
    """What each app answers, and who could not be asked. Raises a problem where nobody could."""
    answers = await asyncio.gather(*map(ask, apps), return_exceptions=True)
    found: dict[str, T] = {}
    missing = []
    for app, answer in zip(apps, answers, strict=True):
        if isinstance(answer, AppDown | AppRefused | ValueError):
            missing.append(app)
        elif isinstance(answer, BaseException):
            raise answer
        else:
            found[app] = answer
    if apps and not found:
        raise Problem(
            UNAVAILABLE,
            f"No app whose audit was asked for can be asked: {', '.join(missing)}.",
            headers={"Retry-After": "2"},
        )
    return found, missing


async def _answer(
    request: Request, app: str, path: str, query: Sequence[tuple[str, Any]], *, seconds: float
) -> dict[str, Any]:
    apps: Apps = request.app.state.apps
    identities: Identities = request.app.state.identities
    token = await identities.token(request.scope["hedgerow.authorization"], app=app)
    return await apps.answer(app, path, urlencode(query), token=token, lane=ANALYSIS, seconds=seconds)


def _asking(wanted: Wanted, begin: int, limit: int) -> list[tuple[str, Any]]:
    told = [(name, value) for name, value in wanted._asdict().items() if value is not None]
    moments = [(name, value.isoformat() if name in ("since", "until") else value) for name, value in told]
    return [*moments, ("limit", limit), ("after", begin)]


def _own_part(request: Request, wanted: Wanted, begin: int, limit: int) -> _Part:
    with db.of(request).reading() as session:
        items, more = page(session, GATEWAY, wanted, after=begin, limit=limit)
    return _Part(items=items, next=str(items[-1].seq) if more else None)


def _own_verdict(request: Request, anchors: Mapping[int, str]) -> Verdict:
    with db.of(request).reading() as session:
        return verify(session, GATEWAY, anchors=anchors)


def _read_marker(after: str | None) -> dict[str, int]:
    if after is None:
        return {}
    try:
        marks = orjson.loads(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except ValueError:
        marks = None
    if not isinstance(marks, dict) or not all(
        app in AUDITED and type(mark) is int and _DONE <= mark < 10**18 for app, mark in marks.items()
    ):
        raise Problem(
            UNPROCESSABLE,
            "The page marker does not fit this list.",
            errors=[{"parameter": "after", "reason": "take it unchanged from `next` of the page before"}],
        )
    return marks
