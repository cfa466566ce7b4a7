"""Taking releases in: their histories compiled, the processes and contracts that follow from them written.

The releases are the truth; what stands in the tables beside them is derived from them, a process at a time.
So a release that comes late changes nothing that a newer one has said since, and the same file again changes
nothing at all.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from hedgerow_kit.db import upsert
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities, records
from hedgerow_registry.actions.contract_parties import Organisations
from hedgerow_registry.actions.provenance import Provenance, lock
from hedgerow_registry.actions.records import (
    ACCEPTED,
    CHANGED,
    QUARANTINED,
    UNCHANGED,
    Entity,
    Written,
    digest,
)
from hedgerow_registry.domain import ids
from hedgerow_registry.domain.ocds import merging
from hedgerow_registry.domain.ocds.agreements import (
    Agreement,
    Process,
    classifications,
    process,
    with_organisations,
)
from hedgerow_registry.domain.ocds.releases import Release
from hedgerow_registry.errors import Malformed
from hedgerow_registry.store import contracts as store
from hedgerow_registry.store.directory import known_needs
from hedgerow_registry.tables import ContractingProcess, UnpublishedTombstone, feed
from hedgerow_registry.tables import Release as ReleaseRow

History = dict[str, tuple[datetime, dict[str, Any]]]


class _New(NamedTuple):
    """A release that is to be kept: its place among those handed in, and the digest of its document."""

    place: int
    release: Release
    digest: str


def process_id(source: str, ocid: str) -> str:
    """The id of a process: its `ocid` where that is a UUID, else one made of source and `ocid`."""
    return ids.record_id(source, "process", ocid)


def contract_id(source: str, process: str, own: str) -> str:
    """The id of a contract: its own where that is a UUID; others are unique in their process at most."""
    own = own.lower()
    return own if ids.is_uuid(own) else ids.record_id(source, "contract", f"{process}\x1f{own}")


def take_in(session: Session, releases: Sequence[Release], by: Provenance) -> list[Written]:
    """Keep releases and derive what they tell; gives what became of each, in the order they came.

    A release that is held already with the same content is unchanged; with other content it replaces the one
    held, because its publisher corrected it. One that cannot be merged with the others of its process is
    quarantined together with those of the same process that came with it.
    """
    # Histories are read before they are added to; of two who each read first, one would miss the other's.
    lock(session, by.source)
    results: list[Written | None] = [None] * len(releases)
    held = store.release_digests(session, {process_id(by.source, release.ocid) for release in releases})
    new: dict[str, list[_New]] = {}
    for place, release in enumerate(releases):
        id, stamp = process_id(by.source, release.ocid), digest(release.document)
        if stamp is None:
            results[place] = Written(QUARANTINED, "a text holds NUL or half a surrogate pair")
            continue
        before = held.get((id, release.id))
        if before == stamp:
            results[place] = Written(UNCHANGED)
            continue
        held[id, release.id] = stamp
        results[place] = Written(ACCEPTED if before is None else CHANGED)
        new.setdefault(id, []).append(_New(place, release, stamp))
    histories = store.histories(session, new)
    compiled: dict[str, dict[str, Any]] = {}
    for id, fresh in new.items():
        history = {**histories.get(id, {}), **{one.release.id: _dated(one.release) for one in fresh}}
        try:
            compiled[id] = merging.compiled((date, rid, doc) for rid, (date, doc) in history.items())
        except Malformed as error:
            for one in fresh:
                results[one.place] = Written(QUARANTINED, error.reason)
    refused = _derive(session, compiled, by, {id: new[id] for id in compiled})
    for id, reason in refused.items():
        for one in new[id]:
            results[one.place] = Written(QUARANTINED, reason)
    return [result for result in results if result is not None]


def _dated(release: Release) -> tuple[datetime, dict[str, Any]]:
    assert release.date is not None
    return release.date, release.document


def _derive(
    session: Session,
    compiled: Mapping[str, dict[str, Any]],
    by: Provenance,
    fresh: Mapping[str, Sequence[_New]],
) -> dict[str, str]:
    """Write what compiled releases tell; gives the processes that could not be written, and why."""
    if not compiled:
        return {}
    terms = {id: classifications(release) for id, release in compiled.items()}
    known = known_needs(session, (term for listed in terms.values() for term in listed))
    told = {
        id: process(release, needs={term: term for term in terms[id] if term in known})
        for id, release in compiled.items()
    }
    before = store.processes_held(session, told)
    refused = {
        id: "a process of this id belongs to another source"
        for id, held in before.items()
        if held.source != by.source
    }
    refused |= _refused(session, told, by.source)
    told = {id: one for id, one in told.items() if id not in refused}
    organisations = Organisations(
        session, by.source, (party for one in told.values() for party in one.known.by_key.values())
    )
    parties = {
        id: {key: organisations.find(party) for key, party in one.known.by_key.items()}
        for id, one in told.items()
    }
    unmade = organisations.write(session, by)
    process_rows, contract_rows = [], []
    once = store.once_published(session, entities.PROCESSES.type, told)
    for id in sorted(told):
        was_published = (
            told[id].fields["published"] or id in once or (id in before and before[id].was_published)
        )
        rows = [
            _process_row(id, told[id], compiled[id], parties[id], was_published),
            *(
                _contract_row(id, by.source, one, told[id], parties[id], was_published)
                for one in told[id].agreements
            ),
        ]
        reason = _unfit(rows)
        if unmade & set(parties[id].values()):
            reason = "the name of a party of it cannot be kept"
        if reason is not None:
            refused[id] = reason
            continue
        process_rows.append(rows[0])
        contract_rows += rows[1:]
    _write(session, process_rows, contract_rows, by)
    _keep(session, {id: fresh[id] for id in told if id not in refused}, by)
    return refused


def _refused(session: Session, told: Mapping[str, Process], source: str) -> dict[str, str]:
    """The processes that have a contract of an id that is another process's."""
    of: dict[str, str] = {}
    refused: dict[str, str] = {}
    for id in sorted(told):
        for one in told[id].agreements:
            if of.setdefault(contract_id(source, id, one.own_id), id) != id:
                refused[id] = f"its contract {one.own_id} is one of another process"
    for contract in store.contracts_of_others(session, of):
        refused[of[contract]] = f"its contract {contract} is one of another process"
    return refused


def _unfit(rows: Sequence[dict[str, Any]]) -> str | None:
    for entity, row in zip((entities.PROCESSES, *[entities.CONTRACTS] * len(rows)), rows, strict=False):
        misfit = entity.misfit(entity.normal(row))
        if misfit is not None:
            return f"{misfit.column}: {misfit.reason}"
    return None


def _write(
    session: Session,
    process_rows: Sequence[dict[str, Any]],
    contract_rows: Sequence[dict[str, Any]],
    by: Provenance,
) -> None:
    records.write(session, entities.PROCESSES, process_rows, by)
    there = store.contracts_of(session, (row["id"] for row in process_rows))
    gone = there - {row["id"] for row in contract_rows}
    remove(session, entities.CONTRACTS, gone, by)
    # A contract may have been published under another process.
    once = store.once_published(session, entities.CONTRACTS.type, (row["id"] for row in contract_rows))
    known = [{**row, "was_published": row["was_published"] or row["id"] in once} for row in contract_rows]
    records.write(session, entities.CONTRACTS, known, by)
    _announce(session, [(row["ocid"], row["prior_ocid"]) for row in process_rows])


def remove(session: Session, entity: Entity, ids: Iterable[str], by: Provenance) -> None:
    """Delete processes or contracts; of one that never was published only its authority learns so."""
    wanted = sorted(ids)
    unpublished = store.never_published(session, entity.table, wanted)
    rows = [{"id": id, "authority_code": code} for id, code in sorted(unpublished.items())]
    upsert(session, UnpublishedTombstone, rows, key=["id"])
    store.forget_graves(session, [id for id in wanted if id not in unpublished])
    records.remove(session, entity, [(id,) for id in wanted], by)


def remove_process(session: Session, process: ContractingProcess, by: Provenance) -> None:
    """Delete a process with its releases and contracts; each leaves a tombstone."""
    ends = [(process.ocid, process.prior_ocid)]
    remove(session, entities.CONTRACTS, store.contracts_of(session, [process.id]), by)
    remove(session, entities.PROCESSES, [process.id], by)
    _announce(session, ends)


def _announce(session: Session, processes: Sequence[tuple[str, str | None]]) -> None:
    """Tell of the contracts that processes follow: what follows a contract is found by its process."""
    ocids, prior = [ocid for ocid, _ in processes], [ocid for _, ocid in processes if ocid]
    for id in store.predecessors(session, ocids=ocids, prior_ocids=prior):
        feed.record(session, "contract", id)


def _keep(session: Session, fresh: Mapping[str, Iterable[_New]], by: Provenance) -> None:
    rows = {
        (id, one.release.id): {
            "process_id": id,
            "release_id": one.release.id,
            "date": one.release.date,
            "digest": one.digest,
            "import_id": by.import_id,
            "document": one.release.document,
        }
        for id, listed in fresh.items()
        for one in listed
    }
    upsert(session, ReleaseRow, [rows[key] for key in sorted(rows)], key=["process_id", "release_id"])


def _process_row(
    id: str, told: Process, release: Mapping[str, Any], parties: Mapping[str, str], was_published: bool
) -> dict[str, Any]:
    return {
        **told.fields,
        "id": id,
        "was_published": was_published,
        "parties": [(role, parties[key]) for role, key in told.parties],
        "details": with_organisations(told.fields["details"], parties),
        "organisations": dict(parties),
        "release": release,
    }


def _contract_row(
    process: str,
    source: str,
    one: Agreement,
    told: Process,
    parties: Mapping[str, str],
    was_published: bool,
) -> dict[str, Any]:
    return {
        **one.fields,
        "id": contract_id(source, process, one.own_id),
        "process_id": process,
        "was_published": was_published,
        "parties": [(role, parties[key], _word(told.known.by_key[key].vcse)) for role, key in one.parties],
        "service_ids": [ids.record_id(source, "service", service) for service in one.fields["service_ids"]],
        "details": with_organisations(one.fields["details"], parties),
    }


def _word(vcse: bool | None) -> str:
    return "" if vcse is None else "yes" if vcse else "no"
