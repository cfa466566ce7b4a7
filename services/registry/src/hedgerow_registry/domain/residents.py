"""Residents of an area: age bands, sexes, and the total they add up to."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from hedgerow_registry.errors import Malformed

SEXES: Final = ("all", "female", "male")
OLDEST: Final = 150

_SEX_WORDS: Final = {
    "": "all",
    "persons": "all",
    "people": "all",
    "both": "all",
    "total": "all",
    "t": "all",
    "f": "female",
    "females": "female",
    "m": "male",
    "males": "male",
}


class Band(NamedTuple):
    """People of one sex between two ages in a period, both ends included; `age_to` `None` is open."""

    period: str
    age_from: int
    age_to: int | None
    sex: str
    people: float


def sex(text: str) -> str:
    """One of `all`, `female`, `male`; the words of published tables are understood.

    >>> sex("Persons"), sex("F")
    ('all', 'female')
    """
    said = text.strip().casefold()
    said = _SEX_WORDS.get(said, said)
    if said not in SEXES:
        raise Malformed("unknown sex: one of all, female, male")
    return said


def total(bands: Iterable[Band]) -> tuple[str, float] | None:
    """The latest period for which the bands make up all ages, and the people in it.

    Within a period the bands for all sexes are taken if they run without a hole from age 0 to an open end,
    else those for females and males together. Where bands overlap (all ages beside age groups), the widest
    that starts at the age reached is taken, so nobody is counted twice. `None` where no period is complete.

    >>> total([Band("2024", 0, 15, "all", 50.0), Band("2024", 16, None, "all", 190.0)])
    ('2024', 240.0)
    >>> total([Band("2024", 0, None, "all", 241.0), Band("2024", 0, 15, "all", 50.0)])
    ('2024', 241.0)
    >>> total([Band("2024", 16, 64, "all", 150.0)]) is None
    True
    """
    by_period: dict[str, list[Band]] = {}
    for band in bands:
        by_period.setdefault(band.period, []).append(band)
    for period in sorted(by_period, reverse=True):
        people = {wanted: _run(b for b in by_period[period] if b.sex == wanted) for wanted in SEXES}
        if people["all"] is not None:
            return period, people["all"]
        if people["female"] is not None and people["male"] is not None:
            return period, people["female"] + people["male"]
    return None


def _run(bands: Iterable[Band]) -> float | None:
    widest: dict[int, Band] = {}
    for band in bands:
        held = widest.get(band.age_from)
        if held is None or (held.age_to is not None and (band.age_to is None or band.age_to > held.age_to)):
            widest[band.age_from] = band
    reached, people = 0, 0.0
    while reached in widest:
        band = widest[reached]
        people += band.people
        if band.age_to is None:
            return people
        reached = band.age_to + 1
    return None
