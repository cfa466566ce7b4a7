"""Reading what somebody asks for: areas by code or name, needs by id or bare term, rules."""

import re
from collections.abc import Callable, Collection

from hedgerow_network.domain.areas import Hierarchy
from hedgerow_network.domain.needs import Taxonomies
from hedgerow_network.domain.serving import DECLARED, DEFAULT_RULE, SITED, WITHIN, Rule
from hedgerow_network.errors import (
    AmbiguousArea,
    AmbiguousNeed,
    MalformedArea,
    MalformedRule,
    UnknownArea,
    UnknownNeed,
)

GSS = re.compile(r"[EWSNKJLM]\d{8}", re.ASCII)
LONGEST_KM = 500.0

LONGEST_MINUTES = 600.0

_DISTANCE = re.compile(r"(\d{1,3}(?:\.\d{1,6})?)(min)?", re.ASCII)


def find_area(hierarchy: Hierarchy, said: str) -> int:
    """The position of the area meant by a code, or by a name that only one area has.

    Raises UnknownArea for a well-formed GSS code that is not held, AmbiguousArea for a name of several areas,
    MalformedArea for anything else.
    """
    text = said.strip()
    for code in (text, text.upper(), text.lower()):
        if code in hierarchy.position:
            return hierarchy.position[code]
    if GSS.fullmatch(text.upper()):
        raise UnknownArea
    named = hierarchy.named(text)
    if len(named) > 1:
        codes = ", ".join(f"{hierarchy.codes[place]} ({hierarchy.level[place]})" for place in named[:10])
        raise AmbiguousArea(f"Several areas have this name: give the code, one of {codes}.")
    if not named:
        raise MalformedArea
    return named[0]


def find_need(
    taxonomies: Taxonomies, said: str, *, in_use: Callable[[], Collection[str]] = tuple[str, ...]
) -> str:
    """The id of the need meant by an id (`taxonomy:term`), or by a term that only one taxonomy has.

    in_use: the needs in use in the place asked about, looked at only where several taxonomies have the term,
    which then means the one that is among them.
    Raises UnknownNeed, or AmbiguousNeed naming the candidates.
    """
    found = taxonomies.matching(said.strip())
    if not found:
        raise UnknownNeed
    if len(found) > 1:
        there = set(in_use())
        found = [need for need in found if need in there] or found
    if len(found) > 1:
        candidates = ", ".join(found[:10])
        raise AmbiguousNeed(f"Several taxonomies have this term: name the taxonomy too, one of {candidates}.")
    return found[0]


def read_rule(said: str | None) -> Rule:
    """The rule that a text names; the default rule for None or `default`. Raises MalformedRule.

    >>> read_rule("within:2.5"), str(read_rule("within:20min"))
    (Rule(name='within', km=2.5, minutes=None), 'within:20min')
    """
    if said in (None, "default"):
        return DEFAULT_RULE
    name, _, distance = str(said).partition(":")
    if name == WITHIN and (found := _DISTANCE.fullmatch(distance)):
        amount = float(found[1])
        if found[2] and 0 < amount <= LONGEST_MINUTES:
            return Rule(WITHIN, minutes=amount)
        if not found[2] and 0 < amount <= LONGEST_KM:
            return Rule(WITHIN, amount)
    if said in (DECLARED, SITED):
        return Rule(str(said))
    raise MalformedRule
