"""Chains, control and effective form: cases worked by hand, properties, and a slow obvious oracle."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import date
from itertools import permutations

import pytest
from hedgerow_registry.domain.effective_form import Body, EffectiveForm, effective_form, trading_arms
from hedgerow_registry.domain.forms import FOR_PROFIT, own_form
from hedgerow_registry.domain.interests import (
    Interest,
    Share,
    Stated,
    Statement,
    handed_over,
    in_sequence,
    interest_type,
    share,
)
from hedgerow_registry.domain.ownership import (
    CERTAIN,
    NO,
    POSSIBLE,
    UNSURE,
    Structure,
    control_periods,
)
from hedgerow_registry.errors import Malformed
from hypothesis import given, settings
from hypothesis import strategies as st

DAY = date(2025, 6, 1)
PLAIN = {"shares": "shareholding", "votes": "votingRights", "board": "appointmentOfBoard"}


def drawn(table: str) -> list[Interest]:
    """Interests drawn as `owner > subject: kind share from..until`, with `~` for an indirect one.

    A share is `60`, `25-50`, or `*` for one that is not stated; an owner `p?` is a person, `u!` unknown.
    """
    made = []
    for number, line in enumerate(row.strip() for row in table.strip().splitlines() if row.strip()):
        link, _, what = line.partition(":")
        owner, subject = (part.strip() for part in link.split(">"))
        words = what.split()
        kind, part = words[0], words[1] if len(words) > 1 else "*"
        bounds = part.split("-")
        start = until = None
        if len(words) > 2 and ".." in words[2]:
            start, until = (date.fromisoformat(end) if end else None for end in words[2].split(".."))
        owner_kind = {"?": "person", "!": "unknown"}.get(owner[-1], "organisation")
        made.append(
            Interest(
                id=f"i{number}",
                subject=subject,
                owner=owner,
                type=interest_type(PLAIN.get(kind, kind)),
                share=None if part == "*" else Share(float(bounds[0]), float(bounds[-1])),
                directness="indirect" if "~" in words else "direct",
                start=start,
                until=until,
                owner_kind=owner_kind,  # type: ignore[arg-type]
                source="test",
            )
        )
    return made


def structure(table: str, at: date = DAY) -> Structure:
    return Structure(drawn(table), at)


def test_a_chain_ends_at_the_ultimate_owner_with_every_path() -> None:
    known = structure("""
        plc > mid:   shares 80
        mid > care:  shares 60
        plc > care:  shares 10
        fund > plc:  shares 100
    """)
    assert known.ultimate("care") == ("fund",)
    chains = known.chains("care")
    assert [path.nodes for path in chains.paths] == [
        ("care", "mid", "plc", "fund"),
        ("care", "plc", "fund"),
    ]
    assert {path.end for path in chains.paths} == {"no owner known"}
    # 10 directly, and 80 % of 60 = 48 through mid.
    assert chains.shares["plc"] == Share(58, 58)
    assert known.path_to("care", "fund") == ("care", "plc", "fund")


def test_control_is_more_than_half_and_ranges_say_how_sure_that_is() -> None:
    def verdict(part: str) -> str:
        return structure(f"a > s: shares {part}").control("a", "s")

    assert [verdict(part) for part in ("50", "50.1", "51-75", "50-75", "25-50", "*")] == [
        NO,
        CERTAIN,
        CERTAIN,
        POSSIBLE,
        NO,
        UNSURE,
    ]
    over_half = Interest("i", "s", "a", "shareholding", share(over=50, most=75))
    assert Structure([over_half], DAY).control("a", "s") == CERTAIN


def test_what_others_surely_hold_nobody_else_can() -> None:
    known = structure("""
        a > s: shares 30-60
        b > s: shares 45
    """)
    assert known.control("a", "s") == POSSIBLE
    assert structure("a > s: shares 30-60 \n b > s: shares 55").control("a", "s") == NO


def test_votes_decide_where_they_are_stated_and_shares_where_they_are_not() -> None:
    known = structure("""
        a > s: shares 90
        b > s: votes 51
    """)
    assert (known.control("a", "s"), known.control("b", "s")) == (NO, CERTAIN)
    assert (known.right("a", "s", "shares"), known.right("a", "s", "votes")) == (CERTAIN, NO)


def test_control_adds_up_what_an_owner_holds_with_what_it_controls() -> None:
    known = structure("""
        a > s:   shares 30
        a > mid: shares 100
        mid > s: shares 25
        b > s:   shares 45
    """)
    assert known.control("a", "s") == CERTAIN
    assert known.control("mid", "s") == NO
    assert known.controllers("s").owners == ("a",)
    assert known.ultimate("s") == ("a",)


def test_two_halves_control_jointly_and_small_holders_do_not() -> None:
    halves = structure("a > s: shares 50 \n b > s: shares 50")
    assert halves.controllers("s") == (("a", "b"), True)
    assert [halves.control(owner, "s") for owner in "ab"] == [NO, NO]
    assert halves.ultimate("s") == ("a", "b")
    quarters = structure("\n".join(f"{owner} > s: shares 25" for owner in "abcd"))
    assert quarters.controllers("s").owners == ()
    assert quarters.ultimate("s") == ()
    board = structure("a > s: board 50 \n b > s: board 50")
    assert board.controllers("s") == (("a", "b"), True)


def test_a_sole_right_without_a_share_is_the_whole_but_a_sole_shareholding_is_not() -> None:
    known = structure("a > s: profit \n a > s: surplus \n a > s: board")
    assert [known.right("a", "s", right) for right in ("profit", "surplus_assets", "board")] == [CERTAIN] * 3
    shared = structure("a > s: profit \n b > s: profit")
    assert shared.right("a", "s", "profit") == UNSURE


def test_an_indirect_interest_counts_only_where_no_chain_tells_it() -> None:
    told = structure("a > mid: shares 100 \n mid > s: shares 60 \n a > s: shares 60 ~")
    assert told.owners_of("s") == ("mid",)
    assert told.chains("s").shares["a"] == Share(60, 60)
    untold = structure("mid > s: shares 60 \n a > s: shares 60 ~")
    assert untold.owners_of("s") == ("a", "mid")
    assert untold.controllers("s").owners == ("a",), "it stands above the direct one"


def test_circles_and_self_ownership_do_no_harm() -> None:
    known = structure("a > s: shares 60 \n s > a: shares 60 \n s > s: shares 100")
    assert known.above("s") == ("a",)
    assert known.ultimate("s") == ("a", "s"), "nobody outside: they own one another"
    (path,) = known.chains("s").paths
    assert (path.nodes, path.end) == (("s", "a"), "circle")
    assert known.chains("s").circle == ("a", "s")
    out = structure("a > s: shares 60 \n s > a: shares 30 \n b > a: shares 60")
    assert out.ultimate("s") == ("b",)


def test_people_and_unknown_owners_are_ends_of_their_own() -> None:
    known = structure("p? > s: shares 60 \n u! > s: shares 40")
    assert {path.end for path in known.chains("s").paths} == {"person", "unknown"}
    assert known.ultimate("s") == ("p?",)
    behind = structure("p? > mid: shares 90 \n mid > s: shares 60")
    assert (behind.ultimate("s"), behind.ultimate("s", organisations=True)) == (("p?",), ("mid",))
    assert [owner.owner for owner in control_periods("s", drawn("p? > s: shares 60"))] == []


def test_too_many_paths_are_cut_and_said() -> None:
    ladder = "\n".join(
        f"{step + 1}{side} > {step}{other}: shares 50"
        for step in range(12)
        for side in "ab"
        for other in "ab"
    )
    chains = structure(ladder).chains("0a", most=100)
    assert chains.cut
    assert len(chains.paths) == 100
    assert set(chains.shares.values()) == {None}


def test_interests_hold_from_their_first_day_until_the_day_they_hold_no_longer() -> None:
    table = "old > s: shares 100 2010-01-01..2024-04-01 \n new > s: shares 100 2024-04-01.."
    assert structure(table, date(2024, 3, 31)).ultimate("s") == ("old",)
    assert structure(table, date(2024, 4, 1)).ultimate("s") == ("new",)
    assert structure(table, date(2009, 12, 31)).ultimate("s") == ()
    assert [tuple(period) for period in control_periods("s", drawn(table))] == [
        ("new", date(2024, 4, 1), None),
        ("old", date(2010, 1, 1), date(2024, 4, 1)),
    ]


def test_on_the_day_of_a_handover_given_twice_the_new_owner_counts() -> None:
    table = "old > s: shares 100 ..2024-04-02 \n new > s: shares 100 2024-04-01.."
    assert structure(table, date(2024, 4, 1)).ultimate("s") == ("new",)
    assert handed_over(handed_over(drawn(table))) == handed_over(drawn(table))


def test_control_that_ends_further_up_does_not_change_who_stands_next_to_it() -> None:
    table = "plc > mid: shares 100 ..2024-01-01 \n mid > s: shares 100"
    assert [tuple(period) for period in control_periods("s", drawn(table))] == [("mid", None, None)]
    assert structure(table, date(2023, 1, 1)).ultimate("s") == ("plc",)
    assert structure(table, date(2024, 1, 1)).ultimate("s") == ("mid",)


@pytest.mark.parametrize(
    ("bounds", "made"),
    [
        ({"exact": 40, "least": 10}, Share(40, 40)),
        ({"least": 25, "most": 50}, Share(25, 50)),
        ({"over": 25, "under": 50}, Share(25, 50, True, True)),
        ({"least": 25, "over": 25}, Share(25, 100, True)),
        ({"least": 30, "over": 25}, Share(30, 100)),
        ({}, None),
    ],
)
def test_a_share_is_read_from_any_bounds(bounds: dict[str, float], made: Share | None) -> None:
    assert share(**bounds) == made


@pytest.mark.parametrize("bounds", [{"least": 60, "most": 40}, {"over": 50, "most": 50}, {"exact": 101}])
def test_a_share_that_cannot_be_is_refused(bounds: dict[str, float]) -> None:
    with pytest.raises(Malformed):
        share(**bounds)


def statement(
    id: str, day: str, *stated: tuple[str, float | None, str | None, str | None], closed: bool = False
) -> Statement:
    made = tuple(
        Stated(
            type,
            None if part is None else Share(part, part),
            "direct",
            None if start is None else date.fromisoformat(start),
            None if until is None else date.fromisoformat(until),
        )
        for type, part, start, until in stated
    )
    return Statement(id, date.fromisoformat(day), closed, made)


def spans(*statements: Statement) -> list[tuple[str, str | None, str | None]]:
    return [
        (one.id, said.start and said.start.isoformat(), said.until and said.until.isoformat())
        for one, said in in_sequence(statements)
    ]


def test_statements_of_one_record_are_told_one_after_the_other() -> None:
    first = statement("1", "2018-01-01", ("shareholding", 60, "2017-05-01", None))
    # The share is another from the day of the statement, though the interest is as old.
    same_start = statement("2", "2020-01-01", ("shareholding", 40, "2017-05-01", None))
    assert spans(first, same_start) == [("1", "2017-05-01", "2020-01-01"), ("2", "2020-01-01", None)]
    # It says itself since when.
    own_start = statement("2", "2020-01-01", ("shareholding", 40, "2019-07-01", None))
    assert spans(first, own_start) == [("1", "2017-05-01", "2019-07-01"), ("2", "2019-07-01", None)]
    announced = statement("2", "2020-01-01", ("shareholding", 40, "2020-04-01", None))
    assert spans(first, announced) == [("1", "2017-05-01", "2020-04-01"), ("2", "2020-04-01", None)]
    # What is no longer mentioned ends on the day of the statement that does not mention it.
    assert spans(first, statement("2", "2020-01-01")) == [("1", "2017-05-01", "2020-01-01")]
    # The end that a closing statement gives counts, not the day on which it was made.
    closing = statement("2", "2021-03-03", ("shareholding", 60, "2017-05-01", "2020-06-30"), closed=True)
    assert spans(first, closing) == [("1", "2017-05-01", "2020-06-30")]
    assert spans(first, statement("2", "2021-03-03", closed=True)) == [("1", "2017-05-01", "2021-03-03")]


# --- effective form

BODIES = {
    "charity": ("charity", None),
    "council": ("public", None),
    "cic": (None, "cic"),
    "plc": (None, "plc"),
    "arm": ("private", None),
    "blank": (None, None),
}


def body(id: str) -> Body:
    sector, form = BODIES.get(id, (None, None))
    return Body(id, None if id[-1] in "?!" else id.title(), own_form(sector=sector, legal_form=form))


def form_of(subject: str, table: str) -> EffectiveForm:
    return effective_form(subject, structure(table), body)


def kinds(found: EffectiveForm) -> list[tuple[str, str]]:
    return [(one.kind, one.verdict) for one in found.findings]


def test_a_body_not_for_profit_that_a_plc_controls_through_another_is_for_profit_in_effect() -> None:
    found = form_of("charity", "cic > charity: shares 100 \n plc > cic: votes 75")
    assert (found.form, found.basis) == ("for-profit", "owner")
    (finding,) = found.findings
    assert (finding.kind, finding.verdict, finding.path) == (
        "control",
        CERTAIN,
        ("charity", "cic", "plc"),
    )
    assert finding.interests == ("i0", "i1")
    assert finding.says == "Plc, a for-profit body, is stated to control Charity, through Cic."


@pytest.mark.parametrize("right", ["profit", "surplus", "board"])
def test_profit_surplus_or_board_alone_expose_a_for_profit_owner(right: str) -> None:
    assert form_of("charity", f"plc > charity: {right} 60").form == FOR_PROFIT
    assert form_of("charity", f"plc > charity: {right} 40").form == "not-for-profit"
    assert form_of("charity", f"plc > charity: {right} 40-60").form == "unknown"
    assert form_of("charity", f"council > charity: {right} 60").form == "not-for-profit"


def test_a_charity_with_a_trading_arm_stays_what_it_is_and_the_arm_says_whose_it_is() -> None:
    table = "charity > arm: shares 100"
    assert form_of("charity", table) == EffectiveForm("not-for-profit", "own form", ())
    (has,) = trading_arms("charity", [("arm", ["i0"])], body)
    assert has.kind == "has-trading-arm"
    arm = form_of("arm", table)
    assert arm.form == FOR_PROFIT
    assert kinds(arm) == [("is-trading-arm", CERTAIN)]
    # A body below the arm is not exposed by it: the profit ends with the charity.
    assert form_of("cic", table + "\n arm > cic: shares 100").form == "not-for-profit"


def test_profit_taken_by_fee_or_right_is_flagged_with_its_interest_even_where_it_is_small() -> None:
    found = form_of("charity", "plc > charity: fee 12 \n council > charity: profit 5")
    assert found.form == "not-for-profit"
    (finding,) = found.findings
    assert (finding.kind, finding.owner, finding.interests) == ("profit-taken", "plc", ("i0",))
    assert "12 %" in finding.says


def test_unknown_owners_make_the_form_unknown_and_people_only_by_taking_the_profit() -> None:
    assert kinds(form_of("charity", "u! > charity: shares 60")) == [("unknown-owner", CERTAIN)]
    assert form_of("charity", "u! > charity: shares 60").form == "unknown"
    assert form_of("charity", "u! > charity: shares 10").form == "not-for-profit"
    assert form_of("charity", "p? > charity: votes 100").form == "not-for-profit"
    assert form_of("charity", "p? > charity: profit 100").form == FOR_PROFIT


def test_a_body_that_does_not_say_what_it_is_takes_the_form_of_who_controls_it() -> None:
    assert form_of("blank", "") == EffectiveForm("unknown", "nothing", ())
    assert form_of("blank", "council > blank: shares 100")[:2] == ("public", "owner")
    assert form_of("blank", "plc > blank: shares 100").form == FOR_PROFIT


def test_no_finding_certifies() -> None:
    says = [
        finding.says.lower()
        for table in (
            "plc > charity: shares 100",
            "plc > charity: shares 40-60",
            "plc > charity: shares",
            "u! > charity: shares 60",
            "plc > charity: fee 5",
            "p? > charity: profit 100",
        )
        for finding in form_of("charity", table).findings
    ]
    assert len(says) >= 6
    for said in says:
        assert not any(word in said for word in ("certif", "verified", "proven", "genuine", "guarantee"))
        assert "stated" in said or "may" in said


# --- properties, and an oracle that is slow and obvious

NODES = "abcdef"
LINKS = st.lists(
    st.tuples(
        st.sampled_from(NODES),
        st.sampled_from(NODES),
        st.sampled_from(["shareholding", "votingRights", "appointmentOfBoard", "ownership", "boardMember"]),
        st.one_of(st.none(), st.sampled_from([(60.0, 60.0), (50.0, 50.0), (30.0, 30.0), (25.0, 75.0)])),
        st.booleans(),
    ),
    max_size=9,
)


def made_of(links: Iterable[tuple[str, str, str, tuple[float, float] | None, bool]]) -> list[Interest]:
    return [
        Interest(
            f"i{number}",
            subject,
            owner,
            type,
            None if part is None else Share(*part),
            start=date(2020, 1, 1) if dated else None,
            source="test",
        )
        for number, (owner, subject, type, part, dated) in enumerate(links)
    ]


@settings(max_examples=60)
@given(LINKS, st.permutations(NODES))
def test_relabelling_changes_nothing(links: list, order: list[str]) -> None:
    names = dict(zip(NODES, order, strict=True))
    before = Structure(made_of(links), DAY)
    after = Structure(made_of([(names[o], names[s], *rest) for o, s, *rest in links]), DAY)
    for node in NODES:
        assert {names[one] for one in before.ultimate(node)} == set(after.ultimate(names[node]))
        assert {names[one] for one in before.above(node)} == set(after.above(names[node]))
        for owner in NODES:
            assert before.control(owner, node) == after.control(names[owner], names[node])
        paths = {tuple(names[one] for one in path.nodes): path.end for path in before.chains(node).paths}
        assert paths == {path.nodes: path.end for path in after.chains(names[node]).paths}


@settings(max_examples=60)
@given(LINKS, st.sampled_from(NODES), LINKS)
def test_an_interest_in_a_body_that_is_not_above_changes_nothing(
    links: list, subject: str, more: list
) -> None:
    known = Structure(made_of(links), DAY)
    concerned = {subject, *known.above(subject)}
    unrelated = [link for link in more if link[1] not in concerned]
    then = Structure(made_of([*links, *unrelated]), DAY)
    assert then.chains(subject) == known.chains(subject)
    assert then.ultimate(subject) == known.ultimate(subject)
    assert [then.control(owner, subject) for owner in known.above(subject)] == [
        known.control(owner, subject) for owner in known.above(subject)
    ]


@settings(max_examples=60)
@given(LINKS, st.sampled_from(NODES))
def test_paths_are_those_that_trying_every_order_of_bodies_finds(links: list, subject: str) -> None:
    known = Structure(made_of(links), DAY)
    near = {(owner, below) for owner, below, type, *_ in links if owner != below and type != "boardMember"}
    others = [node for node in NODES if node != subject]
    every = {
        (subject, *order)
        for length in range(1, len(NODES))
        for order in permutations(others, length)
        if all((above, below) in near for below, above in zip((subject, *order), order, strict=False))
    }
    whole = {path for path in every if not any(longer[:-1] == path for longer in every)}
    assert {path.nodes for path in known.chains(subject).paths} == whole


@settings(max_examples=60)
@given(LINKS, st.sampled_from(NODES), st.sampled_from(NODES))
def test_certain_control_is_what_a_least_fixed_point_over_all_sets_finds(
    links: list, owner: str, subject: str
) -> None:
    """The group of an owner grows by any body whose majority its members hold, until nothing is added."""
    exact = [link for link in links if link[0] != link[1] and link[2] in ("shareholding", "ownership")]
    exact = list({(o, s): (o, s, t, p, d) for o, s, t, p, d in exact}.values())
    if owner == subject:
        return
    group = {owner}
    while True:
        grown = set(group)
        for body_ in set(NODES) - group - {subject}:
            if _majority(exact, group, body_):
                grown.add(body_)
        if grown == group:
            break
        group = grown
    verdict = Structure(made_of(exact), DAY).control(owner, subject)
    assert (verdict == CERTAIN) == _majority(exact, group, subject)


def _majority(links: list, group: set[str], subject: str) -> bool:
    held = [(type, part) for o, s, type, part, _ in links if s == subject and o in group]
    if any(type == "ownership" and part is None for type, part in held):
        return True
    return sum(part[0] for _, part in held if part is not None) > 50


@settings(max_examples=40)
@given(LINKS, st.sampled_from(NODES))
def test_control_over_time_is_control_on_each_day(links: list, subject: str) -> None:
    interests = [
        replace(one, until=date(2023, 1, 1)) if number % 3 == 0 else one
        for number, one in enumerate(made_of(links))
    ]
    above = [one for one in interests if one.subject in {subject, *_reached(interests, subject)}]
    periods = control_periods(subject, above)
    for day in (date(2019, 1, 1), date(2021, 1, 1), DAY):
        held = {
            period.owner
            for period in periods
            if (period.start is None or period.start <= day) and (period.until is None or day < period.until)
        }
        assert held == set(Structure(above, day).controllers(subject).owners)


def _reached(interests: list[Interest], subject: str) -> set[str]:
    seen: set[str] = set()
    while True:
        more = {one.owner for one in interests if one.subject in {subject, *seen}} - seen
        if not more:
            return seen
        seen |= more
