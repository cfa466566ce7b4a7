"""Writing networks and the relations in them."""

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import NamedTuple

from hedgerow_kit import audit
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import upsert
from hedgerow_kit.reach import widened
from sqlalchemy import delete, select, tuple_
from sqlalchemy.orm import Session

from hedgerow_network.actions.ownership import may_write, stamp
from hedgerow_network.errors import OfAnotherAuthority
from hedgerow_network.tables import Network, NetworkVersion, Relation

ACCEPTED, CHANGED, UNCHANGED = "accepted", "changed", "unchanged"

# Five parameters a key: below what one statement may carry.
_KEYS_AT_ONCE = 1_000


class Key(NamedTuple):
    """What tells relations of a network apart; from_date is empty where it is not known."""

    from_id: str
    to_id: str
    type: str
    from_date: str


class Held(NamedTuple):
    weight: float | None
    to_date: str | None


def claim(session: Session, id: str, principal: Principal, *, authority_code: str | None = None) -> Network:
    """The network of this id, made without a design if it is new. Raises OfAnotherAuthority,
    AuthorityNotNamed.
    """
    # Ids are one over all authorities: whether one is taken has to be seen beyond one's own.
    with widened(session):
        query = select(Network).where(Network.id == id).with_for_update()
        held = session.scalars(query).one_or_none()
        if held is None:
            made: dict[str, object] = {
                "id": id,
                "authority_code": stamp(principal, authority_code),
                "name": id,
                "version": first_version(),
                "relations_version": first_version(),
                "design": {},
                "updated_at": datetime.now(UTC),
            }
            # Two first imports at once: the key settles which of them makes it.
            upsert(session, Network, [made], key=["id"], update=[])
            held = session.scalars(query).one()
    if not may_write(principal, held.authority_code):
        raise OfAnotherAuthority
    return held


def first_version() -> int:
    """Where the versions of a new network begin: one made anew under an old id must not pass for the old."""
    return time.time_ns() // 1_000_000


def relate(session: Session, network: Network, relations: Mapping[Key, Held]) -> dict[Key, str]:
    """Write relations of a network; what became of each. Those that are not named stay as they are."""
    held = _held(session, network.id, list(relations))
    verdicts = {
        key: ACCEPTED if key not in held else UNCHANGED if held[key] == value else CHANGED
        for key, value in relations.items()
    }
    rows = [
        {"network": network.id, **key._asdict(), **relations[key]._asdict()}
        for key in sorted(relations)
        if verdicts[key] != UNCHANGED
    ]
    if rows:
        upsert(session, Relation, rows, key=["network", *Key._fields])
        network.relations_version += 1
    return verdicts


def _held(session: Session, network: str, keys: Sequence[Key]) -> dict[Key, Held]:
    columns = (Relation.from_id, Relation.to_id, Relation.type, Relation.from_date)
    found: dict[Key, Held] = {}
    for start in range(0, len(keys), _KEYS_AT_ONCE):
        wanted: Iterable[tuple[str, ...]] = [tuple(key) for key in keys[start : start + _KEYS_AT_ONCE]]
        query = select(*columns, Relation.weight, Relation.to_date).where(
            Relation.network == network, tuple_(*columns).in_(wanted)
        )
        for *key, weight, to_date in session.execute(query):
            found[Key(*key)] = Held(weight, to_date)
    return found


def design(
    session: Session,
    id: str,
    *,
    name: str,
    document: Mapping[str, object],
    by: Principal,
    authority_code: str | None,
    note: str | None,
) -> Network:
    """Write the design of a network as its next version; the same again is no new version.

    A network that is new belongs to the authority named, else to its writer's only one; of one that is there
    the authority stays. Raises OfAnotherAuthority, AuthorityNotNamed.
    """
    network = claim(session, id, by, authority_code=authority_code)
    first = session.get(NetworkVersion, (id, network.version)) is None
    if not first and (network.name, network.design) == (name, document):
        return network
    network.version += 0 if first else 1
    network.name, network.design = name, dict(document)
    network.updated_at = datetime.now(UTC)
    session.add(
        NetworkVersion(
            network=id,
            version=network.version,
            name=name,
            design=network.design,
            written_at=network.updated_at,
            written_by=by.subject,
            note=note,
        )
    )
    session.flush()
    return network


def remove(session: Session, network: Network) -> None:
    """Delete a network with its versions and its relations."""
    was = {"name": network.name, "authority_code": network.authority_code, "version": network.version}
    audit.note(session, "network", network.id, before=was, after=None)
    for table in (Relation, NetworkVersion):
        session.execute(delete(table).where(table.network == network.id))
    session.execute(delete(Network).where(Network.id == network.id))
