"""Needs as terms of taxonomies, and how terms of two taxonomies relate."""

import re
from typing import Final

from hedgerow_registry.errors import Malformed

RELATIONS: Final = ("exact", "narrower", "broader", "related")
LONGEST_TAXONOMY: Final = 100
LONGEST_TERM: Final = 199

_TAXONOMY = re.compile(r"[^\s:;/>\x00-\x1f\x7f]+")
_TERM = re.compile(r"[^;>\x00-\x1f\x7f]+")


def need_id(taxonomy: str, term: str) -> str:
    """The id of a need, `taxonomy:term`.

    taxonomy: a name without spaces, `:`, `;`, `/` and `>`, at most 100 characters · term: any text without
    `;`, `>` and control characters, at most 199. Case matters in both. Raises Malformed.

    >>> need_id("hedgerow", "food-bank")
    'hedgerow:food-bank'
    """
    taxonomy, term = taxonomy.strip(), term.strip()
    if not _TAXONOMY.fullmatch(taxonomy) or len(taxonomy) > LONGEST_TAXONOMY:
        raise Malformed("a taxonomy has a name without spaces, colons, semicolons and slashes")
    if not _TERM.fullmatch(term) or len(term) > LONGEST_TERM:
        raise Malformed("a term is a text without semicolons, at most 199 characters")
    return f"{taxonomy}:{term}"


def split(need: str) -> tuple[str, str]:
    """Taxonomy and term of a need's id; the taxonomy is empty where only a term was said.

    >>> split("hedgerow:food-bank"), split("food-bank")
    (('hedgerow', 'food-bank'), ('', 'food-bank'))
    """
    taxonomy, colon, term = need.strip().partition(":")
    return (taxonomy, term) if colon else ("", taxonomy)


def relation(text: str) -> str:
    """How a term relates to another, in the sense of SKOS: `narrower` means the *second* is the narrower.

    Also understood with the SKOS property's name, such as `exactMatch` or `skos:narrowMatch`.

    >>> relation("exact"), relation("skos:narrowMatch")
    ('exact', 'narrower')
    """
    said = text.strip().casefold().removeprefix("skos:").removesuffix("match")
    said = {"narrow": "narrower", "broad": "broader", "close": "related"}.get(said, said)
    if said not in RELATIONS:
        raise Malformed(f"unknown relation: one of {', '.join(RELATIONS)}")
    return said
