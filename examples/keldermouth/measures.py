"""KPI definitions and two years of monthly observations, November 2024 to October 2026."""

from dataclasses import dataclass
from math import cos, pi, sqrt
from random import Random

from geography import AUTHORITY, Place
from organisations import make_id

MONTHS = [f"{2024 + (10 + i) // 12}-{(10 + i) % 12 + 1:02d}" for i in range(24)]
# From this month a neighbouring borough's refuge is closed: referrals rise and stay up (a special cause).
REFERRALS_RISE = "2026-02"

# fmt: off
KPIS = [
    ("food-parcels", "Emergency food parcels given out", "parcels", "lower", "output", "outward", "sum",
     "Parcels of three days' food handed out in the month, by ward of collection.", "", "", "Tideway Larder"),
    ("debt-clients", "New clients of debt advice", "clients", "neutral", "activity", "inward", "sum",
     "Clients seen for the first time in the month.", "", "", "Keldermouth Advice Centre"),
    ("debt-plans-kept", "Debt plans still kept after three months", "%", "higher", "outcome", "outward",
     "ratio_of_sums", "Plans kept / plans agreed three months before.", "72", "60",
     "Keldermouth Advice Centre"),
    ("abuse-referrals", "Referrals to domestic abuse support", "referrals", "neutral", "activity", "inward",
     "sum",
     "All referrals in the month, self-referrals included.", "", "", "Harbourlight Trust"),
    ("therapy-wait", "Mean wait for a first mental health appointment", "weeks", "lower", "output", "inward",
     "mean",
     "Mean over the people first seen in the month.", "6", "10", "Kelder Coast NHS Foundation Trust"),
    ("homelessness-prevented", "Homelessness prevented", "%", "higher", "outcome", "outward", "ratio_of_sums",
     "Prevention duties ended with a home kept or found / all ended.", "58", "48",
     "Keldermouth Borough Council"),
    ("youth-attendances", "Attendances at youth work", "attendances", "higher", "activity", "outward", "sum",
     "Attendances at sessions, by ward of the session.", "", "", "Keldermouth Borough Council"),
    ("carers-heard", "Carers who felt heard", "%", "higher", "outcome", "user voice", "ratio_of_sums",
     "Carers who agree that they were listened to / carers who answered.", "75", "65",
     "Kelder Carers' Centre"),
    ("people-satisfied", "People satisfied with the service", "%", "higher", "outcome", "user voice",
     "ratio_of_sums",
     "Satisfied or very satisfied / all answers, by organisation.", "85", "75",
     "Keldermouth Borough Council"),
    ("job-starts", "People who started a job", "people", "higher", "outcome", "outward", "sum",
     "People supported who started paid work in the month, by organisation.", "", "",
     "Keldermouth Borough Council"),
    ("outreach-hours", "Hours of outreach staffed", "hours", "higher", "input", "inward", "sum",
     "Paid and volunteer hours rostered, by organisation.", "", "", "Keldermouth Borough Council"),
]
# Parcels a month in winter, by ward; wards without a food bank have no figures.
PARCELS = {"OT": 190, "FD": 310, "NG": 240, "RW": 235, "GW": 330, "LH": 60, "SP": 75, "OX": 270, "MS": 165,
           "SB": 280,
           "SC": 22, "HE": 90, "HW": 48, "BW": 12, "MC": 30, "KB": 9}
YOUTH = {"OT": 210, "FD": 260, "NG": 250, "RW": 230, "GW": 340, "LH": 180, "SP": 210, "MS": 220, "SC": 45,
         "TH": 50,
         "KB": 22, "SB": 190, "EN": 85, "HE": 240, "HW": 150, "SF": 40, "OX": 190}
SATISFIED = {"council": 79, "nhs": 76, "harbour": 93, "advice": 90, "carers": 91, "pathfold": 68,
             "recovery": 74,
             "openshelf": 88}
STARTS = {"pathfold": 44, "council": 38, "college": 11}
OUTREACH = {"harbour": 1460, "recovery": 1120, "openshelf": 640, "marramyouth": 520}
# fmt: on
YOUTH_CLUB_CLOSED = "2025-09"


@dataclass
class Observation:
    kpi: str
    subject: str
    period: str
    value: str
    numerator: str = ""
    denominator: str = ""
    lower: str = ""
    upper: str = ""


def _season(month: str, *, peak: int, swing: float) -> float:
    return 1 + swing * cos(2 * pi * (int(month[5:]) - peak) / 12)


def _noise(rng: Random, mean: float) -> float:
    """Roughly Poisson: the sum of uniforms has the spread of a count."""
    return mean + sqrt(max(mean, 1)) * (sum(rng.random() for _ in range(12)) - 6)


def _count(rng: Random, mean: float) -> str:
    return str(max(0, round(_noise(rng, mean))))


def _share(
    kpi: str, subject: str, month: str, percent: float, of: float, rng: Random, interval: bool
) -> Observation:
    """A percentage with what it was made of and, where it is from a survey, its Wilson interval."""
    total = max(8, round(_noise(rng, of)))
    yes = min(total, max(0, round(total * percent / 100 + sqrt(total) * 0.45 * (rng.random() - 0.5) * 2)))
    p, z = yes / total, 1.96
    middle = (p + z * z / (2 * total)) / (1 + z * z / total)
    half = z * sqrt(p * (1 - p) / total + z * z / (4 * total * total)) / (1 + z * z / total)
    bounds = (f"{100 * (middle - half):.1f}", f"{100 * (middle + half):.1f}") if interval else ("", "")
    return Observation(kpi, subject, month, f"{100 * p:.1f}", str(yes), str(total), *bounds)


def observations(place: Place, rng: Random) -> list[Observation]:
    """All clean observations, KPI by KPI, subject by subject, month by month."""
    found: list[Observation] = []
    for key, level in PARCELS.items():
        for i, month in enumerate(MONTHS):
            mean = level * (1 + 0.006 * i) * _season(month, peak=12, swing=0.22)
            found.append(Observation("food-parcels", place.ward_code(key), month, _count(rng, mean)))
    for key, level in YOUTH.items():
        for month in MONTHS:
            if key == "OX" and month >= YOUTH_CLUB_CLOSED:
                break
            holiday = 0.45 if month.endswith("-08") else 0.8 if month.endswith("-12") else 1.0
            mean = level * holiday * _season(month, peak=4, swing=0.08)
            found.append(Observation("youth-attendances", place.ward_code(key), month, _count(rng, mean)))
    for i, month in enumerate(MONTHS):
        debt = 245 * _season(month, peak=2, swing=0.14) * (0.78 if month.endswith("-12") else 1)
        found.append(Observation("debt-clients", AUTHORITY, month, _count(rng, debt)))
        found.append(_share("debt-plans-kept", AUTHORITY, month, 66 + 0.25 * i, 118, rng, False))
        rise = 1.42 if month >= REFERRALS_RISE else 1.0
        mean = 96 * rise * _season(month, peak=7, swing=0.05)
        found.append(Observation("abuse-referrals", AUTHORITY, month, _count(rng, mean)))
        wait = 9.4 - 0.07 * i + 0.7 * cos(2 * pi * (int(month[5:]) - 1) / 12) + (rng.random() - 0.5)
        found.append(Observation("therapy-wait", AUTHORITY, month, f"{wait:.1f}"))
        found.append(_share("homelessness-prevented", AUTHORITY, month, 53 - 0.1 * i, 74, rng, False))
        found.append(_share("carers-heard", AUTHORITY, month, 71, 62, rng, True))
    for key, percent in SATISFIED.items():
        for month in MONTHS:
            found.append(_share("people-satisfied", _body(key), month, percent, 70, rng, True))
    for key, level in STARTS.items():
        for month in MONTHS:
            mean = level * _season(month, peak=10, swing=0.15)
            found.append(Observation("job-starts", _body(key), month, _count(rng, mean)))
    for key, level in OUTREACH.items():
        for month in MONTHS:
            hours = level * (0.9 if month.endswith(("-08", "-12")) else 1) * (0.97 + 0.06 * rng.random())
            found.append(Observation("outreach-hours", _body(key), month, f"{hours:.1f}"))
    found.sort(key=lambda o: (o.kpi, o.subject, o.period))
    return found


def _body(key: str) -> str:
    return f"organisation:{make_id('organisation', key)}"
