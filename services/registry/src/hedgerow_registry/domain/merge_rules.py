"""Rules by which pairs are merged without a person looking at each: few, stated, none by the score alone."""

from collections.abc import Iterable
from typing import Final

from hedgerow_registry.domain.likeness import ONE_NUMBER, Body, Reason

RULES: Final = {
    "same-identifier": "the same number in one register, names alike, and nothing against it",
    "same-name-and-place": "the same name, which no source has twice, at one postcode, nothing against it",
}


def holds(rule: str, reasons: Iterable[Reason]) -> bool:
    """Whether a rule of `RULES` merges a pair, by what speaks for and against it.

    Anything that speaks against a pair leaves it to a person: another number in the same register, names that
    are not alike, a name that several have or that says too little, a body beside another, places far apart.

    >>> same = Reason("identifier", "for", "the same number in one register: GB-CHC 1234567")
    >>> name = Reason("name", "for", "names alike by 90%: Quay Kitchen – Quay Kitchens")
    >>> holds("same-identifier", [same, name]), holds("same-name-and-place", [same, name])
    (True, False)
    """
    said = list(reasons)
    if any(reason.speaks == "against" for reason in said):
        return False
    kinds = {reason.kind for reason in said}
    if rule == "same-identifier":
        return {"identifier", "name"} <= kinds
    return {"name", "postcode"} <= kinds and any(
        reason.kind == "name" and reason.text.startswith("the same name") for reason in said
    )


def conflict(bodies: Iterable[Body]) -> str | None:
    """The register that has given bodies that would become one more than one number, or `None`.

    Each pair of a chain may be right and its ends be two: A has the number of B, and B the name of C.
    """
    numbers: dict[str, set[str]] = {}
    for body in bodies:
        for scheme, number in body.identifiers:
            if scheme in ONE_NUMBER:
                numbers.setdefault(scheme, set()).add(number)
    return next((scheme for scheme in sorted(numbers) if len(numbers[scheme]) > 1), None)
