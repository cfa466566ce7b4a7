"""What figures over contracts are made of: the contracts asked for, and what is known of their parties."""

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from hedgerow_registry.domain.contract_summaries import Bids, Body, Step
from hedgerow_registry.domain.contracts import Evidence
from hedgerow_registry.store import merges
from hedgerow_registry.store.contracts import (
    Json,
    Links,
    Wanted,
    contract_links,
    contract_query,
    details_of,
    process_links,
    process_query,
    whole_processes,
)
from hedgerow_registry.store.directory import organisation_parts
from hedgerow_registry.store.held import chunks
from hedgerow_registry.store.sight import Sight
from hedgerow_registry.tables import Contract, ContractingProcess, Organisation, Source

_SAID = (
    "sector",
    "size_band",
    *("user_led", "user_led_evidence", "user_led_on"),
    *("supported_business", "supported_business_evidence", "supported_business_on"),
    *("public_service_mutual", "public_service_mutual_evidence", "public_service_mutual_on"),
)


class Asked:
    """The contracts that meet a question, with their links and details, and those who have a part in them."""

    def __init__(self, session: Session, wanted: Wanted, sight: Sight) -> None:
        self.rows: list[Contract] = list(session.scalars(contract_query(wanted, sight).order_by(Contract.id)))
        self.links: Links = contract_links(session, [row.id for row in self.rows])
        self.details: dict[str, Json] = details_of(session, self.rows)
        parties = {party[1] for listed in self.links.parties.values() for party in listed}
        self.bodies = bodies(session, parties)


def bodies(session: Session, ids: Iterable[str]) -> dict[str, Body]:
    """What is known of organisations; what one says nothing of, those merged into it may say."""
    wanted = sorted(set(ids))
    known = organisation_parts(session, wanted).identifiers
    gaps = merges.gaps(session, wanted)
    columns = [getattr(Organisation, name) for name in _SAID]
    found = {}
    for piece in chunks(wanted):
        query = select(Organisation.id, Organisation.name, *columns).where(Organisation.id.in_(piece))
        for id, name, *values in session.execute(query):
            said = dict(zip(_SAID, values, strict=True))
            said |= {
                key: value
                for key, value in gaps.get(id, {}).items()
                if key in said and said[key] in (None, "")
            }
            found[id] = Body(
                name,
                said["sector"],
                said["size_band"],
                tuple(sorted({scheme for scheme, _ in known.get(id, [])})),
                _evidence(said, "user_led"),
                _evidence(said, "supported_business"),
                _evidence(said, "public_service_mutual"),
            )
    return found


def _evidence(said: Json, status: str) -> Evidence:
    return Evidence(said[status], said[f"{status}_evidence"], said[f"{status}_on"])


def bids(session: Session, wanted: Wanted, sight: Sight) -> list[Bids]:
    """Of each process that meets the question what it tells of bids, organisations as they answer today."""
    rows = list(session.scalars(whole_processes(select(ContractingProcess), wanted, sight)))
    details = details_of(session, rows)
    return [Bids(details[row.id]["bids"], details[row.id].get("statistics", ())) for row in rows]


def programme_steps(session: Session, wanted: Wanted, sight: Sight) -> Iterator[Step]:
    """The contracts of programmes, and the processes of programmes that have come to none yet."""
    table = ContractingProcess
    early = process_query(wanted, sight).where(
        table.programme.is_not(None), table.stage.in_(("planning", "tender"))
    )
    agreed = contract_query(wanted, sight).where(Contract.programme.is_not(None))
    for rows, links_of in (
        (list(session.scalars(early)), process_links),
        (list(session.scalars(agreed)), contract_links),
    ):
        links = links_of(session, [row.id for row in rows])
        for row in rows:
            yield Step(
                str(row.programme),
                row.stage,
                tuple(links.with_role(row.id, "buyer")),
                row.status,
                row.starts,
                row.ends,
                sight.of_record(row).money(row.value_gbp),
            )


def authorities(session: Session, rows: Iterable[Any]) -> dict[str, str | None]:
    """The authorities that sources belong to, by the source."""
    names = {row.source for row in rows}
    query = select(Source.name, Source.authority_code).where(Source.name.in_(names))
    return {name: code for name, code in session.execute(query)}
