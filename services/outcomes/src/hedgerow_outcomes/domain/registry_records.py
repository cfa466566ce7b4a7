"""What is read of the registry: which records, and what each must carry."""

from collections.abc import Mapping
from typing import Any

KINDS = frozenset(("area", "organisation", "contract", "index"))

EDITION = 1
"""One higher whenever more is read of a record than before: every database then reads the feed anew."""


def is_readable(kind: str, data: Mapping[str, Any]) -> bool:
    """Whether a record carries what is read of it here."""
    if kind == "area":
        return isinstance(data.get("code"), str) and isinstance(data.get("parents") or [], list)
    if kind == "index":
        return isinstance(data.get("index"), str) and isinstance(data.get("values"), list)
    return isinstance(data.get("id"), str)
