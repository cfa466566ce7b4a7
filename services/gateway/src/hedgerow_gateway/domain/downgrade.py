"""An OpenAPI 3.1 document as 3.0.3, for the tools that read no later version."""

from collections.abc import Mapping
from typing import Any

Json = dict[str, Any]

_LISTS_OF_SCHEMAS = ("allOf", "anyOf", "oneOf")
_SCHEMAS = ("items", "not", "additionalProperties")
# What 3.0 has no word for, and what only narrows what else is said.
_UNKNOWN = frozenset({"propertyNames", "contentEncoding", "$schema", "$id"})
_EXCLUSIVE = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def to_3_0(document: Mapping[str, Any]) -> Json:
    """The same document in the words of 3.0.3; what 3.0 cannot say is left out, never changed in meaning.

    Null becomes `nullable`, `const` an `enum` of one, an exclusive bound a bound and a flag, `examples` of a
    schema the first as `example`, the summary of the whole the beginning of its description.
    """
    made: Json = _node({key: value for key, value in document.items() if key != "webhooks"})
    made["openapi"] = "3.0.3"
    information = made["info"]
    said = [information.pop("summary", None), information.get("description")]
    information["description"] = "\n\n".join(text for text in said if text)
    if "license" in information:
        information["license"].pop("identifier", None)
    return made


def _node(value: Any) -> Any:
    """Anything outside of a schema, with the schemas below it."""
    if isinstance(value, list):
        return [_node(one) for one in value]
    if not isinstance(value, dict):
        return value
    made = {}
    for key, below in value.items():
        if key == "schema" and isinstance(below, dict):
            made[key] = _schema(below)
        elif key == "schemas" and isinstance(below, dict):
            made[key] = {name: _schema(one) for name, one in below.items()}
        # Examples are values: whatever looks like a schema there is none.
        elif key in ("example", "examples"):
            made[key] = below
        else:
            made[key] = _node(below)
    return made


def _schema(schema: Any) -> Any:
    if not isinstance(schema, dict):
        return schema
    made = {key: value for key, value in schema.items() if key not in _UNKNOWN}
    for key in _LISTS_OF_SCHEMAS:
        if key in made:
            made[key] = [_schema(one) for one in made[key]]
    for key in _SCHEMAS:
        if key in made:
            made[key] = _schema(made[key])
    if "properties" in made:
        made["properties"] = {name: _schema(one) for name, one in made["properties"].items()}
    if "const" in made:
        made["enum"] = [made.pop("const")]
    if examples := made.pop("examples", None):
        made["example"] = examples[0]
    if made.pop("contentMediaType", None):
        made["format"] = "binary"
    for exclusive, bound in _EXCLUSIVE.items():
        if exclusive in made:
            made[bound], made[exclusive] = made[exclusive], True
    return _nullable(made)


def _nullable(schema: Json) -> Json:
    """Null as one of several, or alone, in the way of 3.0."""
    if schema.get("type") == "null":
        return {
            **{key: value for key, value in schema.items() if key != "type"},
            "nullable": True,
            "enum": [None],
        }
    for key in ("anyOf", "oneOf"):
        given = schema.get(key, [])
        others = [one for one in given if not _is_null(one)]
        if len(others) == len(given):
            continue
        rest = {name: value for name, value in schema.items() if name != key}
        if len(others) > 1:
            return {**rest, key: others, "nullable": True}
        (other,) = others
        # Beside a reference 3.0 reads nothing.
        return {**({"allOf": [other]} if "$ref" in other else other), **rest, "nullable": True}
    return schema


def _is_null(schema: Any) -> bool:
    return isinstance(schema, dict) and schema.get("enum") == [None]
