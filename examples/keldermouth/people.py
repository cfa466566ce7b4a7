"""Who lives there: residents by age and sex, the index of deprivation, and counted demand for some needs."""

from random import Random

from geography import WARDS, Place

RESIDENTS = 230_000
PERIOD = "2024"
INDEX_PERIOD = "2025"
DEMAND_PERIOD = "2025"
AGE_BANDS = [
    (0, 4), (5, 10), (11, 15), (16, 17), (18, 24), (25, 34), (35, 49), (50, 64), (65, 74), (75, 84), (85,
     None),
]  # fmt: skip
# Share of residents in each age band, by the kind of settlement.
AGES = {
    "core": (5, 5, 4, 1.8, 13, 20, 20, 16, 8, 5, 2.2),
    "docks": (7, 8, 6.5, 2.6, 9, 15, 20, 18, 8, 4.4, 1.5),
    "inner": (6.5, 7.5, 6, 2.4, 9.5, 17, 21, 17, 7.6, 4, 1.5),
    "estate": (7.2, 8.8, 7.2, 2.9, 9, 14, 19.6, 18, 7.8, 4, 1.5),
    "suburb": (5, 6.6, 6, 2.4, 6.5, 10.5, 19.5, 21, 12, 7.5, 3),
    "resort": (4.2, 4.9, 4.4, 1.8, 6.4, 9.5, 15.8, 22, 16, 10.5, 4.5),
    "headland": (4.9, 5.9, 5.1, 2.1, 6.8, 10.2, 17.5, 23, 14.5, 7.6, 2.4),
    "market": (5.2, 6.4, 5.6, 2.3, 6.8, 11.5, 19.2, 20.5, 12.2, 7.4, 2.9),
    "village": (3.9, 5.4, 5.1, 2.1, 5.2, 7.8, 17, 25, 16.5, 9, 3),
}
FEMALE_SHARE = (0.487, 0.488, 0.488, 0.487, 0.49, 0.503, 0.506, 0.509, 0.518, 0.545, 0.63)
# Counted demand, people a year: share of the residents aged from-to, and how strongly deprivation drives it.
COUNTED = {
    "food": (0, None, 0.031, 1.5),
    "mental-health": (0, None, 0.046, 0.5),
    "adult-social-care": (65, None, 0.118, 0.35),
    "early-years": (0, 4, 0.41, 0.3),
    "youth-work": (11, 17, 0.23, 0.55),
}


def residents(place: Place, relative: dict[str, float], rng: Random) -> dict[str, dict[tuple[int, str], int]]:
    """Residents of each small area by (age band, sex)."""
    size = {
        area.code: 0.62 + 0.38 * relative[area.code] / 0.785 + 0.12 * (rng.random() - 0.5)
        for area in place.small
    }
    scale = RESIDENTS / sum(size.values())
    setting = {ward.key: ward.setting for ward in WARDS}
    found = {}
    for area in place.small:
        shares = [share * (0.88 + 0.24 * rng.random()) for share in AGES[setting[area.ward]]]
        people = size[area.code] * scale
        bands: dict[tuple[int, str], int] = {}
        for band, share in enumerate(shares):
            here = people * share / sum(shares)
            female = round(here * (FEMALE_SHARE[band] + 0.02 * (rng.random() - 0.5)))
            bands[band, "female"] = female
            bands[band, "male"] = max(0, round(here) - female)
        found[area.code] = bands
    return found


def deprivation(place: Place, rng: Random) -> dict[str, float]:
    """Score of each small area, higher = more deprived: its ward's level, shading into the neighbours'."""
    centres = {ward.key: ward for ward in WARDS}
    scores = {}
    for area in place.small:
        own = centres[area.ward].deprivation
        weights = {}
        for other in place.wards:
            apart = ((other.point[0] - area.point[0]) * 0.6) ** 2 + (other.point[1] - area.point[1]) ** 2
            weights[other.ward] = 1 / (apart * 1e4 + 0.6)
        around = sum(centres[key].deprivation * w for key, w in weights.items()) / sum(weights.values())
        score = 0.78 * own + 0.22 * around + (rng.random() - 0.5) * (4 + 0.28 * own)
        scores[area.code] = round(max(1.6, score), 1)
    return scores


def people_in(bands: dict[tuple[int, str], int], age_from: int = 0, age_to: int | None = None) -> int:
    """Residents in the bands that lie between two ages."""
    return sum(
        count
        for (band, _), count in bands.items()
        if AGE_BANDS[band][0] >= age_from and (age_to is None or (AGE_BANDS[band][1] or 999) <= age_to)
    )


def mean_of(
    place: Place, values: dict[str, float], weights: dict[str, dict[tuple[int, str], int]]
) -> dict[str, float]:
    """Mean of a small-area value in each ward, weighted by residents."""
    means = {}
    for ward in place.wards:
        people = {code: people_in(weights[code]) for code in ward.members}
        total = sum(values[code] * people[code] for code in ward.members)
        means[ward.code] = round(total / sum(people.values()), 1)
    return means


def demand(
    bands: dict[str, dict[tuple[int, str], int]], score: dict[str, float], rng: Random
) -> list[tuple[str, str, int]]:
    """(need, small area, people a year) for the needs somebody has counted."""
    mean = sum(score.values()) / len(score)
    rows = []
    for need, (age_from, age_to, rate, steepness) in COUNTED.items():
        for code in sorted(bands):
            pull = (score[code] / mean) ** steepness
            people = people_in(bands[code], age_from, age_to) * rate * pull * (0.85 + 0.3 * rng.random())
            rows.append((need, code, round(people)))
    return rows
