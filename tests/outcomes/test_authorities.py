"""Whose figures are: who may read them, and who may hand them in."""

from datetime import date

import pytest
from hedgerow_kit.db import Database
from hedgerow_outcomes.actions.lateness import tell_late

from tests.outcomes.knowing import area, contract, hear
from tests.outcomes.sending import HEAD, counts, receipts, send, values
from tests.support.identity import identity

OURS, THEIRS = "E06999001", "E06999002"
OUR_WARD, THEIR_WARD, STRAY = "E05999001", "E05999002", "E05999009"
NATION = "E92000001"
KPIS = """id,name,polarity,frequency,minimum
waits,Waiting times,lower,monthly,10
"""
TREE = (
    area(NATION, level="country"),
    area(OURS, NATION, level="authority"),
    area(THEIRS, NATION, level="authority"),
    area(OUR_WARD, OURS),
    area(THEIR_WARD, THEIRS),
)


def acting(role, *authorities):
    return {"headers": identity("outcomes", role=role, authorities=authorities)}


def lines(*subjects, value=20):
    return HEAD + "".join(f"waits,{subject},2026-01,{value}\n" for subject in subjects)


def subjects_seen(client, role="reader", *authorities, path="/v1/observations"):
    items = client.items(path, **acting(role, *(authorities or (OURS,))))
    return {item["subject"] for item in items}


@pytest.fixture
def filled(outcomes, outcomes_url):
    """Figures of two authorities, their wards, the nation, an unknown ward and an organisation."""
    hear(outcomes_url, *TREE)
    send(outcomes, "kpis", KPIS)
    send(
        outcomes,
        "observations",
        lines(NATION, OURS, THEIRS, OUR_WARD, THEIR_WARD, STRAY, "organisation:X"),
    )
    return outcomes


@pytest.mark.parametrize("path", ["/v1/observations", "/v1/breaches"])
def test_a_reader_sees_the_figures_of_its_authority_and_those_above_all_authorities(filled, path):
    assert subjects_seen(filled, path=path) == {NATION, OURS, OUR_WARD, "organisation:X"}
    assert subjects_seen(filled, "reader", "*", path=path) > {THEIRS, THEIR_WARD, STRAY}
    assert subjects_seen(filled, "administrator", STRAY, path=path) == {NATION, STRAY, "organisation:X"}


def test_what_another_authority_measures_is_as_unknown_as_what_nobody_does(filled):
    unknown = "E05999099"
    for path in (
        "/v1/observations?subject={}",
        "/v1/observations?subject={}&as_of=2100-01-01T00:00:00Z",
        "/v1/observations/latest?subject={}",
        "/v1/breaches?subject={}",
        "/v1/kpis/waits/series?subject={}",
        "/v1/kpis/waits/spc?subject={}",
        "/v1/kpis/waits/spc.svg?subject={}",
        "/v1/kpis/waits/compare?period=2026-01&subjects={}",
        "/v1/kpis/waits/funnel?period=2026-01&subjects={}",
        "/v1/kpis/waits/bunching?threshold=3&subject={}",
    ):
        told = filled.get(path.format(THEIR_WARD), **acting("reader", OURS))
        expected = filled.get(path.format(unknown), **acting("reader", OURS))
        assert told.status_code == expected.status_code
        assert told.text.replace(THEIR_WARD, "?") == expected.text.replace(unknown, "?"), path
        # The same question has an answer for those whose figures they are.
        if told.status_code == 200 and "svg" not in path:
            assert filled.get(path.format(THEIR_WARD), **acting("reader", THEIRS)).text != told.text


def test_nobody_hands_in_figures_of_another_authority(filled):
    before = values(filled)
    own = {"outcomes": identity("outcomes", role="system", authorities=(OURS,))}
    filled.headers.update(own["outcomes"])
    done = send(filled, "observations", lines(THEIRS, THEIR_WARD, NATION, STRAY, "organisation:X", value=1))
    assert done["counts"]["quarantined"] == 5
    reasons = {receipt["reason"] for receipt in receipts(filled, done, verdict="quarantined")}
    assert reasons == {"the subject is not one of your authority"}
    assert counts(filled, "observations", lines(OUR_WARD, "organisation:Y", value=1)) == (1, 1, 0, 0)
    filled.headers.update(identity("outcomes"))
    after = values(filled)
    assert {key for key in after if after[key] != before.get(key)} == {
        ("waits", OUR_WARD, "2026-01"),
        ("waits", "organisation:Y", "2026-01"),
    }
    assert "organisation:Y" not in subjects_seen(filled, "reader", THEIRS)


def test_a_kpi_belongs_to_who_defined_it(filled):
    filled.headers.update(identity("outcomes", role="system", authorities=(THEIRS,)))
    send(filled, "kpis", "id,name\nsecret,Secret\n")
    send(filled, "observations", f"{HEAD}secret,{THEIRS},2026-01,5\n")
    filled.headers.update(identity("outcomes", role="system", authorities=(OURS,)))
    told, expected = (filled.get(f"/v1/kpis/{id}") for id in ("secret", "neverr"))
    assert (told.status_code, told.content.replace(b"secret", b"neverr")) == (404, expected.content)
    assert [kpi["id"] for kpi in filled.items("/v1/kpis")] == ["waits"]
    # Neither the KPI of another authority nor that of everybody can be redefined.
    assert counts(filled, "kpis", "id,name\nsecret,Mine\nwaits,Mine\n") == (0, 0, 0, 2)
    done = send(filled, "observations", f"{HEAD}secret,{OURS},2026-01,5\n", define="true")
    assert done["counts"]["quarantined"] == 1
    filled.headers.update(identity("outcomes"))
    assert filled.get("/v1/kpis/secret").json()["name"] == "Secret"


def test_whose_figures_are_follows_what_the_registry_tells(filled, outcomes_url):
    assert THEIR_WARD not in subjects_seen(filled)
    hear(outcomes_url, area(THEIR_WARD, OURS), area(STRAY, THEIRS), after=len(TREE))
    assert THEIR_WARD in subjects_seen(filled)
    assert subjects_seen(filled, "reader", THEIRS) >= {THEIRS, STRAY}
    assert THEIR_WARD not in subjects_seen(filled, "reader", THEIRS)


def test_figures_of_a_contract_are_its_authoritys(filled, outcomes_url):
    hear(
        outcomes_url,
        contract("C1", authority_code=THEIRS),
        contract("C2", authority_code=None),
        contract("C3", authority_code=None, published=False),
        after=len(TREE),
    )
    send(filled, "observations", lines("contract:C1", "contract:C2", "contract:C3"))
    assert {one for one in subjects_seen(filled) if ":C" in one} == {"contract:C2"}
    assert "contract:C1" in subjects_seen(filled, "reader", THEIRS)


def test_an_import_is_its_senders(filled):
    filled.headers.update(identity("outcomes", role="system", authorities=(THEIRS,)))
    theirs = send(filled, "observations", lines(THEIRS, OURS))
    for role, authorities, seen in (
        ("system", (OURS,), False),
        ("system", (THEIRS, OURS), True),
        ("system", (THEIRS,), True),
        ("administrator", ("*",), True),
    ):
        listed = [one["id"] for one in filled.items("/v1/imports", **acting(role, *authorities))]
        assert (theirs["id"] in listed) is seen
        status = {
            filled.get(path, **acting(role, *authorities)).status_code
            for path in (f"/v1/imports/{theirs['id']}", theirs["receipts"])
        }
        assert status == {200 if seen else 404}
    # What came for both together is nobody's who acts for one of them alone.
    filled.headers.update(identity("outcomes", role="system", authorities=(OURS, THEIRS)))
    both = send(filled, "observations", lines(OURS, THEIRS))
    assert filled.get(both["receipts"]).status_code == 200
    for authority in (OURS, THEIRS):
        assert filled.get(both["receipts"], **acting("system", authority)).status_code == 404


def test_a_sum_over_authorities_is_made_of_what_one_may_see(filled):
    send(filled, "kpis", "id,name,aggregation\ncases,Cases,sum\n")
    send(filled, "observations", f"{HEAD}cases,{OURS},2026-01,20\ncases,{THEIRS},2026-01,300\n")
    for authorities, told in (((OURS,), (20, 1)), ((OURS, THEIRS), (320, 2)), (("*",), (320, 2))):
        url = f"/v1/kpis/cases/aggregate?area={NATION}&level=authority&period=2026-01"
        answer = filled.get(url, **acting("reader", *authorities)).json()
        assert (answer["value"], answer["with_value"]) == told
        assert answer["areas"] == 2
        assert bool(answer["computed"]["caveats"]) is (told[1] == 1)


def test_what_never_landed_is_nobodys(filled):
    line = "organisation:Z,2026-01,1\n"
    for authority, kpi, landed in ((OURS, "unheard", 0), (THEIRS, "waits", 1), (OURS, "waits", 0)):
        filled.headers.update(identity("outcomes", role="system", authorities=(authority,)))
        assert counts(filled, "observations", f"{HEAD}{kpi},{line}") == (landed, 0, 0, 1 - landed)


def test_who_acts_for_two_hands_in_figures_of_the_kpi_of_both(filled):
    filled.headers.update(identity("outcomes", role="system", authorities=(OURS, THEIRS)))
    send(filled, "kpis", "id,name\njoint,Joint\n")
    rows = f"{HEAD}joint,{OURS},2026-01,5\njoint,{THEIRS},2026-01,6\njoint,organisation:J,2026-01,7\n"
    assert counts(filled, "observations", rows) == (3, 0, 0, 0)
    assert set(values(filled, kpi="joint").values()) == {5, 6, 7}


def test_a_ledger_is_kept_by_the_parties_of_its_scheme(outcomes):
    head = "scheme,party,kind,period,amount_gbp\n"
    outcomes.headers.update(identity("outcomes", role="commissioner", authorities=(THEIRS,)))
    rows = f"{head}youth,{THEIRS},invest,2025-26,100\nyouth,organisation:X,save,2025-26,10\n"
    assert counts(outcomes, "ledger", rows) == (2, 0, 0, 0)
    outcomes.headers.update(identity("outcomes", role="commissioner", authorities=(OURS,)))
    intruding = f"{head}youth,{THEIRS},invest,2025-26,1\nyouth,{OURS},invest,2025-26,1\n"
    assert counts(outcomes, "ledger", intruding) == (0, 0, 0, 2)
    assert outcomes.items("/v1/ledgers") == []
    told, expected = (outcomes.get(f"/v1/ledgers/{scheme}") for scheme in ("youth", "other"))
    assert (told.status_code, told.text) == (404, expected.text)
    outcomes.headers.update(identity("outcomes"))
    rows = outcomes.items("/v1/ledgers")
    assert {(row["party"], float(row["amount"])) for row in rows} == {
        (THEIRS, 100.0),
        ("organisation:X", 10.0),
    }


def test_an_authority_is_late_though_another_has_sent_its_own(outcomes, outcomes_url):
    hear(outcomes_url, *TREE)
    send(outcomes, "kpis", KPIS)
    # For comparison, by who acts for all: nobody's own, in whomever they are.
    send(outcomes, "observations", f"{HEAD}waits,{NATION},2025-09,5\nwaits,{STRAY},2025-08,5\n")
    for authority, subject, month in ((OURS, OUR_WARD, "06"), (THEIRS, THEIRS, "08"), (OURS, OURS, "05")):
        outcomes.headers.update(identity("outcomes", role="system", authorities=(authority,)))
        send(outcomes, "observations", f"{HEAD}waits,{subject},2025-{month},5\n")
    asked = {
        (OURS,): [(OURS, "2025-06-30", "2025-08-30")],
        (THEIRS,): [],
        ("*",): [(OURS, "2025-06-30", "2025-08-30")],
    }
    for authorities, expected in asked.items():
        items = outcomes.items("/v1/observations/late?at=2025-09-01", **acting("reader", *authorities))
        assert [(one["authority"], one["latest_end"], one["due"]) for one in items] == expected
    items = outcomes.items("/v1/observations/late?at=2025-12-01", **acting("reader", "*"))
    assert [(one["authority"], one["days_late"]) for one in items] == [(None, 1), (OURS, 93), (THEIRS, 32)]
    database = Database(outcomes_url)
    for _ in range(2):
        tell_late(database, today=date(2025, 9, 1))
    tell_late(database, today=date(2025, 11, 1))
    database.dispose()

    def told(*authorities):
        answer = outcomes.get("/v1/outcome-events?types=kpi.late", **acting("reader", *authorities)).json()
        data = [event["data"] for event in answer["items"]]
        return [(one["authority"], one["due"], one["areas"]) for one in data]

    ours, theirs = (
        (code, due, [code, NATION]) for code, due in ((OURS, "2025-08-30"), (THEIRS, "2025-10-30"))
    )
    assert told("*") == [ours, theirs]
    assert (told(OURS), told(THEIRS), told("E06999003")) == ([ours], [theirs], [])


def told_to(client, types):
    """Who the follower of all events passes each on to, by what it is about."""
    answer = client.get(f"/v1/outcome-events?types={types}", **acting("follower", "*"))
    data = [event["data"] for event in answer.json()["items"]]
    return {one.get("subject") or one["kpi"]: one["authorities"] for one in data}


def test_a_breach_says_who_may_be_told_of_it(filled, outcomes_url):
    hear(
        outcomes_url,
        contract("C1", authority_code=THEIRS),
        contract("C2", authority_code=None),
        contract("C3", authority_code=None, published=False),
        after=len(TREE),
    )
    send(filled, "observations", lines("contract:C1", "contract:C2", "contract:C3", "contract:C4"))
    for authorities, subject in (((OURS,), "organisation:Y"), ((OURS, THEIRS), "organisation:Z")):
        filled.headers.update(identity("outcomes", role="system", authorities=authorities))
        send(filled, "observations", lines(subject))
    filled.headers.update(identity("outcomes"))
    both = f"{OURS}+{THEIRS}"
    expected = {
        **{NATION: [], OURS: [OURS], OUR_WARD: [OURS], THEIRS: [THEIRS], THEIR_WARD: [THEIRS]},
        **{STRAY: [STRAY], "organisation:X": [], "organisation:Y": [OURS], "organisation:Z": [both]},
        **{"contract:C1": [THEIRS], "contract:C2": [], "contract:C3": ["-"], "contract:C4": []},
    }
    assert told_to(filled, "breach.opened") == expected
    # It is what each of them may read for itself.
    for who, acts_for in (({OURS}, (OURS,)), ({THEIRS}, (THEIRS,)), ({OURS, THEIRS, both}, (OURS, THEIRS))):
        within = {subject for subject, told in expected.items() if not told or not who.isdisjoint(told)}
        assert within == subjects_seen(filled, "reader", *acts_for, path="/v1/breaches")


def test_a_breach_of_a_kpi_of_an_authority_is_told_to_no_other(filled):
    head = KPIS.partition("\n")[0]
    filled.headers.update(identity("outcomes", role="system", authorities=(OURS,)))
    send(filled, "kpis", f"{head}\nown,Own,lower,monthly,10\n")
    filled.headers.update(identity("outcomes"))
    rows = "".join(f"own,{subject},2026-01,20\n" for subject in (OURS, THEIRS, "organisation:X"))
    send(filled, "observations", HEAD + rows)
    items = filled.get("/v1/outcome-events", **acting("follower", "*")).json()["items"]
    told = {
        one["data"]["subject"]: one["data"]["authorities"] for one in items if one["data"]["kpi"] == "own"
    }
    assert told == {OURS: [OURS], THEIRS: ["-"], "organisation:X": [OURS]}


def test_a_late_kpi_says_who_may_be_told_of_it(outcomes, outcomes_url):
    hear(outcomes_url, *TREE)
    for id, authorities, subjects in (
        ("mine", (OURS,), (OUR_WARD,)),
        ("both", (OURS, THEIRS), (OURS, THEIRS)),
        ("shared", ("*",), (OURS, THEIRS)),
        ("everybodys", ("*",), (OURS, NATION)),
    ):
        outcomes.headers.update(identity("outcomes", role="administrator", authorities=authorities))
        assert counts(outcomes, "kpis", f"id,name,frequency\n{id},Late,monthly\n") == (1, 0, 0, 0)
        rows = "".join(f"{id},{subject},2025-01,5\n" for subject in subjects)
        assert counts(outcomes, "observations", HEAD + rows) == (len(subjects), 0, 0, 0)
    outcomes.headers.update(identity("outcomes"))
    database = Database(outcomes_url)
    tell_late(database, today=date(2025, 9, 1))
    database.dispose()
    assert told_to(outcomes, "kpi.late") == {
        "mine": [OURS],
        "both": [f"{OURS}+{THEIRS}"],
        "shared": [OURS, THEIRS],
        "everybodys": [],
    }


def test_what_happened_to_others_is_not_told(filled):
    def told(*authorities):
        answer = filled.get("/v1/outcome-events", **acting("reader", *authorities)).json()
        return [(event["type"], (event["data"] or {}).get("subject")) for event in answer["items"]]

    assert ("hedgerow.breach.opened", THEIRS) in told("*")
    assert {subject for _, subject in told(OURS)} == {NATION, OURS, OUR_WARD, "organisation:X"}
    # A correction undoes the breaches: those who knew of them learn it, the others do not even learn that.
    send(filled, "observations", lines(THEIRS, OURS, value=1))
    gone = [event for event in told(OURS) if event == ("hedgerow.breach.withdrawn", None)]
    assert len(gone) == 1
    assert len([event for event in told("*") if event == ("hedgerow.breach.withdrawn", None)]) == 2
