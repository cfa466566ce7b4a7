"""A snapshot kept up with changes is the snapshot read anew, and costs what changed."""

import numpy as np
from hedgerow_network.domain.locality import Question, assess
from hedgerow_network.store.snapshots import Snapshots
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, area, records, service

QUESTION = Question(locality="E06000001", at=TODAY, count="owners")

ids = st.sampled_from(["s1", "s2", "s5", "s6"])
codes = st.lists(st.sampled_from(["E05000001", "E05000002", "E05999999"]), max_size=2, unique=True)
changes = st.lists(
    st.one_of(
        st.tuples(st.just("service"), ids, st.builds(lambda areas: {"areas": areas}, codes) | st.none()),
        st.tuples(
            st.just("organisation"),
            st.sampled_from(["ant", "org-s5"]),
            st.builds(lambda owner: {"owner": owner}, st.sampled_from(["zoo", "cat"])) | st.none(),
        ),
        st.tuples(st.just("area"), st.just("E05000009"), st.just({}) | st.none()),
    ),
    min_size=1,
    max_size=4,
)


def record(kind, id, what):
    if what is None:
        return None
    if kind == "service":
        return service(id, needs=["t:food"], **what)
    if kind == "organisation":
        return {"id": id, "name": id, "owner_ids": [what["owner"]], "identifiers": []}
    return area(id, "West", "ward", parents=["E06000001"])


def drawn(known):
    of = assess(known, QUESTION)
    return (
        of.cover.depth.tolist(),
        of.status.tolist(),
        of.people.count.tolist(),
        of.units,
        known.stated_areas.toarray().tolist(),
        known.states_unheld.tolist(),
    )


def same(first, second):
    one, other = drawn(first), drawn(second)
    units = (one[3].ids, one[3].names, one[3].of_service.tolist())
    return (
        one[:3] == other[:3]
        and one[4:] == other[4:]
        and units
        == (
            other[3].ids,
            other[3].names,
            other[3].of_service.tolist(),
        )
    )


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(changes, min_size=1, max_size=3))
def test_a_snapshot_kept_up_with_changes_is_the_one_read_anew(made_databases, steps):
    from hedgerow_kit.db import Database

    database = Database(made_databases.migrated("hedgerow_network"))
    try:
        position = feed(database, records(**TOWN))
        kept_up = Snapshots(database)
        assert same(kept_up.current().facts, Snapshots(database).current().facts)
        for step in steps:
            position = feed(
                database, [(kind, id, record(kind, id, what)) for kind, id, what in step], after=position
            )
            assert same(kept_up.current().facts, Snapshots(database).current().facts)
    finally:
        database.dispose()


def test_one_changed_service_reads_one_service(database):
    position = feed(database, records(**TOWN))
    snapshots = Snapshots(database)
    before = snapshots.current().facts
    before_stated, before_figures = before.stated_areas, before.figures(TODAY)
    feed(database, [("service", "s2", service("s2", needs=["t:food"], areas=["E05000003"]))], after=position)
    after = snapshots.current().facts
    # What did not change is the very same, and what was worked out is there already.
    assert after.hierarchy is before.hierarchy
    assert after.figures(TODAY) is before_figures
    kept = [a is b for a, b in zip(after.directory.services, before.directory.services, strict=True)]
    assert kept == [True, False, True, True]
    assert "_stated" in after.__dict__
    assert np.flatnonzero((after.stated_areas != before_stated).toarray().any(axis=1)).tolist() == [1]
