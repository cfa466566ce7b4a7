"""The history of a contracting process made into its present state.

Follows the merging rules of OCDS 1.1 (later values replace earlier ones, list items meet by id, null takes
a field away) with two additions. A list whose items lack ids, or repeat one, is replaced whole, because its
items cannot be told apart. A release that Hedgerow wrote itself is whole (`hedgerow.whole`): what it leaves
out is no more.

Source: Open Contracting Data Standard 1.1.5, merging; the library ocdsmerge, which is given its rules so that
it fetches no schema.
"""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from copy import deepcopy
from datetime import datetime
from typing import Any, Final

from ocdsmerge.exceptions import OCDSMergeError
from ocdsmerge.merge import CompiledRelease

from hedgerow_registry.errors import Malformed

Path = tuple[str, ...]

_OMITTED: Final[Mapping[Path, str]] = {
    ("id",): "omitWhenMerged",
    ("tag",): "omitWhenMerged",
    ("date",): "omitWhenMerged",
}
_WHOLE_LISTS: Final = frozenset(("additionalIdentifiers", "additionalClassifications", "changes"))


def in_order(releases: Iterable[tuple[datetime, str, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Releases by their date, ties by their id; what comes before the last whole one is left out."""
    ordered = [document for _, _, document in sorted(releases, key=lambda one: one[:2])]
    whole = [place for place, document in enumerate(ordered) if is_whole(document)]
    return ordered[whole[-1] :] if whole else ordered


def is_whole(release: Mapping[str, Any]) -> bool:
    mark = release.get("hedgerow")
    return isinstance(mark, Mapping) and mark.get("whole") is True


def compiled(releases: Iterable[tuple[datetime, str, dict[str, Any]]]) -> dict[str, Any]:
    """The compiled release of a process.

    releases: (date in UTC, id, release in the standard's shape), in any order, at least one, one `ocid`.
    Returns a release tagged `compiled` whose id is the ocid and the date of the last one. Raises Malformed
    where two releases give one field different shapes.
    """
    ordered = in_order(releases)
    rules: dict[Path, str] = {**_OMITTED}
    rules |= dict.fromkeys(_lists_without_ids(ordered), "wholeListMerge")
    merged = CompiledRelease(merge_rules=rules)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            for release in ordered:
                merged.append(deepcopy(release))
            made: dict[str, Any] = merged.asdict()
        except OCDSMergeError as error:
            raise Malformed(f"it does not fit the releases before it: {error}"[:400]) from None
    made["initiationType"] = "tender"
    mark = {name: value for name, value in made.pop("hedgerow", {}).items() if name != "whole"}
    return {**made, "hedgerow": mark} if mark else made


def _lists_without_ids(releases: Sequence[Any]) -> Iterator[Path]:
    for release in releases:
        yield from _walk(release, ())


def _walk(value: Any, path: Path) -> Iterator[Path]:
    if isinstance(value, Mapping):
        for name, part in value.items():
            yield from _walk(part, (*path, name))
    elif isinstance(value, list):
        items = [item for item in value if isinstance(item, Mapping)]
        ids = [str(item["id"]) for item in items if item.get("id") is not None]
        if path[-1] in _WHOLE_LISTS or len(set(ids)) < len(items):
            yield path
        for item in items:
            yield from _walk(item, path)
