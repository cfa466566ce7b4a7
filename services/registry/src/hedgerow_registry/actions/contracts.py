"""Writing and deleting single contracts and plans, as one who has read them before.

A write becomes a release of its process like any other: whole, and dated now. So history, export and change
feed need no second way in.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson
from hedgerow_kit.auth import Principal
from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.actions import records
from hedgerow_registry.actions.contracting import process_id, remove_process, take_in
from hedgerow_registry.actions.directory import Precondition
from hedgerow_registry.actions.provenance import Provenance, claim, lock
from hedgerow_registry.actions.records import QUARANTINED, Written
from hedgerow_registry.domain.ocds import writing
from hedgerow_registry.domain.ocds.agreements import agreed, told
from hedgerow_registry.domain.ocds.releases import taken_in
from hedgerow_registry.errors import InvalidReference, Malformed, UnknownRecord
from hedgerow_registry.store import contracts as store
from hedgerow_registry.store import merges
from hedgerow_registry.tables import Contract, ContractingProcess

Fields = Mapping[str, Any]
# What the process of a contract reads like with the contract written into it.
Change = Callable[[dict[str, Any]], dict[str, Any]]


def put_contract(
    session: Session, id: str, fields: Fields, *, source: str, by: Principal, when: Precondition
) -> bool:
    """Write a contract; tells whether it is new. Raises InvalidReference for an unknown organisation.

    Who may not see what it costs does not change that: amounts left out stay as they are.
    """
    held, writer = _claimed(session, Contract, id, source=source, by=by)
    when(held)
    if held is not None and not by.may("money"):
        fields = _with_amounts(fields, store.whole(session, held))
    ocid = held.ocid if held is not None else fields.get("ocid") or f"hedgerow-{id}"
    process = store.locked(session, ContractingProcess, process_id(writer.source, ocid))
    award_id, own_id = (id, id) if held is None else (held.award_id or held.own_id, held.own_id)
    whole = _with_bodies(session, fields, process)
    _write(
        session,
        ocid,
        lambda release: writing.with_contract(release, award_id, own_id, whole),
        writer,
        tag="contract" if held is None else "contractUpdate",
    )
    return held is None


def delete_contract(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    """Delete a contract; its process goes with its last contract."""
    source = session.scalar(select(Contract.source).where(Contract.id == id))
    if source is None:
        raise UnknownRecord("contract")
    held, writer = _claimed(session, Contract, id, source=source, by=by)
    if held is None:
        raise UnknownRecord("contract")
    when(held)
    if store.contracts_of(session, [held.process_id]) == {id}:
        remove_process(session, session.get_one(ContractingProcess, held.process_id), writer)
        return
    _write(
        session,
        held.ocid,
        lambda release: writing.without_contract(release, held.award_id, held.own_id),
        writer,
        tag="contractTermination",
    )


def put_plan(
    session: Session, id: str, fields: Fields, *, source: str, by: Principal, when: Precondition
) -> bool:
    """Write what is planned; tells whether it is new. Raises InvalidReference for an unknown organisation."""
    held, writer = _claimed(session, ContractingProcess, id, source=source, by=by)
    when(held)
    if held is not None and not by.may("money"):
        fields = {**fields, "value": fields["value"] or {"amount": held.amount, "currency": held.currency}}
    # The id of a process follows from its source and its ocid: a UUID is its own.
    ocid = id if held is None else held.ocid
    whole = _with_bodies(session, fields, held)
    _write(
        session,
        ocid,
        lambda release: writing.with_plan(release, whole),
        writer,
        tag="planning" if held is None else "planningUpdate",
    )
    return held is None


def delete_plan(session: Session, id: str, *, by: Principal, when: Precondition) -> None:
    """Delete a process that no contract has come of yet."""
    source = session.scalar(select(ContractingProcess.source).where(ContractingProcess.id == id))
    if source is None:
        raise UnknownRecord("plan")
    held, writer = _claimed(session, ContractingProcess, id, source=source, by=by)
    if held is None or store.contracts_of(session, [id]):
        raise UnknownRecord("plan")
    when(held)
    remove_process(session, held, writer)


def _claimed(session: Session, table: Any, id: str, *, source: str, by: Principal) -> tuple[Any, Provenance]:
    """A record as it is held, which nobody else may write now, and under what it is to be written."""
    named = session.scalar(select(table.source).where(table.id == id))
    writer = claim(session, named or source, by)
    # The source before the record, as imports have it; of two who write a record first, one waits here.
    lock(session, writer.source)
    return store.locked(session, table, id), writer


def write_changes(
    session: Session, changes: Sequence[tuple[str, Change, str]], by: Provenance
) -> list[Written]:
    """Change what the compiled releases of processes say; gives what became of each, in their order.

    changes: (ocid, change, tag of the release); of one process they follow one another. A process of which
    anything changes gets one whole release.
    """
    lock(session, by.source)
    ids = {ocid: process_id(by.source, ocid) for ocid, _, _ in changes}
    held = store.releases_locked(session, ids.values())
    now: dict[str, dict[str, Any]] = {}
    results: list[Written] = []
    tags: dict[str, str] = {}
    for ocid, change, tag in changes:
        before = now.get(ocid) or held.get(ids[ocid]) or writing.new_process(ocid)
        after = change(before)
        is_new = ocid not in now and ids[ocid] not in held
        if not is_new and told(after) == told(before):
            results.append(Written(records.UNCHANGED))
            continue
        now[ocid] = after
        tags.setdefault(ocid, tag)
        new = {one.own_id for one in agreed(after)} - {one.own_id for one in agreed(before)}
        results.append(Written(records.ACCEPTED if is_new or new else records.CHANGED))
    last = store.last_releases(session, [ids[ocid] for ocid in now])
    at = datetime.now(UTC)
    releases = [
        taken_in(
            writing.whole_release(release, at=at, after=last.get(ids[ocid]), tag=tags[ocid]),
            serialise=orjson.dumps,
        )
        for ocid, release in now.items()
    ]
    taken = dict(zip(now, take_in(session, releases, by), strict=True))
    return [
        taken[ocid] if result.verdict != records.UNCHANGED and taken[ocid].verdict == QUARANTINED else result
        for (ocid, _, _), result in zip(changes, results, strict=True)
    ]


def _write(session: Session, ocid: str, change: Change, by: Provenance, *, tag: str) -> None:
    (written,) = write_changes(session, [(ocid, change, tag)], by)
    if written.verdict == QUARANTINED:
        raise Malformed(str(written.reason))


def _with_bodies(session: Session, fields: Fields, process: Any) -> dict[str, Any]:
    """The fields with bodies in the place of organisation ids, each as the process names it where it does."""
    wanted = dict.fromkeys(_ids_in(fields))
    known = store.bodies(session, wanted)
    for name, value in fields.items():
        if any(id not in known for id in _ids_in({name: value})):
            raise InvalidReference(name, "no such organisation")
    if process is not None:
        answering = merges.canonical(session, process.organisations.values())
        own = {answering[id]: key for key, id in sorted(process.organisations.items(), reverse=True)}
        parties = {str(one.get("id")): one for one in process.release.get("parties") or ()}
        for id in known:
            if id in own and own[id] in parties:
                party = parties[own[id]]
                known[id] = {"id": party.get("id"), "name": party.get("name"), "identifiers": []}
    whole: dict[str, Any] = _replaced(fields, known)
    return whole


_SINGLE = {"from_id": "from", "to_id": "to", "organisation_id": "funder"}
_SEVERAL = {"buyer_ids": "buyers", "supplier_ids": "suppliers", "bidder_ids": "bidders"}


def _ids_in(value: Any) -> Iterable[str]:
    if isinstance(value, list):
        for one in value:
            yield from _ids_in(one)
    elif isinstance(value, Mapping):
        for name, part in value.items():
            if name in _SINGLE:
                yield from [] if part is None else [part]
            elif name in _SEVERAL:
                yield from part
            else:
                yield from _ids_in(part)


def _replaced(value: Any, bodies: Mapping[str, Any]) -> Any:
    if isinstance(value, list):
        return [_replaced(one, bodies) for one in value]
    if not isinstance(value, Mapping):
        return value
    made: dict[str, Any] = {}
    for name, part in value.items():
        if name in _SINGLE:
            made[_SINGLE[name]] = None if part is None else bodies[part]
        elif name in _SEVERAL:
            made[_SEVERAL[name]] = [bodies[id] for id in part]
        else:
            made[name] = _replaced(part, bodies)
    return made


def _with_amounts(fields: Any, held: Any) -> Any:
    """The fields with the amounts of the held ones where they name none; items of lists meet by their ids."""
    if isinstance(fields, list):
        by_id = {one["id"]: one for one in held or () if isinstance(one, Mapping) and "id" in one}
        return [
            _with_amounts(one, by_id.get(one.get("id"))) if isinstance(one, Mapping) else one
            for one in fields
        ]
    if not isinstance(fields, Mapping) or not isinstance(held, Mapping):
        return fields
    made: dict[str, Any] = {}
    for name, part in fields.items():
        if name == "value" and part is None:
            kept = {"amount": held.get("amount"), "currency": held.get("currency")}
            made[name] = kept if kept["amount"] is not None else None
        else:
            made[name] = _with_amounts(part, held.get(name))
    return made
