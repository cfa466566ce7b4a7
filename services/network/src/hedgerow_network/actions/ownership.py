"""Whose a record of network's own is, and who may write it."""

from hedgerow_kit.auth import Principal

from hedgerow_network.errors import AuthorityNotNamed, OfAnotherAuthority


def stamp(principal: Principal, named: str | None) -> str | None:
    """The authority that a new record belongs to: the one named, else the only one its writer acts for.

    None, everybody's, only from who acts for all. Raises AuthorityNotNamed, OfAnotherAuthority.
    """
    if principal.acts_for_all:
        return named
    if named is None:
        if len(principal.authorities) != 1:
            raise AuthorityNotNamed
        return next(iter(principal.authorities))
    if named not in principal.codes:
        raise OfAnotherAuthority
    return named


def may_write(principal: Principal, authority_code: str | None) -> bool:
    """Whether a record of this authority may be changed; everybody's only by who acts for all."""
    return principal.owns(authority_code)
