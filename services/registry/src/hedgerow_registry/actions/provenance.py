"""Who hands records in, under which source, and what that lets them write."""

from dataclasses import dataclass
from datetime import UTC, datetime

from hedgerow_kit.auth import Principal
from hedgerow_kit.db import upsert
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.errors import AuthorityNotNamed, SourceOfAnotherAuthority
from hedgerow_registry.tables import Source


@dataclass(frozen=True)
class Provenance:
    """Under which source, by which import, when and by whom records are written."""

    source: str
    import_id: str | None
    at: datetime
    principal: Principal

    def may_overwrite(self, authority_code: str | None) -> bool:
        """Whether reference data of a source of this authority may be replaced.

        Data that belong to nobody are the administrator's: whoever acts for one authority only must not
        change the figures of all others.
        """
        return self.principal.owns(authority_code)


def claim(
    session: Session,
    source: str,
    principal: Principal,
    *,
    import_id: str | None = None,
    authority_code: str | None = None,
) -> Provenance:
    """Write under a source: make it if it is new, refuse it if it is another authority's.

    A principal that acts for some authorities stamps a new source with its own: the only one it has, or the
    one named. Raises SourceOfAnotherAuthority, AuthorityNotNamed.
    """
    now = datetime.now(UTC)
    by = Provenance(source, import_id, now, principal)
    held = session.execute(select(Source.authority_code).where(Source.name == source)).one_or_none()
    if held is None:
        # Inserting first and reading after settles the race of two first imports under one name.
        made = {
            "name": source,
            "authority_code": _stamp(principal, authority_code),
            "first_import_id": import_id,
            "created_at": now,
        }
        upsert(session, Source, [made], key=["name"], update=[])
        held = session.execute(select(Source.authority_code).where(Source.name == source)).one()
    if not principal.owns(held[0]):
        raise SourceOfAnotherAuthority
    return by


def may_claim(session: Session, source: str, principal: Principal) -> bool:
    """Whether a principal may write what a source that is held has brought."""
    return principal.owns(authority_of(session, source))


def authority_of(session: Session, source: str) -> str | None:
    """The authority that a source belongs to."""
    return session.scalar(select(Source.authority_code).where(Source.name == source))


def lock(session: Session, source: str) -> None:
    """Let nobody else write records of this source until the transaction ends."""
    session.execute(select(Source.name).where(Source.name == source).with_for_update(key_share=True))


def _stamp(principal: Principal, named: str | None) -> str | None:
    if principal.acts_for_all:
        return named
    if named is None:
        if len(principal.authorities) != 1:
            raise AuthorityNotNamed
        return next(iter(principal.authorities))
    if named not in principal.codes:
        raise SourceOfAnotherAuthority
    return named
