"""The council's contracts register: what it buys of whom, until when, and what it plans to buy."""

from collections.abc import Sequence

from geography import AUTHORITY
from organisations import Organisation
from tables import ACCEPTED, QUARANTINED, UNCHANGED, Table

COLUMNS = (
    *(
        "id",
        "title",
        "status",
        "method",
        "programme",
        "buyer_id",
        "buyer_name",
        "supplier_id",
        "supplier_name",
    ),
    *("value", "start", "end", "extension_months", "awarded_on", "needs", "area_codes"),
    *("reserved_for", "reserved_under"),
)
_UNDER = "Procurement Act 2023, section 33"

# id, title, needs, suppliers, value, start, end, months of extension, awarded, method
AGREED = [
    ("KBC-101", "Care at home alliance", "adult-social-care", "carecoop sandpiper havenbridge", 9_400_000,
     "2025-04-01", "2030-03-31", 60, "2025-01-14", "selective"),
    ("KBC-102", "Carers' support", "carers", "carers", 410_000, "2025-10-01", "2027-09-30", 12,
     "2025-08-20", "open"),
    ("KBC-103", "Advice on debt and housing", "debt-advice;housing-advice", "advice creditunion", 690_000,
     "2024-07-01", "2027-06-30", 24, "2024-05-02", "open"),
    ("KBC-104", "Refuge and outreach", "domestic-abuse", "harbour", 1_250_000, "2024-04-01", "2029-03-31", 24,
     "2024-01-22", "open"),
    ("KBC-105", "Drug and alcohol recovery", "substance-misuse", "recovery harbour", 3_300_000, "2023-10-01",
     "2028-09-30", None, "2023-07-11", "selective"),
    ("KBC-106", "Libraries", "digital-inclusion", "openshelf", 5_100_000, "2024-04-01", "2029-03-31", 36,
     "2023-11-30", "direct"),
    ("KBC-107", "Youth work in the estates", "youth-work", "marramyouth", 220_000, "2026-01-01", "2027-12-31",
     None, "2025-12-15", "open"),
    ("KBC-108", "Skills and jobs", "employment", "pathfold", 1_800_000, "2025-09-01", "2028-08-31", 12,
     "2025-09-10", "open"),
    ("KBC-109", "Food partnership", "food", "larder", 90_000, "2026-04-01", "2027-03-31", None, "2026-02-27",
     "limited"),
]  # fmt: skip
PLANNED = [
    ("KBC-P1", "Youth work from 2028", "youth-work", 450_000, "2028-01-01", "2032-12-31"),
    ("KBC-P2", "Early years outreach", "early-years", 800_000, "2027-09-01", "2031-08-31"),
]


def table(bodies: Sequence[Organisation]) -> Table:
    by_key = {body.key: body for body in bodies}
    council = {
        "buyer_id": by_key["council"].id,
        "buyer_name": by_key["council"].name,
        "area_codes": AUTHORITY,
    }
    made = Table("contracts.csv", COLUMNS)
    for id, title, needs, suppliers, value, start, end, months, awarded, method in AGREED:
        of = [by_key[key] for key in suppliers.split()]
        made.extend([council | {
            "id": id, "title": title, "status": "active", "method": method, "programme": _programme(needs),
            "supplier_id": ";".join(body.id for body in of),
            "supplier_name": ";".join(body.name for body in of),
            "value": value, "start": start, "end": end, "extension_months": months, "awarded_on": awarded,
            "needs": _needs(needs),
            **({"reserved_for": "publicService", "reserved_under": _UNDER} if id == "KBC-106" else {}),
        }])  # fmt: skip
    for id, title, needs, value, start, end in PLANNED:
        made.extend([council | {
            "id": id, "title": title, "status": "planned", "value": value, "start": start, "end": end,
            "needs": _needs(needs), "programme": _programme(needs),
        }])  # fmt: skip
    _dirty(made)
    return made


def _needs(terms: str) -> str:
    return ";".join(f"hedgerow:{term}" for term in terms.split(";"))


def _programme(terms: str) -> str:
    return "Growing up in Keldermouth" if {"youth-work", "early-years"} & set(terms.split(";")) else ""


def _dirty(made: Table) -> None:
    row = made.clean(3)
    nobody = {"supplier_id": "", "supplier_name": "TBC"}
    made.dirty(4, row | nobody | {"id": "KBC-120", "title": "Minibus hire", "needs": "", "value": 1},
               ACCEPTED,
               "a placeholder for the supplier: taken without one, noted and flagged")  # fmt: skip
    made.dirty(6, row | {"id": "KBC-121", "end": "31/03/2029"}, QUARANTINED, "a date in another spelling")
    made.dirty(8, row | {"id": "KBC-122", "status": "see notes"}, QUARANTINED, "no such status")
    made.dirty(9, row | {"id": "KBC-123", "start": "2029-04-01", "end": "2024-03-31"}, QUARANTINED,
               "it ends before it starts")  # fmt: skip
    made.dirty(-1, row, UNCHANGED, "the same row a second time")
