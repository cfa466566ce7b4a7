"""What an operation may refuse, as its OpenAPI document says: all apps refuse alike, so no route says it."""

from collections.abc import Iterator, Mapping
from typing import Any

from hedgerow_kit import problems
from hedgerow_kit.problems import ASKS_WHO, ProblemType

SCHEMA = "Problem"
_WRITES = frozenset({"post", "put", "patch", "delete"})
# What FastAPI says of refusals that no app of ours gives.
_NOT_OURS = ("HTTPValidationError", "ValidationError")

PROBLEM: Mapping[str, Any] = {
    "title": SCHEMA,
    "description": "RFC 9457 problem details. Never holds what was sent.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "description": "What went wrong, the same for ever"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "description": "Each place that is wrong: a parameter, or a JSON pointer into the body",
            "items": {
                "type": "object",
                "required": ["reason"],
                "properties": {
                    "parameter": {"type": "string"},
                    "pointer": {"type": "string"},
                    "reason": {"type": "string"},
                },
            },
        },
    },
}


def answer(kind: ProblemType) -> dict[str, Any]:
    """The OpenAPI response object of a problem."""
    schema = {"$ref": f"#/components/schemas/{SCHEMA}"}
    return {"description": kind.title, "content": {problems.MEDIA_TYPE: {"schema": schema}}}


def describe(document: dict[str, Any]) -> None:
    """Say of each operation which problems it may answer, beside what its route says of itself."""
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    shared = components.setdefault("responses", {})
    for name in _NOT_OURS:
        schemas.pop(name, None)
    schemas[SCHEMA] = dict(PROBLEM)
    for path, item in document["paths"].items():
        for method, operation in item.items():
            answers = operation.setdefault("responses", {})
            if _is_frameworks(answers.get("422")):
                del answers["422"]
            for kind in _refusals(path, method, operation, asks_who=operation.pop(ASKS_WHO, False)):
                name = kind.slug.title().replace("-", "")
                shared[name] = answer(kind)
                answers.setdefault(str(kind.status), {"$ref": f"#/components/responses/{name}"})


def _is_frameworks(found: Any) -> bool:
    return f"#/components/schemas/{_NOT_OURS[0]}" in str(found)


def _refusals(
    path: str, method: str, operation: Mapping[str, Any], *, asks_who: bool
) -> Iterator[ProblemType]:
    yield problems.BAD_REQUEST
    if asks_who:
        yield problems.UNAUTHORISED
        yield problems.FORBIDDEN
    if "{" in path or operation.get("parameters") or "requestBody" in operation:
        # Whatever is named may not be there.
        yield problems.NOT_FOUND
    if method == "get":
        yield problems.NOT_ACCEPTABLE
    if method in _WRITES:
        yield problems.CONFLICT
    if problems.IF_MATCH in operation.get("parameters", ()):
        yield problems.PRECONDITION_FAILED
        yield problems.PRECONDITION_REQUIRED
    if "requestBody" in operation:
        yield problems.TOO_LARGE
        yield problems.UNSUPPORTED_MEDIA
    yield problems.UNPROCESSABLE
    yield problems.UNAVAILABLE
