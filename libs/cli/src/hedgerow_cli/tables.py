"""How figures and tables look in the terminal."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from hedgerow_cli.terminal import plain

if TYPE_CHECKING:
    from rich.table import Table

FIGURES = frozenset(
    (
        "People",
        "Areas",
        "Needs",
        "Cells",
        "Services",
        "Line",
        "Value",
        "Target",
        "Minimum",
        "Contained",
        "Jaccard",
        "Per 1,000",
        "Sites in reach",
        "How far",
    )
)


def table(*columns: str, title: str | None = None) -> "Table":
    """An empty table without vertical lines; columns of figures stand to the right."""
    from rich import box
    from rich.table import Table

    made = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for column in columns:
        made.add_column(column, justify="right" if column in FIGURES else "left", overflow="fold")
    return made


def people(count: float | int | None) -> str:
    """A count of people with thousands separators; derived counts are rounded, unknown is a dash.

    >>> people(12345.6)
    '12,346'
    """
    return "–" if count is None else f"{count:,.0f}"


def many(count: float | int, thing: str) -> str:
    """A count with what is counted, in the singular for one.

    >>> many(1, "cell"), many(1200, "cell")
    ('1 cell', '1,200 cells')
    """
    return f"{people(count)} {thing}{'' if count == 1 else 's'}"


def share(part: float | None) -> str:
    """A share of one as a percentage.

    >>> share(0.256)
    '26 %'
    """
    return "–" if part is None else f"{part:.0%}".replace("%", " %")


def figure(value: float | int | str | None) -> str:
    """A measured value as short as it can be without losing what matters.

    >>> figure(1234.5), figure(3.14159), figure(7.0)
    ('1,234.5', '3.142', '7')
    """
    if value is None:
        return "–"
    try:
        number = float(value)
    except (TypeError, ValueError):
        return str(value)
    return (
        f"{number:,.10g}"
        if number == int(number)
        else f"{number:,.1f}"
        if abs(number) >= 100
        else f"{number:.4g}"
    )


def named(name: str | None, code: str) -> str:
    """A name with its code beside it, or the code alone; safe to print."""
    return f"{plain(name)} [dim]({plain(code)})[/]" if name and name != code else plain(code)


def computed_lines(computed: Mapping[str, Any]) -> list[str]:
    """What an answer rests on, in plain words: date, rule and thresholds on one line, then each caveat."""
    thresholds = dict(computed.get("thresholds") or {})
    level, count, index, single = (
        thresholds.pop(name, None) for name in ("level", "count", "index", "single_depth")
    )
    parts = [f"As of {computed.get('at') or 'today'}"]
    if level:
        parts.append(f"by {level}")
    if count:
        parts.append(f"counting {count}")
    if computed.get("rule"):
        parts.append(_rule(str(computed["rule"]), computed.get("rules_used") or {}))
    if index:
        parts.append(f"residents weighted by {index}")
    if single is not None:
        parts.append(f"a depth of {figure(single)} is single, of more an overlap")
    parts += [
        f"{name.replace('_', ' ')} {figure(value)}"
        for name, value in thresholds.items()
        if value is not None and value != []
    ]
    if computed.get("registry_seq") is not None:
        parts.append(f"registry state {computed['registry_seq']}")
    return [f"{', '.join(parts)}.", *(f"Note: {caveat}" for caveat in computed.get("caveats") or [])]


def _rule(rule: str, used: Mapping[str, int]) -> str:
    """The rule asked for, and against which each service was held."""
    asked = "areas as services declare them, else by their sites" if rule == "default" else f"rule {rule}"
    held = [f"{count:,} {name}" for name, count in used.items()]
    return f"{asked} ({', '.join(held)})" if len(held) > 1 else asked
