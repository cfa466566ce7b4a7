"""Writing a report as HTML or Markdown: the words of figures, and the templates."""

import re
from collections.abc import Mapping
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from hedgerow_cli.report.drawing import shade_of, shades
from hedgerow_cli.report.gathering import Report
from hedgerow_cli.tables import computed_lines, many, share

HTML, MARKDOWN = "html", "md"

KINDS: Mapping[str, str] = {
    "uncovered": "Nobody provides",
    "partial": "Only parts are served",
    "single": "One provider alone",
    "fragile": "Hangs on one provider or one owner",
    "under-capacity": "Not enough places",
    "out-of-reach": "Too far away",
    "future": "Will end, and nothing follows",
    "cohort": "Ages or circumstances nobody takes",
    "capability": "A capability nobody holds",
    "accountability": "Nobody accountable, or several",
    "measurement": "An outcome that nobody measures",
    "connection": "No way there from a front door",
}

BASES: Mapping[str, str] = {
    "counted": "counted",
    "derived": "estimated",
    "residents": "all residents",
    "unknown": "not known",
}

WHO: Mapping[str, str] = {
    "provider": "provider",
    "owner": "owner",
    "site": "place",
    "contract": "contract",
}

IF_GONE: Mapping[str, str] = {
    "provider": "If a provider left",
    "owner": "If an owner left, with all it owns",
    "site": "If a place closed",
    "contract": "If a contract ended and nothing followed",
}


def write(report: Report, format: str) -> str:
    """The report as text of a format: `html` or `md`."""
    template = _environment(format).get_template(f"report.{format}.j2")
    counts = [area.without for area in report.areas]
    made = shades(counts)
    text = template.render(
        report=report,
        summary=report.summary,
        computed=report.computed,
        rests_on=computed_lines(report.computed)[0],
        shades=made,
        shade={area.code: shade_of(area.without, made) for area in report.areas},
        number={area.code: area.number for area in report.areas},
        kinds=KINDS,
        who=WHO,
        if_gone=IF_GONE,
    )
    return _tidy(text) if format == MARKDOWN else text


def _tidy(text: str) -> str:
    """No more than one blank line in a row."""
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


@cache
def _environment(format: str) -> Environment:
    made = Environment(
        loader=FunctionLoader(_template),
        autoescape=format == HTML,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever a Markdown template prints is text from elsewhere, unless marked as ours.
        finalize=_plain if format == HTML else _in_markdown,
    )
    made.filters |= {
        "people": _people,
        "many": many,
        "share": share,
        "day": _day,
        "moment": _moment,
        "basis": lambda basis: BASES.get(basis, basis),
        "kind": lambda kind: KINDS.get(kind, kind),
        "about": _about,
        "level": _level,
        "ours": Markup,
    }
    return made


def _template(name: str) -> str:
    return (files("hedgerow_cli.report") / "templates" / name).read_text(encoding="utf-8")


def _plain(value: Any) -> Any:
    """What a template prints, without control characters; the autoescape comes after."""
    if isinstance(value, str) and not isinstance(value, Markup):
        return _printable(value)
    return value


def _printable(text: str) -> str:
    return "".join(c if c.isprintable() or c == " " else " " for c in text)


_SPECIAL = re.compile(r"[\\`*_\[\]<>|~]|^[#+=-]|^\d+(?=[.)])")


def _in_markdown(value: Any) -> Any:
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    # A name must not become a heading, a list, a link, a column or HTML.
    return _SPECIAL.sub(_escaped, " ".join(_printable(value).split()))


def _escaped(found: re.Match[str]) -> str:
    text = found[0]
    return f"{text}\\" if text.isdecimal() else f"\\{text}"


def _people(number: float | None) -> Markup:
    return Markup("not known") if number is None else Markup(f"{number:,.0f}")


def _about(number: float | None, basis: str) -> Markup:
    """People, marked where they were not counted."""
    if number is None or basis == "unknown":
        return Markup("not known")
    return Markup(f"{'' if basis == 'counted' else '≈ '}{number:,.0f}")


def _day(text: str | date) -> Markup:
    day = date.fromisoformat(text) if isinstance(text, str) else text
    return Markup(f"{day.day} {day:%B} {day.year}")


def _moment(moment: datetime) -> Markup:
    return Markup(f"{moment.day} {moment:%B} {moment.year}, {moment:%H:%M} {moment.tzname() or ''}".strip())


_LEVELS: Mapping[str, tuple[str, str]] = {
    "country": ("country", "countries"),
    "region": ("region", "regions"),
    "authority": ("authority", "authorities"),
    "neighbourhood": ("neighbourhood", "neighbourhoods"),
    "ward": ("ward", "wards"),
    "msoa": ("MSOA", "MSOAs"),
    "lsoa": ("LSOA", "LSOAs"),
}


def _level(name: str, number: int = 1) -> Markup:
    """What areas of a level are called.

    >>> str(_level("ward", 2)), str(_level("msoa"))
    ('wards', 'MSOA')
    """
    one, several = _LEVELS.get(name, ("area", "areas"))
    return Markup(one if number == 1 else several)
