"""Disclosure control through every read of the real app, on both databases."""

from typing import Any

import pytest
from hedgerow_kit.db import Database
from hedgerow_outcomes.actions.disclosure import hold_back, settle_left_over
from hedgerow_outcomes.domain.periods import months
from hedgerow_outcomes.domain.totals import Cell, Tree, equations
from hedgerow_outcomes.store.disclosure import counts
from hedgerow_outcomes.tables import Withheld
from sqlalchemy import select

from tests.outcomes.knowing import area, hear
from tests.outcomes.sending import HEAD, send
from tests.support.http import Client

TOWN = "E06000001"
WARDS = [f"E0500000{place}" for place in range(1, 5)]
KPIS = (
    "id,name,unit,polarity,aggregation,frequency,suppress_below,minimum\n"
    "cases,Cases,people,lower,sum,annual,5,4\nopen,Not protected,people,lower,sum,annual,,\n"
)


def rows(kpi: str, **values: int) -> str:
    return "".join(f"{kpi},{code},2024,{value}\n" for code, value in values.items())


TABLE = dict(zip([*WARDS, TOWN], (3, 12, 40, 50, 105), strict=True))


@pytest.fixture
def protected(outcomes: Client, outcomes_url: str) -> Client:
    hear(outcomes_url, area(TOWN, level="authority"), *(area(ward, TOWN) for ward in WARDS))
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", HEAD + rows("cases", **TABLE) + rows("open", **TABLE))
    return outcomes


def shown(client: Client, kpi: str = "cases", **asked: Any) -> dict[str, float | None]:
    found = client.items("/v1/observations", params={"kpi": kpi, **asked})
    return {f"{row['subject']} {row['period']}": row["value"] for row in found}


def test_a_small_number_and_the_one_beside_it_are_withheld_and_said_so(protected: Client) -> None:
    assert shown(protected) == {
        f"{WARDS[0]} 2024": None,
        f"{WARDS[1]} 2024": None,
        f"{WARDS[2]} 2024": 40.0,
        f"{WARDS[3]} 2024": 50.0,
        f"{TOWN} 2024": 105.0,
    }
    (row,) = protected.items("/v1/observations", params={"kpi": "cases", "subject": WARDS[0]})
    assert row["status"] == "suppressed"
    assert row["withheld"].startswith("Not shown: a small number")
    assert None not in shown(protected, "open").values()


def test_no_read_shows_what_is_withheld(protected: Client) -> None:
    reads = [
        "/v1/observations?kpi=cases",
        "/v1/observations?kpi=cases&format=csv",
        "/v1/observations?kpi=cases&format=ndjson",
        f"/v1/observations/latest?kpi=cases&subject={WARDS[0]}&subject={WARDS[1]}",
        "/v1/kpis/cases/latest",
        f"/v1/kpis/cases/series?subject={WARDS[0]}",
        f"/v1/kpis/cases/compare?period=2024&prefix=E05&comparator={TOWN}",
        f"/v1/kpis/cases/spc?subject={WARDS[0]}",
        "/v1/kpis/cases/funnel?period=2024&prefix=E05",
        f"/v1/kpis/cases/aggregate?area={TOWN}&level=ward&period=2024",
        "/v1/breaches",
    ]
    for read in reads:
        answer = protected.get(read)
        assert answer.status_code in (200, 422), (read, answer.text)
        text = answer.text.replace("E0500000", "").replace("2024", "")
        for small in ("3.0", "12.0", ",3,", ",12,", ":3,", ":12,"):
            assert small not in text, (read, small)


def test_a_breach_of_a_withheld_value_is_not_told(protected: Client) -> None:
    told = {row["subject"] for row in protected.items("/v1/breaches", params={"kpi": "cases"})}
    assert told == {WARDS[2], WARDS[3], TOWN}


def test_a_correction_does_not_give_away_what_it_was_or_is(protected: Client) -> None:
    before = shown(protected)
    changed = {**TABLE, WARDS[2]: 38, TOWN: 103}
    send(protected, "observations", HEAD + rows("cases", **changed))
    after = shown(protected)
    assert after[f"{WARDS[0]} 2024"] is after[f"{WARDS[1]} 2024"] is None
    assert before[f"{WARDS[2]} 2024"] == 40.0
    # A small number where nothing was small: all the rest was read before, so the total goes.
    send(protected, "observations", HEAD + rows("cases", **{**changed, WARDS[3]: 2, TOWN: 55}))
    last = shown(protected)
    assert last[f"{WARDS[3]} 2024"] is None
    assert shown(protected, as_of="2030-01-01")[f"{WARDS[0]} 2024"] is None


def test_what_was_withheld_stays_so_in_what_was_known_before(protected: Client) -> None:
    moment = protected.items("/v1/observations", params={"kpi": "cases"})[0]["known_from"]
    send(protected, "observations", HEAD + rows("cases", **{WARDS[0]: 30}))
    known_then = shown(protected, as_of=moment)
    assert known_then[f"{WARDS[0]} 2024"] is None
    assert shown(protected)[f"{WARDS[0]} 2024"] is None


def test_a_month_cannot_be_had_by_taking_the_others_from_the_year(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS)
    monthly = [3, *[20] * 11]
    lines = [f"cases,organisation:A,2024-{month:02},{value}" for month, value in enumerate(monthly, start=1)]
    send(outcomes, "observations", HEAD + "\n".join(lines) + f"\ncases,organisation:A,2024,{sum(monthly)}\n")
    hidden = [key for key, value in shown(outcomes).items() if value is None]
    assert len(hidden) >= 2
    assert "organisation:A 2024-01" in hidden


def test_a_rate_with_a_small_count_behind_it_is_withheld(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS.replace("sum,annual,5,4", "ratio_of_sums,annual,5,4", 1))
    sent = "kpi,subject,period,value,numerator,denominator\ncases,E05000001,2024,98,98,100\n"
    send(outcomes, "observations", sent + "cases,E05000002,2024,50,50,100\n")
    assert shown(outcomes) == {"E05000001 2024": None, "E05000002 2024": 50.0}


def test_a_threshold_that_comes_later_protects_and_one_that_goes_releases(outcomes: Client) -> None:
    send(outcomes, "kpis", KPIS.replace("annual,5,4", "annual,,4", 1))
    send(outcomes, "observations", HEAD + rows("cases", **TABLE))
    assert None not in shown(outcomes).values()
    send(outcomes, "kpis", KPIS)
    assert shown(outcomes)[f"{WARDS[0]} 2024"] is None
    send(outcomes, "kpis", KPIS.replace("annual,5,4", "annual,,4", 1))
    assert None not in shown(outcomes).values()


def test_areas_that_are_heard_of_later_are_taken_into_account(outcomes: Client, outcomes_url: str) -> None:
    send(outcomes, "kpis", KPIS)
    send(outcomes, "observations", HEAD + rows("cases", **{**TABLE, WARDS[1]: 4}))
    assert [key for key, value in shown(outcomes).items() if value is None] == [
        f"{WARDS[0]} 2024",
        f"{WARDS[1]} 2024",
    ]
    hear(outcomes_url, area(TOWN, level="authority"), *(area(ward, TOWN) for ward in WARDS))
    # Two small ones whose sum is no small number protect each other.
    assert sum(value is None for value in shown(outcomes).values()) == 2


def test_what_an_import_that_was_cut_off_left_is_withheld_and_then_judged(
    protected: Client, outcomes_url: str
) -> None:
    database = Database(outcomes_url)
    with database.writing() as session:
        for row in session.scalars(select(Withheld)):
            session.delete(row)
        session.flush()
    with database.writing() as session:
        ((_, keys),) = counts(session, 1)
        hold_back(session, 1, keys.values())
    assert set(shown(protected).values()) == {None}
    settle_left_over(database)
    assert sum(value is None for value in shown(protected).values()) == 2
    database.dispose()


def test_which_cells_add_up() -> None:
    year, first, second = months(2024, 1, 12), months(2024, 1, 6), months(2024, 7, 6)
    tree = Tree({"A": ["T"], "B": ["T"], "a1": ["A"], "a2": ["A"], "m": ["T"]}, {"m": "MSOA"})
    cells = [Cell(one, year) for one in ("T", "B", "a1", "a2", "m", "organisation:X")]
    cells += [Cell("T", first), Cell("T", second)]
    found = [
        (str(total.subject), sorted({part.subject for part in parts}))
        for total, parts in equations(cells, tree)
        if total.period == year
    ]
    # A was not observed, its parts were; MSOAs cover the town on their own; providers sum to the town.
    assert found == [
        ("T", ["B", "a1", "a2"]),
        ("T", ["m"]),
        ("T", ["organisation:X"]),
        ("T", ["T"]),
    ]
    circle = Tree({"A": ["B"], "B": ["A"]}, {})
    assert equations([Cell("A", year)], circle) == []


def test_a_correction_of_what_may_be_shown_undoes_no_breach_meanwhile(protected: Client) -> None:
    before = protected.get("/v1/outcome-events").json()
    opened = {event["data"]["subject"]: event["type"] for event in before["items"]}
    assert opened == dict.fromkeys((WARDS[2], WARDS[3], TOWN), "hedgerow.breach.opened")
    send(protected, "observations", HEAD + rows("cases", **{WARDS[2]: 41}))
    after = protected.get("/v1/outcome-events", params={"after": before["position"]}).json()
    told = [(event["type"], event["data"] and event["data"]["worst"]) for event in after["items"]]
    assert told == [("hedgerow.breach.changed", 41.0)]
