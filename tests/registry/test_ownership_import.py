"""Interests from flat rows: what lands, what is refused, what the change feed tells of it."""

from typing import Any

import pytest
from hedgerow_registry.domain.ids import record_id

from tests.registry.files import changes, counts, notes, quarantined, send
from tests.support.http import Client

BODIES = """
    id,name,identifiers,sector
    care,Carers Together,GB-CHC:1234567,charity
    council,Kelder Council,GB-LAE:KLD,public
    mutual,Kelder Mutual,GB-COH:RS007777,mutual
    plc,Quorvane plc,GB-COH:1234567,private
"""


def of(name: str) -> str:
    return record_id("default", "organisation", name)


@pytest.fixture
def held(registry: Client) -> Client:
    assert counts(send(registry, "organisations", BODIES)) == (4, 0, 0, 0)
    return registry


def states(client: Client, after: int = 0) -> dict[str, Any]:
    """The latest told state of each organisation."""
    return {event["subject"]: event["data"] for event in changes(client, after)}


def last(client: Client) -> int:
    return int(changes(client)[-1]["id"])


def test_rows_land_as_dated_control_in_the_change_feed(held: Client) -> None:
    before = last(held)
    rows = """
        subject_id,owner_id,interest_type,share_exact,start,end
        care,council,shareholding,100,2015-04-01,2026-03-31
        care,mutual,shareholding,100,2026-04-01,
    """
    assert counts(send(held, "ownership", rows)) == (2, 0, 0, 0)
    (told,) = changes(held, before)
    assert told["subject"] == of("care")
    assert told["data"]["control"] == sorted(
        [
            {"owner_id": of("council"), "from": "2015-04-01", "to": "2026-03-31"},
            {"owner_id": of("mutual"), "from": "2026-04-01", "to": None},
        ],
        key=lambda period: str(period["owner_id"]),
    )
    assert counts(send(held, "ownership", rows)) == (0, 0, 2, 0)
    assert last(held) == int(told["id"]), "the same file again tells nothing"


def test_an_interest_is_closed_by_sending_it_again_with_its_end(held: Client) -> None:
    row = (
        "subject_id,owner_id,interest_type,share_min,share_max,start,end\n"
        "care,plc,voting rights,50.5,75,2020-01-01,"
    )
    send(held, "ownership", row)
    assert counts(send(held, "ownership", row + "2024-12-31")) == (0, 1, 0, 0)
    assert states(held)[of("care")]["control"] == [
        {"owner_id": of("plc"), "from": "2020-01-01", "to": "2024-12-31"}
    ]


def test_parties_are_found_by_identifier_and_an_owner_not_held_is_made(held: Client) -> None:
    rows = """
        subject_identifier,owner_identifier,owner_name,owner_kind,interest_type,share_exact
        GB-CHC:1234567,GB-COH:1234567,,,shares,60
        GB-COH:01234567,GB-COH:9999999,Overarching Ltd,,shares,100
        GB-COH:RS007777,,Second Mutual,organisation,votes,80
    """
    assert counts(send(held, "ownership", rows)) == (3, 0, 0, 0)
    now = states(held)
    assert [one["owner_id"] for one in now[of("care")]["control"]] == [of("plc")]
    (above,) = now[of("plc")]["control"]
    assert now[above["owner_id"]]["name"] == "Overarching Ltd"
    assert now[above["owner_id"]]["identifiers"] == [{"scheme": "GB-COH", "id": "09999999"}]
    (second,) = now[of("mutual")]["control"]
    assert now[second["owner_id"]]["name"] == "Second Mutual"


def test_people_and_unknown_owners_have_no_owner_id_and_their_names_are_nowhere(held: Client) -> None:
    rows = """
        subject_id,owner_name,owner_kind,interest_type,share_exact
        care,Zebedee Quillfeather,person,shareholding,50
        care,Zebedee Quillfeather,person,shareholding,50
        care,,unknown,voting rights,
    """
    made = send(held, "ownership", rows)
    assert counts(made) == (3, 0, 0, 0), "two people may hold the same"
    assert {column for _, column, _ in notes(held, made)} == {"owner_name"}
    assert states(held)[of("care")]["control"] == []
    everything = str(changes(held)) + str(notes(held, made))
    assert "Quillfeather" not in everything
    assert counts(send(held, "ownership", rows)) == (0, 0, 3, 0)


def test_what_a_row_gets_wrong_is_named(held: Client) -> None:
    rows = """
        subject_id,subject_identifier,owner_id,owner_name,owner_kind,interest_type,share_exact,share_min,share_max,direct,start,end
        ,,plc,,,shareholding,60,,,,,
        none,,plc,,,shareholding,60,,,,,
        ,GB-COH:00000099,plc,,,shareholding,60,,,,,
        care,,plc,,,golden handcuffs,60,,,,,
        care,,plc,,,shareholding,160,,,,,
        care,,plc,,,shareholding,,60,40,,,
        care,,plc,,,shareholding,,,,sideways,,
        care,,plc,,,shareholding,,,,,2024-02-30,
        care,,plc,,,shareholding,,,,,2024-02-03,2024-02-02
        care,,,Some Name,,shareholding,60,,,,,
        care,,,,oligarch,shareholding,60,,,,,
        care,,care,,,shareholding,60,,,,,
        care,,,,organisation,shareholding,60,,,,,
        care,,later,,,shareholding,60,,,direct,,
    """
    made = send(held, "ownership", rows)
    assert counts(made) == (1, 0, 0, 13)
    assert [(line, column) for line, column, _ in quarantined(held, made)] == [
        (2, "subject_id"),
        (3, "subject_id"),
        (4, "subject_identifier"),
        (5, "interest_type"),
        (6, "share_exact"),
        (7, "share_min"),
        (8, "direct"),
        (9, "start"),
        (10, "end"),
        (11, "owner_kind"),
        (12, "owner_kind"),
        (13, "owner_id"),
        (14, "owner_id"),
    ]
    assert [(line, column) for line, column, _ in notes(held, made)] == [(15, "owner_id")]
    answer = held.post("/v1/imports/ownership", content="a,b\n1,2\n", headers={"Content-Type": "text/csv"})
    assert answer.status_code == 422


def test_rows_that_contradict_leave_the_first_standing(held: Client) -> None:
    rows = """
        subject_id,owner_id,interest_type,share_exact
        care,plc,shareholding,60
        care,plc,shareholding,70
    """
    made = send(held, "ownership", rows)
    assert counts(made) == (1, 0, 0, 1)


def test_a_list_of_owners_gives_way_to_what_interests_state(registry: Client) -> None:
    send(registry, "organisations", BODIES)
    send(registry, "organisations", "id,name,sector,owner_ids\ncare,Carers Together,charity,council")
    assert [one["owner_id"] for one in states(registry)[of("care")]["control"]] == [of("council")]
    send(
        registry,
        "ownership",
        "subject_id,owner_id,interest_type,share_exact,start\ncare,mutual,shareholding,100,2026-04-01",
    )
    control = {one["owner_id"]: (one["from"], one["to"]) for one in states(registry)[of("care")]["control"]}
    assert control == {of("council"): (None, "2026-03-31"), of("mutual"): ("2026-04-01", None)}


def test_what_an_owner_becomes_is_told_of_all_below_it(held: Client) -> None:
    rows = """
        subject_id,owner_id,interest_type,share_exact
        care,mutual,shareholding,100
        mutual,council,shareholding,100
    """
    send(held, "ownership", rows)
    assert states(held)[of("care")]["effective_form"] == "not-for-profit"
    before = last(held)
    send(held, "organisations", BODIES.replace("Kelder Council,GB-LAE:KLD,public", "Kelder Council,,private"))
    told = states(held, before)
    assert set(told) == {of("council"), of("mutual"), of("care")}
    assert told[of("care")]["effective_form"] == "for-profit"
    before = last(held)
    send(held, "organisations", BODIES.replace("Kelder Council,GB-LAE:KLD,public", "New Name,,private"))
    assert set(states(held, before)) == {of("council")}, "a name bears on nobody else"


def test_merged_bodies_own_and_are_owned_as_one(held: Client) -> None:
    more = "id,name,sector\nplc2,Quorvane Group,private\n"
    send(held, "organisations", more)
    send(
        held,
        "ownership",
        "subject_id,owner_id,interest_type,share_exact\ncare,plc,shares,30\ncare,plc2,shares,30\n"
        "plc2,mutual,shares,90",
    )
    together = {one["owner_id"] for one in states(held)[of("care")]["control"]}
    assert together == {of("plc"), of("plc2")}, "neither alone"
    answer = held.post(
        f"/v1/organisations/{of('plc2')}/merge",
        json={"into": of("plc"), "reason": "one group"},
        headers={"If-Match": held.get(f"/v1/organisations/{of('plc2')}").headers["etag"]},
    )
    assert answer.status_code in (200, 201), answer.text
    now = states(held)
    assert now[of("care")]["control"] == [{"owner_id": of("plc"), "from": None, "to": None}]
    assert now[of("plc")]["control"] == [{"owner_id": of("mutual"), "from": None, "to": None}]
