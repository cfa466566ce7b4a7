"""Whose what is known of a subject is."""

from collections.abc import Iterable, Mapping
from typing import Any

from hedgerow_outcomes.domain.totals import Tree

AUTHORITY = "authority"
# What lies above authorities is nobody's in particular: a country's average is everybody's to compare with.
ABOVE = ("country", "region")
# Nobody's code: only who acts for all sees what belongs to it.
NOBODY = ""


def of_area(tree: Tree, code: str) -> str | None:
    """The authority that an area lies in, itself included; None above all authorities.

    An area that is not known yet, or lies in no authority, belongs to itself: nobody but who acts for all, or
    for an authority of that code, sees it. Of several authorities that it lies in the nearest counts.

    >>> levels = {"W1": "ward", "A1": "authority", "E9": "country"}
    >>> tree = Tree({"W1": ["A1"], "A1": ["E9"], "E9": []}, levels)
    >>> of_area(tree, "W1"), of_area(tree, "E9"), of_area(tree, "A2")
    ('A1', None, 'A2')
    """
    if tree.level(code) in ABOVE:
        return None
    return next((one for one in tree.around(code) if tree.level(one) == AUTHORITY), code)


def of_contract(contract: Mapping[str, Any]) -> str | None:
    """The authority of a contract; of one without, everybody's if it is published and nobody's if not."""
    code = contract.get("authority_code")
    if isinstance(code, str):
        return code
    return None if contract.get("published") else NOBODY


def of_both(one: str | None, other: str | None) -> str | None:
    """Whose that is which only who may see both of two things may know.

    Authorities written together are those of whoever acts for all of them, and so for each. What belongs to
    two that nobody is together is nobody's.

    >>> of_both("A1", None), of_both("A1", "A1+A2"), of_both("A1", "A2"), of_both(None, None)
    ('A1', 'A1+A2', '', None)
    """
    owners = {owner for owner in (one, other) if owner is not None}
    if not owners:
        return None
    return next((owner for owner in sorted(owners) if owners <= {owner, *owner.split("+")}), NOBODY)


def told_to(owners: Iterable[str | None]) -> list[str]:
    """The authorities that may be told of what belongs to each of these; none: everybody may.

    >>> told_to(["A2", "A1"]), told_to(["A1", None]), told_to([NOBODY])
    (['A1', 'A2'], [], ['-'])
    """
    found = set(owners)
    return [] if None in found else sorted(owner or "-" for owner in found if owner is not None)
