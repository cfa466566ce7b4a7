"""Query parameters that several routes share."""

from datetime import date
from typing import Annotated

from fastapi import Query
from hedgerow_kit.moments import AsOf as AsOf
from hedgerow_kit.problems import UNPROCESSABLE, Problem

from hedgerow_outcomes.domain.periods import Period, PeriodForm
from hedgerow_outcomes.domain.spellings import parse_period
from hedgerow_outcomes.domain.subjects import parse_subject
from hedgerow_outcomes.errors import AmbiguousPeriod, UnknownPeriod, UnknownSubject

LONGEST_SUBJECT = 230

SubjectQuery = Annotated[
    list[Annotated[str, Query(max_length=LONGEST_SUBJECT)]],
    Query(max_length=500, description="An area's code, or organisation:ID, service:ID ...; may be repeated"),
]


From = Annotated[date | None, Query(alias="from", description="Periods that end on this day or later")]
To = Annotated[date | None, Query(description="Periods that begin on this day or earlier")]


PeriodText = Annotated[
    str, Query(max_length=60, description="In any spelling of a period: 2024/25, 2024-Q1, May 2024")
]

# Which areas are beside one another: those of a level inside one, or those most like one.
Within = Annotated[
    str | None, Query(max_length=64, description="Areas inside this one; `level` says of which level")
]
InLevel = Annotated[str | None, Query(max_length=20)]
Like = Annotated[
    str | None, Query(max_length=64, description="This area and the areas most like it, by `like_by`")
]
LikeBy = Annotated[
    list[Annotated[str, Query(max_length=150)]],
    Query(max_length=20, description="Indices of the registry that describe areas; may be repeated"),
]
LikeCount = Annotated[int, Query(ge=1, le=100)]


def period_named(text: str) -> Period:
    """The period that a text spells, or a 422 problem. `2010-12` is the month, as our own labels spell it."""
    try:
        try:
            return parse_period(text)
        except AmbiguousPeriod:
            return parse_period(text, PeriodForm.MONTH)
    except UnknownPeriod as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": "period", "reason": str(error)}]) from None


def subject_text(text: str, *, parameter: str = "subject") -> str:
    """The one spelling of a subject, or a 422 problem."""
    try:
        return parse_subject(text).text
    except UnknownSubject as error:
        raise Problem(UNPROCESSABLE, errors=[{"parameter": parameter, "reason": str(error)}]) from None
