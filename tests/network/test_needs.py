"""Which terms count for which need."""

import pytest
from hedgerow_network.domain.asking import find_need
from hedgerow_network.domain.needs import Need, Taxonomies
from hedgerow_network.errors import AmbiguousNeed, UnknownNeed
from hypothesis import given
from hypothesis import strategies as st


def taxonomies(*terms: str, crosswalks=(), parents=None) -> Taxonomies:
    parents = parents or {}
    return Taxonomies({t: Need(t, t, t.partition(":")[0], parents.get(t)) for t in terms}, tuple(crosswalks))


def test_narrower_terms_count_and_wider_ones_do_not():
    held = taxonomies("t:food", "t:bank", "t:voucher", parents={"t:bank": "t:food", "t:voucher": "t:bank"})
    assert {term: found.how for term, found in held.counting_for("t:food").items()} == {
        "t:food": "stated",
        "t:bank": "narrower",
        "t:voucher": "narrower",
    }
    assert held.counting_for("t:food")["t:voucher"].path == ("t:voucher", "t:bank", "t:food")
    assert set(held.counting_for("t:bank")) == {"t:bank", "t:voucher"}


@pytest.mark.parametrize(
    ("start", "relation", "end", "counts"),
    [
        ("d:meals", "exact", "t:food", True),
        ("t:food", "exact", "d:meals", True),
        ("d:meals", "broader", "t:food", True),
        ("t:food", "narrower", "d:meals", True),
        ("d:meals", "narrower", "t:food", False),
        ("t:food", "broader", "d:meals", False),
        ("d:meals", "related", "t:food", False),
    ],
)
def test_a_crosswalked_term_counts_if_it_is_no_wider(start, relation, end, counts):
    held = taxonomies("t:food", "d:meals", crosswalks=[(start, end, relation)])
    found = held.counting_for("t:food")
    assert ("d:meals" in found) is counts
    if counts:
        assert found["d:meals"].how == "crosswalk"


def test_a_crosswalk_reaches_on_through_narrower_terms():
    held = taxonomies(
        "t:food",
        "d:meals",
        "d:soup",
        crosswalks=[("d:meals", "t:food", "exact")],
        parents={"d:soup": "d:meals"},
    )
    assert held.counting_for("t:food")["d:soup"].path == ("d:soup", "d:meals", "t:food")


def test_without_a_need_named_the_taxonomies_in_use_answer_without_terms_counted_elsewhere():
    held = taxonomies("t:food", "t:debt", "d:meals", "x:other", crosswalks=[("d:meals", "t:food", "exact")])
    assert held.in_use(["t:food"]) == ["t:debt", "t:food"]
    assert held.in_use(["d:meals"]) == ["t:debt", "t:food"]
    assert held.in_use(["x:other", "d:meals"]) == ["t:debt", "t:food", "x:other"]
    assert held.in_use([]) == ["t:debt", "t:food", "x:other"]


def test_terms_crosswalked_both_ways_do_not_both_vanish():
    held = taxonomies("a:x", "b:x", crosswalks=[("a:x", "b:x", "exact"), ("b:x", "a:x", "exact")])
    assert held.in_use([]) == ["b:x"]


def test_a_bare_term_is_taken_where_only_one_taxonomy_has_it():
    held = taxonomies("t:food", "d:food", "d:meals")
    assert find_need(held, "meals") == "d:meals"
    assert find_need(held, "t:food") == "t:food"
    with pytest.raises(AmbiguousNeed, match="d:food, t:food"):
        find_need(held, "food")
    with pytest.raises(UnknownNeed):
        find_need(held, "t:drink")


def test_of_several_taxonomies_with_a_term_the_one_in_use_in_the_place_is_meant():
    held = taxonomies("t:food", "d:food", "d:meals")
    assert find_need(held, "food", in_use=lambda: ("d:food", "d:meals")) == "d:food"
    for in_use in (("d:food", "t:food"), ("d:meals",), ()):
        with pytest.raises(AmbiguousNeed, match="d:food, t:food"):
            find_need(held, "food", in_use=lambda in_use=in_use: in_use)


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcde"),
            st.sampled_from("abcde"),
            st.sampled_from(("exact", "narrower", "broader", "related")),
        ),
        max_size=10,
    ),
    st.dictionaries(st.sampled_from("abcde"), st.sampled_from("abcde")),
)
def test_counting_is_reflexive_transitive_and_ends(crosswalks, parents):
    held = taxonomies(*"abcde", crosswalks=crosswalks, parents=parents)
    counting = {term: set(held.counting_for(term)) for term in "abcde"}
    for need, terms in counting.items():
        assert need in terms
        assert all(counting[term] <= terms for term in terms)
        for term in terms:
            path = held.counting_for(need)[term].path
            assert path[0] == term
            assert path[-1] == need
