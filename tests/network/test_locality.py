"""A locality's cells under each rule: statuses, parts, dates, owners, explanations, caveats."""

from datetime import date

import numpy as np
import pytest
from hedgerow_network.domain.caveats import caveats, rules_used
from hedgerow_network.domain.exits import exits
from hedgerow_network.domain.explain import explain
from hedgerow_network.domain.serving import Rule
from hedgerow_network.domain.summary import summary
from hedgerow_network.errors import NoSuchLevel, UnknownIndex

from tests.network.world import TOWN, ask, drawn, facts, records

SITES = """
    id | service | lon  | lat   | area
    a  | s1      | 1.05 | 53.25 | E05000003
    b  | s2      | 1.15 | 53.15 |
    c  | s3      |      |       | E05000003
    d  | s4      | 9.00 | 53.00 |
    """


def test_cover_of_a_town_worked_by_hand():
    of = ask(facts(**TOWN))
    # North: food by Ant (s1, s4) and Bee (s2), debt by Cat (s3) and Ant (s4). East: food by Ant, debt by Cat.
    assert drawn(of, of.cover.depth) == {"t:debt": "2 1 1", "t:food": "2 1 0"}
    assert drawn(of, of.cover.services) == {"t:debt": "2 1 1", "t:food": "3 1 0"}
    assert drawn(of, of.status) == {"t:debt": "overlap single single", "t:food": "overlap single gap"}
    assert of.ranked(["gap"]).tolist() == [5]
    # Single: debt in South (3000), then debt and food in East (2000 each; the tie by need).
    assert of.ranked(["single"]).tolist() == [2, 1, 4]


def test_owners_count_once_for_all_they_own():
    of = ask(facts(**TOWN), count="owners")
    # Ant and Bee belong to Zoo plc: food in North hangs on one owner.
    assert drawn(of, of.cover.depth) == {"t:debt": "2 1 1", "t:food": "1 1 0"}
    found = exits(of, "owner")
    # Cat: debt in East and South, 2000 + 3000. Zoo: food in North and East, 1000 + 2000.
    assert [(found.names[u], found.alone.cells[u], found.alone.people[u]) for u in found.ranked] == [
        ("Cat", 2, 5000.0),
        ("Zoo plc", 2, 3000.0),
    ]


def test_sited_goes_by_where_sites_are():
    of = ask(facts(**TOWN, sites=SITES), rule=Rule("sited"))
    # s1 in North by its coordinates, whatever code it states; s2 in East; s3 in South by code; s4 nowhere.
    assert drawn(of, of.cover.depth) == {"t:debt": "0 0 1", "t:food": "1 1 0"}
    assert any("1 site was not placed" in said and "Site d" in said for said in caveats(of))


def test_within_goes_by_distance_from_the_middle():
    # North's middle is (1.05, 53.25), East's (1.15, 53.15): site a is 0 and about 13 km away; b the reverse.
    near = ask(facts(**TOWN, sites=SITES), rule=Rule("within", 5.0))
    assert drawn(near, near.cover.depth)["t:food"] == "1 1 0"
    far = ask(facts(**TOWN, sites=SITES), rule=Rule("within", 14.0))
    assert drawn(far, far.cover.depth)["t:food"] == "2 2 1"
    assert any("without coordinates" in said for said in caveats(near))


def test_by_default_a_service_that_states_areas_is_held_to_them_and_others_to_their_sites():
    town = TOWN | {"services": TOWN["services"] + "\n s5 | cat | t:food |"}
    of = ask(facts(**town, sites="id | service | lon | lat | area\n e | s5 | 1.05 | 53.05 | "))
    assert drawn(of, of.cover.depth)["t:food"] == "2 1 1"
    assert rules_used(of) == {"declared": 4, "sited": 1}


def test_a_service_for_some_ages_counts_for_everybody_and_the_answer_says_so():
    services = """
        id | provider | needs  | areas     | age_from
        s1 | ant      | t:food | E05000001 | 16
        s2 | bee      | t:food | E05000001 |
        """
    of = ask(facts(**TOWN | {"services": services}))
    assert drawn(of, of.cover.depth)["t:food"] == "2 0 0"
    assert [said for said in caveats(of) if "ages" in said] == [
        "1 service here is for certain ages only. Ages are not looked at: each counts for everybody."
    ]
    assert not any("ages" in said for said in caveats(ask(facts(**TOWN))))


SMALL = {
    **TOWN,
    "areas": TOWN["areas"]
    + """
        E01000001 | North A | lsoa | E05000001 | |
        E01000002 | North B | lsoa | E05000001 | |
        E01000003 | South A | lsoa | E05000003 | |
        """,
    "residents": TOWN["residents"]
    + """
        E01000001 | 250
        E01000002 | 750
        E01000003 | 3000
        """,
}


def test_the_note_on_ages_speaks_of_the_services_that_the_summary_counts():
    services = """
        id | provider | needs  | areas     | age_from
        s1 | ant      | t:food | E05000001 | 16
        s2 | bee      | t:food | E01000001 | 16
        """
    of = ask(facts(**SMALL | {"services": services}))
    assert summary(of).services == 1
    assert [said.partition(".")[0] for said in caveats(of) if "ages" in said] == [
        "1 service here is for certain ages only"
    ]


def test_a_service_for_a_part_of_the_area_is_partial_cover_with_its_share():
    services = """
        id | provider | needs  | areas
        s1 | ant      | t:food | E01000001
        s2 | bee      | t:food | E01000001
        s3 | cat      | t:debt | E01000001;E01000002
        """
    of = ask(facts(**SMALL | {"services": services}))
    # Food in North: only North A, 250 of 1000 residents. Debt in North: both of its parts, so all of it.
    assert drawn(of, of.status) == {"t:debt": "single gap gap", "t:food": "partial gap gap"}
    assert of.partly.share[1, 0] == 0.25
    assert of.affected[1, 0] == 750.0
    assert [of.units.names[u] for u in of.partial_units(1, 0)] == ["Ant", "Bee"]
    told = explain(of, 1, 0)
    assert [found.extent for found in told.counted] == ["part", "part"]
    assert told.counted[0].reason == "It serves 1 of the 2 smaller areas of North, with 25% of its residents."
    assert any("served only in part" in said for said in caveats(of))


def test_areas_that_do_not_nest_share_their_smallest_areas():
    areas = """
        code      | name    | level     | parents
        E06000001 | Town    | authority |
        E05000001 | North   | ward      | E06000001
        E02000001 | Across  | msoa      | E06000001
        E01000001 | North A | lsoa      | E05000001;E02000001
        E01000002 | North B | lsoa      | E05000001
        """
    services = """
        id | provider | needs  | areas
        s1 | ant      | t:food | E02000001
        """
    of = ask(facts(areas=areas, needs=TOWN["needs"], services=services), needs=("t:food",))
    assert drawn(of, of.status) == {"t:food": "partial"}
    # Residents are not known: shares are of areas.
    assert of.partly.share[0, 0] == 0.5


def test_a_code_of_an_earlier_boundary_year_is_read_as_its_successors():
    areas = """
        code      | name  | level     | parents   | successors
        E06000001 | Town  | authority |           |
        E05000001 | North | ward      | E06000001 |
        E05000002 | Joint | ward      | E06000001 |
        E05000091 | Old N | ward      |           | E05000001
        E05000092 | Old J | ward      | E06000001 | E05000002
        E05000093 | Old K | ward      | E06000001 | E05000002
        """
    services = """
        id | provider | needs  | areas
        s1 | ant      | t:food | E05000091
        s2 | bee      | t:food | E05000092
        """
    of = ask(facts(areas=areas, needs=TOWN["needs"], services=services), needs=("t:food",))
    # North only got a new code: served whole. Joint was made of two: old J is a part of unknown size.
    assert drawn(of, of.status) == {"t:food": "single partial"}
    assert of.partly.share[0, 1] == -1
    assert any("Left out because a successor is held: Old J, Old K" in said for said in caveats(of))
    assert "how large a part is not known" in explain(of, 0, 1).counted[0].reason


@pytest.mark.parametrize(
    ("row", "depth", "reason"),
    [
        ("active | | ", 1, None),
        ("active | 2026-01-15 | 2026-01-15", 1, None),
        ("active | 2026-01-16 | ", 0, "It starts on 2026-01-16."),
        ("active | | 2026-01-14", 0, "It ended on 2026-01-14."),
        ("inactive | | ", 0, "It is marked as inactive."),
        ("defunct | | ", 0, "It no longer exists (marked as defunct)."),
        ("temporarily closed | | ", 0, "It is temporarily closed."),
    ],
)
def test_a_service_counts_only_while_it_is_active(row, depth, reason):
    services = f"""
        id | provider | needs  | areas     | status | from | to
        s1 | ant      | t:food | E05000001 | {row}
        """
    of = ask(facts(**TOWN | {"services": services}), needs=("t:food",))
    assert of.cover.depth[0, 0] == depth
    left_out = explain(of, 0, 0).excluded
    assert [(found.why, found.reason) for found in left_out] == ([("not active", reason)] if reason else [])


def test_the_date_decides():
    services = """
        id | provider | needs  | areas     | status | from | to
        s1 | ant      | t:food | E05000001 | active |      | 2025-12-31
        """
    known = facts(**TOWN | {"services": services})
    assert ask(known, needs=("t:food",), at=date(2025, 12, 31)).cover.depth[0, 0] == 1
    assert ask(known, needs=("t:food",), at=date(2026, 1, 1)).cover.depth[0, 0] == 0


def test_a_cell_is_explained_with_who_counts_and_who_does_not():
    town = TOWN | {
        "needs": TOWN["needs"] + "\n t:baby-food | Baby food | t:food",
        "crosswalk": "from | to | relation\n d:meals | t:baby-food | exact\n t:baby-food | t:debt | related",
        "services": TOWN["services"]
        + """
        s5 | cat | d:meals     | E05000001
        s6 | cat | t:baby-food |
        s7 | cat | t:baby-food | E06999999
        """,
    }
    of = ask(facts(**town), needs=("t:baby-food",))
    told = explain(of, 0, 0)
    name = {row: found.id for row, found in enumerate(of.facts.directory.services)}
    assert [(name[c.service], c.match.how, c.match.path, c.reason) for c in told.counted] == [
        ("s5", "crosswalk", ("d:meals", "t:baby-food"), "It states North.")
    ]
    assert {name[e.service]: (e.why, e.reason) for e in told.excluded} == {
        "s1": ("need", "It addresses Food, a wider need; whether this one is included is not stated."),
        "s2": ("need", "It addresses Food, a wider need; whether this one is included is not stated."),
        "s4": ("need", "It addresses Food, a wider need; whether this one is included is not stated."),
        "s3": ("need", "It addresses Debt, which is only related to this need."),
        "s6": ("area", "It has no site."),
        "s7": ("area", "It states only areas that are not held."),
    }


def test_services_of_other_places_are_counted_and_not_listed():
    town = TOWN | {
        "areas": TOWN["areas"] + "\n E06000002 | Village | authority | | | ",
        "services": TOWN["services"] + "\n s9 | cat | t:food | E06000002",
    }
    told = explain(ask(facts(**town), needs=("t:food",)), 0, 2)
    assert told.elsewhere == 1
    assert [found.reason for found in told.excluded] == [
        "It states North, East, not South.",
        "It states North, not South.",
        "It states North, not South.",
    ]


def test_a_summary_adds_up():
    of = ask(facts(**TOWN))
    found = summary(of)
    assert found.cells == {"gap": 1, "partial": 0, "single": 3, "overlap": 2}
    assert (found.services, found.providers, found.residents) == (4, 3, 6000.0)
    assert [(one.need, one.people_uncovered) for one in found.by_need] == [
        ("t:food", 3000.0),
        ("t:debt", 0.0),
    ]


def test_renaming_ids_changes_nothing_but_names():
    before = ask(facts(**TOWN))
    other = {"s1": "z9", "s2": "y8", "ant": "wasp", "bee": "aphid"}
    services = TOWN["services"]
    organisations = TOWN["organisations"]
    for old, new in other.items():
        services, organisations = (
            services.replace(f" {old} ", f" {new} "),
            organisations.replace(f" {old} ", f" {new} "),
        )
    after = ask(facts(**TOWN | {"services": services, "organisations": organisations}))
    assert after.cover.depth.tolist() == before.cover.depth.tolist()
    assert after.ranked(["gap", "single"]).tolist() == before.ranked(["gap", "single"]).tolist()
    lost = {name: people for name, people in _lost(before)}
    assert {name: people for name, people in _lost(after)} == lost


def _lost(of):
    found = exits(of, "provider")
    return [(found.names[u], float(found.alone.people[u])) for u in found.ranked]


def test_places_with_little_in_them_have_answers():
    lone = "code | name | level | parents\n E06000001 | Town | authority |"
    empty = ask(facts(areas=lone))
    assert empty.status.shape == (0, 1)
    assert summary(empty).cells == {"gap": 0, "partial": 0, "single": 0, "overlap": 0}
    assert any("no cells" in said for said in caveats(empty))
    bare = ask(facts(areas=lone, needs=TOWN["needs"]))
    assert drawn(bare, bare.status) == {"t:debt": "gap", "t:food": "gap"}
    assert np.isfinite(bare.people.count).all()
    assert any("by authority, the finest level held" in said for said in caveats(bare))


def test_what_the_locality_does_not_hold_is_refused_by_name():
    with pytest.raises(NoSuchLevel, match=r"authority \(1\), ward \(3\)"):
        ask(facts(**TOWN), level="lsoa")
    with pytest.raises(UnknownIndex):
        ask(facts(**TOWN), index="happiness")


def test_a_service_without_a_provider_is_a_provider_of_its_own():
    services = """
        id | provider | needs  | areas
        s1 |          | t:food | E05000001
        s2 |          | t:food | E05000001
        """
    of = ask(facts(**TOWN | {"services": services}), needs=("t:food",))
    assert of.cover.depth[0, 0] == 2
    assert of.units.names == ("unnamed provider of Service s1", "unnamed provider of Service s2")
    assert any("2 services have no known provider" in said for said in caveats(of))


def test_owners_in_a_circle_and_owners_unknown_do_no_harm():
    organisations = """
        id  | name | owners
        ant | Ant  | bee
        bee | Bee  | ant
        cat | Cat  | nobody-known
        """
    of = ask(facts(**TOWN | {"organisations": organisations}), count="owners")
    assert of.units.ids == ("ant", "nobody-known")


def test_every_record_of_the_drawing_is_readable():
    from hedgerow_network.domain.facts import is_readable

    assert all(is_readable(kind, data) for kind, _, data in records(**TOWN, sites=SITES))
