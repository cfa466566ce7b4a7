"""Interests and what is known of the bodies between which they run."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, NamedTuple

from hedgerow_kit.paging import keyset
from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from hedgerow_registry.domain.effective_form import Body, EffectiveForm, effective_form
from hedgerow_registry.domain.forms import UNKNOWN, OwnForm, own_form
from hedgerow_registry.domain.interests import ORGANISATION, Interest, Share
from hedgerow_registry.domain.interests import UNKNOWN as UNKNOWN_OWNER
from hedgerow_registry.domain.ownership import CERTAIN, Period, Structure, control_periods
from hedgerow_registry.store import merges
from hedgerow_registry.store.held import chunks
from hedgerow_registry.tables import Interest as InterestRow
from hedgerow_registry.tables import (
    Membership,
    Organisation,
    OrganisationFigure,
    OrganisationIdentifier,
    OrganisationOwner,
    OwnershipStatement,
)

MOST_INTERESTS = 20_000
"""So many interests at most are read above a body: what lies beyond is said not to have been followed."""
MOST_BELOW = 20_000
NONE_DECLARED = "noBeneficialOwners"
"""The reason of BODS why nobody is named: that there is nobody who has to be. It is no unknown owner."""
_DEEPEST = 100


class Stated(NamedTuple):
    """What an interest rests on."""

    statement_id: str | None
    stated_on: date | None
    evidence: str | None
    evidence_url: str | None
    reason: str | None


@dataclass
class Web:
    """The interests in some bodies and in all bodies above them.

    none_declared: bodies of which statements say that nobody has to be declared · cut: whether not all was
    read.
    """

    interests: dict[str, list[Interest]] = field(default_factory=dict)
    stated: dict[str, Stated] = field(default_factory=dict)
    none_declared: dict[str, list[Stated]] = field(default_factory=dict)
    cut: bool = False

    def above(self, subject: str) -> list[Interest]:
        """The interests in one body and in all above it."""
        found: list[Interest] = []
        seen = {subject}
        waiting = [subject]
        while waiting:
            for one in self.interests.get(waiting.pop(), ()):
                found.append(one)
                if one.owner not in seen:
                    seen.add(one.owner)
                    waiting.append(one.owner)
        return found

    def structure(self, subject: str, at: date, **thresholds: float) -> Structure:
        """Who owns and controls a body on a day."""
        return Structure(self.above(subject), at, **thresholds)


_COLUMNS = (
    InterestRow.id,
    InterestRow.subject_id,
    InterestRow.owner_id,
    InterestRow.owner_kind,
    InterestRow.type,
    InterestRow.share_low,
    InterestRow.share_high,
    InterestRow.low_open,
    InterestRow.high_open,
    InterestRow.directness,
    InterestRow.starts_on,
    InterestRow.until,
    InterestRow.source,
    InterestRow.statement_id,
    InterestRow.stated_on,
    InterestRow.evidence,
    InterestRow.evidence_url,
    InterestRow.reason,
)


def web_above(session: Session, ids: Iterable[str]) -> Web:
    """The interests in bodies and in all that own them at any distance, of whatever date, level by level.

    A body that was merged is told by the one that answers for it, which has the interests of both.
    """
    web = Web()
    layer = sorted(set(ids))
    read: set[str] = set()
    count = 0
    for _ in range(_DEEPEST):
        if not layer:
            return web
        read.update(layer)
        found = _answered(session, _stated_of(session, layer, web))
        count += len(found)
        for one in found:
            web.interests.setdefault(one.subject, []).append(one)
        layer = sorted({one.owner for one in found} - read)
        if count > MOST_INTERESTS:
            break
    web.cut = bool(layer)
    return web


def _stated_of(session: Session, subjects: Sequence[str], web: Web) -> list[Interest]:
    merged = merges.members(session, subjects)
    everyone = sorted({*subjects, *(member for listed in merged.values() for member in listed)})
    return [*_interests_in(session, everyone, web), *_listed_owners(session, everyone)]


def _answered(session: Session, interests: Sequence[Interest]) -> list[Interest]:
    """The interests between the bodies that answer for those they name."""
    answering = merges.canonical(session, (id for one in interests for id in (one.subject, one.owner)))
    made = []
    for one in interests:
        subject, owner = answering[one.subject], answering[one.owner]
        if subject == owner:
            continue
        if (subject, owner) != (one.subject, one.owner):
            one = replace(one, subject=subject, owner=owner)
        made.append(one)
    return made


def _interests_in(session: Session, subjects: Sequence[str], web: Web) -> list[Interest]:
    found = []
    for piece in chunks(subjects):
        query = select(*_COLUMNS).where(InterestRow.subject_id.in_(piece)).order_by(InterestRow.id)
        for row in session.execute(query):
            web.stated[row.id] = stated = Stated(
                row.statement_id, row.stated_on, row.evidence, row.evidence_url, row.reason
            )
            if row.reason == NONE_DECLARED and row.owner_kind == UNKNOWN_OWNER:
                web.none_declared.setdefault(row.subject_id, []).append(stated)
            else:
                found.append(_interest(row))
    return found


def _interest(row: Any) -> Interest:
    share = None
    if row.share_low is not None:
        share = Share(row.share_low, row.share_high, row.low_open, row.high_open)
    return Interest(
        id=row.id,
        subject=row.subject_id,
        owner=row.owner_id,
        type=row.type,
        share=share,
        directness=row.directness,
        start=row.starts_on,
        until=row.until,
        owner_kind=row.owner_kind,
        source=row.source,
    )


def _listed_owners(session: Session, subjects: Sequence[str]) -> list[Interest]:
    """The names in organisations' lists of owners, as interests that say no more than that."""
    table = OrganisationOwner
    return [
        Interest(
            id=f"{organisation}/owner_ids/{owner}",
            subject=organisation,
            owner=owner,
            plain=True,
            source=source,
        )
        for piece in chunks(subjects)
        for organisation, owner, source in session.execute(
            select(table.organisation_id, table.owner_id, Organisation.source)
            .join(Organisation, Organisation.id == table.organisation_id)
            .where(table.organisation_id.in_(piece))
            .order_by(table.organisation_id, table.owner_id)
        )
    ]


def bodies(session: Session, ids: Iterable[str]) -> dict[str, Body]:
    """What is known of organisations by their own account; those that are not held are left out."""
    wanted = sorted(set(ids))
    numbers: dict[str, list[tuple[str, str]]] = {}
    table = OrganisationIdentifier
    for piece in chunks(wanted):
        query = select(table.organisation_id, table.scheme, table.identifier)
        for id, scheme, number in session.execute(query.where(table.organisation_id.in_(piece))):
            numbers.setdefault(id, []).append((scheme, number))
    columns = (Organisation.id, Organisation.name, Organisation.sector, Organisation.legal_form_code)
    gaps = merges.gaps(session, wanted)
    found = {}
    for piece in chunks(wanted):
        for id, name, sector, legal_form in session.execute(
            select(*columns).where(Organisation.id.in_(piece))
        ):
            filled = gaps.get(id, {})
            own = own_form(
                sector=sector or filled.get("sector"),
                legal_form=legal_form or filled.get("legal_form_code"),
                identifiers=numbers.get(id, ()),
                name=name,
            )
            found[id] = Body(id, name, own)
    return found


class Known:
    """Looks a body up among those read; one that is not held, or no organisation, has no name or form."""

    def __init__(self, found: Mapping[str, Body]) -> None:
        self.found = found

    def __call__(self, id: str) -> Body:
        return self.found.get(id) or Body(id, None, OwnForm(UNKNOWN, "nothing"))


def body_of(session: Session, web: Web, ids: Iterable[str]) -> Known:
    """The bodies of a web and others, to be looked up by id."""
    wanted = set(ids)
    for subject, held in web.interests.items():
        wanted.add(subject)
        wanted.update(one.owner for one in held if one.owner_kind == ORGANISATION)
    return Known(bodies(session, wanted))


def known_records(session: Session, keys: Iterable[str]) -> set[str]:
    """Which records of parties some statement describes."""
    table = OwnershipStatement
    return {
        key
        for piece in chunks(sorted(set(keys)))
        for key in session.scalars(
            select(table.record_key).where(table.record_key.in_(piece), table.node_kind.is_not(None))
        )
    }


class Standing(NamedTuple):
    """Who stands behind an organisation. ultimate: organisations at the end of control, in order."""

    control: list[Period]
    form: EffectiveForm
    ultimate: list[str]


def standings(session: Session, ids: Collection[str], at: date) -> dict[str, Standing]:
    """Control over time, effective form and ultimate owners on a day, of organisations that are held."""
    web = web_above(session, ids)
    body = body_of(session, web, ids)
    made = {}
    for id in ids:
        interests = web.above(id)
        structure = Structure(interests, at)
        ultimate = list(structure.ultimate(id, organisations=True))
        made[id] = Standing(control_periods(id, interests), effective_form(id, structure, body), ultimate)
    return made


def owned_by(session: Session, owners: Iterable[str]) -> set[str]:
    """The bodies in which owners hold anything, directly; each by the one that answers for it."""
    wanted = set(owners)
    wanted.update(member for listed in merges.members(session, wanted).values() for member in listed)
    found: set[str] = set()
    for piece in chunks(sorted(wanted)):
        interests = select(InterestRow.subject_id).where(InterestRow.owner_id.in_(piece)).distinct()
        listed = select(OrganisationOwner.organisation_id).where(OrganisationOwner.owner_id.in_(piece))
        found.update(session.scalars(interests))
        found.update(session.scalars(listed))
    return set(merges.canonical(session, found).values())


def owning(session: Session, ids: Iterable[str]) -> set[str]:
    """Those of some bodies that hold anything in another, by their own ids."""
    found: set[str] = set()
    for piece in chunks(sorted(set(ids))):
        found.update(
            session.scalars(select(InterestRow.owner_id).where(InterestRow.owner_id.in_(piece)).distinct())
        )
        listed = select(OrganisationOwner.owner_id).where(OrganisationOwner.owner_id.in_(piece)).distinct()
        found.update(session.scalars(listed))
    return found


def below(session: Session, owners: Iterable[str]) -> set[str]:
    """All bodies below owners at any distance; at most `MOST_BELOW`."""
    seen: set[str] = set()
    layer = owned_by(session, owners)
    while layer and len(seen) <= MOST_BELOW:
        seen |= layer
        layer = owned_by(session, layer) - seen
    return seen


def owned_directly_or_ultimately(session: Session, owner: str, at: date) -> list[str]:
    """The organisations that an owner controls on a day, alone or jointly, at any distance; in order."""
    candidates = sorted(below(session, [owner]) - {owner})
    web = web_above(session, candidates)
    return [id for id in candidates if _owns(web.structure(id, at), owner, id)]


def _owns(structure: Structure, owner: str, subject: str) -> bool:
    return (
        owner in structure.controllers(subject).owners
        or owner in structure.ultimate(subject, organisations=True)
        or structure.control(owner, subject) == CERTAIN
    )


def memberships(session: Session, ids: Iterable[str]) -> dict[str, list[Membership]]:
    """The members of bodies, each list in the order of member and id.

    Those of the bodies merged into one are told with it.
    """
    wanted = set(ids)
    of = {id: id for id in wanted}
    for id, listed in merges.members(session, wanted).items():
        of.update(dict.fromkeys(listed, id))
    found: dict[str, list[Membership]] = {}
    for piece in chunks(sorted(of)):
        query = select(Membership).where(Membership.organisation_id.in_(piece))
        order = (Membership.organisation_id, Membership.member_id, Membership.id)
        for row in session.scalars(query.order_by(*order)):
            found.setdefault(of[row.organisation_id], []).append(row)
    return found


def interest_page(
    session: Session, subject: str, at: date | None, *, after: str | None, limit: int
) -> tuple[list[InterestRow], str | None]:
    """A page of the interests in an organisation and in those merged into it; of a day, or of all times."""
    table = InterestRow
    query = select(table).where(table.subject_id.in_(merges.under(subject)))
    if at is not None:
        query = query.where(
            or_(table.starts_on.is_(None), table.starts_on <= at),
            or_(table.until.is_(None), table.until > at),
        )
    keys = [table.subject_id, table.owner_id, table.id]
    rows, marker = keyset(session, query, keys, after=after, limit=limit)
    return [row[0] for row in rows], marker


def interest_in(session: Session, subject: str, id: str) -> InterestRow | None:
    """An interest in an organisation, or in one that stands under the same."""
    table = InterestRow
    query = select(table).where(table.id == id, table.subject_id.in_(merges.under(subject)))
    return session.scalars(query, execution_options={"populate_existing": True}).one_or_none()


def figures(
    session: Session, names: Iterable[str], at: date, *, among: Collection[str] | None = None
) -> dict[str, dict[str, OrganisationFigure]]:
    """The latest figure of each name that organisations have on a day: organisation → name → figure.

    among: only these organisations. Those that were merged are told by the one that answers for them.
    """
    table = OrganisationFigure
    found: dict[str, dict[str, OrganisationFigure]] = {}
    query = (
        select(table)
        .where(table.figure.in_(sorted(set(names))), table.as_of <= at)
        .order_by(table.organisation_id, table.figure, table.as_of)
    )
    rows = session.scalars(query).all()
    answering = merges.canonical(session, (row.organisation_id for row in rows))
    for row in rows:
        id = answering[row.organisation_id]
        if among is None or id in among:
            held = found.setdefault(id, {})
            if row.figure not in held or held[row.figure].as_of <= row.as_of:
                held[row.figure] = row
    return found
