"""KPI definitions: what a row of a `kpis` file may say, and when two say the same."""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date

from hedgerow_outcomes.domain.subjects import KINDS, parse_subject
from hedgerow_outcomes.errors import IncompleteDefinition, UnknownSubject

REQUIRED = ("id", "name")
OPTIONAL = (
    "unit",
    "polarity",
    "level",
    "perspective",
    "frequency",
    "aggregation",
    "description",
    "target",
    "minimum",
    "owner",
    "numerator",
    "denominator",
    "subjects",
    "interval",
    "suppress_below",
    "leads_to",
    "answered_by",
    "valid_from",
)

# The words we keep, and what else is understood for them.
WORDS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "polarity": {
        "higher": ("higher is better", "high", "up", "positive", "increase", "maximise", "+"),
        "lower": ("lower is better", "low", "down", "negative", "decrease", "minimise", "-"),
        "neutral": ("none", "context", "no polarity"),
    },
    "level": {"input": (), "activity": (), "output": (), "outcome": ()},
    "perspective": {"inward": (), "outward": (), "user_voice": ("user", "voice", "user voice")},
    "frequency": {
        "daily": ("day",),
        "weekly": ("week",),
        "monthly": ("month",),
        "quarterly": ("quarter",),
        "half_yearly": ("half year", "six monthly"),
        "annual": ("yearly", "year", "annually"),
        "irregular": ("ad hoc", "varies"),
    },
    "aggregation": {"sum": ("total",), "ratio_of_sums": (), "mean": ("average",), "none": ("latest", "last")},
    "interval": {
        "wilson": ("proportion",),
        "byar": ("poisson", "rate"),
        "dsr": ("directly standardised",),
        "isr": ("indirectly standardised",),
        "student": ("mean", "t"),
        "none": (),
    },
}
DESCRIBING = ("unit", "polarity", "level", "perspective", "frequency", "aggregation")
LONGEST_NAME, LONGEST_TEXT = 300, 4000
MOST_LINKS = 200
LARGEST_THRESHOLD = 1000

Row = Mapping[str, object]

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~:-]{0,119}")


@dataclass(frozen=True)
class Definition:
    """What a version of a KPI says; None or empty where it is silent.

    subjects: kinds of subject it is measured for · suppress_below: counts from 1 to one less are not shown ·
    leads_to: the KPIs that this one works towards, so from input to activity, output and outcome ·
    answered_by: the networks, services, contracts and organisations that answer for it
    """

    name: str
    unit: str | None = None
    polarity: str | None = None
    level: str | None = None
    perspective: str | None = None
    frequency: str | None = None
    aggregation: str | None = None
    description: str | None = None
    target: float | None = None
    minimum: float | None = None
    owner: str | None = None
    numerator: str | None = None
    denominator: str | None = None
    subjects: tuple[str, ...] = ()
    interval: str | None = None
    suppress_below: int | None = None
    leads_to: tuple[str, ...] = ()
    answered_by: tuple[str, ...] = ()

    @property
    def lacks(self) -> list[str]:
        """What is needed to judge a value and is not said, in the order of `DESCRIBING`."""
        return [column for column in DESCRIBING if getattr(self, column) is None]


def is_kpi_id(text: str) -> bool:
    """Whether a text can be a KPI's id: up to 120 letters, digits and `. _ ~ : -`, none of these first."""
    return _ID.fullmatch(text) is not None


def definition(row: Row) -> tuple[str, Definition, date | None]:
    """The id, the definition and the day from which it holds (None: not said) of a row.

    row: texts or numbers by column, blanks as None; columns of `REQUIRED` and `OPTIONAL`.

    Raises IncompleteDefinition naming the column and what is wrong with it.
    """
    id = _text(row, "id", 120)
    if id is None or not is_kpi_id(id):
        raise IncompleteDefinition(
            "id", "1 to 120 letters, digits and . _ ~ : -, the first a letter or a digit"
        )
    name = _text(row, "name", LONGEST_NAME)
    if name is None:
        raise IncompleteDefinition("name", "the name is blank")
    return (
        id,
        Definition(
            name=name,
            unit=_text(row, "unit", 60),
            polarity=_word(row, "polarity"),
            level=_word(row, "level"),
            perspective=_word(row, "perspective"),
            frequency=_word(row, "frequency"),
            aggregation=_word(row, "aggregation"),
            description=_text(row, "description", LONGEST_TEXT),
            target=_number(row, "target"),
            minimum=_number(row, "minimum"),
            owner=_text(row, "owner", LONGEST_NAME),
            numerator=_text(row, "numerator", LONGEST_TEXT),
            denominator=_text(row, "denominator", LONGEST_TEXT),
            subjects=_links(row, "subjects", _kind),
            interval=_word(row, "interval"),
            suppress_below=_threshold(row, "suppress_below"),
            leads_to=_links(row, "leads_to", _kpi),
            answered_by=_links(row, "answered_by", _subject),
        ),
        _date(row, "valid_from"),
    )


def _text(row: Row, column: str, longest: int) -> str | None:
    value = row.get(column)
    if value is None:
        return None
    if not isinstance(value, str | int | float) or isinstance(value, bool):
        raise IncompleteDefinition(column, "neither a text nor a number")
    if not isinstance(value, str):
        value = repr(value)
    value = value.strip()
    if len(value) > longest:
        raise IncompleteDefinition(column, f"longer than {longest} characters")
    if "\x00" in value:
        raise IncompleteDefinition(column, "NUL (U+0000) is not allowed in text")
    return value or None


def _word(row: Row, column: str) -> str | None:
    text = _text(row, column, 60)
    if text is None:
        return None
    plain = " ".join(text.casefold().replace("_", " ").replace("-", " ").split()) or text
    for word, others in WORDS[column].items():
        if plain == word.replace("_", " ") or plain in others:
            return word
    raise IncompleteDefinition(column, f"not one of {', '.join(WORDS[column])}")


def _number(row: Row, column: str) -> float | None:
    text = _text(row, column, 60)
    if text is None:
        return None
    try:
        number = float(text) if "_" not in text else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise IncompleteDefinition(column, "not a finite number")
    return number


def _threshold(row: Row, column: str) -> int | None:
    number = _number(row, column)
    if number is None or number in (0, 1):
        return None
    if not number.is_integer() or not 2 <= number <= LARGEST_THRESHOLD:
        raise IncompleteDefinition(column, f"a whole number from 2 to {LARGEST_THRESHOLD}")
    return int(number)


def _links(row: Row, column: str, read: Callable[[str], str]) -> tuple[str, ...]:
    """The items of a list, or of a text with `;` between them, in order and without repeats."""
    value = row.get(column)
    if isinstance(value, list | tuple):
        items = [item for item in value if isinstance(item, str)]
        if len(items) < len(value):
            raise IncompleteDefinition(column, "a list of texts")
    else:
        items = (_text(row, column, LONGEST_TEXT) or "").split(";")
    found = sorted({item.strip() for item in items if item.strip()})
    if len(found) > MOST_LINKS:
        raise IncompleteDefinition(column, f"more than {MOST_LINKS}")
    try:
        return tuple(read(item) for item in found)
    except ValueError as error:
        raise IncompleteDefinition(column, str(error)) from None


def _kind(text: str) -> str:
    if text not in KINDS:
        raise ValueError(f"each of {', '.join(KINDS)}")
    return text


def _kpi(text: str) -> str:
    if not is_kpi_id(text):
        raise ValueError("each the id of a KPI")
    return text


def _subject(text: str) -> str:
    try:
        return parse_subject(text).text
    except UnknownSubject as error:
        raise ValueError(str(error)) from None


def _date(row: Row, column: str) -> date | None:
    text = _text(row, column, 10)
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise IncompleteDefinition(column, "not a day written as 2024-05-31") from None
