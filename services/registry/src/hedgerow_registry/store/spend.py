"""Lines of spend: which are known, who was paid, and sums by what they are asked for."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final, NamedTuple

from hedgerow_kit.paging import keyset
from sqlalchemy import case, func, or_, select, text, tuple_
from sqlalchemy.orm import Session

from hedgerow_registry.domain.geometry import located
from hedgerow_registry.domain.interests import ORGANISATION
from hedgerow_registry.domain.sizes import size_band
from hedgerow_registry.domain.spend import REDACTED, UNKNOWN, Sum
from hedgerow_registry.store import areas, merges
from hedgerow_registry.store.areas import starts
from hedgerow_registry.store.held import chunks
from hedgerow_registry.store.ownership import web_above
from hedgerow_registry.tables import (
    Area,
    Boundary,
    MatchKey,
    Organisation,
    OrganisationIdentifier,
    Service,
    Site,
    SpendBranch,
    SpendFile,
    SpendLine,
    SpendSource,
    SpendSupplier,
    SpendSupplierKey,
    SpendWord,
)

# From so likely on, a supplier is taken for an organisation; from so likely on, a person is asked.
SURE: Final = 0.85
POSSIBLE: Final = 0.5
STATES: Final = ("matched", "candidate", "unmatched", "redacted")


def lock(session: Session) -> None:
    """Let nobody else take in lines or decide of suppliers until the transaction ends."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("LOCK TABLE spend_suppliers IN SHARE ROW EXCLUSIVE MODE"))


def occurrences(session: Session, source: int, digests: Iterable[int]) -> dict[int, int]:
    """How often each content is held of a source."""
    found: dict[int, int] = {}
    for piece in chunks(sorted(digests)):
        query = (
            select(SpendLine.digest, func.max(SpendLine.occurrence))
            .where(SpendLine.source == source, SpendLine.digest.in_(piece))
            .group_by(SpendLine.digest)
        )
        found.update((digest, count) for digest, count in session.execute(query))
    return found


def numbers(
    session: Session, table: Any, columns: Sequence[str], wanted: Iterable[tuple[str, ...]]
) -> dict[tuple[str, ...], int]:
    """The numbers of those rows that are held, by the values that make one."""
    fields = [getattr(table, name) for name in columns]
    found: dict[tuple[str, ...], int] = {}
    for piece in chunks(sorted(wanted)):
        condition = (
            fields[0].in_([value for (value,) in piece]) if len(fields) == 1 else tuple_(*fields).in_(piece)
        )
        for number, *values in session.execute(select(table.number, *fields).where(condition)):
            found[tuple(values)] = number
    return found


def suppliers_to_look_for(session: Session, changed: Sequence[str]) -> list[int]:
    """The suppliers nobody has looked for yet, and those that one of these organisations may be."""
    table = SpendSupplier
    open_ = (table.redacted.is_(False), or_(table.matched_by.is_(None), table.matched_by != "person"))
    query = select(table.number).where(
        table.redacted.is_(False),
        or_(
            table.looked_at.is_(None) & or_(table.matched_by.is_(None), table.matched_by != "person"),
            # What it was taken for is no more.
            (table.state != "unmatched") & table.organisation_id.is_(None),
        ),
    )
    found = set(session.scalars(query))
    for piece in chunks(changed):
        near = (
            select(SpendSupplierKey.supplier)
            .join(MatchKey, MatchKey.key == SpendSupplierKey.key)
            .where(MatchKey.organisation_id.in_(piece))
        )
        taken_for = table.organisation_id.in_(piece)
        found.update(
            session.scalars(select(table.number).where(*open_, or_(table.number.in_(near), taken_for)))
        )
    return sorted(found)


def has_new_suppliers(session: Session) -> bool:
    """Whether there are suppliers nobody has looked for yet."""
    table = SpendSupplier
    query = select(table.number).where(
        table.state == "unmatched", table.looked_at.is_(None), table.matched_by.is_(None)
    )
    return session.scalar(query.limit(1)) is not None


def undecided(session: Session, wanted: Sequence[int]) -> Sequence[SpendSupplier]:
    """Those of some suppliers that no person has decided, or whose organisation is no more."""
    table = SpendSupplier
    query = select(table).where(
        table.number.in_(wanted),
        or_(table.matched_by.is_(None), table.matched_by != "person", table.organisation_id.is_(None)),
    )
    return session.scalars(query.order_by(table.number), execution_options={"populate_existing": True}).all()


def postcodes_of(session: Session, suppliers: Iterable[int]) -> dict[int, frozenset[str]]:
    """Where suppliers were paid, by postcode."""
    found: dict[int, set[str]] = {}
    for piece in chunks(suppliers):
        query = (
            select(SpendLine.supplier, SpendBranch.postcode)
            .join(SpendBranch, SpendBranch.number == SpendLine.branch)
            .where(SpendLine.supplier.in_(piece), SpendBranch.postcode != "")
            .distinct()
        )
        for number, postcode in session.execute(query):
            found.setdefault(number, set()).add(postcode)
    return {number: frozenset(codes) for number, codes in found.items()}


@dataclass(frozen=True)
class Asked:
    """Which lines are asked about."""

    buyer: str | None = None
    source: str | None = None
    since: date | None = None
    until: date | None = None
    organisation: str | None = None
    supplier: int | None = None

    def of(self, query: Any) -> Any:
        """A query over lines, joined to their suppliers, of just these."""
        if self.buyer is not None:
            query = query.where(SpendSupplier.buyer_code == self.buyer)
        if self.source is not None:
            numbered = select(SpendSource.number).where(SpendSource.name == self.source)
            query = query.where(SpendLine.source.in_(numbered))
        if self.since is not None:
            query = query.where(SpendLine.day >= self.since)
        if self.until is not None:
            query = query.where(SpendLine.day <= self.until)
        if self.organisation is not None:
            query = query.where(
                SpendSupplier.state == "matched",
                SpendSupplier.organisation_id.in_(merges.under(self.organisation)),
            )
        if self.supplier is not None:
            query = query.where(SpendLine.supplier == self.supplier)
        return query


def _sums() -> tuple[Any, ...]:
    is_negative = SpendLine.pence < 0
    return (
        func.coalesce(func.sum(SpendLine.pence), 0),
        func.count(),
        func.coalesce(func.sum(case((is_negative, SpendLine.pence), else_=0)), 0),
        func.coalesce(func.sum(case((is_negative, 1), else_=0)), 0),
    )


def _as_sum(values: Sequence[Any]) -> Sum:
    # PostgreSQL sums whole numbers to a Decimal.
    return Sum(*(int(value) for value in values))


def total(session: Session, asked: Asked) -> Sum:
    """All that was paid."""
    query = select(*_sums()).select_from(SpendLine)
    query = query.join(SpendSupplier, SpendSupplier.number == SpendLine.supplier)
    return _as_sum(session.execute(asked.of(query)).one())


def sources_of(session: Session, asked: Asked) -> list[str]:
    """The sources that the lines come from."""
    lines = select(SpendLine.source).join(SpendSupplier, SpendSupplier.number == SpendLine.supplier)
    named = select(SpendSource.name).where(SpendSource.number.in_(asked.of(lines.distinct())))
    return sorted(session.scalars(named))


class Paid(NamedTuple):
    """What one supplier was paid at one branch."""

    supplier: int
    redacted: bool
    organisation_id: str | None
    postcode: str
    area_code: str
    sum: Sum


def paid(session: Session, asked: Asked) -> list[Paid]:
    """What was paid by supplier and branch, with the organisation that answers now where one is matched."""
    query = (
        select(
            SpendLine.supplier,
            SpendSupplier.redacted,
            case((SpendSupplier.state == "matched", SpendSupplier.organisation_id), else_=None),
            func.coalesce(SpendBranch.postcode, ""),
            func.coalesce(SpendBranch.area_code, ""),
            *_sums(),
        )
        .select_from(SpendLine)
        .join(SpendSupplier, SpendSupplier.number == SpendLine.supplier)
        .outerjoin(SpendBranch, SpendBranch.number == SpendLine.branch)
    )
    query = asked.of(query).group_by(
        SpendLine.supplier,
        SpendSupplier.redacted,
        SpendSupplier.state,
        SpendSupplier.organisation_id,
        SpendBranch.postcode,
        SpendBranch.area_code,
    )
    rows = session.execute(query).all()
    answering = merges.canonical(session, (row[2] for row in rows))
    return [
        Paid(row[0], bool(row[1]), answering.get(row[2]), row[3], row[4], _as_sum(row[5:])) for row in rows
    ]


Keyed = tuple[list[tuple[str, Sum]], dict[str, str]]


def by_category(session: Session, asked: Asked) -> Keyed:
    """Sums by the category that the lines name, redacted ones among them."""
    query = (
        select(SpendWord.word, *_sums())
        .select_from(SpendLine)
        .join(SpendSupplier, SpendSupplier.number == SpendLine.supplier)
        .outerjoin(SpendWord, SpendWord.number == SpendLine.category)
    )
    rows = session.execute(asked.of(query).group_by(SpendWord.word)).all()
    return [(row[0] or UNKNOWN, _as_sum(row[1:])) for row in rows], {}


def by_organisation(
    session: Session, lines: Sequence[Paid], key_of: Callable[[Mapping[str, Any]], str | None]
) -> Keyed:
    """Sums by what is known of the organisations paid."""
    facts = _facts(session, {one.organisation_id for one in lines if one.organisation_id is not None})
    return [
        (
            REDACTED
            if one.redacted
            else UNKNOWN
            if one.organisation_id is None
            else key_of(facts.get(one.organisation_id, {})) or UNKNOWN,
            one.sum,
        )
        for one in lines
    ], {}


def sector_of(facts: Mapping[str, Any]) -> str | None:
    said: str | None = facts.get("sector")
    return said


def size_of(facts: Mapping[str, Any]) -> str | None:
    return facts.get("size_band") or size_band(facts.get("size"))


def by_supplier(session: Session, lines: Sequence[Paid]) -> Keyed:
    """Sums by organisation, and by the supplier's own name where it is matched with none."""
    ids = {one.organisation_id for one in lines if one.organisation_id is not None}
    names = merges.names(session, sorted(ids))
    own: dict[str, str] = {}
    for piece in chunks({one.supplier for one in lines if one.organisation_id is None and not one.redacted}):
        query = select(SpendSupplier.number, SpendSupplier.name, SpendSupplier.supplier_id)
        for number, name, id in session.execute(query.where(SpendSupplier.number.in_(piece))):
            if name or id:
                own[f"supplier-{number}"] = str(name or id)
    made = []
    for one in lines:
        key = f"supplier-{one.supplier}"
        if one.redacted:
            key = REDACTED
        elif one.organisation_id is not None:
            key = one.organisation_id
        elif key not in own:
            key = UNKNOWN
        made.append((key, one.sum))
    return made, {**names, **own}


def _facts(session: Session, ids: Iterable[str]) -> dict[str, dict[str, Any]]:
    wanted = sorted(ids)
    columns = ("sector", "size", "size_band", "head_office_area_code")
    gaps = merges.gaps(session, wanted)
    found = {}
    for piece in chunks(wanted):
        query = select(Organisation.id, *(getattr(Organisation, name) for name in columns))
        for id, *values in session.execute(query.where(Organisation.id.in_(piece))):
            said = dict(zip(columns, values, strict=True))
            filled = gaps.get(id, {})
            found[id] = {name: filled.get(name) if value is None else value for name, value in said.items()}
    return found


class Places:
    """The areas of one level in which branches and organisations are.

    An organisation is where its head office is for `seats`, and for `branches` where it has its sites: in the
    buyer's area if one is there, else in the only area they all are in, else at its head office.
    """

    def __init__(self, session: Session, level: str, home: str | None) -> None:
        self._session = session
        self._level = level
        self._home_inside = set() if home is None else set(session.scalars(select(areas.within(home).c.code)))
        self._of_code: dict[str, str | None] = {}
        self._of_postcode: dict[str, str | None] = {}
        self._home = home
        self._outlines: dict[str, Mapping[str, Any]] | None = None

    def of_code(self, code: str | None) -> str | None:
        """The area of the level around an area: the one of today, of several the first."""
        if not code:
            return None
        if code not in self._of_code:
            around = areas.around(code)
            query = select(Area.code).where(Area.code.in_(select(around.c.code)), Area.level == self._level)
            self._of_code[code] = next(iter(sorted(self._session.scalars(query))), None)
        return self._of_code[code]

    def of_postcode(self, postcode: str) -> str | None:
        """The area in which a site of this postcode is known to be."""
        if not postcode:
            return None
        if postcode not in self._of_postcode:
            there = select(Site.area_code, Site.lon, Site.lat).where(Site.postcode == postcode).distinct()
            rows = self._session.execute(there).all()
            found = {self.of_code(row.area_code) for row in rows} - {None}
            points = [(row.lon, row.lat) for row in rows if row.lon is not None]
            if not found and points:
                found = set(self.of_points(points)) - {None}
            self._of_postcode[postcode] = found.pop() if len(found) == 1 else None
        return self._of_postcode[postcode]

    def of_points(self, points: Sequence[tuple[float, float]]) -> list[str | None]:
        """The area around each point, by the outlines that are held."""
        if self._outlines is None:
            of_level = select(Boundary.area_code).join(Area, Area.code == Boundary.area_code)
            codes = set(self._session.scalars(of_level.where(Area.level == self._level)))
            if self._home is not None and self.of_code(self._home) not in codes:
                # Of an area without an outline the parts may have one.
                codes |= self._home_inside
            self._outlines = {
                code: geometry
                for piece in chunks(sorted(codes))
                for code, geometry in self._session.execute(
                    select(Boundary.area_code, Boundary.geometry).where(Boundary.area_code.in_(piece))
                )
            }
        return [self.of_code(code) for code in located(points, self._outlines)]

    def is_home(self, code: str) -> bool:
        return code in self._home_inside

    def branches(self, ids: Iterable[str]) -> dict[str, str]:
        """The area in which each organisation has its branch; those of which it is not known are left out."""
        wanted = sorted(ids)
        found = self.seats(wanted)
        members = merges.members(self._session, wanted)
        of = {member: id for id in wanted for member in (id, *members.get(id, ()))}
        sited: dict[str, set[str]] = {}
        for piece in chunks(sorted(of)):
            query = (
                select(Service.organisation_id, Site.area_code, Site.lon, Site.lat)
                .join(Site, Site.service_id == Service.id)
                .where(
                    Service.organisation_id.in_(piece),
                    or_(Site.area_code.is_not(None), Site.lon.is_not(None)),
                )
                .distinct()
            )
            points: list[tuple[str, tuple[float, float]]] = []
            for id, code, lon, lat in self._session.execute(query):
                if (area := self.of_code(code)) is not None:
                    sited.setdefault(of[str(id)], set()).add(area)
                elif lon is not None and lat is not None:
                    points.append((of[str(id)], (lon, lat)))
            around = self.of_points([point for _, point in points]) if points else []
            for (id, _), area in zip(points, around, strict=True):
                if area is not None:
                    sited.setdefault(id, set()).add(area)
        for id, codes in sited.items():
            here = sorted(code for code in codes if self.is_home(code))
            if here:
                found[id] = here[0]
            elif len(codes) == 1:
                found[id] = next(iter(codes))
        return found

    def seats(self, ids: Iterable[str]) -> dict[str, str]:
        """The area of each organisation's head office."""
        facts = _facts(self._session, ids)
        placed = {id: self.of_code(said["head_office_area_code"]) for id, said in facts.items()}
        return {id: area for id, area in placed.items() if area is not None}


def by_place(session: Session, lines: Sequence[Paid], places: Places) -> Keyed:
    """Sums by the area of the branch paid: as the line says, else where the organisation has its branch."""
    branches = places.branches({one.organisation_id for one in lines if one.organisation_id is not None})
    made: list[tuple[str, Sum]] = []
    for one in lines:
        if one.redacted:
            made.append((REDACTED, one.sum))
            continue
        area = places.of_code(one.area_code) or places.of_postcode(one.postcode)
        made.append((area or branches.get(one.organisation_id or "", UNKNOWN), one.sum))
    return made, _names(session, {key for key, _ in made})


class Owners(NamedTuple):
    """Sums by the place of ultimate owners; `alone` of them are of organisations without a recorded owner."""

    sums: list[tuple[str, Sum]]
    names: dict[str, str]
    alone: Sum
    cut: bool


def by_ultimate_place(session: Session, lines: Sequence[Paid], places: Places, at: date) -> Owners:
    """Sums by the area in which the ultimate owner of the organisation paid is on a day.

    An organisation that nobody controls is its own owner and counts where its branch is. Where an owner is
    not known, is a person, or where several are in different areas, the place is unknown.
    """
    ids = sorted({one.organisation_id for one in lines if one.organisation_id is not None})
    web = web_above(session, ids)
    ends: dict[str, tuple[str, ...] | None] = {}
    alone: set[str] = set()
    for id in ids:
        structure = web.structure(id, at)
        owners = structure.ultimate(id)
        if not owners:
            alone.add(id)
        known = all(structure.kind(owner) == ORGANISATION for owner in owners)
        ends[id] = owners if known else None
    branches = places.branches(sorted(alone))
    seats = places.seats(sorted({owner for owners in ends.values() for owner in owners or ()}))
    missing = {owner for owners in ends.values() for owner in owners or ()} - set(seats)
    seats.update(places.branches(sorted(missing)))

    def place(id: str | None) -> str:
        if id is None or (owners := ends[id]) is None:
            return UNKNOWN
        if id in alone:
            return branches.get(id, UNKNOWN)
        found = {seats.get(owner, UNKNOWN) for owner in owners}
        return found.pop() if len(found) == 1 else UNKNOWN

    made = [(REDACTED if one.redacted else place(one.organisation_id), one.sum) for one in lines]
    by_itself = Sum()
    for one in lines:
        if one.organisation_id in alone:
            by_itself += one.sum
    return Owners(made, _names(session, {key for key, _ in made}), by_itself, web.cut)


def _names(session: Session, codes: Iterable[str]) -> dict[str, str]:
    return {
        code: name
        for piece in chunks(sorted(codes))
        for code, name in session.execute(select(Area.code, Area.name).where(Area.code.in_(piece)))
    }


def buyer_area(session: Session, code: str) -> str | None:
    """The area of a buyer: its code where it is one, else the head office of the organisation it names."""
    if areas.by_code(session, code) is not None:
        return code
    ids = [code]
    if ":" in code:
        scheme, _, number = code.partition(":")
        query = select(OrganisationIdentifier.organisation_id).where(
            OrganisationIdentifier.scheme == scheme, OrganisationIdentifier.identifier == number
        )
        ids = sorted(session.scalars(query))
    facts = _facts(session, merges.canonical(session, ids).values())
    seats = {said["head_office_area_code"] for said in facts.values()} - {None}
    return seats.pop() if len(seats) == 1 else None


def supplier_page(
    session: Session,
    *,
    buyer: str | None = None,
    state: str | None = None,
    min_score: float | None = None,
    organisation: str | None = None,
    name_starts: str | None = None,
    after: str | None,
    limit: int,
) -> tuple[list[SpendSupplier], str | None]:
    """A page of suppliers in the order in which they were met."""
    table = SpendSupplier
    query = select(table)
    if buyer is not None:
        query = query.where(table.buyer_code == buyer)
    if state is not None:
        query = query.where(table.state == state)
    if min_score is not None:
        query = query.where(table.score >= min_score)
    if organisation is not None:
        query = query.where(table.organisation_id.in_(merges.under(organisation)))
    if name_starts:
        query = query.where(starts(table.name_key, name_starts))
    rows, marker = keyset(session, query, [table.number], after=after, limit=limit)
    return [row[0] for row in rows], marker


def supplier(session: Session, number: int) -> SpendSupplier | None:
    return session.get(SpendSupplier, number, populate_existing=True)


def sums_of(session: Session, suppliers: Sequence[int]) -> dict[int, Sum]:
    """What suppliers were paid in all."""
    found: dict[int, Sum] = {}
    for piece in chunks(suppliers):
        query = select(SpendLine.supplier, *_sums()).where(SpendLine.supplier.in_(piece))
        for number, *values in session.execute(query.group_by(SpendLine.supplier)):
            found[number] = _as_sum(values)
    return found


def line_page(
    session: Session, asked: Asked, *, after: str | None, limit: int
) -> tuple[list[Any], str | None]:
    """A page of lines in the order of days, with what they name in words."""
    category, department = SpendWord.__table__.alias(), SpendWord.__table__.alias()
    query: Any = (
        select(
            SpendLine.day,
            SpendLine.pence,
            SpendLine.occurrence,
            SpendLine.reference,
            SpendSupplier.number.label("supplier"),
            SpendSupplier.buyer_code,
            SpendSupplier.name,
            SpendSupplier.supplier_id,
            SpendSupplier.redacted,
            SpendSupplier.state,
            SpendSupplier.organisation_id,
            category.c.word.label("category"),
            department.c.word.label("department"),
            SpendBranch.postcode,
            SpendBranch.area_code,
            SpendSource.name.label("source"),
            SpendFile.import_id,
        )
        .select_from(SpendLine)
        .join(SpendSupplier, SpendSupplier.number == SpendLine.supplier)
        .join(SpendSource, SpendSource.number == SpendLine.source)
        .join(SpendFile, SpendFile.number == SpendLine.file)
        .outerjoin(category, category.c.number == SpendLine.category)
        .outerjoin(department, department.c.number == SpendLine.department)
        .outerjoin(SpendBranch, SpendBranch.number == SpendLine.branch)
    )
    keys = [SpendLine.day, SpendLine.source, SpendLine.digest, SpendLine.occurrence]
    rows, marker = keyset(session, asked.of(query), keys, after=after, limit=limit)
    return list(rows), marker
