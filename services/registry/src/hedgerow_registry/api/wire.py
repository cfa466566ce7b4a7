"""What the resources share on the wire: provenance, texts, tags, and parameters that name a record."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal, TypeVar

from fastapi import Depends, Path, Query, Request, Response
from hedgerow_kit.conditional import etag, require_state
from hedgerow_kit.db import Reading
from hedgerow_kit.problems import UNPROCESSABLE, Conditional, Problem, ProblemType
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from sqlalchemy.orm import Session

from hedgerow_registry.actions.records import Entity
from hedgerow_registry.domain import gss, ids, nearness, searching, words
from hedgerow_registry.domain import postcode as postcodes
from hedgerow_registry.domain.ids import LONGEST_SOURCE
from hedgerow_registry.domain.openings import Moment, moment
from hedgerow_registry.domain.versions import Known
from hedgerow_registry.errors import Malformed, UnknownRecord
from hedgerow_registry.store import areas, merges, placing, reference
from hedgerow_registry.store.directory import known_organisations
from hedgerow_registry.store.finding import Near
from hedgerow_registry.store.ownership import owned_directly_or_ultimately

T = TypeVar("T")

DEFAULT_KM = 5.0
_LOST_PLUS = re.compile(r"(?<=T)([\d:.]+) (\d\d:?\d\d)$", re.ASCII)

Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500)]
ShortText = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
LongText = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100_000)]


class View(BaseModel):
    """A record with where it came from."""

    model_config = ConfigDict(from_attributes=True)

    source: str
    first_import_id: str | None
    last_import_id: str | None
    updated_at: datetime


class Body(BaseModel):
    """A record as it is sent: every field is known, or it is refused."""

    model_config = ConfigDict(extra="forbid")


def a_uuid(text: str) -> str:
    """A UUID in lower case. Raises ValueError."""
    lowered = text.lower()
    if not ids.is_uuid(lowered):
        raise ValueError("an id is a UUID")
    return lowered


RecordId = Annotated[str, Path(description="The record's id, a UUID"), AfterValidator(a_uuid)]
MERGED = ProblemType(308, "merged", "Merged into another organisation")


def _standing(id: str, session: Reading, request: Request) -> str:
    answering = merges.answering(session, id.lower())
    # What was known of a record is told of that record, whichever answers for it now.
    if answering == id.lower() or "as_of" in request.query_params:
        return id
    path = request.url.path.replace(id, answering, 1)
    query = f"?{request.url.query}" if request.url.query else ""
    # An unmerge may take it back: nobody is to remember the redirect.
    raise Problem(
        MERGED,
        f"{answering} answers for it.",
        headers={"Location": f"{path}{query}", "Cache-Control": "no-cache"},
    )


# An organisation of a path that answers for itself; one that was merged is redirected to the one that does.
StandingId = Annotated[str, Path(description="The organisation's id"), Depends(_standing)]
SourceName = Annotated[
    str,
    Query(min_length=1, max_length=LONGEST_SOURCE, description="Under which source a new record is kept"),
]
Text = Annotated[str | None, Query(max_length=200, description="How the name starts, in any case")]
SearchText = Annotated[
    str | None,
    Query(
        max_length=200,
        description="Words that all have to occur, each or one that begins with it; a phrase in quotes",
    ),
]
Order = Annotated[
    Literal["arrival", "relevance"],
    Query(description="With `text`: `relevance` gives those first whose name holds all words"),
]
PostcodeText = Annotated[str | None, Query(max_length=16, description="A postcode to look around")]
WithinKm = Annotated[
    float | None,
    Query(
        gt=0, le=nearness.FURTHEST_M / 1000, allow_inf_nan=False, description="So near to it; 5 unless said"
    ),
]
OpenAt = Annotated[
    str | None,
    Query(
        max_length=40, description="Open at this moment (2026-05-31T12:00, on the clock in London), or `now`"
    ),
]
AreaCode = Annotated[str | None, Query(max_length=64, description="The code of an area")]
NeedName = Annotated[
    str | None,
    Query(max_length=300, description="`taxonomy:term`, or the term where it is unambiguous"),
]


OwnerId = Annotated[
    str | None,
    Query(max_length=36, description="Of what this organisation owns or controls, directly or ultimately"),
]
OnDay = Annotated[date | None, Query(description="Only those that hold on this day; all unless said")]
AsOf = Annotated[
    date | None,
    Query(description="As of which day owners are told; today unless said", examples=["2026-04-01"]),
]


def day_asked(at: date | None) -> date:
    """The day an answer is as of: today unless said."""
    return at or datetime.now(UTC).date()


def owned_by(session: Session, owner: str, at: date | None) -> list[str]:
    """The organisations that an owner controls on a day. Raises UnknownRecord."""
    answering = merges.answering(session, owner.lower())
    if not known_organisations(session, [answering]):
        raise UnknownRecord("organisation")
    return owned_directly_or_ultimately(session, answering, day_asked(at))


def searched(text: str | None, parameter: str = "text") -> str | None:
    """A text that can be searched for; a problem where it has too many words."""
    if text is not None:
        _checked(parameter, searching.asked, text)
    return text


def near(session: Session, postcode: str | None, within_km: float | None) -> Near | None:
    """Around which point is looked. Raises UnplacedPostcode; a problem for what is no postcode."""
    if postcode is None:
        if within_km is not None:
            told = [{"parameter": "within_km", "reason": "of which postcode? name it in `postcode`"}]
            raise Problem(UNPROCESSABLE, errors=told)
        return None
    spelt = _checked("postcode", postcodes.postcode, postcode)
    lon, lat = placing.of_postcode(session, spelt)
    return Near(lon, lat, (DEFAULT_KM if within_km is None else within_km) * 1000)


def opening(said: str | None, response: Response) -> Moment | None:
    """The moment at which something is to be open; one without an offset is of the clock in London."""
    if said is None:
        return None
    if said.strip().casefold() == "now":
        # Another answer a minute later, though nothing was written: nobody may keep it.
        response.headers["Cache-Control"] = "no-store"
        return moment(datetime.now(UTC))
    # A plus sign that was not escaped in the address arrives as a space.
    text = _LOST_PLUS.sub(r"\1+\2", said.strip())
    try:
        asked = moment(datetime.fromisoformat(text))
        if not 1900 <= asked.day.year <= 2200:
            raise ValueError
        return asked
    except (ValueError, OverflowError):
        told = [{"parameter": "open_at", "reason": "`now`, or a moment such as 2026-05-31T12:00"}]
        raise Problem(UNPROCESSABLE, errors=told) from None


def _checked(parameter: str, reader: Callable[[str], T], said: str) -> T:
    try:
        return reader(said)
    except Malformed as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": parameter, "reason": error.reason}]) from None


def name_start(text: str | None) -> str | None:
    return None if text is None else words.name_key(text)


def known_area(session: Session, code: str | None, parameter: str) -> str | None:
    """The code of an area the registry holds. Raises UnknownRecord; a problem where it is no code at all."""
    if code is None:
        return None
    try:
        code = gss.area_code(code)
    except Malformed as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": parameter, "reason": error.reason}]) from None
    if areas.by_code(session, code) is None:
        raise UnknownRecord("area")
    return code


def known_need(session: Session, said: str | None) -> str | None:
    """The id of a need the registry holds. Raises UnknownRecord, AmbiguousNeed."""
    if said is None:
        return None
    found = reference.need(session, said)
    if found is None:
        raise UnknownRecord("need")
    return found.id


def tag_of(record: Any) -> str:
    """The entity tag of a record that is shown as it is kept."""
    return etag(record.id, record.digest, record.source, record.updated_at.isoformat())


def if_unchanged(request: Conditional, tag: Callable[[Any], str] = tag_of) -> Callable[[Any], None]:
    """Lets a write through if the record is what `If-Match` or `If-None-Match` says it is."""
    return lambda held: require_state(request, None if held is None else tag(held))


def fields_then(entity: Entity, known: Known) -> dict[str, Any]:
    """A record as it was known, with what follows from its fields and the provenance it had then."""
    derived = {name: derive(known.fields) for name, derive in entity.derived.items()}
    return {**derived, **known.fields, "updated_at": known.since, "last_import_id": known.import_id}
