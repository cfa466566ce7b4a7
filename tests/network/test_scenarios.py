"""What-if: steps against a registry built without, against fragility, and over HTTP."""

from datetime import date

import pytest
from hedgerow_network.domain.exits import exits
from hedgerow_network.domain.fragility import without_all
from hedgerow_network.domain.scenarios import (
    Add,
    Capacity,
    Expire,
    Extend,
    Merge,
    Move,
    NewSite,
    OwnerFails,
    Remove,
    Transfer,
    changed_cells,
    take,
    tally,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, ask, facts, facts_of, records

NEEDS = ("t:debt", "t:food")
WARDS = ["E05000001", "E05000002", "E05000003"]
POINTS = [(1.05, 53.25), (1.15, 53.15), (1.05, 53.05)]


def stepped(known, *steps, at=TODAY):
    made, taken = take(known, steps, at=at, level="ward")
    return made, taken


@st.composite
def towns(draw):
    """A town's records: who provides what where, by areas or by sites, under contracts or none."""
    services, sites, contracts = [], [], []
    for n in range(draw(st.integers(1, 5))):
        provider = draw(st.sampled_from(["ant", "bee", "cat", ""]))
        needs = draw(st.sets(st.sampled_from(NEEDS), min_size=1))
        areas = draw(st.sets(st.sampled_from(WARDS), max_size=2))
        services.append(f"s{n} | {provider} | {';'.join(sorted(needs))} | {';'.join(sorted(areas))}")
        for place in sorted(draw(st.sets(st.sampled_from([0, 1, 2]), max_size=2))):
            lon, lat = POINTS[place]
            sites.append(f"s{n}-{place} | s{n} | {lon} | {lat} | {WARDS[place]}")
    for n in range(draw(st.integers(0, 2))):
        of = draw(st.sets(st.sampled_from([f"s{k}" for k in range(len(services))]), min_size=1))
        end = draw(st.sampled_from(["2027-12-31", "2025-12-31"]))
        contracts.append(f"c{n} | {';'.join(sorted(of))} | 2025-01-01 | {end}")
    return records(
        **TOWN
        | {
            "services": "\n".join(["id | provider | needs | areas", *services]),
            "sites": "\n".join(["id | service | lon | lat | area", *sites]),
            "contracts": "\n".join(["id | services | start | end", *contracts]),
        }
    )


def covered(of):
    """By need and area, who covers it."""
    return {
        (need, area): [of.units.ids[unit] for unit in of.incidence.units_of(row, column)]
        for row, need in enumerate(of.needs)
        for column, area in enumerate(of.areas.tolist())
    }


@settings(max_examples=30)
@given(towns(), st.sampled_from(["providers", "owners"]))
def test_no_steps_change_nothing(town, count):
    known = facts_of(town)
    made, taken = stepped(known)
    of = ask(known, needs=NEEDS, count=count)
    after = ask(made, needs=NEEDS, count=count)
    assert (changed_cells(of, after), taken) == ([], ())
    assert tally(of) == tally(after)


@settings(max_examples=40)
@given(towns(), st.data())
def test_without_one_it_is_as_fragility_says_and_as_a_registry_without_it(town, data):
    known = facts_of(town)
    kind = data.draw(st.sampled_from(["provider", "owner", "site", "contract"]))
    of = ask(known, needs=NEEDS)
    found = exits(of, kind)
    there = [one for one in range(len(found.ids)) if found.leaves[one] and found.of.cells_of(one).size]
    if not there:
        return
    unit = data.draw(st.sampled_from(there))
    id = found.ids[unit]
    step = OwnerFails(id) if kind == "owner" else Remove(kind, id)
    made, (taken,) = stepped(known, step)
    assert taken.done
    after = ask(made, needs=NEEDS)
    gone = without_all(found.of, found.cover, [unit], of.people.count)
    opened = sorted(cell for cell, change in changed_cells(of, after) if change == "opened")
    assert opened == gone.uncovered.tolist()
    # The facts that were given stand as they were.
    assert covered(ask(known, needs=NEEDS)) == covered(of)

    if kind in ("provider", "owner"):
        fallen = {id} if kind == "provider" else {"ant", "bee"} if id == "zoo" else {id}
        services = {
            data["id"]
            for what, _, data in town
            if what == "service" and (data["organisation_id"] or f"service:{data['id']}") in fallen
        }
        rest = [
            row
            for row in town
            if not (row[0] == "service" and row[1] in services)
            and not (row[0] == "site" and row[2]["service_id"] in services)
        ]
        assert covered(ask(facts_of(rest), needs=NEEDS)) == covered(after)


TOWN_OF_SITES = TOWN | {
    "services": """
        id | provider | needs  | areas               | capacity
        s1 | ant      | t:food | E05000001;E05000002 | 10
        s2 | bee      | t:food | E05000001           |
        s3 | cat      | t:debt |                     |
        """,
    "sites": """
        id | service | lon  | lat   | area
        x1 | s1      | 1.05 | 53.25 | E05000001
        x3 | s3      | 1.05 | 53.25 | E05000001
        """,
    "contracts": """
        id | services | start      | end        | value | suppliers | authority
        c1 | s1       | 2025-01-01 | 2026-12-31 | 7300  | ant       | E06000001
        """,
}
"""Food: North by Ant and Bee, East by Ant, South nobody. Debt: North alone, by Cat's site there."""


@pytest.mark.parametrize(
    ("step", "at", "expected"),
    [
        # Each by hand: (need, area) -> who covers it with the step taken, where that is different.
        (Add("n", "New", "cat", ("t:food",), ("E05000003",)), TODAY, {("t:food", 2): ["cat"]}),
        (
            Add("n", "New", None, ("t:debt",), sites=(NewSite(1.15, 53.15),)),
            TODAY,
            {("t:debt", 1): ["service:n"]},
        ),
        (Extend("s2", ("E05000003",)), TODAY, {("t:food", 2): ["bee"]}),
        # Without stated areas it goes on to serve where its site is.
        (Extend("s3", ("E05000002",)), TODAY, {("t:debt", 1): ["cat"]}),
        (Merge("bee", "ant"), TODAY, {("t:food", 0): ["ant"]}),
        (Transfer("s1", "cat"), TODAY, {("t:food", 0): ["bee", "cat"], ("t:food", 1): ["cat"]}),
        (Move("x3", 1.05, 53.05), TODAY, {("t:debt", 0): [], ("t:debt", 2): ["cat"]}),
        (Move("x3", area="E05000002"), TODAY, {("t:debt", 0): [], ("t:debt", 1): ["cat"]}),
        (Expire("service", "s2", date(2026, 1, 14)), TODAY, {("t:food", 0): ["ant"]}),
        (Expire("service", "s2", date(2026, 1, 15)), TODAY, {}),
        (
            Expire("contract", "c1", date(2026, 3, 31)),
            date(2026, 4, 1),
            {("t:food", 0): ["bee"], ("t:food", 1): []},
        ),
        (Capacity("s1", 0), TODAY, {("t:food", 0): ["bee"], ("t:food", 1): []}),
        (Capacity("s1", 99), TODAY, {}),
        (Remove("service", "s3"), TODAY, {("t:debt", 0): []}),
        (Remove("contract", "c1"), TODAY, {("t:food", 0): ["bee"], ("t:food", 1): []}),
        (Remove("site", "x1"), TODAY, {("t:food", 0): ["bee"], ("t:food", 1): [], ("t:debt", 0): []}),
    ],
)
def test_each_step_by_hand(step, at, expected):
    known = facts(**TOWN_OF_SITES)
    made, (taken,) = stepped(known, step, at=at)
    assert taken.done
    before, after = (covered(ask(one, needs=NEEDS, at=at)) for one in (known, made))
    areas = sorted({area for _, area in before})
    differs = {(need, areas.index(area)): after[need, area] for need, area in before
               if after[need, area] != before[need, area]}  # fmt: skip
    assert differs == expected


@pytest.mark.parametrize(
    "step",
    [
        Remove("provider", "nobody"),
        Remove("service", "none"),
        Remove("site", "none"),
        Remove("contract", "none"),
        OwnerFails("nobody"),
        Add("s1", "Again", None, ("t:food",)),
        Extend("none", ("E05000003",)),
        Extend("s1", ("E05999999",)),
        Merge("nobody", "ant"),
        Merge("ant", "nobody"),
        Merge("ant", "ant"),
        Transfer("none", "ant"),
        Transfer("s1", "nobody"),
        Move("none", 1.0, 53.0),
        Expire("service", "none", TODAY),
        Expire("contract", "none", TODAY),
        Capacity("none", 3),
    ],
)
def test_a_step_that_names_what_is_not_held_changes_nothing_and_says_so(step):
    known = facts(**TOWN_OF_SITES)
    made, (taken,) = stepped(known, step)
    assert not taken.done
    assert taken.says.startswith("Nothing changes: ")
    before, after = (ask(one, needs=NEEDS) for one in (known, made))
    assert changed_cells(before, after) == []


def test_steps_follow_one_another_and_owners_move_with_a_merger():
    known = facts(**TOWN_OF_SITES)
    made, taken = stepped(known, Merge("cat", "bee"), OwnerFails("zoo"))
    # Cat has become part of Bee, and Zoo stands behind both Ant and Bee: everything falls.
    assert [one.done for one in taken] == [True, True]
    assert all(not who for who in covered(ask(made, needs=NEEDS)).values())
    # Cat takes over Zoo, and with it Ant and Bee.
    made, taken = stepped(known, Merge("zoo", "cat"), OwnerFails("cat"))
    assert (taken[0].done, taken[0].services) == (True, ("s1", "s2"))
    assert all(not who for who in covered(ask(made, needs=NEEDS)).values())
    made, taken = stepped(known, Remove("provider", "ant"), Remove("provider", "ant"))
    assert [one.done for one in taken] == [True, False]


SCENARIO = {
    "name": "Ant leaves",
    "area": "E06000001",
    "steps": [{"do": "remove", "kind": "provider", "id": "ant"}],
}


@pytest.fixture
def town(database, network):
    feed(database, records(**TOWN_OF_SITES))
    with network() as client:
        yield client


def saved(client, body=None, **more):
    made = client.post("/v1/scenarios", json={**SCENARIO, **(body or {}), **more})
    assert made.status_code == 201, made.text
    return made.headers["location"]


def test_the_difference_of_a_scenario_by_hand(town):
    at = saved(town)
    found = town.get(f"{at}/difference")
    assert found.status_code == 200, found.text
    told = found.json()
    # Without Ant East has no food (2,000 people); North keeps Bee (1,000), an overlap no more.
    assert [(one["need"], one["area_name"], one["change"]) for one in told["items"]] == [
        ("t:food", "East", "opened"),
        ("t:food", "North", "fewer"),
    ]
    first = told["items"][0]
    assert (first["before"]["status"], first["after"]["status"], first["after"]["providers"]) == (
        "single",
        "gap",
        [],
    )
    # Before: food is missing in South (3,000), debt in East and South (5,000).
    assert told["gaps"]["cells"] == {"before": 3, "after": 4, "difference": 1}
    assert told["gaps"]["people"] == {"before": 8000, "after": 10000, "difference": 2000}
    # Nobody has counted who needs what: residents find no place that could be counted.
    assert told["gaps"]["without_place"] == {"before": None, "after": None, "difference": None}
    assert told["overlap"]["cells"] == {"before": 1, "after": 0, "difference": -1}
    assert told["overlap"]["pairs"] == {"before": 1, "after": 0, "difference": -1}
    # Hanging on one: food in East and debt in North; then food and debt in North.
    assert told["fragility"]["cells"] == {"before": 2, "after": 2, "difference": 0}
    assert told["fragility"]["people"] == {"before": 3000, "after": 2000, "difference": -1000}
    assert told["fragility"]["before"] == {"id": "ant", "name": "Ant", "people": 2000}
    # £7,300 over 730 days, of 365.25: £3,652.50 a year, and no contract without Ant.
    assert told["spend"]["contracts"] == {"before": 1, "after": 0, "difference": -1}
    assert told["spend"]["a_year_gbp"] == {"before": 3652.5, "after": None, "difference": None}
    assert told["kpis"] is None
    (step,) = told["steps"]
    assert (step["done"], step["says"], step["services"]) == (True, "Ant goes, with 1 service.", ["s1"])
    assert told["computed"]["thresholds"] == told["computed_after"]["thresholds"]
    assert told["computed"]["scenario_version"] == 1
    # What other answers show has not changed.
    gaps = town.get("/v1/localities/E06000001/gaps").json()["items"]
    assert len(gaps) == 3
    assert town.get(f"{at}/difference").content == found.content


def test_removing_is_what_fragility_says_over_http(town):
    gone = town.get("/v1/localities/E06000001/fragility/ant").json()
    told = town.get(f"{saved(town)}/difference").json()
    opened = [(one["need"], one["area"]) for one in told["items"] if one["change"] == "opened"]
    assert sorted(opened) == sorted((one["need"], one["area"]) for one in gone["uncovered"])
    assert told["gaps"]["people"]["difference"] == gone["people_uncovered"]


def test_an_empty_scenario_changes_nothing_at_all(town):
    told = town.get(f"{saved(town, steps=[])}/difference").json()
    assert (told["items"], told["steps"], told["kpis"]) == ([], [], None)
    figures = [
        figure
        for part in ("gaps", "overlap", "access", "fragility", "spend")
        for figure in told[part].values()
        if figure is not None and "difference" in figure
    ]
    assert len(figures) > 10
    # What is not known is not told to be nothing.
    assert all(figure["difference"] == (None if figure["before"] is None else 0) for figure in figures)
    assert sum(figure["before"] is None for figure in figures) <= 1


def test_a_changed_capacity_shows_in_who_finds_no_place(database, network):
    # 30 people need food in North, 20 in East. Ant has 10 places for both, Bee in North as many as it takes.
    demand = "need | area | count\n t:food | E05000001 | 30\n t:food | E05000002 | 20"
    feed(database, records(**TOWN_OF_SITES | {"demand": demand}))
    with network() as client:
        at = saved(client, steps=[{"do": "capacity", "service": "s1", "capacity": 15}])
        told = client.get(f"{at}/difference").json()
        assert told["gaps"]["without_place"] == {"before": 10, "after": 5, "difference": -5}
        assert (told["items"], told["gaps"]["cells"]["difference"]) == ([], 0)


def test_a_date_of_the_scenario_stands_until_another_is_asked_for(town):
    at = saved(
        town, at="2027-01-01", steps=[{"do": "expire", "kind": "contract", "id": "c1", "on": "2026-03-31"}]
    )
    # On that day the contract has ended anyway.
    told = town.get(f"{at}/difference").json()
    assert (told["items"], told["computed"]["at"]) == ([], "2027-01-01")
    assert "at=2027-01-01" in told["computed"]["explained"]
    told = town.get(f"{at}/difference", params={"at": "2026-04-01"}).json()
    assert [one["area_name"] for one in told["items"]] == ["East", "North"]
    assert "at=2026-04-01" in told["computed"]["explained"]


def test_what_closing_proposes_closes_the_gap_as_a_step(town):
    asked = {"need": "food", "reach": 30, "detour": 1}
    (measure,) = town.get("/v1/localities/E06000001/closing", params=asked).json()["items"]
    step = {"do": "extend", "service": measure["service"]["id"], "areas": [measure["area"]]}
    told = town.get(f"{saved(town, steps=[step])}/difference", params={"need": "food"}).json()
    assert [(one["area"], one["change"]) for one in told["items"]] == [(measure["area"], "closed")]
    assert told["gaps"]["people"]["difference"] == -measure["people_closed"]


def test_kpis_that_a_design_ties_to_what_changes_are_named(town):
    design = {
        "id": "fed",
        "name": "Fed",
        "areas": ["E06000001"],
        "goals": [
            {"id": "g", "name": "Nobody hungry", "kpis": ["meals"], "services": ["s1"]},
            {"id": "h", "name": "Solvent", "kpis": ["debts"], "services": ["s3"]},
        ],
        "agreements": [{"id": "a", "name": "Terms", "parties": ["Ant", "cat"], "kpis": [{"kpi": "wait"}]}],
    }
    assert town.post("/v1/networks", json=design).status_code == 201
    told = town.get(f"{saved(town)}/difference").json()
    assert [(one["kpi"], one["through"], one["name"]) for one in told["kpis"]] == [
        ("meals", "goal", "Nobody hungry"),
        ("wait", "agreement", "Terms"),
    ]
    assert any("ask outcomes" in said for said in told["computed"]["caveats"])


def test_a_scenario_is_written_as_networks_are(town):
    made = town.post("/v1/scenarios", json=SCENARIO, headers={"Idempotency-Key": "once"})
    again = town.post("/v1/scenarios", json=SCENARIO, headers={"Idempotency-Key": "once"})
    assert made.json() == again.json()
    at, tag = made.headers["location"], made.headers["etag"]
    assert town.put(at, json=SCENARIO).status_code == 428
    renamed = town.put(at, json=SCENARIO | {"name": "Renamed"}, headers={"If-Match": tag})
    assert (renamed.status_code, renamed.json()["version"]) == (200, 2)
    assert town.put(at, json=SCENARIO, headers={"If-Match": tag}).status_code == 412
    assert [one["name"] for one in town.get("/v1/scenarios").json()["items"]] == ["Renamed"]
    assert town.delete(at, headers={"If-Match": renamed.headers["etag"]}).status_code == 204
    assert town.get(at).status_code == 404
    assert town.get(f"{at}/difference").status_code == 404
    for step in (
        {"do": "nothing"},
        {"do": "remove", "kind": "county", "id": "x"},
        {"do": "move", "site": "x1"},
        {"do": "move", "site": "x1", "lon": 1},
        {"do": "capacity", "service": "s1", "capacity": -1},
        {"do": "expire", "kind": "service", "id": "s1", "on": "soon"},
        {"do": "remove", "kind": "service", "id": "s1", "more": 1},
        {"do": "add", "id": "n", "name": "N", "needs": []},
        7,
    ):
        refused = town.post("/v1/scenarios", json=SCENARIO | {"steps": [step]})
        assert refused.status_code == 422, (step, refused.text)
    assert town.post("/v1/scenarios", json=SCENARIO | {"steps": SCENARIO["steps"] * 101}).status_code == 422
    unknown = saved(town, area="E06999999")
    assert town.get(f"{unknown}/difference").status_code == 404


def test_scenarios_and_what_they_show_keep_to_the_authority(town, network):
    with network(role="coordinator", authorities=("E06000001",)) as ours:
        at = saved(ours)
        assert ours.get(f"{at}/difference").status_code == 200
        # A coordinator may not see what contracts are worth.
        spend = ours.get(f"{at}/difference").json()["spend"]
        assert (spend["a_year_gbp"]["before"], spend["unknown"]["before"]) == (None, 1)
    with network(role="reader", authorities=("E06000001",)) as reader:
        assert reader.get(f"{at}/difference").status_code == 200
        assert reader.post("/v1/scenarios", json=SCENARIO).status_code == 403
    with network(role="coordinator", authorities=("E06000002",)) as theirs:
        assert theirs.get("/v1/scenarios").json()["items"] == []
        for path in (at, f"{at}/difference"):
            assert theirs.get(path).status_code == 404
        assert theirs.put(at, json=SCENARIO, headers={"If-Match": "*"}).status_code == 404
        # A scenario of theirs about a place of ours tells nothing of it.
        assert theirs.get(f"{saved(theirs)}/difference").status_code == 404
