"""What an integrator relied on and a new OpenAPI document no longer promises.

python -m tests.contracts.promises COMMITTED NEW     prints each break; exit code 1 if there is one
"""

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Json = Mapping[str, Any]

METHODS = ("get", "put", "post", "delete", "patch")
# A schema may hold itself: deeper than this nobody promised anything new.
DEEPEST = 12


class Document:
    """A document whose references are followed."""

    def __init__(self, whole: Json) -> None:
        self._whole = whole

    def at(self, node: Any) -> Any:
        while isinstance(node, dict) and "$ref" in node:
            found: Any = self._whole
            for step in node["$ref"].removeprefix("#/").split("/"):
                found = found.get(step.replace("~1", "/").replace("~0", "~"), {})
            node = found
        return node

    def operations(self) -> dict[str, Json]:
        return {
            f"{method.upper()} {path}": operation
            for path, item in self._whole["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        }

    def parameters(self, operation: Json) -> dict[str, Json]:
        listed = [self.at(one) for one in operation.get("parameters", ())]
        return {f"{one['in']} parameter {one['name']}": one for one in listed}


def breaks(committed: Json, new: Json) -> list[str]:
    """Each promise of the committed document that the new one breaks, with its place.

    Taken away: an operation, a parameter, an answer, a media type, a field, a value that was accepted. Asked
    for anew: a parameter or a field that must be sent. Changed: the type of anything.
    """
    old, now = Document(committed), Document(new)
    found: list[str] = []
    kept = now.operations()
    for name, operation in old.operations().items():
        if name not in kept:
            found.append(f"{name}: taken away")
            continue
        found += [f"{name}: {said}" for said in _of_operation(old, now, operation, kept[name])]
    return found


def _of_operation(old: Document, now: Document, was: Json, is_: Json) -> Iterator[str]:
    before, after = old.parameters(was), now.parameters(is_)
    for name, parameter in before.items():
        if name not in after:
            yield f"{name}: taken away"
        else:
            yield from _sent(old, now, parameter.get("schema", {}), after[name].get("schema", {}), name)
    for name, parameter in after.items():
        if parameter.get("required") and not before.get(name, {}).get("required"):
            yield f"{name}: must be sent now"
    sent, expected = old.at(was.get("requestBody", {})), now.at(is_.get("requestBody", {}))
    if expected.get("required") and not sent.get("required"):
        yield "body: must be sent now"
    for media, content in sent.get("content", {}).items():
        if media not in expected.get("content", {}):
            yield f"body {media}: no longer taken"
        else:
            told = expected["content"][media].get("schema", {})
            yield from _sent(old, now, content.get("schema", {}), told, f"body {media}")
    for status, answer in was.get("responses", {}).items():
        # Which refusals are listed is no promise; what a good answer holds is.
        if not status.startswith("2"):
            continue
        if status not in is_.get("responses", {}):
            yield f"answer {status}: taken away"
            continue
        given, told = old.at(answer), now.at(is_["responses"][status])
        for media, content in given.get("content", {}).items():
            if media not in told.get("content", {}):
                yield f"answer {status} {media}: taken away"
            else:
                shown = told["content"][media].get("schema", {})
                yield from _shown(old, now, content.get("schema", {}), shown, f"answer {status}")


def _sent(old: Document, now: Document, was: Any, is_: Any, place: str, depth: int = 0) -> Iterator[str]:
    """What a caller sends: everything that was taken must still be."""
    was, is_ = old.at(was), now.at(is_)
    if depth > DEEPEST or not isinstance(was, dict) or not isinstance(is_, dict):
        return
    types, taken = _types(old, was), _types(now, is_)
    if taken and (not types or types - taken):
        yield f"{place}: takes {_named(taken)}, took {_named(types)}"
    values, accepted = _values(old, was), _values(now, is_)
    if accepted is not None and (values is None or values - accepted):
        yield f"{place}: no longer takes {_named((values or {'anything'}) - accepted)}"
    before, after = _fields(old, was), _fields(now, is_)
    for name in before.keys() - after.keys():
        if not is_.get("additionalProperties"):
            yield f"{place}/{name}: no longer taken"
    for name in set(is_.get("required", ())) - set(was.get("required", ())):
        yield f"{place}/{name}: must be sent now"
    for name in before.keys() & after.keys():
        yield from _sent(old, now, before[name], after[name], f"{place}/{name}", depth + 1)
    if "items" in was and "items" in is_:
        yield from _sent(old, now, was["items"], is_["items"], f"{place}[]", depth + 1)


def _shown(old: Document, now: Document, was: Any, is_: Any, place: str, depth: int = 0) -> Iterator[str]:
    """What a caller is shown: everything that was there must still be, and be nothing new."""
    was, is_ = old.at(was), now.at(is_)
    if depth > DEEPEST or not isinstance(was, dict) or not isinstance(is_, dict):
        return
    types, shown = _types(old, was), _types(now, is_)
    if types and (not shown or shown - types):
        yield f"{place}: is {_named(shown)}, was {_named(types)}"
    before, after = _fields(old, was), _fields(now, is_)
    for name in before.keys() - after.keys():
        yield f"{place}/{name}: taken away"
    for name in set(was.get("required", ())) & after.keys() - set(is_.get("required", ())):
        yield f"{place}/{name}: may be missing now"
    for name in before.keys() & after.keys():
        yield from _shown(old, now, before[name], after[name], f"{place}/{name}", depth + 1)
    if "items" in was and "items" in is_:
        yield from _shown(old, now, was["items"], is_["items"], f"{place}[]", depth + 1)


def _kinds(document: Document, schema: Json) -> list[Json]:
    """The alternatives of a schema, itself where it has none."""
    alternatives = [*schema.get("anyOf", ()), *schema.get("oneOf", ())]
    return [kind for one in alternatives for kind in _kinds(document, document.at(one))] or [schema]


def _types(document: Document, schema: Json) -> set[str]:
    types = {
        str(kind.get("type", "object" if "properties" in kind else "")) for kind in _kinds(document, schema)
    }
    return set() if "" in types else types


def _values(document: Document, schema: Json) -> set[str] | None:
    """The values that are taken, if they are named."""
    values: set[str] = set()
    for kind in _kinds(document, schema):
        if kind.get("type") == "null":
            continue
        named = [kind["const"]] if "const" in kind else kind.get("enum")
        if named is None:
            return None
        values |= {str(value) for value in named}
    return values


def _fields(document: Document, schema: Json) -> dict[str, Any]:
    return {
        name: field
        for kind in _kinds(document, schema)
        for part in (kind, *(document.at(one) for one in kind.get("allOf", ())))
        for name, field in part.get("properties", {}).items()
    }


def _named(values: set[str]) -> str:
    return ", ".join(sorted(values)) or "anything"


def main(committed: str, new: str) -> int:
    found = breaks(json.loads(Path(committed).read_bytes()), json.loads(Path(new).read_bytes()))
    for said in found:
        print(f"breaks what integrators rely on: {said}")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
