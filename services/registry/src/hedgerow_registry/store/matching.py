"""What tells organisations apart, the keys by which those that may be one are found, and the pairs."""

from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from typing import Any, NamedTuple

from hedgerow_kit.db import among
from hedgerow_kit.paging import keyset
from sqlalchemy import and_, func, or_, select
from sqlalchemy.orm import Session, aliased

from hedgerow_registry.domain.likeness import Body, address, domain, phone
from hedgerow_registry.store import merges
from hedgerow_registry.store.directory import own_parts
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import (
    Change,
    DuplicatePair,
    MatchingState,
    MatchKey,
    Organisation,
    Service,
    Site,
    feed,
)

# A key that so many organisations share is no place to look; of a whole name, number or postcode more may.
WIDEST, WIDEST_WHOLE = 50, 300
# So many places of an organisation say where it is: a chain of shops has no postcode of its own.
MOST_PLACES = 20
# The advisory lock under which keys and pairs are written: any number.
_MATCHING = 7_240_334
STATUSES = ("candidate", "dismissed", "merged")


def key_number(key: str) -> int:
    """A key as it is kept: the first 63 bits of its digest, the lowest telling whether it is a whole value.

    The kinds of a whole value are `n` (a name without spaces), `i`, `c`, `a`, `d` and `f` of `likeness.keys`.
    """
    digest = int.from_bytes(blake2b(key.encode("utf-8", "replace"), digest_size=8).digest()) >> 1
    return (digest & ~1) | (key[0] in "nicadf")


def widest(key: int) -> int:
    """Of how many organisations that share a key each is still compared with each."""
    return WIDEST_WHOLE if key & 1 else WIDEST


def bodies(session: Session, ids: Iterable[str]) -> dict[str, Body]:
    """What tells organisations from others, by their own records and those of their services and sites."""
    wanted = list(dict.fromkeys(ids))
    parts = own_parts(session, wanted)
    columns = (Organisation.id, Organisation.name, Organisation.url, Organisation.email)
    places, phones = _places(session, wanted, Site.postcode), _phones(session, wanted)
    streets = _places(session, wanted, Site.address)
    found = {}
    for piece in chunks(wanted):
        for id, name, url, email in session.execute(select(*columns).where(Organisation.id.in_(piece))):
            found[id] = Body(
                names=(name, *parts.aliases.get(id, ())),
                identifiers=frozenset(parts.identifiers.get(id, ())),
                postcodes=frozenset(places.get(id, ())),
                addresses=frozenset(filter(None, map(address, streets.get(id, ())))),
                domains=frozenset(host for host in (domain(url), domain(email)) if host is not None),
                phones=frozenset(phones.get(id, ())),
            )
    return found


def _places(session: Session, ids: Sequence[str], said: Any) -> dict[str, set[str]]:
    """What a column of sites says of those of organisations."""
    found: dict[Any, set[Any]] = {}
    for piece in chunks(ids):
        query = (
            select(Service.organisation_id, said)
            .join(Site, Site.service_id == Service.id)
            .where(Service.organisation_id.in_(piece), said.is_not(None))
            .distinct()
        )
        for id, place in session.execute(query):
            found.setdefault(id, set()).add(place)
    return {id: places for id, places in found.items() if len(places) <= MOST_PLACES}


def _phones(session: Session, ids: Sequence[str]) -> dict[str, set[str]]:
    found: dict[Any, set[str]] = {}
    for piece in chunks(ids):
        query = (
            select(Service.organisation_id, Service.phone)
            .where(Service.organisation_id.in_(piece), Service.phone.is_not(None))
            .distinct()
        )
        for id, said in session.execute(query):
            if (number := phone(said)) is not None:
                found.setdefault(id, set()).add(number)
    return {id: numbers for id, numbers in found.items() if len(numbers) <= MOST_PLACES}


def lock(session: Session) -> None:
    """Let nobody else write keys or pairs until the transaction ends.

    No lock of the table: who deletes an organisation deletes its keys and pairs with it, and holds the
    organisation when it comes to them.
    """
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(_MATCHING)))


def kept(session: Session, ids: Iterable[str]) -> set[str]:
    """Those of some organisations that are there, and stay until the transaction ends.

    Asked before `lock`, as whoever deletes an organisation holds it before anything else.
    """
    found: set[str] = set()
    for piece in chunks(sorted(ids)):
        query = select(Organisation.id).where(among(Organisation.id, piece)).order_by(Organisation.id)
        found.update(session.scalars(query.with_for_update(key_share=True, read=True)))
    return found


def state(session: Session) -> MatchingState | None:
    return session.get(MatchingState, 1, populate_existing=True)


def changed_since(session: Session, seq: int) -> list[str]:
    """The organisations that stand now and about which anything changed after a number, in order of names."""
    organisations = select(Change.id).where(Change.seq > seq, Change.type == "organisation")
    services = select(Change.id).where(Change.seq > seq, Change.type == "service")
    sites = select(Change.id).where(Change.seq > seq, Change.type == "site")
    of_sites = select(Site.service_id).where(Site.id.in_(sites))
    providers = select(Service.organisation_id).where(
        Service.organisation_id.is_not(None), or_(Service.id.in_(services), Service.id.in_(of_sites))
    )
    merged = merges.alias()
    # A change of a merged record is told under the id that answers for it.
    behind = select(merged.organisation_id).where(merged.canonical_id.in_(organisations))
    query = select(Organisation.id).where(
        or_(
            Organisation.id.in_(organisations),
            Organisation.id.in_(behind),
            Organisation.id.in_(providers),
        )
    )
    if seq == 0:
        query = select(Organisation.id)
    # Those with like names one after the other share the organisations they are compared with.
    return list(session.scalars(query.order_by(Organisation.name_key, Organisation.id)))


def position(session: Session) -> int:
    return feed.current(session)


def keys_of(session: Session, ids: Iterable[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for piece in chunks(ids):
        query = select(MatchKey.organisation_id, MatchKey.key).where(MatchKey.organisation_id.in_(piece))
        for id, key in session.execute(query):
            found.setdefault(id, []).append(key)
    return found


class Block(NamedTuple):
    """The organisations that share a key, with their sources; empty where they are too many to compare."""

    members: list[tuple[str, str]]
    rivals: dict[str, int]

    def rivals_of(self, one: str | None, other: str | None) -> int:
        """Of how many a source has to choose, two of one source counting as one."""
        return max(
            (
                count - (1 if source == one == other and count > 1 else 0)
                for source, count in self.rivals.items()
            ),
            default=1,
        )


def blocks(session: Session, keys: Iterable[int]) -> dict[int, Block]:
    """The organisations under each key; a key that too many share has its counts alone."""
    found: dict[int, Block] = {}
    for piece in chunks(dict.fromkeys(keys)):
        counted = (
            select(MatchKey.key, Organisation.source, func.count())
            .join(Organisation, Organisation.id == MatchKey.organisation_id)
            .where(MatchKey.key.in_(piece))
            .group_by(MatchKey.key, Organisation.source)
        )
        for key, source, count in session.execute(counted):
            found.setdefault(key, Block([], {})).rivals[source] = count
        narrow = [key for key in piece if key in found and sum(found[key].rivals.values()) <= widest(key)]
        listed = (
            select(MatchKey.key, MatchKey.organisation_id, Organisation.source)
            .join(Organisation, Organisation.id == MatchKey.organisation_id)
            .where(MatchKey.key.in_(narrow))
            .order_by(MatchKey.key, MatchKey.organisation_id)
        )
        for key, id, source in session.execute(listed):
            found[key].members.append((id, source))
    return found


class Pair(NamedTuple):
    """A pair with the organisations that answer for its two now."""

    row: DuplicatePair
    first_answering: str
    second_answering: str

    @property
    def status(self) -> str:
        if self.first_answering == self.second_answering:
            return "merged"
        return "candidate" if self.row.dismissed_by is None else "dismissed"


def pair_page(
    session: Session,
    *,
    min_score: float,
    source: str | None = None,
    status: str | None = None,
    organisation: str | None = None,
    after: str | None,
    limit: int,
) -> tuple[list[Pair], str | None]:
    """A page of pairs, the likeliest first.

    source: one of the two is of it · organisation: one of the two, or of those that stand under it.
    """
    first, second = merges.alias(), merges.alias()
    answering = [
        merges.answering_id(DuplicatePair.first_id, first),
        merges.answering_id(DuplicatePair.second_id, second),
    ]
    query = (
        select(DuplicatePair, *answering)
        .outerjoin(first, first.organisation_id == DuplicatePair.first_id)
        .outerjoin(second, second.organisation_id == DuplicatePair.second_id)
        .where(DuplicatePair.score >= min_score)
    )
    apart = answering[0] != answering[1]
    if status == "merged":
        query = query.where(~apart)
    elif status is not None:
        dismissed = DuplicatePair.dismissed_by.is_not(None)
        query = query.where(and_(apart, dismissed if status == "dismissed" else ~dismissed))
    if source is not None:
        one, other = aliased(Organisation), aliased(Organisation)
        query = (
            query.join(one, one.id == DuplicatePair.first_id)
            .join(other, other.id == DuplicatePair.second_id)
            .where(or_(one.source == source, other.source == source))
        )
    if organisation is not None:
        everyone = list(session.scalars(merges.under(organisation)))
        query = query.where(or_(DuplicatePair.first_id.in_(everyone), DuplicatePair.second_id.in_(everyone)))
    keys: list[Any] = [DuplicatePair.rank, DuplicatePair.first_id, DuplicatePair.second_id]
    rows, marker = keyset(session, query, keys, after=after, limit=limit)
    return [Pair(*row[:3]) for row in rows], marker


def pair(session: Session, first_id: str, second_id: str) -> Pair | None:
    """A pair by its ids, in either order."""
    ids = sorted((first_id, second_id))
    row = session.get(DuplicatePair, tuple(ids), populate_existing=True)
    if row is None:
        return None
    answering = merges.canonical(session, ids)
    return Pair(row, answering[row.first_id], answering[row.second_id])


def told(session: Session, ids: Iterable[str]) -> Mapping[str, Any]:
    """Name and source of organisations."""
    return {
        row.id: row
        for piece in chunks(dict.fromkeys(ids))
        for row in session.execute(
            select(Organisation.id, Organisation.name, Organisation.source).where(Organisation.id.in_(piece))
        )
    }
