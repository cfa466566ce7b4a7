"""What a credential is good for, and how less than that is asked for."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

ALL_AUTHORITIES = "*"
AUTHORITY = "authority:"

GSS_CODE = re.compile(r"[EWSNKJLM]\d{8}")


class Grant(NamedTuple):
    """What may be done (roles), and for whom (authorities)."""

    roles: tuple[str, ...]
    authorities: tuple[str, ...]

    @property
    def scope(self) -> str:
        """The grant as an OAuth scope: its roles, and `authority:<code>` for each authority unless all."""
        codes = [code for code in self.authorities if code != ALL_AUTHORITIES]
        return " ".join([*self.roles, *(f"{AUTHORITY}{code}" for code in codes)])


class TooWide(Exception):
    """More is asked for than there is, or something that does not exist."""


def narrowed(grant: Grant, scope: str, permissions: Mapping[str, frozenset[str]]) -> Grant:
    """The part of a grant that a scope asks for.

    scope: words with spaces between them. A role's name asks for that role, which may do no more than the
    grant's own roles; `authority:<code>` for that authority, which must be one of the grant's. Where no role,
    or no authority, is named, all of the grant's are meant.
    permissions: what each role may do.
    Raises TooWide.

    >>> may = {"reader": frozenset({"read"}), "system": frozenset({"read", "write"})}
    >>> narrowed(Grant(("system",), ("*",)), "reader authority:E08000009", may)
    Grant(roles=('reader',), authorities=('E08000009',))
    """
    words = sorted(set(scope.split()))
    roles = tuple(word for word in words if not word.startswith(AUTHORITY))
    codes = tuple(word.removeprefix(AUTHORITY) for word in words if word.startswith(AUTHORITY))
    held: frozenset[str] = frozenset().union(*(permissions.get(role, frozenset()) for role in grant.roles))
    if not all(role in permissions and permissions[role] <= held for role in roles):
        raise TooWide
    if not all(_is_within(code, grant.authorities) for code in codes):
        raise TooWide
    return Grant(roles or grant.roles, codes or grant.authorities)


def of_groups(groups: Sequence[str], grants: Mapping[str, Grant]) -> Grant | None:
    """What a member of groups may do: nothing unless one of them is listed.

    grants: by group, in order. The first of them that somebody is in counts; others with the same roles add
    their authorities. Roles of one group never meet the authorities of another: who commissions in one place
    and reads everywhere must not commission everywhere.

    >>> listed = {"c": Grant(("commissioner",), ("E08000009",)), "r": Grant(("reader",), ("*",))}
    >>> of_groups(["r", "c", "x"], listed)
    Grant(roles=('commissioner',), authorities=('E08000009',))
    >>> of_groups(["x"], listed) is None
    True
    """
    held = [grant for group, grant in grants.items() if group in groups]
    if not held:
        return None
    roles = held[0].roles
    codes = {code for grant in held if set(grant.roles) == set(roles) for code in grant.authorities}
    return Grant(roles, (ALL_AUTHORITIES,) if ALL_AUTHORITIES in codes else tuple(sorted(codes)))


def _is_within(code: str, authorities: Sequence[str]) -> bool:
    if GSS_CODE.fullmatch(code) is None:
        return False
    return code in authorities or ALL_AUTHORITIES in authorities
