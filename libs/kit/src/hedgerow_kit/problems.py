"""Errors on the wire: RFC 9457 problem details that never echo what was sent and survive hostile bodies."""

import inspect
import logging
import re
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from email.message import Message
from http import HTTPStatus
from typing import Annotated, Any, NamedTuple, cast, get_args

import orjson
from fastapi import APIRouter, FastAPI
from fastapi._compat import field_annotation_is_sequence
from fastapi.dependencies.models import Dependant
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError, ResponseValidationError
from fastapi.routing import APIRoute, iter_route_contexts
from pydantic import AwareDatetime, TypeAdapter, ValidationError
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as NoConnection
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Match
from starlette.types import Receive, Scope

from hedgerow_kit import exporting, formats
from hedgerow_kit.formats import Format, Listing

MEDIA_TYPE = "application/problem+json"
# Stands in an OpenAPI document, at operations that ask who calls, until `hedgerow_kit.refusals` reads it.
ASKS_WHO = "x-asks-who"
LONGEST_JSON_BODY = 10_000_000
_NUMBER = re.compile(r"[+-]?[0-9_]*\.?[0-9_]*(e[+-]?[0-9]+)?", re.IGNORECASE)
_TAG = re.compile(r"Input tag .* found using (.+) does not match any of the expected tags: ", re.DOTALL)

log = logging.getLogger(__name__)


class ProblemType(NamedTuple):
    status: int
    slug: str
    title: str

    @property
    def uri(self) -> str:
        return f"urn:hedgerow:problem:{self.slug}"


BAD_REQUEST = ProblemType(400, "malformed", "The request is malformed")
UNAUTHORISED = ProblemType(401, "unauthorised", "Who asks is not known")
FORBIDDEN = ProblemType(403, "forbidden", "Not allowed")
NOT_FOUND = ProblemType(404, "not-found", "Not found")
METHOD_NOT_ALLOWED = ProblemType(405, "method-not-allowed", "Method not allowed here")
NOT_ACCEPTABLE = ProblemType(406, "not-acceptable", "No such format")
CONFLICT = ProblemType(409, "conflict", "It conflicts with what is there")
PRECONDITION_FAILED = ProblemType(412, "precondition-failed", "Changed since it was read")
TOO_LARGE = ProblemType(413, "too-large", "Too large")
UNSUPPORTED_MEDIA = ProblemType(415, "unsupported-media-type", "Unsupported media type")
UNPROCESSABLE = ProblemType(422, "invalid", "The request does not fit")
PRECONDITION_REQUIRED = ProblemType(428, "precondition-required", "Precondition required")
TOO_MANY = ProblemType(429, "too-many-requests", "Too many requests")
INTERNAL = ProblemType(500, "internal", "Something went wrong here")
BAD_GATEWAY = ProblemType(502, "bad-gateway", "An app gave a broken answer")
UNAVAILABLE = ProblemType(503, "unavailable", "Not available at the moment")
GATEWAY_TIMEOUT = ProblemType(504, "gateway-timeout", "An app took too long")

NO_SUCH_ADDRESS = "Nothing answers at this address. All that do are in /openapi.json, and on the page /docs."
_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
_BY_STATUS = {kind.status: kind for kind in list(globals().values()) if isinstance(kind, ProblemType)}


class Problem(HTTPException):
    """An answer that is a problem: raise it anywhere below a route."""

    def __init__(
        self,
        kind: ProblemType,
        detail: str = "",
        *,
        errors: Iterable[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        self.errors = list(errors)
        super().__init__(kind.status, detail or _in_one_line(self.errors), dict(headers or {}))
        self.kind = kind
        self.extra = extra

    def response(self) -> Response:
        body: dict[str, Any] = {"type": self.kind.uri, "title": self.kind.title, "status": self.kind.status}
        if self.detail:
            body["detail"] = self.detail
        if self.errors:
            body["errors"] = self.errors
        return Response(
            orjson.dumps(body | self.extra, option=orjson.OPT_NON_STR_KEYS),
            self.kind.status,
            self.headers,
            MEDIA_TYPE,
        )


def _in_one_line(errors: Sequence[Mapping[str, str]]) -> str:
    if not errors:
        return ""
    first = errors[0]
    more = f" ({len(errors) - 1} more in errors)" if len(errors) > 1 else ""
    # A pointer may hold a name that the sender made up: it stands in the errors, not in a sentence of ours.
    place = first.get("parameter") or "the body"
    return f"{place}: {first['reason'].removesuffix('.')}{more}."


def _plain_paths(app: FastAPI) -> frozenset[str]:
    """The paths of an app that stand for one thing alone, such as `/v1/payment-rules/lint`."""
    if not hasattr(app.state, "plain_paths"):
        contexts = iter_route_contexts(app.routes)
        app.state.plain_paths = frozenset(one.path for one in contexts if one.path and "{" not in one.path)
    return cast(frozenset[str], app.state.plain_paths)


def _allowed(request: Request) -> str:
    """The methods that a path takes. The framework names those of the first route of the path alone.

    Where there is a GET the gateway answers a HEAD.
    """
    routes = request.app.router.routes
    taken = [
        method
        for method in _METHODS
        if any(route.matches({**request.scope, "method": method})[0] is Match.FULL for route in routes)
    ]
    return ", ".join(sorted([*taken, "HEAD"] if "GET" in taken else taken))


def _of_status(error: HTTPException) -> Problem:
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        kind = ProblemType(error.status_code, "error", HTTPStatus(error.status_code).phrase)
    # Starlette's own detail is only the status phrase again, or names the path.
    return Problem(kind, NO_SUCH_ADDRESS if kind is NOT_FOUND else "", headers=error.headers)


def _place(location: tuple[int | str, ...]) -> dict[str, str]:
    where, *path = location
    if where == "body":
        steps = [str(step).replace("~", "~0").replace("/", "~1") for step in path]
        return {"pointer": "".join(f"/{step}" for step in steps)}
    # The place of a value among those of a repeated parameter is no part of the parameter's name.
    return {"parameter": ".".join(step for step in path if isinstance(step, str)) or str(where)}


def _reason(type: str, message: str) -> str:
    if type == "union_tag_invalid":
        # Pydantic repeats the tag that was sent.
        return _TAG.sub(r"\1: one of ", message)
    # It speaks of "datetimes with zero time" to who wrote a year.
    return "not a day written as 2024-05-31" if type.startswith("date_") else message


def _of_validation(error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(item["type"] == "json_invalid" for item in found):
        return Problem(BAD_REQUEST, "The body is not JSON.")
    errors = [{**_place(item["loc"]), "reason": _reason(item["type"], item["msg"])} for item in found]
    return Problem(UNPROCESSABLE, errors=errors)


def _of_database(error: DBAPIError) -> Problem:
    if isinstance(error, IntegrityError):
        return Problem(CONFLICT, "It conflicts with something that is there already.")
    if isinstance(error, DataError):
        return Problem(UNPROCESSABLE, "A value does not fit its column.")
    if isinstance(error, OperationalError):
        return _without_database(error.orig)
    log.error("database error", exc_info=error)
    return Problem(INTERNAL)


def _without_database(reason: BaseException | None) -> Problem:
    log.error("database unavailable", extra={"reason": type(reason).__name__})
    return Problem(UNAVAILABLE, "The database cannot answer at the moment.", headers={"Retry-After": "2"})


def _internal(error: Exception) -> Problem:
    log.error("unexpected error", exc_info=error)
    return Problem(INTERNAL, "It has been logged.")


Mapped = Mapping[type[Exception], ProblemType]


def install(app: FastAPI, mapping: Mapped) -> None:
    """Answer every error as a problem: the app's own by `mapping`, the rest by what they are."""

    def handler(
        convert: Callable[[Any], Problem],
    ) -> Callable[[Request, Exception], Coroutine[Any, Any, Response]]:
        async def answer(_request: Request, error: Exception) -> Response:
            return convert(error).response()

        return answer

    def of_app(kind: ProblemType) -> Callable[[Exception], Problem]:
        def convert(error: Exception) -> Problem:
            detail = str(error) or " ".join((type(error).__doc__ or "").split())
            return Problem(kind, detail, errors=getattr(error, "errors", ()))

        return convert

    async def answer_status(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        if isinstance(error, Problem):
            return error.response()
        if error.status_code == METHOD_NOT_ALLOWED.status:
            return Problem(METHOD_NOT_ALLOWED, headers={"Allow": _allowed(request)}).response()
        return _of_status(error).response()

    app.add_exception_handler(HTTPException, answer_status)
    app.add_exception_handler(RequestValidationError, handler(_of_validation))
    app.add_exception_handler(ResponseValidationError, handler(_internal))
    app.add_exception_handler(DBAPIError, handler(_of_database))
    app.add_exception_handler(NoConnection, handler(_without_database))
    app.add_exception_handler(Exception, handler(_internal))
    for error, kind in mapping.items():
        app.add_exception_handler(error, handler(of_app(kind)))


# See `hedgerow_kit.idempotency`, which an app has as `state.answering`.
IDEMPOTENCY_KEY = {
    "in": "header",
    "name": "Idempotency-Key",
    "required": False,
    "description": "Any text of yours, new for each new request. Sent again within 24 hours with the same"
    " request, nothing is done and the first answer is given again; 422 with another request, 409 while the"
    " first is under way.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
# See `hedgerow_kit.conditional`.
IF_MATCH = {
    "in": "header",
    "name": "If-Match",
    "required": False,
    "description": "The `ETag` of what you have read and write, so that no other change is lost: 412 if it"
    " has changed since, 428 if it is there and you name none.",
    "schema": {"type": "string"},
}


IF_NONE_MATCH = {
    "in": "header",
    "name": "If-None-Match",
    "required": False,
    "description": "`*` writes only what is not there yet: 412 if it is.",
    "schema": {"type": "string", "enum": ["*"]},
}


class Conditional(Request):
    """A request whose `If-Match` is looked at; the header stands in the document where one is asked for."""


class Making(Conditional):
    """One that makes what is not there, and whose `If-None-Match` is looked at as well."""


class StrictRequest(Conditional):
    """A request whose JSON body is read strictly: no NaN, no lone surrogates, no endless nesting, no NUL, no
    text in place of a number.

    model: what the body is read as
    """

    def __init__(self, scope: Scope, receive: Receive, *, model: TypeAdapter[Any] | None = None) -> None:
        super().__init__(scope, receive)
        self._model = model

    async def body(self) -> bytes:
        # The framework's own limit answers in plain text.
        if not hasattr(self, "_body"):
            pieces, length = [], 0
            async for piece in self.stream():
                length += len(piece)
                if length > LONGEST_JSON_BODY:
                    raise Problem(TOO_LARGE, f"More than {LONGEST_JSON_BODY:,} bytes.")
                pieces.append(piece)
            self._body = b"".join(pieces)
        return self._body

    async def json(self) -> Any:
        body = await self.body()
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError as error:
            # The parser's words name a place, never a value.
            raise Problem(
                BAD_REQUEST, "The body is not JSON.", errors=[{"pointer": "", "reason": error.msg}]
            ) from None
        if b"\\u0000" in body and (pointer := _pointer_of_nul(value)) is not None:
            raise Problem(
                UNPROCESSABLE,
                "A text holds the character NUL.",
                errors=[{"pointer": pointer, "reason": "NUL (U+0000) is not allowed in text"}],
            )
        if self._model is not None:
            try:
                self._model.validate_json(body, strict=True)
            except ValidationError as error:
                found = error.errors(include_url=False, include_context=False, include_input=False)
                located = [{**item, "loc": ("body", *item["loc"])} for item in found]
                # As a problem: what else is raised while a body is read, the framework takes for bad JSON.
                raise _of_validation(RequestValidationError(located)) from None
        return value


def _pointer_of_nul(value: Any, pointer: str = "") -> str | None:
    if isinstance(value, str):
        return pointer if "\x00" in value else None
    if isinstance(value, dict):
        if any("\x00" in name for name in value):
            return pointer
        parts: Iterable[tuple[Any, Any]] = value.items()
    elif isinstance(value, list):
        parts = enumerate(value)
    else:
        return None
    found = (_pointer_of_nul(part, f"{pointer}/{name}") for name, part in parts)
    return next((place for place in found if place is not None), None)


class StrictRoute(APIRoute):
    """A route that refuses unknown query parameters, reads JSON strictly and of bounded length, gives a list
    in the format asked for, and leaves a path to the route that names it in full.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        listing = self.listing()
        if listing is not None:
            self.openapi_extra = {**(self.openapi_extra or {}), formats.MARK: sorted(listing.gives)}
        if _marked(self.dependant, "identifies"):
            self.openapi_extra = {**(self.openapi_extra or {}), ASKS_WHO: True}
        asked = _conditional(self.dependant)
        headers = [IF_MATCH] if issubclass(asked, Conditional) else []
        if issubclass(asked, Making):
            headers.append(IF_NONE_MATCH)
        if self.methods == {"POST"} and _marked(self.dependant, "identifies"):
            headers.append(IDEMPOTENCY_KEY)
        if headers:
            extra = self.openapi_extra or {}
            self.openapi_extra = {**extra, "parameters": [*extra.get("parameters", ()), *headers]}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, found = super().matches(scope)
        # A name that an address of its own has is no id, whatever the method: what was written under it
        # could not be read.
        if match is not Match.NONE and found["path_params"] and scope["path"] in _plain_paths(scope["app"]):
            return Match.NONE, {}
        return match, found

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        known = _query_names(self.dependant)
        repeatable = _repeatable(self.dependant)
        days = _days(self.dependant)
        takes_json = self.body_field is not None
        body_model = _model_of(self.body_field)
        identifying = _marked(self.dependant, "identifies")
        guarding = _marked(self.dependant, "permission")
        listing = self.listing()
        if listing is not None:
            known |= {formats.PARAMETER}
        gives_json = self._gives_json_alone()
        once = self.methods == {"POST"}
        streams = getattr(self.endpoint, "streams", False)

        async def strict(request: Request) -> Response:
            # Who is not known, or may not, learns nothing, not even what is wrong with the request.
            caller = None
            for identify in identifying:
                caller = await identify(request)
                for guard in guarding:
                    await guard(caller)
            unknown = sorted(set(request.query_params) - known)
            if unknown:
                allowed = ", ".join(sorted(known)) or "none"
                raise Problem(
                    UNPROCESSABLE,
                    f"Unknown query parameter. Known here: {allowed}.",
                    errors=[{"parameter": name[:100], "reason": "unknown parameter"} for name in unknown],
                )
            _refuse_repeats(request, known - repeatable)
            _refuse_numbers(request, days)
            if takes_json and not _is_json(request.headers.get("content-type")):
                raise Problem(UNSUPPORTED_MEDIA, "Send application/json.")
            if listing is not None and (format := _format(request, listing)) is not formats.JSON:
                return await exporting.answer(request, handle, listing, format)
            if gives_json and listing is None:
                _accepts_json(request)

            async def ask(receive: Receive) -> Response:
                return await handle(StrictRequest(request.scope, receive, model=body_model))

            answering = getattr(request.app.state, "answering", None) if once else None
            if answering is not None and caller is not None:
                kept: Response = await answering.answer(request, ask, who=caller, streams=streams)
                return kept
            answer = await ask(request.receive)
            if listing is not None:
                answer.headers.append("Vary", "Accept")
            return answer

        return strict

    def listing(self) -> Listing | None:
        """What this route lists; None if it gives no list, or chooses its formats itself."""
        if self.methods != {"GET"} or formats.PARAMETER in _query_names(self.dependant):
            return None
        listing = Listing.of(self.response_model)
        if listing is None or formats.ROWS not in _query_names(self.dependant):
            return listing
        return replace(listing, length=formats.ROWS)

    def _gives_json_alone(self) -> bool:
        return (
            self.methods == {"GET"}
            and self.response_field is not None
            and formats.PARAMETER not in _query_names(self.dependant)
        )


def _format(request: Request, listing: Listing) -> Format:
    offered: Sequence[Format] = getattr(request.app.state, "formats", formats.EVERYWHERE)
    named = request.query_params.getlist(formats.PARAMETER)
    try:
        return formats.chosen(
            listing,
            offered,
            named=named[-1] if named else None,
            accept=request.headers.get("accept"),
        )
    except formats.UnknownFormat as error:
        raise Problem(
            UNPROCESSABLE, errors=[{"parameter": formats.PARAMETER, "reason": f"known here: {error}"}]
        ) from None
    except formats.NotOffered as error:
        raise Problem(NOT_ACCEPTABLE, f"This list comes as {error}.") from None


def _accepts_json(request: Request) -> None:
    try:
        formats.accepted(request.headers.get("accept"), (formats.JSON,))
    except formats.NotOffered:
        raise Problem(NOT_ACCEPTABLE, "This comes as application/json.") from None


def _marked(dependant: Dependant, mark: str) -> list[Callable[[Any], Coroutine[Any, Any, Any]]]:
    """What a route depends on that bears a mark: how it knows who asks, who may (see `hedgerow_kit.auth`)."""
    found = [dependant.call] if getattr(dependant.call, mark, False) else []
    for part in dependant.dependencies:
        found += [call for call in _marked(part, mark) if call not in found]
    return found  # type: ignore[return-value]


def _conditional(dependant: Dependant) -> type[Request]:
    """As what kind of request a route takes its request."""
    name = dependant.request_param_name
    if name is None or dependant.call is None:
        return Request
    asked = inspect.signature(dependant.call).parameters[name].annotation
    return asked if isinstance(asked, type) and issubclass(asked, Request) else Request


def _query_fields(dependant: Dependant) -> list[Any]:
    fields = [field for field in get_flat_params(dependant) if _is_query(field)]
    for part in dependant.dependencies:
        fields += _query_fields(part)
    return fields


def _query_names(dependant: Dependant) -> set[str]:
    return {field.alias for field in _query_fields(dependant)}


def _days(dependant: Dependant) -> set[str]:
    """The query parameters that are days or moments."""
    return {field.alias for field in _query_fields(dependant) if _takes_day(field.field_info.annotation)}


def _takes_day(annotation: Any) -> bool:
    if isinstance(annotation, type):
        return issubclass(annotation, date) or annotation is AwareDatetime
    return any(_takes_day(part) for part in get_args(annotation))


def _repeatable(dependant: Dependant) -> set[str]:
    """The query parameters that may be given more than once."""
    return {
        field.alias
        for field in _query_fields(dependant)
        if field_annotation_is_sequence(field.field_info.annotation)
    }


def _refuse_repeats(request: Request, single: set[str]) -> None:
    """The framework takes the last of several values and says nothing of the others."""
    given = request.query_params
    repeated = [name for name in sorted(single & set(given)) if len(given.getlist(name)) > 1]
    if repeated:
        raise Problem(
            UNPROCESSABLE,
            errors=[{"parameter": name, "reason": "given more than once: give it once"} for name in repeated],
        )


def _refuse_numbers(request: Request, days: set[str]) -> None:
    """Pydantic takes a number for the seconds since 1970."""
    errors = [
        {"parameter": name, "reason": "not a day written as 2024-05-31"}
        for name in sorted(days & set(request.query_params))
        if any(_NUMBER.fullmatch(value.strip()) for value in request.query_params.getlist(name))
    ]
    if errors:
        raise Problem(UNPROCESSABLE, errors=errors)


def _model_of(body: Any) -> TypeAdapter[Any] | None:
    """What a JSON body is read as; None if there is none."""
    if body is None:
        return None
    return TypeAdapter(Annotated[body.field_info.annotation, body.field_info])


def _is_query(field: Any) -> bool:
    place = getattr(field.field_info, "in_", None)
    return getattr(place, "value", None) == "query"


def _is_json(content_type: str | None) -> bool:
    header = Message()
    header["content-type"] = content_type or "application/octet-stream"
    subtype = header.get_content_subtype()
    charset = header.get_content_charset() or "utf-8"
    return (
        header.get_content_maintype() == "application"
        and (subtype == "json" or subtype.endswith("+json"))
        and charset in ("utf-8", "utf8", "us-ascii")
    )


def router(**options: Any) -> APIRouter:
    """An APIRouter of strict routes."""
    return APIRouter(route_class=StrictRoute, **options)
