"""Control charts and funnel plots as SVG and PNG. What is seen is also said, in `<title>` and `<desc>`.

matplotlib takes a second to load, and most processes never draw: it is imported with the first picture.
"""

import io
import math
import threading
from collections.abc import Sequence
from datetime import date
from html import escape
from typing import Any, NamedTuple

from fastapi import Response

# Colours that stay apart for colour-blind readers (Okabe and Ito's), each with a marker of its own.
_GREY, _BLUE, _ORANGE, _PURPLE, _BLACK = "#6b6b6b", "#0072b2", "#d55e00", "#7a4a8c", "#1a1a1a"
_LONGEST_TITLE = 110
_MOST_TICKS = 9
_MOST_LABELS = 8
_HUGE = 1e100
# matplotlib keeps fonts and settings for a whole process: one picture at a time.
_DRAWING = threading.Lock()
_HEADERS = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


class Words(NamedTuple):
    """What stands around a picture: `says` describes it to those who do not see it."""

    title: str
    subtitle: str
    unit: str
    says: str


class Spot(NamedTuple):
    """A value of a control chart with the limits of its phase; `fresh`: it begins a phase."""

    label: str
    day: date
    value: float | None
    mean: float | None
    lower: float | None
    upper: float | None
    variation: str | None
    fresh: bool


class Dot(NamedTuple):
    """A subject of a funnel plot."""

    label: str
    denominator: float
    value: float
    place: str


class Curve(NamedTuple):
    """The limits of a funnel at a denominator."""

    denominator: float
    lower_998: float
    lower_95: float
    upper_95: float
    upper_998: float


_OF_VARIATION = {
    "common_cause": ("usual variation", "o", _GREY, 5),
    "special_cause_improvement": ("special cause: better", "s", _BLUE, 8),
    "special_cause_concern": ("special cause: worse", "D", _ORANGE, 8),
    "special_cause_neutral_high": ("special cause: high", "^", _PURPLE, 9),
    "special_cause_neutral_low": ("special cause: low", "v", _PURPLE, 9),
}
_OF_PLACE = {
    "within": ("within the limits", "o", _GREY, 5),
    "outside 95": ("outside 95 %", "s", _BLUE, 7),
    "outside 99.8": ("outside 99.8 %", "D", _ORANGE, 8),
}


def control_chart(words: Words, spots: Sequence[Spot], target: float | None, format: str) -> Response:
    """The picture of a control chart; `format`: svg or png."""

    def draw(axes: Any) -> None:
        scale = _scale(
            [number for spot in spots for number in spot[2:6] if isinstance(number, float)], target
        )
        days = [spot.day.toordinal() for spot in spots]
        _phases(axes, spots, days, scale)
        valued = [(day, spot) for day, spot in zip(days, spots, strict=True) if spot.value is not None]
        axes.plot(
            [day for day, _ in valued],
            [(spot.value or 0.0) / scale for _, spot in valued],
            color=_GREY,
            linewidth=1,
            zorder=2,
        )
        _markers(
            axes, [(day, (spot.value or 0.0) / scale, spot.variation) for day, spot in valued], _OF_VARIATION
        )
        if target is not None:
            axes.axhline(
                target / scale, color=_PURPLE, linewidth=1.6, dashes=(8, 2, 2, 2), label=f"target {target:g}"
            )
        _periods(axes, spots, days)
        _unit(axes, words.unit, scale)

    return _picture(words, draw if any(spot.value is not None for spot in spots) else None, format)


def funnel(
    words: Words, dots: Sequence[Dot], curve: Sequence[Curve], middle: float | None, base: str, format: str
) -> Response:
    """The picture of a funnel plot; `base`: what the denominators count."""

    def draw(axes: Any) -> None:
        scale = _scale([dot.value for dot in dots], middle)
        sizes = [point.denominator for point in curve]
        for name, shown, dashes in (
            ("998", "99.8 % limits", (6, 3)),
            ("95", "95 % limits", (2, 2)),
        ):
            for side in ("lower", "upper"):
                axes.plot(
                    sizes,
                    [getattr(point, f"{side}_{name}") / scale for point in curve],
                    color=_BLACK,
                    linewidth=1.1,
                    dashes=dashes,
                    label=shown if side == "upper" else None,
                )
        axes.axhline((middle or 0.0) / scale, color=_BLACK, linewidth=1.3, label=f"all together {middle:.4g}")
        _markers(axes, [(dot.denominator, dot.value / scale, dot.place) for dot in dots], _OF_PLACE)
        halfway = curve[len(curve) // 2]
        values = [number / scale for number in (halfway.lower_998, halfway.upper_998)]
        values += [dot.value / scale for dot in dots]
        span = (max(values) - min(values)) or abs(values[0]) or 1.0
        # The limits of the smallest subjects run off the page: the values decide what is shown.
        axes.set_ylim(min(values) - 0.1 * span, max(values) + 0.1 * span)
        axes.set_xlim(0, max(sizes) * 1.04)
        _names(axes, dots, scale)
        axes.set_xlabel(_short(base or "denominator", 80), parse_math=False)
        axes.xaxis.set_major_formatter(lambda number, _place: f"{number:,.6g}")
        _unit(axes, words.unit, scale)

    return _picture(words, draw if dots and curve else None, format)


def _picture(words: Words, draw: Any, format: str) -> Response:
    with _DRAWING:
        import matplotlib
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        # Text stays text; the same chart has the same bytes.
        matplotlib.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "hedgerow"})
        figure = Figure(figsize=(9, 5), dpi=120, layout="constrained", facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_title(
            _short(words.title, _LONGEST_TITLE) + "\n" + _short(words.subtitle, _LONGEST_TITLE),
            loc="left",
            fontsize=11,
            parse_math=False,
        )
        for edge in ("top", "right"):
            axes.spines[edge].set_visible(False)
        if draw is None:
            axes.set_axis_off()
            axes.text(0.5, 0.5, "There is nothing to draw.", ha="center", transform=axes.transAxes)
        else:
            draw(axes)
            figure.legend(loc="outside lower center", ncols=4, frameon=False, fontsize=9)
        body = io.BytesIO()
        if format == "png":
            said = {"Software": None, "Title": _plain(words.title), "Description": _plain(words.says)}
            figure.savefig(body, format="png", metadata=said)
            return Response(body.getvalue(), media_type="image/png", headers=_HEADERS)
        said = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(body, format="svg", metadata=said)
    return Response(_described(body.getvalue().decode(), words), media_type="image/svg+xml", headers=_HEADERS)


def _described(svg: str, words: Words) -> str:
    start = svg.index("<svg")
    end = svg.index(">", start)
    return (
        f'{svg[start:end]} role="img" aria-labelledby="title desc">\n'
        f'<title id="title">{escape(_plain(words.title))}</title>\n'
        f'<desc id="desc">{escape(_plain(words.says))}</desc>{svg[end + 1 :]}'
    )


def _phases(axes: Any, spots: Sequence[Spot], days: Sequence[int], scale: float) -> None:
    starts = [place for place, spot in enumerate(spots) if spot.fresh or place == 0]
    for number, (first, after) in enumerate(zip(starts, [*starts[1:], len(spots)], strict=True)):
        across = [days[first], days[after - 1]]
        latest = number == len(starts) - 1
        since = f" since {spots[first].label}" if len(starts) > 1 else ""
        for name, dashes in (("mean", None), ("upper", (5, 3)), ("lower", (5, 3))):
            level = getattr(spots[first], name)
            if level is None:
                continue
            words = f"mean {level:.4g}{since}" if name == "mean" else None
            if name == "upper":
                words = f"limits {spots[first].lower:.4g} to {level:.4g}"
            style: dict[str, Any] = {"dashes": dashes} if dashes else {}
            axes.plot(
                across,
                [level / scale] * 2,
                color=_BLACK,
                linewidth=1.2,
                label=words if latest else None,
                **style,
            )
        if first:
            axes.axvline((days[first - 1] + days[first]) / 2, color=_GREY, linewidth=0.8, linestyle=":")


def _markers(
    axes: Any, points: Sequence[tuple[float, float, str | None]], kinds: dict[str, tuple[str, str, str, int]]
) -> None:
    for kind, (shown, marker, colour, size) in kinds.items():
        of_kind = [point for point in points if point[2] == kind]
        if of_kind:
            axes.plot(
                [point[0] for point in of_kind],
                [point[1] for point in of_kind],
                marker,
                color=colour,
                markersize=size,
                markeredgecolor="white",
                markeredgewidth=0.6,
                label=f"{shown} ({len(of_kind)})",
                zorder=3,
            )


def _periods(axes: Any, spots: Sequence[Spot], days: Sequence[int]) -> None:
    """Labels of periods under their points, the last always among them, as many as have room."""
    room = max(1.0, (days[-1] - days[0]) / _MOST_TICKS)
    chosen: list[int] = []
    for place in range(len(days) - 1, -1, -1):
        if not chosen or days[chosen[-1]] - days[place] >= room:
            chosen.append(place)
    chosen.reverse()
    axes.set_xticks([days[place] for place in chosen], [_short(spots[place].label, 24) for place in chosen])
    for label in axes.get_xticklabels():
        label.set(parse_math=False, fontsize=8)
    if max(len(spots[place].label) for place in chosen) > 8:
        axes.tick_params(axis="x", labelrotation=30)


def _names(axes: Any, dots: Sequence[Dot], scale: float) -> None:
    outside = [dot for dot in dots if dot.place == "outside 99.8"]
    for dot in sorted(outside, key=lambda dot: (-dot.denominator, dot.label))[:_MOST_LABELS]:
        axes.annotate(
            _short(dot.label, 30),
            (dot.denominator, dot.value / scale),
            xytext=(6, 6),
            textcoords="offset points",
            fontsize=8,
            parse_math=False,
        )


def _unit(axes: Any, unit: str, scale: float) -> None:
    power = "" if scale == 1 else f" (divided by {scale:g})"
    axes.set_ylabel(_short(unit or "value", 60) + power, parse_math=False)
    axes.yaxis.set_major_formatter(lambda number, _place: f"{number:,.6g}")


def _scale(values: Sequence[float], other: float | None) -> float:
    """Axes add and multiply what they show: numbers near the largest there is are divided first."""
    largest = max((abs(value) for value in [*values, other or 0.0]), default=0.0)
    return 1.0 if largest < _HUGE else 10.0 ** math.floor(math.log10(largest))


def _plain(text: str) -> str:
    """A text in one line, of characters that XML can hold."""
    return " ".join("".join(one if one.isprintable() else " " for one in text).split())


def _short(text: str, most: int) -> str:
    plain = _plain(text)
    return plain if len(plain) <= most else plain[: most - 1] + "…"
