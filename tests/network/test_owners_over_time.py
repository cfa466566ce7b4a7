"""Counting owners as of the date asked about, and what is said where several control together."""

from datetime import date
from typing import Any

from hedgerow_network.domain.caveats import caveats

from tests.network.world import TOWN, ask, facts_of, records

SPUN_OUT = {
    "ant": [
        {"owner_id": "council", "from": None, "to": "2024-03-31"},
        {"owner_id": "mutual", "from": "2024-04-01", "to": None},
    ],
    "bee": [{"owner_id": "council", "from": None, "to": None}],
}


def town(control: dict[str, list[dict[str, Any]]]) -> Any:
    made = []
    for kind, id, data in records(**TOWN):
        if kind == "organisation":
            data = data | {"control": control.get(id, [])}
        made.append((kind, id, data))
    return facts_of(made)


def food(of: Any) -> list[int]:
    return [int(depth) for depth in of.cover.depth[of.needs.index("t:food")]]


def test_before_a_spin_out_it_counts_under_its_old_owner_and_from_the_day_under_its_new_one() -> None:
    known = town(SPUN_OUT)
    # Food in North is provided by Ant and by Bee.
    assert food(ask(known, count="owners", at=date(2024, 3, 31))) == [1, 1, 0]
    assert food(ask(known, count="owners", at=date(2024, 4, 1))) == [2, 1, 0]
    # The day before is asked again after the day itself: each date keeps its own answer.
    assert food(ask(known, count="owners", at=date(2024, 3, 31))) == [1, 1, 0]
    before, after = (ask(known, count="owners", at=date(2024, 3, day)).units for day in (31, 1))
    assert before.ids == after.ids == ("cat", "council")
    assert ask(known, count="owners", at=date(2024, 4, 1)).units.ids == ("cat", "council", "mutual")


def test_of_several_that_control_together_the_lowest_id_counts_and_it_is_said() -> None:
    both = [{"owner_id": owner, "from": None, "to": None} for owner in ("zoo", "council")]
    of = ask(town({"ant": both}), count="owners")
    assert "council" in of.units.ids
    assert "zoo" not in of.units.ids
    (said,) = [said for said in caveats(of) if "owners" in said]
    assert "together" in said
    assert said.endswith("lowest id: Ant.")
    alone = ask(town({"ant": both[:1]}), count="owners")
    assert not [said for said in caveats(alone) if "together" in said]


def test_an_empty_control_means_that_nobody_is_known_whatever_the_list_of_owners_says() -> None:
    assert ask(town({}), count="owners").units.ids == ("ant", "bee", "cat")


def test_control_in_a_circle_ends_at_its_lowest_id_on_every_date() -> None:
    circle = {
        "ant": [{"owner_id": "bee", "from": None, "to": None}],
        "bee": [{"owner_id": "zoo", "from": None, "to": None}],
        "zoo": [{"owner_id": "ant", "from": "2020-01-01", "to": None}],
    }
    assert ask(town(circle), count="owners").units.ids == ("ant", "cat")
    assert ask(town(circle), count="owners", at=date(2019, 1, 1)).units.ids == ("cat", "zoo")
