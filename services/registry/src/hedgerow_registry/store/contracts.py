"""Contracting processes, releases and contracts: what is held, and how it is looked up."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from hedgerow_kit.db import among
from hedgerow_kit.paging import keyset
from hedgerow_kit.reach import widened
from sqlalchemy import ColumnElement, Date, Select, and_, delete, func, literal, or_, select, tuple_
from sqlalchemy.orm import Session

from hedgerow_registry.domain.contracts import CHARITY_REGISTERS, THIRD_SECTORS
from hedgerow_registry.domain.identifiers import Identifier
from hedgerow_registry.domain.ocds.agreements import organisations_in, with_organisations
from hedgerow_registry.domain.versions import DELETED
from hedgerow_registry.store import areas, merges
from hedgerow_registry.store.directory import own_parts
from hedgerow_registry.store.held import chunks, lists
from hedgerow_registry.store.sight import Sight
from hedgerow_registry.tables import (
    Contract,
    ContractArea,
    ContractingProcess,
    ContractNeed,
    ContractParty,
    ContractService,
    History,
    Merged,
    Organisation,
    OrganisationIdentifier,
    ProcessArea,
    ProcessNeed,
    ProcessParty,
    Release,
    Source,
    UnpublishedTombstone,
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
        for process, release, at, document in session.execute(query):
            found.setdefault(process, {})[release] = (at, document)
    return found


class HeldProcess(NamedTuple):
    """Whose a process is, and whether it ever was published."""

    source: str
    was_published: bool


def processes_held(session: Session, ids: Iterable[str]) -> dict[str, HeldProcess]:
    """The processes among these that are held."""
    table = ContractingProcess
    return {
        id: HeldProcess(source, was_published)
        for piece in chunks(ids)
        for id, source, was_published in session.execute(
            select(table.id, table.source, table.was_published).where(table.id.in_(piece))
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


class Successor(NamedTuple):
    """The contract that follows another, and whether everybody may know of it."""

    id: str
    published: bool


def successors(session: Session, rows: Iterable[Any], sight: Sight) -> dict[str, Successor]:
    """The contract that follows each: of the process it names, or of one that names its process as prior.

    Both ends are of one source, and the follower is one that the reader may know of.
    """
    listed = list(rows)
    by_ocid: dict[tuple[str, str], Successor] = {}
    for piece in chunks({row.successor_ocid for row in listed if row.successor_ocid}):
        query: Any = select(Contract.source, Contract.ocid, Contract.id, Contract.published)
        query = sight.of_contracts(query.where(Contract.ocid.in_(piece)))
        for source, ocid, *follower in session.execute(query.order_by(Contract.id)):
            by_ocid.setdefault((source, ocid), Successor(*follower))
    by_prior: dict[tuple[str, str], Successor] = {}
    for piece in chunks({row.ocid for row in listed}):
        query = (
            select(Contract.source, ContractingProcess.prior_ocid, Contract.id, Contract.published)
            .join(ContractingProcess, ContractingProcess.id == Contract.process_id)
            .where(ContractingProcess.prior_ocid.in_(piece))
        )
        for source, prior, *follower in session.execute(sight.of_contracts(query).order_by(Contract.id)):
            by_prior.setdefault((source, prior), Successor(*follower))
    found = {}
    for row in listed:
        following = by_ocid.get((row.source, row.successor_ocid)) or by_prior.get((row.source, row.ocid))
        if following is not None:
            found[row.id] = following
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
    authorities = _authorities(session, {row.source for row in rows})
    states = {}
    for row in rows:
        money = sight.of_record(row).money
        supplier_ids = links.with_role(row.id, "supplier")
        follower = after.get(row.id)
        states[row.id] = {
            "id": row.id,
            "ocid": row.ocid,
            "title": row.title,
            "stage": row.stage,
            "status": row.status,
            "buyer_ids": links.with_role(row.id, "buyer"),
            "supplier_ids": supplier_ids,
            "former_supplier_ids": sorted(set(details[row.id]["former_supplier_ids"]) - set(supplier_ids)),
            "value_gbp": money(row.value_gbp),
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
                    "value_gbp": money(lot["value_gbp"]),
                }
                for lot in details[row.id]["lots"]
            ],
            "subcontracts": [
                {
                    "from_id": one["from_id"],
                    "to_id": one["to_id"],
                    "tier": one["tier"],
                    "fee_share": one["fee_share"],
                    "value_gbp": money(one["value_gbp"]),
                }
                for one in details[row.id]["subcontracts"]
            ],
            "successor_id": None if follower is None else follower.id,
            "successor_published": None if follower is None else follower.published,
            "published": row.published,
            "authority_code": authorities.get(row.source),
        }
    return Guarded(states, hidden)


def _authorities(session: Session, sources: Iterable[str]) -> dict[str, str | None]:
    """The authority that each of these sources belongs to."""
    query = select(Source.name, Source.authority_code).where(Source.name.in_(sorted(sources)))
    return {name: code for name, code in session.execute(query)}


def process_states(session: Session, ids: Sequence[str], sight: Sight) -> Guarded:
    """Contracting processes as the change feed tells of them: what is planned, and how far it has come."""
    rows, hidden = _seen(session, ContractingProcess, ids, sight)
    links = process_links(session, [row.id for row in rows])
    authorities = _authorities(session, {row.source for row in rows})
    states = {
        row.id: {
            "id": row.id,
            "ocid": row.ocid,
            "title": row.title,
            "stage": row.stage,
            "status": row.status,
            "buyer_ids": links.with_role(row.id, "buyer"),
            "value_gbp": sight.of_record(row).money(row.value_gbp),
            "start": row.starts,
            "end": row.ends,
            "need_ids": links.needs.get(row.id, []),
            "area_codes": links.area_codes.get(row.id, []),
            "published": row.published,
            "authority_code": authorities.get(row.source),
        }
        for row in rows
    }
    return Guarded(states, hidden)


def _seen(session: Session, table: Any, ids: Sequence[str], sight: Sight) -> tuple[list[Any], set[str]]:
    rows, hidden, withdrawn = [], set(), set()
    for piece in chunks(ids):
        query = select(table, Source.authority_code).join(Source, Source.name == table.source)
        for row, authority_code in session.execute(query.where(table.id.in_(piece))):
            if row.published or sight.is_within(authority_code):
                rows.append(row)
            elif not row.was_published:
                hidden.add(row.id)
            else:
                withdrawn.add(row.id)
        graves = select(UnpublishedTombstone).where(UnpublishedTombstone.id.in_(piece))
        # What may not be told of has to be known here, or it would be told as deleted.
        with widened(session):
            dead = session.scalars(graves).all()
        # Whose it was learns of its end, also when it lives on as another authority's.
        ended = {grave.id for grave in dead if sight.is_within(grave.authority_code)}
        hidden = (hidden | {grave.id for grave in dead}) - ended
    return rows, hidden - withdrawn - {row.id for row in rows}


def once_published(session: Session, type: str, ids: Iterable[str]) -> set[str]:
    """Those of these processes or contracts that were deleted after they had been published.

    Who followed them then may have missed it, and is to learn of it though they are back unpublished.
    """
    was = History.values["old"]["was_published"].as_boolean()
    return {
        id
        for piece in chunks(ids)
        for id in session.scalars(
            select(History.id).where(
                History.type == type, among(History.id, piece), History.action == DELETED, was
            )
        )
    }


def forget_graves(session: Session, ids: Iterable[str]) -> None:
    """Of what was published since it was deleted unpublished, everybody may learn that it is no more."""
    with widened(session):
        for piece in chunks(ids):
            session.execute(delete(UnpublishedTombstone).where(among(UnpublishedTombstone.id, piece)))


def never_published(session: Session, table: Any, ids: Sequence[str]) -> dict[str, str | None]:
    """The authorities of those of these processes or contracts that nobody else has ever seen."""
    found: dict[str, str | None] = {}
    for piece in chunks(ids):
        query = select(table.id, Source.authority_code).join(Source, Source.name == table.source)
        unseen = query.where(table.id.in_(piece), table.was_published.is_(False))
        found |= {id: code for id, code in session.execute(unseen)}
    return found


def locked(session: Session, table: Any, id: str) -> Any:
    """A process or contract, held until the transaction ends."""
    query = select(table).where(table.id == id).with_for_update()
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def has_part(session: Session, organisation: str) -> bool:
    """Whether an organisation has a part in any contract or process."""
    in_contracts = select(ContractParty.contract_id).where(ContractParty.organisation_id == organisation)
    in_processes = select(ProcessParty.process_id).where(ProcessParty.organisation_id == organisation)
    return any(session.scalars(query.limit(1)).first() for query in (in_contracts, in_processes))


def releases_locked(session: Session, ids: Iterable[str]) -> dict[str, Json]:
    """The compiled releases of processes, held until the transaction ends, in the order of their ids."""
    found: dict[str, Json] = {}
    table = ContractingProcess
    for piece in chunks(sorted(set(ids))):
        query = select(table.id, table.release).where(table.id.in_(piece)).order_by(table.id)
        found |= {id: release for id, release in session.execute(query.with_for_update())}
    return found


def last_releases(session: Session, processes: Iterable[str]) -> dict[str, datetime]:
    """The moments of the last releases held of processes."""
    return {
        id: at
        for piece in chunks(processes)
        for id, at in session.execute(
            select(Release.process_id, func.max(Release.date))
            .where(Release.process_id.in_(piece))
            .group_by(Release.process_id)
        )
    }


def whole(session: Session, row: Any) -> Json:
    """What a contract says of itself that has amounts in it."""
    return {"amount": row.amount, "currency": row.currency, **row.details}


def bodies(session: Session, ids: Iterable[str]) -> dict[str, Json]:
    """Organisations as parties of a process: named by their id here, with their names and identifiers."""
    wanted = list(ids)
    known = own_parts(session, wanted).identifiers
    return {
        row.id: {
            "id": row.id,
            "name": row.name,
            "identifiers": [tuple(one) for one in known.get(row.id, [])],
        }
        for piece in chunks(wanted)
        for row in session.execute(
            select(Organisation.id, Organisation.name).where(Organisation.id.in_(piece))
        )
    }


@dataclass(frozen=True)
class Wanted:
    """What is asked of contracts; all of it has to hold. party: in any role, or in `role`."""

    buyer: str | None = None
    supplier: str | None = None
    party: str | None = None
    role: str | None = None
    need: str | None = None
    area: str | None = None
    service: str | None = None
    stage: str | None = None
    status: str | None = None
    in_force_at: date | None = None
    ending_before: date | None = None
    reserved: bool | None = None
    third_sector_short_term: bool = False
    programme: str | None = None
    ocid: str | None = None
    source: str | None = None


def contract_query(wanted: Wanted, sight: Sight) -> Select[Any]:
    """The contracts that meet every condition, of those that may be seen."""
    query: Select[Any] = sight.of_contracts(select(Contract))
    for id, role in ((wanted.buyer, "buyer"), (wanted.supplier, "supplier"), (wanted.party, wanted.role)):
        if id is not None:
            query = query.where(_has_party(id, role))
    if wanted.need is not None:
        named = select(ContractNeed.contract_id).where(ContractNeed.need_id == wanted.need)
        query = query.where(Contract.id.in_(named))
    if wanted.area is not None:
        query = query.where(Contract.id.in_(_for_area(ContractArea.contract_id, ContractArea, wanted.area)))
    if wanted.service is not None:
        named = select(ContractService.contract_id).where(ContractService.service_id == wanted.service)
        query = query.where(Contract.id.in_(named))
    for column, value in (
        (Contract.stage, wanted.stage),
        (Contract.status, wanted.status),
        (Contract.programme, wanted.programme),
        (Contract.ocid, wanted.ocid),
        (Contract.source, wanted.source),
        (Contract.is_reserved, wanted.reserved),
    ):
        if value is not None:
            query = query.where(column == value)
    if wanted.in_force_at is not None:
        query = query.where(_in_force(wanted.in_force_at))
    if wanted.ending_before is not None:
        query = query.where(Contract.ends < wanted.ending_before)
    if wanted.third_sector_short_term:
        query = query.where(Contract.is_under_three_years.is_(True), Contract.id.in_(_with_third_sector()))
    return query


def process_query(wanted: Wanted, sight: Sight) -> Select[Any]:
    """The processes that meet those conditions that processes have: buyer, need, area, programme, source."""
    table = ContractingProcess
    query: Select[Any] = sight.of_processes(select(table))
    if wanted.need is not None:
        named = select(ProcessNeed.process_id).where(ProcessNeed.need_id == wanted.need)
        query = query.where(table.id.in_(named))
    if wanted.area is not None:
        query = query.where(table.id.in_(_for_area(ProcessArea.process_id, ProcessArea, wanted.area)))
    if wanted.buyer is not None:
        named = select(ProcessParty.process_id).where(
            ProcessParty.role == "buyer", ProcessParty.organisation_id.in_(merges.under(wanted.buyer))
        )
        query = query.where(table.id.in_(named))
    for column, value in (
        (table.ocid, wanted.ocid),
        (table.programme, wanted.programme),
        (table.source, wanted.source),
    ):
        if value is not None:
            query = query.where(column == value)
    return query


def contract_page(
    session: Session, wanted: Wanted, sight: Sight, *, after: str | None, limit: int
) -> tuple[list[Contract], str | None]:
    """A page of contracts in the order of their ids."""
    rows, marker = keyset(session, contract_query(wanted, sight), [Contract.id], after=after, limit=limit)
    return [row[0] for row in rows], marker


def contract(session: Session, id: str, sight: Sight) -> Contract | None:
    """A contract, if it may be seen."""
    return session.scalars(sight.of_contracts(select(Contract).where(Contract.id == id))).one_or_none()


def _has_party(id: str, role: str | None) -> ColumnElement[bool]:
    named = select(ContractParty.contract_id).where(ContractParty.organisation_id.in_(merges.under(id)))
    if role is not None:
        named = named.where(ContractParty.role == role)
    return Contract.id.in_(named)


def _for_area(owner: Any, table: Any, area: str) -> Select[Any]:
    inside, outside = areas.within(area), areas.around(area)
    return select(owner).where(
        or_(
            table.area_code.in_(select(inside.c.code)),
            table.area_code.in_(select(outside.c.code)),
        )
    )


def _in_force(at: date) -> ColumnElement[bool]:
    # The same rule as `domain.contracts.in_force`.
    return and_(
        or_(Contract.status.is_(None), Contract.status == "active"),
        or_(Contract.starts.is_(None), Contract.starts <= at),
        or_(Contract.ends.is_(None), Contract.ends >= at),
    )


def _with_third_sector() -> Select[Any]:
    # The same rule as `domain.contracts.is_third_sector`.
    registered = select(OrganisationIdentifier.organisation_id).where(
        OrganisationIdentifier.scheme.in_(CHARITY_REGISTERS)
    )
    answering = func.coalesce(Merged.canonical_id, ContractParty.organisation_id)
    return (
        select(ContractParty.contract_id)
        .outerjoin(Merged, Merged.organisation_id == ContractParty.organisation_id)
        .join(Organisation, Organisation.id == answering)
        .where(
            ContractParty.role == "supplier",
            or_(
                Organisation.sector.in_(THIRD_SECTORS),
                and_(
                    Organisation.sector.is_(None),
                    or_(Organisation.id.in_(registered), ContractParty.vcse == "yes"),
                ),
            ),
        )
    )


# Where nothing came of it, or it was taken back, nothing is to come.
_ENDED = ("cancelled", "unsuccessful", "complete", "withdrawn")


def _to_come() -> ColumnElement[bool]:
    table = ContractingProcess
    return and_(
        table.stage.in_(("planning", "tender")), or_(table.status.is_(None), table.status.not_in(_ENDED))
    )


def pipeline_page(
    session: Session,
    wanted: Wanted,
    sight: Sight,
    *,
    starting_from: date | None,
    starting_before: date | None,
    after: str | None,
    limit: int,
) -> tuple[list[ContractingProcess], str | None]:
    """A page of what is to come by its start; what has none is last."""
    table = ContractingProcess
    query = process_query(wanted, sight).where(_to_come())
    if starting_from is not None:
        query = query.where(table.starts >= starting_from)
    if starting_before is not None:
        query = query.where(table.starts < starting_before)
    soonest = func.coalesce(table.starts, literal(date.max, Date))
    rows, marker = keyset(session, query, [soonest, table.id], after=after, limit=limit)
    return [row[0] for row in rows], marker


def plan(session: Session, id: str, sight: Sight) -> ContractingProcess | None:
    """An entry of the pipeline, if it may be seen."""
    table = ContractingProcess
    query = sight.of_processes(select(table).where(table.id == id, _to_come()))
    return session.scalars(query).one_or_none()


class Exported(NamedTuple):
    """A process with its releases in their order. sees_all: whether the reader is of its authority."""

    ocid: str
    sees_all: bool
    releases: list[Json]


def processes_after(session: Session, wanted: Wanted, sight: Sight, last: str, limit: int) -> list[str]:
    """The ids of the next processes that meet the question."""
    query = whole_processes(select(ContractingProcess.id), wanted, sight)
    return list(session.scalars(query.where(ContractingProcess.id > last).limit(limit)))


def whole_processes(query: Select[Any], wanted: Wanted, sight: Sight) -> Select[Any]:
    """A query of processes narrowed to those that meet the question themselves or with a contract, by id."""
    table = ContractingProcess
    # What a process is for stands in its plan or in its contracts.
    planned = process_query(wanted, sight).with_only_columns(table.id)
    agreed = contract_query(wanted, sight).with_only_columns(Contract.process_id)
    seen = sight.of_processes(query).where(or_(table.id.in_(planned), table.id.in_(agreed)))
    return seen.order_by(table.id)


def exported(session: Session, ids: Sequence[str], sight: Sight) -> list[Exported]:
    """Processes with their releases, in the order of the processes' ids."""
    table = ContractingProcess
    query = (
        select(table.id, table.ocid, Source.authority_code)
        .join(Source, Source.name == table.source)
        .where(table.id.in_(ids))
        .order_by(table.id)
    )
    found = histories(session, ids)
    return [
        Exported(
            ocid,
            sight.is_within(authority_code),
            [document for _, document in _dated(found.get(id, {}))],
        )
        for id, ocid, authority_code in session.execute(query)
    ]


def _dated(history: Mapping[str, tuple[datetime, Json]]) -> list[tuple[datetime, Json]]:
    return [history[id] for id in sorted(history, key=lambda id: (history[id][0], id))]
