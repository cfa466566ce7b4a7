"""Members of collaboratives, dated figures, and scores by published weights with every part explained."""

from fractions import Fraction
from itertools import pairwise
from typing import Any

import pytest
from hedgerow_registry.domain import scoring
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.errors import Malformed
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.registry.files import changes, counts, notes, quarantined, send
from tests.support.http import Client

BODIES = """
    id,name,identifiers
    tide,Tideway Collaborative,
    care,Carers Together,GB-CHC:1234567
    quay,Quay Kitchen,
    plc,Quorvane plc,
"""
FIGURES = """
    organisation_id,figure,date,value,unit,evidence_url
    care,Pay ratio,2024-03-31,4,times,https://example.org/care
    care,Local benefit,2024-03-31,60,per cent,https://example.org/care
    quay,pay-ratio,2024-03-31,8,times,https://example.org/quay
    quay,local benefit,2024-03-31,90,per cent,https://example.org/quay
    plc,pay ratio,2024-03-31,24,times,https://example.org/plc
    plc,local benefit,2023-03-31,10,per cent,https://example.org/plc
    plc,local benefit,2025-03-31,70,per cent,https://example.org/plc
    tide,pay ratio,2024-03-31,5,times,https://example.org/tide
"""
ASKED = {"weights": "pay-ratio:0.5,local-benefit:0.5", "lower": "pay-ratio", "at": "2024-12-31"}


def of(name: str) -> str:
    return record_id("default", "organisation", name)


@pytest.fixture
def held(registry: Client) -> Client:
    send(registry, "organisations", BODIES)
    return registry


@pytest.fixture
def figured(held: Client) -> Client:
    assert counts(send(held, "organisation-figures", FIGURES)) == (8, 0, 0, 0)
    return held


def scored(client: Client, **params: Any) -> dict[str, Any]:
    answer = client.get("/v1/organisations/scores", params={**ASKED, **params})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_members_are_listed_with_their_dates_and_told_in_the_change_feed(held: Client) -> None:
    before = int(changes(held)[-1]["id"])
    rows = """
        organisation_id,member_id,member_identifier,role,start,end
        tide,,GB-CHC:1234567,lead,2024-04-01,
        tide,quay,,,2024-04-01,2025-03-31
        tide,later,,,2025-01-01,
    """
    made = send(held, "members", rows)
    assert counts(made) == (3, 0, 0, 0)
    assert [(line, column) for line, column, _ in notes(held, made)] == [(4, "member_id")]
    path = f"/v1/organisations/{of('tide')}/members"
    everybody = {one["member_id"]: one for one in held.items(path)}
    assert everybody[of("care")]["member_name"] == "Carers Together"
    assert (everybody[of("care")]["role"], everybody[of("quay")]["end"]) == ("lead", "2025-03-31")
    assert everybody[of("later")]["member_name"] is None
    now = {one["member_id"] for one in held.items(path, params={"at": "2025-04-01"})}
    assert now == {of("care"), of("later")}
    (told,) = changes(held, before)
    assert {one["member_id"] for one in told["data"]["members"]} == set(everybody)
    assert told["data"]["control"] == [], "to be a member is not to own"
    assert counts(send(held, "members", rows)) == (0, 0, 3, 0)


def test_what_rows_of_members_and_figures_get_wrong_is_named(held: Client) -> None:
    made = send(
        held,
        "members",
        """
        organisation_id,member_id,member_identifier,start,end
        ,care,,,
        none,care,,,
        tide,,,,
        tide,,GB-CHC:7654321,,
        tide,tide,,,
        tide,care,,2025-01-01,2024-01-01
        """,
    )
    assert counts(made) == (0, 0, 0, 6)
    assert [(line, column) for line, column, _ in quarantined(held, made)] == [
        (2, "organisation_id"),
        (3, "organisation_id"),
        (4, "member_id"),
        (5, "member_identifier"),
        (6, "member_id"),
        (7, "end"),
    ]
    made = send(
        held,
        "organisation-figures",
        """
        organisation_id,figure,date,value,evidence
        care,pay ratio,2024-03-31,4,
        care,pay ratio,2024,4,annual report
        care,pay ratio,2024-03-31,four,annual report
        care,"pay, ratio",2024-03-31,4,annual report
        none,pay ratio,2024-03-31,4,annual report
        """,
    )
    assert [(line, column) for line, column, _ in quarantined(held, made)] == [
        (2, "evidence"),
        (3, "date"),
        (4, "value"),
        (5, "figure"),
        (6, "organisation_id"),
    ]


def test_scores_follow_the_published_weights_and_each_part_is_explained(figured: Client) -> None:
    found = scored(figured)
    # Pay ratio, less is better: care 1, quay (24-8)/20 = 0.8, plc 0.
    # Local benefit: care (60-10)/80 = 0.625, quay 1, plc 0.
    assert [(one["name"], one["rank"], one["score"]) for one in found["items"]] == [
        ("Quay Kitchen", 1, 0.9),
        ("Carers Together", 2, 0.8125),
        ("Quorvane plc", 3, 0.0),
        ("Tideway Collaborative", None, None),
    ]
    care = found["items"][1]
    parts = {part["figure"]: (part["value"], part["scaled"], part["points"]) for part in care["parts"]}
    assert parts == {
        "pay ratio": (4, 1.0, 0.5),
        "local benefit": (60, 0.625, 0.3125),
    }
    assert care["parts"][0]["evidence_url"] == "https://example.org/care"
    assert care["says"] == "0.8125 = 0.5 × 1 (pay ratio) + 0.5 × 0.625 (local benefit)."
    tide = found["items"][3]
    assert tide["missing"] == ["local benefit"]
    assert "not known" in tide["says"]
    computed = found["computed"]
    assert computed["thresholds"]["weights"] == {"pay ratio": 0.5, "local benefit": 0.5}
    assert any("1 of 4" in said for said in computed["caveats"])


def test_figures_count_as_they_were_known_for_the_day(figured: Client) -> None:
    plc = {one["id"]: one for one in scored(figured, at="2025-12-31")["items"]}[of("plc")]
    assert {part["figure"]: part["value"] for part in plc["parts"]}["local benefit"] == 70
    listed = figured.items(f"/v1/organisations/{of('plc')}/figures")
    assert [(one["figure"], one["as_of"], one["value"]) for one in listed] == [
        ("local benefit", "2023-03-31", 10),
        ("local benefit", "2025-03-31", 70),
        ("pay ratio", "2024-03-31", 24),
    ]


def test_only_those_named_are_compared_and_pages_join(figured: Client) -> None:
    two = scored(figured, organisation=[of("care"), of("quay")])
    assert [one["score"] for one in two["items"]] == [0.5, 0.5], "each is best in one figure"
    assert {one["rank"] for one in two["items"]} == {1}, "equal scores share a rank"
    items = figured.items("/v1/organisations/scores", params={**ASKED, "limit": 1})
    assert [one["id"] for one in items] == [one["id"] for one in scored(figured)["items"]]
    answer = figured.get("/v1/organisations/scores", params={**ASKED, "organisation": [of("nobody")]})
    assert answer.status_code == 404


def test_as_a_weight_moves_every_change_of_places_is_told_exactly(figured: Client) -> None:
    moving = scored(figured, moving="pay ratio")["moving"]
    assert moving["first_at_0"] == [of("quay"), of("care"), of("plc")]
    assert moving["first_at_1"] == [of("care"), of("quay"), of("plc")]
    # care: 0.625 + 0.375 w, quay: 1 - 0.2 w; equal at w = 0.375 / 0.575 = 15/23.
    (change,) = moving["changes"]
    assert (change["exactly"], change["rises"], change["falls"]) == ("15/23", of("care"), of("quay"))
    assert change["at"] == pytest.approx(15 / 23)


@pytest.mark.parametrize(
    ("params", "named"),
    [
        ({"weights": "pay ratio:0.5"}, "weights"),
        ({"weights": "pay ratio:0.5,local benefit:0.6"}, "weights"),
        ({"weights": "pay ratio:0.5,pay-ratio:0.5"}, "weights"),
        ({"weights": "pay ratio"}, "weights"),
        ({"weights": "pay ratio:nan,x:1"}, "weights"),
        ({"weights": "pay ratio:-0.5,x:1.5"}, "weights"),
        ({"moving": "no such"}, "moving"),
        ({"weights": "pay ratio:1", "moving": "pay ratio"}, "moving"),
        ({"at": "soon"}, "at"),
        ({"wieghts": "x:1"}, "wieghts"),
    ],
)
def test_weights_that_do_not_add_up_are_refused_naming_the_parameter(
    registry: Client, params: dict[str, str], named: str
) -> None:
    answer = registry.get("/v1/organisations/scores", params={**ASKED, **params})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["parameter"] == named


def test_weights_in_per_cent_are_the_same_weights() -> None:
    assert scoring.weights("a:60,b:40%") == scoring.weights("a:0.6,b:0.4")
    with pytest.raises(Malformed):
        scoring.weights("a:1e400")


VALUES = st.dictionaries(
    st.sampled_from("abcde"),
    st.fixed_dictionaries({"x": st.integers(0, 6), "y": st.integers(0, 6), "z": st.integers(0, 6)}),
    min_size=2,
)


@settings(max_examples=60)
@given(VALUES, st.sampled_from("xyz"), st.booleans())
def test_between_two_crossings_ranks_stay_and_at_each_they_change(
    values: dict[str, dict[str, float]], figure: str, less: bool
) -> None:
    weighted = {"x": Fraction(1, 2), "y": Fraction(3, 10), "z": Fraction(1, 5)}
    lower = ["x"] if less else []
    found = scoring.crossings(values, weighted, figure, lower)
    turns = [Fraction(0), *sorted({one.at for one in found}), Fraction(1)]

    def at(weight: Fraction) -> dict[str, Fraction]:
        by = scoring.scores(values, scoring.moved(weighted, figure, weight), lower)
        return {one.id: one.score for one in by if one.score is not None}

    for low, high in pairwise(turns):
        inner = [at(low + (high - low) * Fraction(part, 7)) for part in (1, 3, 6)]
        orders = {tuple((a, b) for a in scores for b in scores if scores[a] > scores[b]) for scores in inner}
        assert len({frozenset(order) for order in orders}) == 1
    step = Fraction(1, 10**9)
    for one in found:
        before, there, after = at(one.at - step), at(one.at), at(one.at + step)
        assert before[one.falls] > before[one.rises]
        assert there[one.falls] == there[one.rises]
        assert after[one.falls] < after[one.rises]


@settings(max_examples=40)
@given(VALUES, st.permutations("abcde"))
def test_relabelling_bodies_changes_no_score(values: dict[str, dict[str, float]], order: list[str]) -> None:
    names = dict(zip("abcde", order, strict=True))
    weighted = {"x": Fraction(1, 2), "y": Fraction(1, 2)}
    before = {names[one.id]: (one.score, one.rank) for one in scoring.scores(values, weighted)}
    after = scoring.scores({names[id]: held for id, held in values.items()}, weighted)
    assert {one.id: (one.score, one.rank) for one in after} == before
