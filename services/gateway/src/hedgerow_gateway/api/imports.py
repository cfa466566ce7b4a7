"""The imports of all apps in one list."""

import asyncio
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Annotated
from urllib.parse import urlencode

import orjson
from fastapi import Request
from hedgerow_kit import problems
from hedgerow_kit.auth import Principal, require
from hedgerow_kit.bulk import ImportView
from hedgerow_kit.paging import After, Limit
from hedgerow_kit.problems import UNAVAILABLE, UNPROCESSABLE, Problem
from pydantic import BaseModel, Field
from starlette.responses import Response

from hedgerow_gateway.api.identity import Identities
from hedgerow_gateway.domain.routes import IMPORT_KINDS, QUICK
from hedgerow_gateway.upstream.apps import AppDown, AppRefused, Apps

router = problems.router(tags=["imports"])

IMPORTING_APPS = tuple(sorted(set(IMPORT_KINDS.values())))
# In a page marker: this app has nothing more.
_DONE = ""


class Imports(BaseModel):
    items: list[ImportView] = Field(description="As the app that holds each describes it")
    next: str | None = None
    missing: list[str] = Field(
        default=[], description="Apps that could not be asked: their imports are not here"
    )


class _Part(BaseModel):
    """What one app gave: its imports and the marker of its next page."""

    items: list[ImportView] = []
    next: str | None = None


@router.get("/v1/imports")
async def list_imports(
    request: Request,
    response: Response,
    principal: Annotated[Principal, require("write")],
    after: After = None,
    limit: Limit = 50,
) -> Imports:
    """The imports of all apps, oldest first. When an app is down, the others' are listed and it is named."""
    marks = _read_marker(after)
    waiting = [app for app in IMPORTING_APPS if marks.get(app) != _DONE]
    parts, missing = await _ask(request, {app: (marks.get(app), limit) for app in waiting})
    if waiting and len(missing) == len(waiting):
        raise Problem(
            UNAVAILABLE,
            f"No app that holds imports can be asked: {', '.join(missing)}.",
            headers={"Retry-After": "2"},
        )
    merged = sorted(
        ((_moment(item), app, item) for app, part in parts.items() for item in part.items),
        key=lambda entry: entry[:2],
    )[:limit]
    taken = {app: sum(1 for _, of, _ in merged if of == app) for app in parts}
    following = await _marks_after(request, parts, taken, marks)
    marker = None
    if any(mark != _DONE for app, mark in following.items() if app in parts):
        marker = urlsafe_b64encode(orjson.dumps(following)).decode().rstrip("=")
        response.headers["Link"] = f'</v1/imports?{urlencode({"limit": limit, "after": marker})}>; rel="next"'
    return Imports(items=[item for _, _, item in merged], next=marker, missing=missing)


async def _marks_after(
    request: Request,
    parts: Mapping[str, _Part],
    taken: Mapping[str, int],
    marks: Mapping[str, str | None],
) -> dict[str, str | None]:
    """Where each app's list goes on after the items that were taken from it."""
    following = dict(marks)
    split: dict[str, tuple[str | None, int]] = {}
    for app, part in parts.items():
        if taken[app] == len(part.items):
            following[app] = _DONE if part.next is None else part.next
        elif taken[app]:
            split[app] = (marks.get(app), taken[app])
        else:
            following[app] = marks.get(app)
    # Only the app itself can say how its list goes on after an item in the middle of a page.
    shorter, _ = await _ask(request, split)
    for app in split:
        following[app] = shorter[app].next if app in shorter else marks.get(app)
    return following


async def _ask(
    request: Request, asked: Mapping[str, tuple[str | None, int]]
) -> tuple[dict[str, _Part], list[str]]:
    answers = await asyncio.gather(
        *(_part(request, app, mark, limit) for app, (mark, limit) in asked.items())
    )
    parts = {app: part for app, part in zip(asked, answers, strict=True) if part is not None}
    return parts, [app for app, part in zip(asked, answers, strict=True) if part is None]


async def _part(request: Request, app: str, mark: str | None, limit: int) -> _Part | None:
    apps: Apps = request.app.state.apps
    identities: Identities = request.app.state.identities
    token = await identities.token(request.scope["hedgerow.authorization"], app=app)
    query = urlencode({"limit": limit} | ({"after": mark} if mark else {}))
    try:
        answer = await apps.answer(app, "/v1/imports", query, token=token, lane=QUICK)
        return _Part.model_validate(answer)
    except (AppDown, ValueError):
        return None
    except AppRefused as refusal:
        # An app without imports has no such list.
        if refusal.status == 404:
            return _Part()
        if refusal.status >= 500:
            return None
        raise _unfit() from None


def _moment(item: ImportView) -> str:
    """An import's id is `<app>-<time><random>`: what follows the app sorts by time."""
    return item.id.partition("-")[2]


def _read_marker(after: str | None) -> dict[str, str | None]:
    if after is None:
        return {}
    try:
        marks = orjson.loads(urlsafe_b64decode(after + "=" * (-len(after) % 4)))
    except ValueError:
        raise _unfit() from None
    if not isinstance(marks, dict) or not all(
        app in IMPORTING_APPS and (mark is None or isinstance(mark, str)) for app, mark in marks.items()
    ):
        raise _unfit()
    return marks


def _unfit() -> Problem:
    return Problem(
        UNPROCESSABLE,
        "The page marker does not fit this list.",
        errors=[{"parameter": "after", "reason": "take it unchanged from `next` of the page before"}],
    )
