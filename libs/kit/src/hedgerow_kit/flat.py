r"""Nested items as flat rows, by one rule: the columns follow from the shape of the items, not from the rows.

An object inside an item gives a column for each of its fields, named with dots (`provider.name`). A list
gives one column, its elements joined with `;` (a `;` or a `\` inside an element has a `\` before it); a list
of objects gives such a column for each of their fields. What has no fixed fields, and what lies deeper than
that, stands as compact JSON.
"""

import types
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import orjson
from pydantic import BaseModel

TEXT, INTEGER, NUMBER, BOOLEAN, DATE, MOMENT, JSON = (
    "text",
    "integer",
    "number",
    "boolean",
    "date",
    "moment",
    "json",
)
Scalar = str | int | float | bool | None

_KINDS: dict[type[Any], str] = {
    str: TEXT,
    int: INTEGER,
    float: NUMBER,
    Decimal: NUMBER,
    bool: BOOLEAN,
    date: DATE,
    datetime: MOMENT,
}
_LISTS = (list, tuple, set, frozenset, Sequence, Set, Iterable)


@dataclass(frozen=True)
class Column:
    """A column of the flat rows.

    path: the field names from the item down · kind: what a value is · many: several values, joined as text
    """

    path: tuple[str, ...]
    kind: str
    many: bool = False

    @property
    def name(self) -> str:
        return ".".join(self.path)

    @property
    def holds(self) -> str:
        """What a cell holds: text, integer, number, boolean, date or moment."""
        return TEXT if self.many or self.kind == JSON else self.kind


def columns(shape: Any) -> tuple[Column, ...]:
    """The columns of items of this shape, a model; none where items may hold anything."""
    if not _is_model(shape):
        return ()
    return tuple(_merged(_of_model(shape, (), many=False, within=())))


def _of_model(
    model: type[BaseModel], path: tuple[str, ...], *, many: bool, within: tuple[type[BaseModel], ...]
) -> Iterable[Column]:
    for name, field in model.model_fields.items():
        wire = field.serialization_alias or field.alias or name
        yield from _of(field.annotation, (*path, wire), many=many, within=(*within, model))
    for name, computed in model.model_computed_fields.items():
        wire = computed.alias or name
        yield from _of(computed.return_type, (*path, wire), many=many, within=(*within, model))


def _of(
    shape: Any, path: tuple[str, ...], *, many: bool, within: tuple[type[BaseModel], ...]
) -> Iterable[Column]:
    parts = _alternatives(shape)
    if len(parts) != 1:
        return _of_several(parts, path, many=many, within=within)
    part = parts[0]
    if _is_model(part):
        if part in within:
            return [Column(path, JSON, many)]
        return _of_model(part, path, many=many, within=within)
    element = _element(part)
    if element is not None:
        if many:
            return [Column(path, JSON, many)]
        return _of(element, path, many=True, within=within)
    return [Column(path, _kind(part), many)]


def _of_several(
    parts: Sequence[Any], path: tuple[str, ...], *, many: bool, within: tuple[type[BaseModel], ...]
) -> Iterable[Column]:
    if parts and all(_is_model(part) for part in parts):
        return [column for part in parts for column in _of(part, path, many=many, within=within)]
    kinds = {_kind(part) for part in parts}
    if kinds == {INTEGER, NUMBER}:
        return [Column(path, NUMBER, many)]
    if len(kinds) == 1:
        return [Column(path, kinds.pop(), many)]
    return [Column(path, TEXT if kinds and JSON not in kinds else JSON, many)]


def _merged(found: Iterable[Column]) -> list[Column]:
    """Columns that alternatives share stand once; where they disagree on the kind, anything may come."""
    by_path: dict[tuple[str, ...], Column] = {}
    for column in found:
        held = by_path.setdefault(column.path, column)
        if held != column:
            by_path[column.path] = Column(column.path, JSON)
    return list(by_path.values())


def _alternatives(shape: Any) -> list[Any]:
    """What a value may be, besides nothing."""
    origin = get_origin(shape)
    if origin is Annotated:
        return _alternatives(get_args(shape)[0])
    if origin in (Union, types.UnionType):
        return [part for arm in get_args(shape) for part in _alternatives(arm) if part is not type(None)]
    return [shape]


def _element(shape: Any) -> Any:
    """What the elements of a list are; None for what is no list."""
    origin = get_origin(shape) or shape
    if not (isinstance(origin, type) and origin in _LISTS):
        return None
    arguments = [part for part in get_args(shape) if part is not Ellipsis]
    return Union[tuple(arguments)] if arguments else Any  # noqa: UP007


def _is_model(shape: Any) -> bool:
    return isinstance(shape, type) and issubclass(shape, BaseModel)


def _kind(shape: Any) -> str:
    if get_origin(shape) is Literal:
        kinds = {_kind(type(value)) for value in get_args(shape)}
        return kinds.pop() if len(kinds) == 1 else TEXT
    while hasattr(shape, "__supertype__"):
        shape = shape.__supertype__
    if isinstance(shape, type) and issubclass(shape, Enum):
        return INTEGER if issubclass(shape, int) else TEXT
    return _KINDS.get(shape, JSON) if isinstance(shape, type) else JSON


def row(item: Mapping[str, Any], columns: Sequence[Column]) -> list[Scalar]:
    """The cells of an item as it stands in JSON, one for each column; dates and moments as ISO 8601 text."""
    return [_cell(item, column) for column in columns]


def _cell(item: Any, column: Column) -> Scalar:
    found = _at(item, column.path)
    if column.many:
        return ";".join(_escaped(part) for part in found) if isinstance(found, list) and found else None
    if found is None or isinstance(found, str):
        return found
    if column.kind in (INTEGER, NUMBER, BOOLEAN) and not isinstance(found, dict | list):
        return found  # type: ignore[no-any-return]
    return _text(found)


def _at(value: Any, path: Sequence[str]) -> Any:
    for place, step in enumerate(path):
        if isinstance(value, list):
            return [_at(part, path[place:]) for part in value]
        if not isinstance(value, dict):
            return None
        value = value.get(step)
    return value


def _text(value: Any) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _escaped(value: Any) -> str:
    return _text(value).replace("\\", "\\\\").replace(";", "\\;")


def parts(joined: str) -> list[str]:
    r"""The elements of a joined cell again.

    >>> parts("a;b\\;c")
    ['a', 'b;c']
    """
    found: list[str] = []
    current, marked = "", False
    for letter in joined:
        if marked or letter not in "\\;":
            current, marked = current + letter, False
        elif letter == "\\":
            marked = True
        else:
            found, current = [*found, current], ""
    return [*found, current]
