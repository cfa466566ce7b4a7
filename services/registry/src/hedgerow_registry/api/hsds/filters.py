"""The parameters by which services and their places are chosen, read into what is wanted."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import UNPROCESSABLE, Problem
from sqlalchemy.orm import Session

from hedgerow_registry.api.hsds.answers import Search, words
from hedgerow_registry.domain.hsds.opening import Opening, clock, weekday
from hedgerow_registry.domain.hsds.values import LARGEST
from hedgerow_registry.domain.postcode import postcode as spelt
from hedgerow_registry.errors import Malformed
from hedgerow_registry.store import hsds
from hedgerow_registry.store.hsds import Wanted

T = TypeVar("T")

TermId = Annotated[
    str | None, Query(max_length=300, description="The id of a taxonomy term, or `taxonomy:code`")
]
TaxonomyId = Annotated[str | None, Query(max_length=100, description="The id of a taxonomy, or its name")]
_Age = Annotated[float | None, Query(ge=0, le=LARGEST, allow_inf_nan=False)]
_Word = Annotated[str | None, Query(max_length=40)]


def _read(parameter: str, said: str | None, reader: Callable[[str], T]) -> T | None:
    try:
        return None if said is None else reader(said)
    except Malformed as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": parameter, "reason": error.reason}]) from None


def moment(text: str) -> datetime:
    """A date, or a date and time; without an offset it is UTC."""
    # A plus sign that was not percent-encoded arrives as a space.
    said = text.strip()[:10] + text.strip()[10:].replace(" ", "+")
    try:
        found = datetime.fromisoformat(said)
        return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Malformed("a time is written like 2026-01-31 or 2026-01-31T09:30:00Z") from None


def needs_of(session: Session, id: str | None) -> tuple[tuple[str, ...] | None, str | None]:
    """The need a term stands for, or else the term's id, which records may still name."""
    if id is None:
        return None, None
    need = hsds.needs_by_feed_id(session, id.lower()) or hsds.needs_by_feed_id(session, id)
    return ((need,), None) if need is not None else (None, id.lower())


def taxonomy_of(session: Session, id: str | None) -> str | None:
    """The taxonomy of an id; one that nobody knows has no records."""
    if id is None:
        return None
    return hsds.taxonomy_by_feed_id(session, id.lower()) or hsds.taxonomy_by_feed_id(session, id) or ""


def _wanted(
    session: Reading,
    search: Search = None,
    taxonomy_term_id: TermId = None,
    taxonomy_id: TaxonomyId = None,
    organization_id: Annotated[str | None, Query(max_length=36)] = None,
    modified_after: Annotated[
        _Word, Query(description="Changed since this moment: itself, its places or its organisation")
    ] = None,
    minimum_age: Annotated[_Age, Query(description="Services whose minimum age is this or higher")] = None,
    maximum_age: Annotated[_Age, Query(description="Services whose maximum age is this or lower")] = None,
    start_time: Annotated[_Word, Query(description="Opens at this time or later, HH:MM")] = None,
    end_time: Annotated[_Word, Query(description="Closes at this time or earlier, HH:MM")] = None,
    day: Annotated[_Word, Query(description="Open on this day: MO, TU, WE, TH, FR, SA, SU")] = None,
    postcode: Annotated[
        _Word, Query(description="At this postcode; services also where they declare an area around it")
    ] = None,
    proximity: Annotated[
        float | None,
        Query(gt=0, le=500_000, allow_inf_nan=False, description="Within so many metres of the postcode"),
    ] = None,
) -> Wanted:
    if proximity is not None and postcode is None:
        raise Problem(
            UNPROCESSABLE,
            errors=[{"parameter": "proximity", "reason": "a distance needs a postcode to start from"}],
        )
    need_ids, term = needs_of(session, taxonomy_term_id)
    return Wanted(
        search=words(search),
        need_ids=need_ids,
        term=term,
        taxonomy=taxonomy_of(session, taxonomy_id),
        taxonomy_said=taxonomy_id,
        organisation=None if organization_id is None else organization_id.lower(),
        modified_after=_read("modified_after", modified_after, moment),
        minimum_age=minimum_age,
        maximum_age=maximum_age,
        opening=Opening(
            _read("day", day, weekday),
            _read("start_time", start_time, clock),
            _read("end_time", end_time, clock),
        ),
        postcode=_read("postcode", postcode, spelt),
        within_m=proximity,
    )


Filters: Any = Annotated[Wanted, Depends(_wanted, scope="function")]
