"""Contracting processes, releases and contracts: what is held, and how it is looked up."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import or_, select, tuple_
from sqlalchemy.orm import Session

from hedgerow_registry.domain.identifiers import Identifier
from hedgerow_registry.domain.ocds.agreements import organisations_in, with_organisations
from hedgerow_registry.store import merges
from hedgerow_registry.store.held import chunks, lists
from hedgerow_registry.store.sight import Sight
from hedgerow_registry.tables import (
    Contract,
    ContractArea,
    ContractingProcess,
    ContractNeed,
    ContractParty,
    ContractService,
    Organisation,
    OrganisationIdentifier,
    ProcessArea,
    ProcessNeed,
    ProcessParty,
    Release,
    Source,
)

Json = dict[str, Any]


def organisations_identified(
    session: Session, source: str, identifiers: Iterable[Identifier]
) -> dict[Identifier, str]:
    """The organisation that has an identifier; of several, the first of the source, else the first of all."""
    found: dict[Identifier, tuple[bool, str]] = {}
    table = OrganisationIdentifier
    for piece in chunks(dict.fromkeys(identifiers), size=400):
        query = (
            select(table.scheme, table.identifier, table.organisation_id, Organisation.source)
            .join(Organisation, Organisation.id == table.organisation_id)
            .where(tuple_(table.scheme, table.identifier).in_([tuple(one) for one in piece]))
        )
        for scheme, number, id, of in session.execute(query):
            rank = (of != source, id)
            key = Identifier(scheme, number)
            found[key] = min(found.get(key, rank), rank)
    return {key: id for key, (_, id) in found.items()}


def known_of_source(session: Session, source: str, ids: Iterable[str]) -> set[str]:
    """Which of these organisations a source has."""
    return {
        id
        for piece in chunks(dict.fromkeys(ids))
        for id in session.scalars(
            select(Organisation.id).where(Organisation.source == source, Organisation.id.in_(piece))
        )
    }


def release_digests(session: Session, processes: Iterable[str]) -> dict[tuple[str, str], str]:
    """The digests of the releases held of processes, by process and release id."""
    found: dict[tuple[str, str], str] = {}
    for piece in chunks(sorted(processes)):
        query = select(Release.process_id, Release.release_id, Release.digest)
        for process, release, digest in session.execute(query.where(Release.process_id.in_(piece))):
            found[process, release] = digest
    return found


def histories(
    session: Session, processes: Iterable[str]
) -> dict[str, dict[str, tuple[datetime, dict[str, Any]]]]:
    """The releases of processes, each with its date, by process and release id."""
    found: dict[str, dict[str, tuple[datetime, dict[str, Any]]]] = {}
    columns = (Release.process_id, Release.release_id, Release.date, Release.document)
    for piece in chunks(sorted(processes)):
        query = select(*columns).where(Release.process_id.in_(piece))
        for process, release, date, document in session.execute(query):
            found.setdefault(process, {})[release] = (date, document)
    return found


def processes_held(session: Session, ids: Iterable[str]) -> dict[str, bool]:
    """Of the processes that are held, whether they ever were published."""
    return {
        id: was_published
        for piece in chunks(ids)
        for id, was_published in session.execute(
            select(ContractingProcess.id, ContractingProcess.was_published).where(
                ContractingProcess.id.in_(piece)
            )
        )
    }


def contracts_of(session: Session, processes: Iterable[str]) -> set[str]:
    """The ids of the contracts of processes."""
    return {
        id
        for piece in chunks(processes)
        for id in session.scalars(select(Contract.id).where(Contract.process_id.in_(piece)))
    }


def contracts_of_others(session: Session, processes: Mapping[str, str]) -> set[str]:
    """Which of these contracts are held, but of another process than the one given."""
    return {
        id
        for piece in chunks(processes)
        for id, process in session.execute(
            select(Contract.id, Contract.process_id).where(Contract.id.in_(piece))
        )
        if processes[id] != process
    }


def predecessors(session: Session, *, ocids: Sequence[str], prior_ocids: Sequence[str]) -> list[str]:
    """The contracts that processes follow: those that name them, and those of the processes they name."""
    found: set[str] = set()
    for piece in chunks(dict.fromkeys((*ocids, *prior_ocids))):
        query = select(Contract.id).where(
            or_(Contract.successor_ocid.in_(piece), Contract.ocid.in_(set(piece) & set(prior_ocids)))
        )
        found |= set(session.scalars(query))
    return sorted(found)


class Links(NamedTuple):
    """What contracts or processes are linked to, by their ids; organisations as they answer today."""

    parties: dict[str, list[Any]]
    needs: dict[str, list[str]]
    area_codes: dict[str, list[str]]
    service_ids: dict[str, list[str]]

    def with_role(self, id: str, role: str) -> list[str]:
        """The organisations with a role in one of them, in the order of their ids."""
        return sorted({party[1] for party in self.parties.get(id, []) if party[0] == role})


def contract_links(session: Session, ids: Sequence[str]) -> Links:
    party = ContractParty
    return Links(
        _parties(session, party.contract_id, (party.role, party.organisation_id, party.vcse), ids),
        lists(session, ContractNeed.contract_id, (ContractNeed.need_id,), ids),
        lists(session, ContractArea.contract_id, (ContractArea.area_code,), ids),
        lists(session, ContractService.contract_id, (ContractService.service_id,), ids),
    )


def process_links(session: Session, ids: Sequence[str]) -> Links:
    party = ProcessParty
    return Links(
        _parties(session, party.process_id, (party.role, party.organisation_id), ids),
        lists(session, ProcessNeed.process_id, (ProcessNeed.need_id,), ids),
        lists(session, ProcessArea.process_id, (ProcessArea.area_code,), ids),
        {},
    )


def _parties(session: Session, owner: Any, columns: Any, ids: Sequence[str]) -> dict[str, list[Any]]:
    found = lists(session, owner, columns, ids)
    answering = merges.canonical(session, (party[1] for listed in found.values() for party in listed))
    return {
        id: list(dict.fromkeys((party[0], answering[party[1]], *party[2:]) for party in listed))
        for id, listed in found.items()
    }


def details_of(session: Session, rows: Iterable[Any]) -> dict[str, Json]:
    """The details of contracts or processes, their organisations as they answer today."""
    listed = list(rows)
    answering = merges.canonical(session, {id for row in listed for id in organisations_in(row.details)})
    return {row.id: with_organisations(row.details, answering) for row in listed}


def successors(session: Session, rows: Iterable[Any], sight: Sight) -> dict[str, str]:
    """The contract that follows each: of the process it names, or of one that names its process as prior.

    Both ends are of one source, and the follower is one that the reader may know of.
    """
    listed = list(rows)
    by_ocid: dict[tuple[str, str], str] = {}
    for piece in chunks({row.successor_ocid for row in listed if row.successor_ocid}):
        query: Any = select(Contract.source, Contract.ocid, Contract.id).where(Contract.ocid.in_(piece))
        for source, ocid, id in session.execute(sight.of_contracts(query).order_by(Contract.id)):
            by_ocid.setdefault((source, ocid), id)
    by_prior: dict[tuple[str, str], str] = {}
    for piece in chunks({row.ocid for row in listed}):
        query = (
            select(Contract.source, ContractingProcess.prior_ocid, Contract.id)
            .join(ContractingProcess, ContractingProcess.id == Contract.process_id)
            .where(ContractingProcess.prior_ocid.in_(piece))
        )
        for source, prior, id in session.execute(sight.of_contracts(query).order_by(Contract.id)):
            by_prior.setdefault((source, prior), id)
    found = {}
    for row in listed:
        follower = by_ocid.get((row.source, row.successor_ocid)) or by_prior.get((row.source, row.ocid))
        if follower is not None:
            found[row.id] = follower
    return found


class Guarded(NamedTuple):
    """The states of records that a reader may see, and the ids of those of which it may not know."""

    states: dict[str, Json]
    hidden: set[str]


def contract_states(session: Session, ids: Sequence[str], sight: Sight) -> Guarded:
    """Contracts as the change feed tells of them; values only for those who may see money."""
    rows, hidden = _seen(session, Contract, ids, sight)
    links = contract_links(session, [row.id for row in rows])
    after, details = successors(session, rows, sight), details_of(session, rows)
    states = {}
    for row in rows:
        supplier_ids = links.with_role(row.id, "supplier")
        states[row.id] = {
            "id": row.id,
            "ocid": row.ocid,
            "title": row.title,
            "stage": row.stage,
            "status": row.status,
            "buyer_ids": links.with_role(row.id, "buyer"),
            "supplier_ids": supplier_ids,
            "value_gbp": sight.money(row.value_gbp),
            "start": row.starts,
            "end": row.ends,
            "extended_to": row.extended_to,
            "need_ids": links.needs.get(row.id, []),
            "area_codes": links.area_codes.get(row.id, []),
            "service_ids": links.service_ids.get(row.id, []),
            "lots": [
                {
                    "id": lot["id"],
                    "supplier_ids": lot["supplier_ids"],
                    "value_gbp": sight.money(lot["value_gbp"]),
                }
                for lot in details[row.id]["lots"]
            ],
            "subcontracts": [
                {
                    "from_id": one["from_id"],
                    "to_id": one["to_id"],
                    "tier": one["tier"],
                    "fee_share": one["fee_share"],
                    "value_gbp": sight.money(one["value_gbp"]),
                }
                for one in details[row.id]["subcontracts"]
            ],
            "successor_id": after.get(row.id),
            "published": row.published,
        }
    return Guarded(states, hidden)


def process_states(session: Session, ids: Sequence[str], sight: Sight) -> Guarded:
    """Contracting processes as the change feed tells of them: what is planned, and how far it has come."""
    rows, hidden = _seen(session, ContractingProcess, ids, sight)
    links = process_links(session, [row.id for row in rows])
    states = {
        row.id: {
            "id": row.id,
            "ocid": row.ocid,
            "title": row.title,
            "stage": row.stage,
            "status": row.status,
            "buyer_ids": links.with_role(row.id, "buyer"),
            "value_gbp": sight.money(row.value_gbp),
            "start": row.starts,
            "end": row.ends,
            "need_ids": links.needs.get(row.id, []),
            "area_codes": links.area_codes.get(row.id, []),
            "published": row.published,
        }
        for row in rows
    }
    return Guarded(states, hidden)


def _seen(session: Session, table: Any, ids: Sequence[str], sight: Sight) -> tuple[list[Any], set[str]]:
    rows, hidden = [], set()
    for piece in chunks(ids):
        query = select(table, Source.authority_code).join(Source, Source.name == table.source)
        for row, authority_code in session.execute(query.where(table.id.in_(piece))):
            if row.published or sight.is_within(authority_code):
                rows.append(row)
            elif not row.was_published:
                hidden.add(row.id)
    return rows, hidden
