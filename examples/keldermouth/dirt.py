"""The faults of real council files, put in on purpose; each with the verdict an import must reach."""

from geography import AUTHORITY
from organisations import make_id
from tables import ACCEPTED, CHANGED, QUARANTINED, UNCHANGED, Table

IMPOSSIBLE = "E0699901"


def areas(table: Table) -> None:
    table.dirty(-1, table.clean(6), UNCHANGED, "the same row a second time")
    table.dirty(
        -1,
        {"code": "E05999901", "name": "Docks and Old Quay", "level": "ward", "vintage": 2015,
         "successor_code": "E05999002"},
        ACCEPTED, "a ward abolished in 2023; its successor is Fishdocks",
    )  # fmt: skip
    table.dirty(
        -1,
        {"code": IMPOSSIBLE, "name": "Keldermouth (annual return)", "level": "authority", "vintage": 2025},
        QUARANTINED, "seven digits: not a GSS code",
    )  # fmt: skip


def residents(table: Table) -> None:
    table.dirty(1400, table.clean(1398), UNCHANGED, "the same row a second time")
    table.dirty(2100, table.clean(2100) | {"count": "about 60"}, QUARANTINED, "a text in the count")
    table.dirty(-1, table.clean(0) | {"area_code": "E0199901"}, QUARANTINED, "seven digits: not a GSS code")


def indices(table: Table) -> None:
    row = table.clean(30) | {"period": "2019", "value": "n/a"}
    table.dirty(30, row, QUARANTINED, "a text in the value")


def crosswalk(table: Table) -> None:
    row = table.clean(0) | {"from_term": "pet-care"}
    table.dirty(-1, row, ACCEPTED, "the directory has no such term (yet): taken with a note")


def demand(table: Table) -> None:
    table.dirty(200, table.clean(200) | {"need": "hedgerow:foood"}, QUARANTINED, "no such need")
    table.dirty(500, table.clean(500) | {"count": -4, "period": "2024"}, QUARANTINED, "a count below nought")
    table.dirty(-1, table.clean(3), UNCHANGED, "the same row a second time")


def organisations(table: Table) -> None:
    advice, hospice = (
        _named(table, "Keldermouth Advice Centre"),
        _named(table, "St Ebba's Hospice, Keldermouth"),
    )
    larder, moorings = _named(table, "Tideway Larder"), _named(table, "The Moorings Project")
    plain = {"aliases": "", "description": ""}

    def variant(row: dict[str, object], name: str, **changes: object) -> dict[str, object]:
        return row | plain | {"id": make_id("organisation", name), "name": name} | changes

    table.dirty(40, variant(advice, "Keldermouth Advice Ctr."), ACCEPTED,
                "Keldermouth Advice Centre again, with the same charity number")  # fmt: skip
    table.dirty(64, variant(hospice, "St Ebbas Hospice Keldermouth", identifiers=""), ACCEPTED,
                "St Ebba's Hospice again, without its number")  # fmt: skip
    table.dirty(80, variant(larder, "Tideway Larder (Food Bank)", identifiers=""), ACCEPTED,
                "Tideway Larder again, without its number")  # fmt: skip
    table.dirty(99, variant(moorings, "Moorings Project", identifiers="GB-CHC:99O0784"), ACCEPTED,
                "The Moorings Project again; letter O in the number: taken without it, noted")  # fmt: skip
    table.dirty(-1, table.clean(12), UNCHANGED, "the same row a second time")
    blank = table.clean(50) | {
        "id": make_id("organisation", "blank"),
        "name": "  ",
        "identifiers": "",
        "url": "",
    }
    table.dirty(-1, blank, QUARANTINED, "the name is blank")


def services(table: Table) -> None:
    def new(at: int, name: str, **changes: object) -> dict[str, object]:
        return table.clean(at) | {"id": make_id("service", "dirt " + name), "name": name} | changes

    table.dirty(72, table.clean(70), UNCHANGED, "the same row a second time")
    table.dirty(96, new(96, ""), QUARANTINED, "the name is blank")
    table.dirty(120, new(118, "Summer Lunches", area_codes=IMPOSSIBLE), QUARANTINED,
                "its only area code has seven digits: not a GSS code")  # fmt: skip
    table.dirty(140, new(141, "Toddler Swim", capacity="lots"), QUARANTINED, "a text in the capacity")
    table.dirty(160, new(161, "Teen Space", minimum_age=18, maximum_age=13), QUARANTINED,
                "the maximum age is below the minimum")  # fmt: skip
    table.dirty(180, new(182, "Friday Friends", organisation_id="no-such-body"), QUARANTINED,
                "no organisation of this id")  # fmt: skip
    table.dirty(200, new(203, "Debt Clinic (old list)", valid_from="2021-04-01", valid_to="2019-03-31"),
    QUARANTINED,
                "it ends before it begins")  # fmt: skip


def sites(table: Table) -> None:
    def new(at: int, name: str, **changes: object) -> dict[str, object]:
        row = table.clean(at)
        return row | {"id": make_id("site", "dirt " + name), "name": name} | changes

    row = table.clean(90)
    table.dirty(90, new(90, "Swapped", lon=row["lat"], lat=row["lon"]), QUARANTINED,
                "longitude and latitude are swapped: not in the United Kingdom")  # fmt: skip
    table.dirty(110, new(112, "Annexe", postcode="ZQ1O 3IB"), ACCEPTED,
                "not the shape of a postcode: taken with a note")  # fmt: skip
    table.dirty(130, new(133, "Back Hall", area_code=IMPOSSIBLE), ACCEPTED,
                "impossible area code but good coordinates: taken with a note, placed by them")  # fmt: skip
    table.dirty(150, new(151, "Portakabin", area_code=IMPOSSIBLE, lon="", lat=""), QUARANTINED,
                "impossible area code and no coordinates")  # fmt: skip
    table.dirty(
        -1, new(60, "Nowhere Hall", service_id="no-such-service"), QUARANTINED, "no service of this id"
    )
    table.dirty(-1, table.clean(20), UNCHANGED, "the same row a second time")


def observations(table: Table) -> None:
    def at(kpi: str, period: str, subject: str = "") -> int:
        return next(
            i for i, row in enumerate(table.rows)
            if isinstance(row, dict) and row["kpi"] == kpi and row["period"] == period
            and (not subject or row["subject"] == subject)
        )  # fmt: skip

    wait = at("therapy-wait", "2025-06")
    table.rows[wait] = {**table.clean(wait), "value": "79.0"}
    table.dirty(
        -1, table.clean(wait) | {"value": "7.9"}, CHANGED, "corrects the 79.0 weeks given above for 2025-06"
    )
    spelt = at("debt-clients", "2025-03")
    cells = table.clean(spelt)
    del table.rows[spelt]
    table.dirty(spelt, cells | {"period": "Mar-25"}, ACCEPTED, "another spelling of 2025-03")
    for find, change, verdict, why in _spoilt():
        table.dirty(at(*find) + 1, table.clean(at(*find)) | change, verdict, why)


def _spoilt() -> list[tuple[tuple[str, str], dict[str, object], str, str]]:
    return [
        (("abuse-referrals", "2025-08"), {}, UNCHANGED, "the same row a second time"),
        (("abuse-referrals", "2025-12"), {"period": "2025-13"}, QUARANTINED, "there is no thirteenth month"),
        (("carers-heard", "2025-04"), {"period": "spring 2025"}, QUARANTINED, "not a period"),
        (
            ("food-parcels", "2026-01"),
            {"period": "2026-11", "value": "see note"},
            QUARANTINED,
            "a text in the value",
        ),
        (("food-parcels", "2026-03"), {"subject": "E0599910"}, QUARANTINED, "seven digits: not a GSS code"),
        (("homelessness-prevented", "2026-05"), {"kpi": "homelesness-prevented"}, QUARANTINED, "no such KPI"),
        (
            ("job-starts", "2026-02"),
            {"subject": f"borough:{AUTHORITY}"},
            QUARANTINED,
            "no such kind of subject",
        ),
    ]


def _named(table: Table, name: str) -> dict[str, object]:
    return dict(next(row for row in table.rows if isinstance(row, dict) and row["name"] == name))
