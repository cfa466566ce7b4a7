"""Finding services, organisations and sites: by text, need, place, opening time, and all together.

Each condition says what it is in the search index, if it is something there, and what it is in the tables. A
question with anything in it that the index knows is led by it, in the order in which records came; any other
is asked of the tables alone, in the order of ids.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property, partial
from typing import Any, NamedTuple

from hedgerow_kit import paging
from hedgerow_kit.db import among
from sqlalchemy import (
    Float,
    Row,
    and_,
    exists,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    union_all,
)
from sqlalchemy.orm import Session

from hedgerow_registry.domain import eligibility, nearness, quality
from hedgerow_registry.domain.openings import Moment, block
from hedgerow_registry.domain.searching import (
    NOTHING,
    But,
    Either,
    Node,
    Phrase,
    Tag,
    Word,
    any_tag,
    asked,
    named,
    tag,
    whole,
)
from hedgerow_registry.store import areas, merges, search
from hedgerow_registry.store.openings import open_at
from hedgerow_registry.tables import (
    Crosswalk,
    Need,
    Organisation,
    OrganisationIdentifier,
    Service,
    ServiceArea,
    ServiceNeed,
    ServiceOpening,
    Site,
)

# So many values of one property are looked up in the index; of more the tables are asked.
MOST_VALUES = 100
# A word that is in the name of a need, or begins one, stands for so many needs.
MOST_NAMED = 1_000
MOST_NEEDS = 10_000


class Condition(NamedTuple):
    """One thing that has to hold.

    node: what it is in the index · exact: what has to hold in the tables, besides or instead
    """

    node: Node | None = None
    exact: Any = None


class Near(NamedTuple):
    """Within metres of a point in WGS84."""

    lon: float
    lat: float
    within_m: float


@dataclass(frozen=True)
class Services:
    """What is asked of services; all of it has to hold.

    text, eligibility: words as they were typed · by_name: names that fit come first
    need_ids: any of them is addressed · area: it is served, or a site lies in it
    organisation: of it or one merged into it · providers: of any of these
    assured_from, assured_before: days of assurance · assured: whether there is one
    """

    text: str | None = None
    by_name: bool = False
    need_ids: Sequence[str] | None = None
    area: str | None = None
    near: Near | None = None
    open_at: Moment | None = None
    age: float | None = None
    eligibility: str | None = None
    organisation: str | None = None
    providers: Sequence[str] | None = None
    status: str | None = None
    source: str | None = None
    assured_from: date | None = None
    assured_before: date | None = None
    assured: bool | None = None


@dataclass(frozen=True)
class Organisations:
    """What is asked of organisations; need_ids, area and near speak of their services."""

    text: str | None = None
    by_name: bool = False
    source: str | None = None
    sector: str | None = None
    sizes: Sequence[str] | None = None
    identifier: tuple[str, str] | None = None
    among: Sequence[str] | None = None
    need_ids: Sequence[str] | None = None
    area: str | None = None
    near: Near | None = None


@dataclass(frozen=True)
class Sites:
    """What is asked of sites; need_ids speaks of their services."""

    text: str | None = None
    by_name: bool = False
    service: str | None = None
    area: str | None = None
    source: str | None = None
    near: Near | None = None
    open_at: Moment | None = None
    need_ids: Sequence[str] | None = None


# Records with the columns of their table, and the marker of the next page.
Page = tuple[list[Row[*tuple[Any, ...]]], str | None]
# But for what is long and what no list shows.
_TOO_LONG = frozenset({"document"})


def services(session: Session, wanted: Services, *, after: str | None, limit: int) -> Page:
    """A page of services."""
    conditions = list(_of_services(session, wanted))
    texts = _Texts(session, wanted.text, wanted.by_name, with_needs=True)
    return _page(session, search.SERVICES, conditions, texts, after, limit)


def organisations(session: Session, wanted: Organisations, *, after: str | None, limit: int) -> Page:
    """A page of organisations that answer for themselves."""
    conditions = list(_of_organisations(session, wanted))
    texts = _Texts(session, wanted.text, wanted.by_name)
    return _page(session, search.ORGANISATIONS, conditions, texts, after, limit)


def sites(session: Session, wanted: Sites, *, after: str | None, limit: int) -> Page:
    """A page of sites."""
    conditions = list(_of_sites(session, wanted))
    texts = _Texts(session, wanted.text, wanted.by_name)
    return _page(session, search.SITES, conditions, texts, after, limit)


class _Texts:
    """The text of a question as conditions on the index."""

    def __init__(
        self, session: Session, text: str | None, by_name: bool, *, with_needs: bool = False
    ) -> None:
        self._session = session
        self.text = text
        self.by_name = by_name and text is not None
        self._with_needs = with_needs

    def whole(self) -> list[Node]:
        """Each word occurs in the record, or in the name of a need it addresses."""
        if self.text is None:
            return []
        words = self._words
        if self._with_needs:
            needs = search.ids(self._session, search.NEEDS, words, most=MOST_NAMED)
            words = list(map(_or_of_needs, words, needs))
        return words or [NOTHING]

    def in_name(self) -> Node:
        return whole(map(named, self._words))

    @cached_property
    def _words(self) -> list[Node]:
        return search.spelled_out(self._session, asked(self.text or ""))


def _or_of_needs(word: Node, needs: Sequence[str]) -> Node:
    return Either((word, *(Tag(tag("n", need)) for need in needs))) if needs else word


def _page(
    session: Session,
    index: search.Index,
    conditions: Sequence[Condition],
    texts: _Texts,
    after: str | None,
    limit: int,
) -> Page:
    # As plain rows, which take half of what it takes to follow what becomes of each.
    shown = [column for column in index.record.__table__.columns if column.name not in _TOO_LONG]
    exact = [one.exact for one in conditions if one.exact is not None]
    if texts.text is None and not any(one.node is not None for one in conditions):
        query = select(*shown).where(*exact)
        return paging.keyset(session, query, [index.record.id], after=after, limit=limit)
    nodes = [*texts.whole(), *(one.node for one in conditions if one.node is not None)]
    asked_for: list[Node] = [whole(nodes)]
    if texts.by_name:
        by_name = texts.in_name()
        asked_for = [whole([by_name, *nodes]), But(whole(nodes), by_name)]

    def run(node: Node, after: Any, most: int) -> search.Rows:
        return search.first(session, index, node, exact, shown, after=after, most=most)

    runs = [partial(run, node) for node in asked_for]
    return paging.in_turn(runs, index.table.number, after=after, limit=limit)


def _of_services(session: Session, wanted: Services) -> Iterable[Condition]:
    if wanted.need_ids is not None:
        yield _needs(wanted.need_ids)
    if wanted.area is not None:
        yield _area(session, wanted.area)
    if wanted.near is not None:
        there = exists().where(Site.service_id == Service.id, within(wanted.near))
        yield Condition(cells(wanted.near), exact=there)
    if wanted.open_at is not None:
        opens = exists().where(ServiceOpening.service_id == Service.id, open_at(wanted.open_at))
        yield Condition(Tag(f"t:{block(wanted.open_at)}"), exact=opens)
    if wanted.eligibility is not None:
        yield Condition(_eligibility(session, wanted.eligibility))
    if wanted.age is not None:
        yield Condition(
            any_tag("y", eligibility.spans_around(wanted.age)),
            exact=and_(
                or_(Service.minimum_age.is_(None), Service.minimum_age <= wanted.age),
                or_(Service.maximum_age.is_(None), Service.maximum_age >= wanted.age),
            ),
        )
    if wanted.organisation is not None:
        under = session.scalars(merges.under(wanted.organisation)).all()
        yield _one_of("o", under, Service.organisation_id)
    if wanted.providers is not None:
        merged = merges.members(session, wanted.providers)
        everyone = {*wanted.providers, *(member for listed in merged.values() for member in listed)}
        yield _one_of("o", everyone, Service.organisation_id)
    if wanted.status is not None:
        yield Condition(Tag(tag("s", wanted.status)))
    if wanted.source is not None:
        yield Condition(Tag(tag("f", wanted.source)))
    if wanted.assured_from is not None or wanted.assured_before is not None:
        yield _assured(wanted.assured_from, wanted.assured_before)
    if wanted.assured is not None:
        days = quality.spans_between(None, None) if wanted.assured else ["none"]
        yield Condition(any_tag("d", days))


def _assured(first: date | None, before: date | None) -> Condition:
    last = None if before is None else max(before, date.min + timedelta(days=1)) - timedelta(days=1)
    exact = [] if first is None else [Service.assured_on >= first]
    exact += [] if last is None else [Service.assured_on <= last]
    return Condition(any_tag("d", quality.spans_between(first, last)), exact=and_(*exact))


def _of_organisations(session: Session, wanted: Organisations) -> Iterable[Condition]:
    yield Condition(exact=merges.standing(Organisation.id))
    if wanted.source is not None:
        yield Condition(Tag(tag("f", wanted.source)))
    if wanted.sector is not None:
        # A sector may come from an organisation merged into it: the index knows the own one only.
        yield Condition(exact=Organisation.sector == wanted.sector)
    if wanted.sizes is not None:
        yield Condition(exact=Organisation.size_band.in_(wanted.sizes))
    if wanted.identifier is not None:
        scheme, number = wanted.identifier
        merged = merges.alias()
        identified = (
            select(merges.answering_id(OrganisationIdentifier.organisation_id, merged))
            .select_from(OrganisationIdentifier)
            .outerjoin(merged, merged.organisation_id == OrganisationIdentifier.organisation_id)
            .where(OrganisationIdentifier.scheme == scheme, OrganisationIdentifier.identifier == number)
        )
        yield Condition(exact=Organisation.id.in_(identified))
    if wanted.among is not None:
        yield Condition(exact=Organisation.id.in_(list(wanted.among)))
    provides = []
    if wanted.need_ids is not None:
        provides.append(_addresses(wanted.need_ids, Service.id))
    if wanted.area is not None:
        provides.append(_serves(wanted.area))
    if wanted.near is not None:
        near = by_point(wanted.near) if _has_points(session) else within(wanted.near)
        provides.append(Service.id.in_(select(Site.service_id).where(near)))
    if provides:
        merged = merges.alias()
        own = (
            select(merges.answering_id(Service.organisation_id, merged))
            .select_from(Service)
            .outerjoin(merged, merged.organisation_id == Service.organisation_id)
            .where(Service.organisation_id.is_not(None), *provides)
        )
        yield Condition(exact=Organisation.id.in_(own))


def _of_sites(session: Session, wanted: Sites) -> Iterable[Condition]:
    if wanted.service is not None:
        yield Condition(Tag(tag("v", wanted.service)))
    if wanted.source is not None:
        yield Condition(Tag(tag("f", wanted.source)))
    if wanted.area is not None:
        inside = areas.within(wanted.area)
        used = session.scalars(select(_used(inside, [Site.area_code]).c.code)).all()
        if len(used) > MOST_VALUES:
            yield Condition(exact=Site.area_code.in_(select(inside.c.code)))
        else:
            yield Condition(any_tag("p", map(str.lower, used)))
    if wanted.near is not None:
        yield Condition(cells(wanted.near), exact=within(wanted.near))
    if wanted.open_at is not None:
        yield Condition(Tag(f"t:{block(wanted.open_at)}"), exact=_site_opens(wanted.open_at))
    if wanted.need_ids is not None:
        yield Condition(exact=_addresses(wanted.need_ids, Site.service_id))


def _site_opens(asked_for: Moment) -> Any:
    """A site has opening times of its own, or those of its service."""
    of_service = ServiceOpening.service_id == Site.service_id
    own = exists().where(of_service, ServiceOpening.place_id == Site.id)
    open_itself = exists().where(of_service, ServiceOpening.place_id == Site.id, open_at(asked_for))
    open_as_service = exists().where(of_service, ServiceOpening.place_id.is_(None), open_at(asked_for))
    return or_(open_itself, and_(not_(own), open_as_service))


def _needs(need_ids: Sequence[str]) -> Condition:
    if len(need_ids) > MOST_VALUES:
        return Condition(exact=_addresses(need_ids, Service.id))
    return Condition(any_tag("n", need_ids))


def _addresses(need_ids: Sequence[str], service_id: Any) -> Any:
    return exists().where(ServiceNeed.service_id == service_id, among(ServiceNeed.need_id, need_ids))


def _area(session: Session, code: str) -> Condition:
    inside, outside = areas.within(code), areas.around(code)
    used = _used(inside, [ServiceArea.area_code, Site.area_code])
    used_and_around = union_all(
        select(literal_column("1"), used.c.code), select(literal_column("2"), outside.c.code)
    )
    found: dict[int, list[str]] = {1: [], 2: []}
    for place, one in session.execute(used_and_around):
        found[place].append(one.lower())
    if len(found[1]) > MOST_VALUES:
        return Condition(exact=_serves(code))
    return Condition(Either((any_tag("a", found[1] + found[2]), any_tag("p", found[1]))))


def _serves(code: str) -> Any:
    """The condition on a service that it says it serves an area, or has a site in it."""
    inside, outside = areas.within(code), areas.around(code)
    codes = select(inside.c.code).union(select(outside.c.code)).subquery()
    declared = exists().where(
        ServiceArea.service_id == Service.id, ServiceArea.area_code.in_(select(codes.c.code))
    )
    sited = exists().where(Site.service_id == Service.id, Site.area_code.in_(select(inside.c.code)))
    return or_(declared, sited)


def _used(inside: Any, columns: Sequence[Any]) -> Any:
    """The first codes among some that one of the columns holds, one more than matters."""
    # Each looked up by itself: PostgreSQL would rather read the whole column first.
    held = or_(*(select(literal(1)).where(one == inside.c.code).offset(0).exists() for one in columns))
    return select(inside.c.code).where(held).limit(MOST_VALUES + 1).subquery()


def cells(near: Near) -> Node:
    """The condition on the index that a site, or one of a service, is in the squares around a point."""
    return any_tag("g", nearness.cells_around(near.lon, near.lat, near.within_m))


def within(near: Near) -> Any:
    """The condition on a site that it is within a distance: `domain.nearness.distance_m` in SQL."""
    around = nearness.box(near.lon, near.lat, near.within_m)
    north = (Site.lat - near.lat) * nearness.METRES_A_DEGREE
    east = (Site.lon - near.lon) * nearness.metres_east(near.lat)
    return and_(
        Site.lat.between(around.south, around.north),
        Site.lon.between(around.west, around.east),
        north * north + east * east <= literal(near.within_m**2, Float),
    )


def _has_points(session: Session) -> bool:
    """Whether there is an index of points."""
    return session.get_bind().dialect.name == "postgresql"


def by_point(near: Near) -> Any:
    """`within`, said so that the index of points serves it."""
    around = nearness.box(near.lon, near.lat, near.within_m)
    corners = func.point(around.west, around.south), func.point(around.east, around.north)
    return and_(func.point(Site.lon, Site.lat).bool_op("<@")(func.box(*corners)), within(near))


def _eligibility(session: Session, text: str) -> Node:
    words: list[Word] = []
    for one in asked(text):
        if isinstance(one, Phrase):
            words += [Word(f"e:{word}", begins=False) for word in one.words]
        else:
            words.append(Word(f"e:{one.text}"))
    return whole(search.spelled_out(session, words)) if words else NOTHING


def _one_of(kind: str, values: Iterable[str], column: Any) -> Condition:
    listed = sorted(set(values))
    if len(listed) > MOST_VALUES:
        return Condition(exact=among(column, listed))
    return Condition(any_tag(kind, listed))


def narrower(session: Session, need: str) -> list[str]:
    """A need and all that counts for it: narrower terms, and terms crosswalked as exact or narrower.

    In the sense in which network counts cover; `related` and broader terms do not count.
    """
    found = {need: None}
    latest = [need]
    while latest and len(found) < MOST_NEEDS:
        steps = union_all(
            select(Need.id).where(among(Need.parent_id, latest)),
            select(Crosswalk.to_id).where(
                among(Crosswalk.from_id, latest), Crosswalk.relation.in_(("exact", "narrower"))
            ),
            select(Crosswalk.from_id).where(
                among(Crosswalk.to_id, latest), Crosswalk.relation.in_(("exact", "broader"))
            ),
        )
        reached = set(session.scalars(steps))
        latest = sorted(reached - found.keys())[: MOST_NEEDS - len(found)]
        found |= dict.fromkeys(latest)
    return list(found)


def nearest_m(session: Session, service_ids: Sequence[str], near: Near) -> dict[str, float]:
    """Of services how far their nearest site is from a point."""
    query = select(Site.service_id, Site.lon, Site.lat).where(among(Site.service_id, service_ids))
    found: dict[str, float] = {}
    for service_id, lon, lat in session.execute(query):
        if lon is None or lat is None:
            continue
        metres = nearness.distance_m(near.lon, near.lat, lon, lat)
        found[service_id] = min(found.get(service_id, metres), metres)
    return found
