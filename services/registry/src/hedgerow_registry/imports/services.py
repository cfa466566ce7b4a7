"""The kind `services`: one row makes a service, its organisation if that is new, and a site if it has one."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hedgerow_kit.bulk import Kind, Run
from hedgerow_kit.records import Outcome, Record
from sqlalchemy.orm import Session

from hedgerow_registry.actions import entities, records
from hedgerow_registry.actions.provenance import Provenance
from hedgerow_registry.actions.records import QUARANTINED, Prepared, Written
from hedgerow_registry.domain import directory, eligibility, gss, ids, words
from hedgerow_registry.imports.needs import KnownNeeds, known_need_ids
from hedgerow_registry.imports.organisations import identifiers_of
from hedgerow_registry.imports.rows import (
    CRS_OPTION,
    MEDIA_TYPES,
    OPTIONS,
    Rejected,
    Row,
    Seen,
    crs_of,
    note_unknown_area,
    parsed,
    provenance,
    reader,
    source_of,
    strongest,
)
from hedgerow_registry.imports.sites import place
from hedgerow_registry.store.directory import known_areas, known_organisations, organisations_named

REQUIRED = ("id", "name")
SITE_COLUMNS = ("site_id", "site_name", "address", "postcode", "site_area_code", "lon", "lat")
OPTIONAL = (
    "organisation_id",
    "organisation_name",
    "organisation_identifiers",
    "needs",
    "area_codes",
    "status",
    "description",
    "url",
    "email",
    "phone",
    "minimum_age",
    "maximum_age",
    "circumstances",
    "capacity",
    "valid_from",
    "valid_to",
    "assured_on",
    *SITE_COLUMNS,
)


def _capacity(text: str) -> float:
    return words.number(text, least=0)


def _service(row: Row, source: str) -> dict[str, Any]:
    external = row.needed("id")
    minimum, maximum = row.checked(
        "maximum_age",
        eligibility.ages,
        row.read_maybe("minimum_age", eligibility.age),
        row.read_maybe("maximum_age", eligibility.age),
    )
    valid_from, valid_to = row.read_maybe("valid_from", words.day), row.read_maybe("valid_to", words.day)
    if valid_from is not None and valid_to is not None and valid_to < valid_from:
        raise Rejected("it ends before it starts", "valid_to")
    return {
        "id": ids.record_id(source, "service", external),
        "source_id": external,
        "name": row.needed("name"),
        "status": row.checked("status", directory.service_status, row.text("status")),
        "description": row.maybe("description"),
        "url": row.maybe("url"),
        "email": row.maybe("email"),
        "phone": row.maybe("phone"),
        "minimum_age": minimum,
        "maximum_age": maximum,
        "circumstances": sorted(set(row.parts("circumstances"))) or None,
        "capacity": row.read_maybe("capacity", _capacity),
        "valid_from": valid_from,
        "valid_to": valid_to,
        "assured_on": row.read_maybe("assured_on", words.day),
        "needs": row.parts("needs"),
        "area_codes": [row.checked("area_codes", gss.area_code, part) for part in row.parts("area_codes")],
    }


def _site(row: Row, service: Mapping[str, Any], source: str, crs: str) -> dict[str, Any] | None:
    if not any(row.text(column) for column in SITE_COLUMNS):
        return None
    fields = place(row, crs, area_column="site_area_code")
    name, external = row.maybe("site_name"), row.maybe("site_id")
    # Without an id of its own a site is known by its service and by where it is said to be.
    said = "\x1f".join(words.name_key(text or "") for text in (name, fields["address"], fields["postcode"]))
    own = external if external is not None else f"{service['source_id']}\x1f{said}"
    return {
        "id": ids.record_id(source, "site", own),
        "source_id": external,
        "service_id": service["id"],
        "name": name,
        **fields,
    }


def _organisation(row: Row, source: str) -> dict[str, Any] | None:
    """The organisation of a row as it would be made: with the id it is called by, else one from its name."""
    external, name = row.maybe("organisation_id"), row.maybe("organisation_name")
    if external is None and name is None:
        return None
    name_key = None if name is None else words.name_key(name)
    return {
        "id": ids.record_id(source, "organisation", external or f"name:{name_key}"),
        "source_id": external,
        "name": name,
        "name_key": name_key,
        "status": "active",
        "identifiers": identifiers_of(row, "organisation_identifiers"),
    }


@dataclass
class _Organisations:
    """The organisations that the rows of a batch speak of, and those they make."""

    known: set[str]
    named: dict[str, list[str]]
    made: dict[str, dict[str, Any]]

    @classmethod
    def of(cls, session: Session, wanted: Iterable[Mapping[str, Any]], source: str) -> "_Organisations":
        spoken = list(wanted)
        return cls(
            known_organisations(session, (organisation["id"] for organisation in spoken)),
            organisations_named(
                session, source, (o["name_key"] for o in spoken if o["source_id"] is None and o["name_key"])
            ),
            {},
        )

    def settle(self, organisation: Mapping[str, Any]) -> str:
        """The id of the organisation a row means; made if it is new and has a name."""
        id: str = organisation["id"]
        if id in self.known or id in self.made:
            return id
        if organisation["source_id"] is None:
            named = self.named.get(organisation["name_key"], [])
            if len(named) > 1:
                raise Rejected(
                    "several organisations have this name: give organisation_id", "organisation_name"
                )
            if named:
                return named[0]
        if organisation["name"] is None:
            raise Rejected(
                "no such organisation in this source: import organisations first, or give organisation_name",
                "organisation_id",
            )
        self.made[id] = {name: value for name, value in organisation.items() if name != "name_key"}
        return id


@dataclass
class _Line:
    """What one row makes."""

    row: Row
    service: Prepared
    site: Prepared | None
    organisation_id: str | None
    # Whether this row is the one that makes its organisation.
    makes_it: bool


def write(session: Session, batch: Sequence[Record], run: Run) -> Iterable[Outcome]:
    by = provenance(session, run)
    source, crs = source_of(run), crs_of(run)

    def parse(row: Row) -> dict[str, Any]:
        service = _service(row, source)
        return {
            "service": service,
            "site": _site(row, service, source, crs),
            "organisation": _organisation(row, source),
        }

    rows, outcomes = parsed(batch, parse, key=["id"])
    organisations = _Organisations.of(
        session, (f["organisation"] for _, f in rows if f["organisation"] is not None), source
    )
    needs = known_need_ids(session, (need for _, f in rows for need in f["service"]["needs"]), source)
    areas = known_areas(session, _area_codes(f for _, f in rows))
    seen = Seen.of(run)
    lines: list[_Line] = []
    for row, fields in rows:
        try:
            lines.append(_settled(row, fields, organisations, needs, areas, seen))
        except Rejected as error:
            outcomes.append(row.rejected(error))
    outcomes += _written(session, lines, organisations.made, by)
    return outcomes


def _area_codes(fields: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for made in fields:
        yield from made["service"]["area_codes"]
        if made["site"] is not None and made["site"]["area_code"] is not None:
            yield made["site"]["area_code"]


def _settled(
    row: Row,
    fields: Mapping[str, Any],
    organisations: _Organisations,
    needs: KnownNeeds,
    areas: set[str],
    seen: Seen,
) -> _Line:
    service, site, organisation = fields["service"], fields["site"], fields["organisation"]
    found = [needs.find(need, "needs") for need in service["needs"]]
    for need, is_known in found:
        if not is_known:
            row.note(f"the need {need} is not known yet", "needs")
    service["needs"] = [need for need, _ in found]
    for code in service["area_codes"]:
        note_unknown_area(row, code, areas, "area_codes")
    if site is not None:
        note_unknown_area(row, site["area_code"], areas, "site_area_code")
    made_before = len(organisations.made)
    organisation_id = None if organisation is None else organisations.settle(organisation)
    makes_it = len(organisations.made) > made_before
    line = _Line(
        row,
        entities.SERVICES.prepare({**service, "organisation_id": organisation_id}),
        None if site is None else entities.SITES.prepare(site),
        organisation_id,
        makes_it,
    )
    try:
        seen.require(entities.SERVICES, line.service, row)
        if line.site is not None:
            seen.require(entities.SITES, line.site, row)
    except Rejected:
        if makes_it and organisation_id is not None:
            del organisations.made[organisation_id]
        raise
    return line


def _written(
    session: Session, lines: Sequence[_Line], organisations: Mapping[str, Mapping[str, Any]], by: Provenance
) -> list[Outcome]:
    written = records.write(session, entities.ORGANISATIONS, organisations.values(), by)
    made = dict(zip(organisations, written, strict=True))
    refused = {id for id, result in made.items() if result.verdict == QUARANTINED}
    open_lines = [line for line in lines if line.organisation_id not in refused]
    services = records.write_prepared(session, entities.SERVICES, [line.service for line in open_lines], by)
    results: dict[int, list[Written]] = {id(line): [] for line in lines}
    for line in lines:
        if line.organisation_id in refused:
            reason = made[line.organisation_id].reason
            results[id(line)].append(Written(QUARANTINED, f"its organisation: {reason}", "organisation_name"))
        elif line.makes_it and line.organisation_id is not None:
            results[id(line)].append(made[line.organisation_id])
    sited: list[tuple[_Line, Prepared]] = []
    for line, result in zip(open_lines, services, strict=True):
        results[id(line)].append(result)
        if line.site is not None and result.verdict != QUARANTINED:
            sited.append((line, line.site))
    sites = records.write_prepared(session, entities.SITES, [site for _, site in sited], by)
    for (line, _), result in zip(sited, sites, strict=True):
        if result.verdict == QUARANTINED:
            line.row.note(f"the site was left out: {result.reason}", "site_id")
        else:
            results[id(line)].append(result)
    return [line.row.outcome(strongest(results[id(line)])) for line in lines]


KIND = Kind(
    name="services",
    summary="Import services from a flat file, with their organisations and sites",
    read=reader(REQUIRED, OPTIONAL),
    write=write,
    media_types=MEDIA_TYPES,
    options={**OPTIONS, **CRS_OPTION},
)
