import gzip
from concurrent.futures import ThreadPoolExecutor

import orjson
import pytest

from tests.registry.files import changes, counts, fill, quarantined, receipts, send
from tests.registry.releases import (
    ADVICE,
    COUNCIL,
    HARBOUR,
    JSON,
    KITCHEN,
    NDJSON,
    award,
    gbp,
    package,
    party,
    period,
    refs,
    release,
    send_releases,
    tender,
)
from tests.support.identity import identity


def contracts(client, **headers):
    """The contracts that the change feed tells of now, by their ids."""
    found = {}
    for event in changes(client, types="contract"):
        found[event["subject"]] = event["data"]
    return {id: state for id, state in found.items() if state is not None}


def only(client):
    (found,) = contracts(client).values()
    return found


def test_an_award_becomes_a_contract_with_its_buyer_and_supplier(registry):
    made = send_releases(registry, release(tender=tender(), awards=[award()]))
    assert counts(made) == (1, 0, 0, 0)
    contract = only(registry)
    council, kitchen = (
        registry.items("/v1/organisations", params={"identifier": which})[0]
        for which in ("GB-LAE:SLT", "GB-CHC:1234567")
    )
    assert contract["title"] == "Community meals"
    assert (contract["buyer_ids"], contract["supplier_ids"]) == ([council["id"]], [kitchen["id"]])
    assert (contract["start"], contract["end"], contract["value_gbp"]) == (
        "2025-04-01",
        "2027-03-31",
        120_000,
    )
    assert (kitchen["size"], kitchen["source"]) == ("small", "ocds")


def test_the_same_file_again_changes_nothing(registry):
    send_releases(registry, release(awards=[award()]), release(id="r2", date="2025-01-11", awards=[award()]))
    before = changes(registry)
    made = send_releases(
        registry, release(awards=[award()]), release(id="r2", date="2025-01-11", awards=[award()])
    )
    assert counts(made) == (0, 0, 2, 0)
    assert changes(registry) == before


def test_releases_of_a_process_are_merged_in_the_order_of_their_dates(registry):
    late = release(id="late", date="2025-03-01", awards=[{"id": "a1", "value": gbp(150_000)}])
    early = release(id="early", date="2025-02-01", tender=tender(), awards=[award()])
    send_releases(registry, late)
    send_releases(registry, early)
    contract = only(registry)
    assert contract["value_gbp"] == 150_000, "the older release came later and overwrites nothing"
    assert contract["end"] == "2027-03-31", "what only the older one says is taken from it"


def test_dates_with_other_offsets_are_put_in_order_by_the_moment_they_name(registry):
    first = release(id="z", awards=[award(value=gbp(1_000))]) | {"date": "2025-06-01T12:30:00+01:00"}
    second = release(id="a", awards=[award(value=gbp(2_000))]) | {"date": "2025-06-01T12:00:00Z"}
    send_releases(registry, second, first)
    assert only(registry)["value_gbp"] == 2_000


def test_a_contract_takes_the_place_of_its_award_under_the_same_id(registry):
    send_releases(registry, release(tender=tender(), awards=[award()]))
    (id,) = contracts(registry)
    signed = {
        "id": "c1",
        "awardID": "a1",
        "status": "active",
        "dateSigned": "2025-03-01T00:00:00Z",
        "value": gbp(118_000),
        "period": period("2025-04-01", "2030-03-31") | {"maxExtentDate": "2035-03-31T00:00:00Z"},
    }
    send_releases(registry, release(id="r2", date="2025-03-02", tag=["contract"], contracts=[signed]))
    found = contracts(registry)
    assert list(found) == [id]
    assert (found[id]["value_gbp"], found[id]["extended_to"]) == (118_000, "2035-03-31")


def test_a_release_without_process_or_date_is_quarantined_and_one_without_an_id_gets_one(registry):
    no_ocid, placeholder, no_date, no_id = (release(awards=[award()]) for _ in range(4))
    del no_ocid["ocid"], no_date["date"], no_id["id"]
    placeholder["ocid"] = "N/A"
    made = send_releases(registry, no_ocid, placeholder, no_date, no_id)
    assert counts(made) == (1, 0, 0, 3)
    pointers = [row["pointer"] for row in receipts(registry, made, verdict="quarantined")]
    assert pointers == ["/releases/0/ocid", "/releases/1/ocid", "/releases/2/date"]
    again = send_releases(registry, no_ocid, placeholder, no_date, no_id)
    assert counts(again) == (0, 0, 1, 3)


def test_dates_that_british_forms_write_are_read_day_first_and_said(registry):
    spoken = {"startDate": "01/04/2025", "endDate": "31.3.2027 23:59"}
    made = send_releases(registry, release(awards=[award(contractPeriod=spoken)]))
    assert counts(made) == (1, 0, 0, 0)
    assert (only(registry)["start"], only(registry)["end"]) == ("2025-04-01", "2027-03-31")
    (told,) = receipts(registry, made, noted="true")
    assert "/awards/0/contractPeriod/startDate written as the standard does" in told["reason"]
    impossible = {"startDate": "04/31/2025", "endDate": "2027-03-31T00:00:00Z"}
    made = send_releases(
        registry, release(id="r2", date="2025-02-01", awards=[award(contractPeriod=impossible)])
    )
    assert "left out" in receipts(registry, made, noted="true")[0]["reason"]


def test_a_contract_that_says_how_long_it_lasts_ends_then(registry):
    lasting = {"startDate": "2025-04-01T00:00:00Z", "durationInDays": 365}
    send_releases(registry, release(awards=[award(contractPeriod=lasting)]))
    assert only(registry)["end"] == "2026-03-31"
    endless = {"startDate": "2025-04-01T00:00:00Z", "durationInDays": 900_000_000}
    send_releases(registry, release(id="r2", date="2025-02-01", awards=[award(contractPeriod=endless)]))
    assert only(registry)["end"] is None


def test_suppliers_known_by_name_alone_are_kept_and_flagged(registry):
    nameless = party("GB-CFS-9", None, "supplier")
    by_name = party("GB-CFS-7", "Pier Cafe", "supplier")
    tbc = {"id": "n/a", "name": "TBC"}
    listed = [*refs(nameless, by_name), tbc]
    made = send_releases(
        registry, release(parties=[COUNCIL, nameless, by_name], awards=[award(suppliers=listed)])
    )
    assert counts(made) == (1, 0, 0, 0)
    assert len(only(registry)["supplier_ids"]) == 2
    names = {one["name"] for one in registry.items("/v1/organisations")}
    assert names == {"Saltmarsh Council", "GB-CFS-9", "Pier Cafe"}


def test_a_party_meets_an_organisation_by_identifier_and_by_name_only_within_its_source(registry):
    fill(registry)
    kitchen = registry.items("/v1/organisations", params={"identifier": "GB-CHC:1234567"})[0]["id"]
    advice = party("x", "Saltmarsh Advice", "supplier")
    send_releases(
        registry, release(parties=[COUNCIL, KITCHEN, advice], awards=[award(suppliers=refs(KITCHEN, advice))])
    )
    suppliers = only(registry)["supplier_ids"]
    assert kitchen in suppliers, "by its charity number, though another source told of it"
    named = registry.items("/v1/organisations", params={"text": "saltmarsh advice"})
    assert len(named) == 2, "a name alone is no reason to take two sources' organisations for one"
    again = party("y", "SALTMARSH  advice", "supplier")
    send_releases(
        registry,
        release("ocds-test-2", parties=[COUNCIL, again], awards=[award(suppliers=refs(again))]),
    )
    assert len(registry.items("/v1/organisations", params={"text": "saltmarsh advice"})) == 2


def test_two_companies_of_one_name_stay_two(registry):
    first = party("1", "Pier Services Ltd", "supplier", identifier="GB-COH:00000011")
    second = party("2", "Pier Services Ltd", "supplier", identifier="GB-COH:00000012")
    send_releases(
        registry, release(parties=[COUNCIL, first, second], awards=[award(suppliers=refs(first, second))])
    )
    assert len(only(registry)["supplier_ids"]) == 2


def test_a_correction_under_the_same_id_replaces_the_release_in_another_file_but_not_in_the_same(registry):
    send_releases(registry, release(awards=[award()]))
    corrected = release(awards=[award(value=gbp(99_000))])
    assert counts(send_releases(registry, corrected)) == (0, 1, 0, 0)
    assert only(registry)["value_gbp"] == 99_000
    made = send_releases(registry, release(awards=[award(value=gbp(1_234))]), corrected)
    assert counts(made) == (0, 1, 0, 1)
    assert "otherwise" in quarantined(registry, made)[0][2]


@pytest.mark.parametrize(
    ("content", "media_type"),
    [
        (orjson.dumps([release(awards=[award()])]), JSON),
        (orjson.dumps(release(awards=[award()])), JSON),
        (orjson.dumps(release(awards=[award()])) + b"\n", NDJSON),
        (package(release(awards=[award()])) + b"\n", NDJSON),
        (orjson.dumps({"records": [{"ocid": "o", "releases": [release(awards=[award()])]}]}), JSON),
        (orjson.dumps({"records": [{"ocid": "o", "compiledRelease": release(awards=[award()])}]}), JSON),
        (orjson.dumps({"ocid": "o", "compiledRelease": release(awards=[award()])}) + b"\n", NDJSON),
    ],
)
def test_releases_are_found_in_packages_records_lists_and_lines(registry, content, media_type):
    assert counts(send(registry, "ocds", content, media_type=media_type)) == (1, 0, 0, 0)
    assert only(registry)["title"] == "ocds-test-1"


def test_a_compressed_package_is_read(registry):
    body = gzip.compress(package(release(awards=[award()])))
    made = send(registry, "ocds", body, media_type=JSON, headers={"content-encoding": "gzip"})
    assert counts(made) == (1, 0, 0, 0)


def test_a_record_without_any_release_is_quarantined_with_the_reason(registry):
    linked = {"ocid": "o", "releases": [{"url": "https://example.org/1", "date": "2025-01-01T00:00:00Z"}]}
    empty = {"ocid": "p", "releases": []}
    made = send(registry, "ocds", orjson.dumps({"records": [linked, empty]}), media_type=JSON)
    assert counts(made) == (0, 0, 0, 2)
    first, second = receipts(registry, made)
    assert (first["key"], second["key"]) == ("o", "p")
    assert first["reason"].startswith("it links to its releases")
    assert second["reason"].startswith("its list of releases is empty")


def test_what_strays_from_the_standard_is_mended_or_left_out_and_said(registry):
    stray = release(
        tender=tender(
            status="Complete", procurementMethod="by magic", value={"amount": "£120,000", "currency": "gbp"}
        ),
        awards=[award(date="2025-02-01", documents=[{"title": "no id"}, "not an object"])],
    )
    stray["tag"] = ["contract award"]
    made = send_releases(registry, stray)
    (receipt,) = receipts(registry, made, noted=True)
    for said in ("/tender/procurementMethod", "/awards/0/documents/0/id", "/awards/0/documents/1", "/tag"):
        assert said in receipt["reason"]


def test_hostile_releases_are_answered_row_by_row(registry):
    bad = [
        {"ocid": 5, "date": [], "tag": {}, "awards": "no"},
        {"ocid": "o1", "date": "2025-01-01", "awards": {"id": {"x": 1}}, "tender": [], "parties": [None, 7]},
        {"ocid": "o2", "date": "2025-01-01", "contracts": [{"value": {"amount": True}}], "buyer": "me"},
        {"ocid": "o3", "date": "9999-99-99"},
        {"ocid": "o4", "date": "2025-01-01", "awards": [{"id": "x" * 5000}]},
        {
            "ocid": "o5",
            "date": "2025-01-01",
            "awards": [{"id": 1, "contractPeriod": {"endDate": "9999-12-31"}}],
        },
    ]
    made = send_releases(registry, *bad)
    assert sum(counts(made)) == len(bad)
    assert counts(made)[3] >= 2


def test_a_release_whose_shape_contradicts_those_before_is_quarantined(registry):
    send_releases(registry, release(awards=[award()], extra={"a": 1}))
    made = send_releases(registry, release(id="r2", date="2025-05-01", awards=[award()], extra=[{"id": "1"}]))
    assert counts(made) == (0, 0, 0, 1)
    assert "does not fit" in quarantined(registry, made)[0][2]


def test_subcontracts_carry_their_tiers_and_fees(registry):
    sub = party("4", "Tide Deliveries", "subcontractor")
    front = party("5", "Dune Youth Club", "subcontractor")
    chain = [
        {
            "id": "1",
            "subcontractor": refs(sub)[0],
            "tenderers": refs(KITCHEN),
            "hedgerow": {"feeShare": 0.12},
        },
        {"id": "2", "subcontractor": refs(front)[0], "tenderers": refs(sub), "hedgerow": {"feeShare": 0.08}},
    ]
    send_releases(
        registry,
        release(
            parties=[COUNCIL, KITCHEN, sub, front], awards=[award(subcontracting={"subcontracts": chain})]
        ),
    )
    found = only(registry)
    first, second = found["subcontracts"]
    assert (first["tier"], first["fee_share"]) == (1, 0.12)
    assert (second["tier"], second["fee_share"]) == (2, 0.08)
    assert first["from_id"] == found["supplier_ids"][0]
    assert first["to_id"] == second["from_id"]


def test_the_contract_that_follows_is_named_once_it_is_known(registry):
    send_releases(registry, release(awards=[award()]))
    (old,) = contracts(registry)
    following = {"id": "1", "relationship": ["prior"], "scheme": "ocid", "identifier": "ocds-test-1"}
    send_releases(registry, release("ocds-test-2", relatedProcesses=[following], awards=[award(id="b1")]))
    (new,) = set(contracts(registry)) - {old}
    assert contracts(registry)[old]["successor_id"] == new
    assert contracts(registry)[new]["successor_id"] is None


def test_lots_are_told_with_the_suppliers_of_their_awards(registry):
    lots = [{"id": "north", "value": gbp(70_000)}, {"id": "south", "value": gbp(50_000)}]
    send_releases(
        registry,
        release(
            parties=[COUNCIL, KITCHEN, ADVICE, HARBOUR],
            tender=tender(lots=lots),
            awards=[
                award(relatedLots=["north"]),
                award(id="a2", relatedLots=["south"], suppliers=refs(ADVICE), value=gbp(50_000)),
            ],
        ),
    )
    found = contracts(registry).values()
    assert {lot["id"]: lot["value_gbp"] for one in found for lot in one["lots"]} == {
        "north": 70_000,
        "south": 50_000,
    }
    assert all(lot["supplier_ids"] == one["supplier_ids"] for one in found for lot in one["lots"])


def test_values_are_for_those_who_may_see_money(registry):
    send_releases(registry, release(tender=tender(lots=[{"id": "1", "value": gbp(5)}]), awards=[award()]))
    for role, sees in (("reader", False), ("coordinator", False), ("system", False), ("commissioner", True)):
        registry.headers.update(identity("registry", role=role))
        (contract,) = contracts(registry).values()
        assert (contract["value_gbp"] is not None) is sees
        assert (contract["lots"][0]["value_gbp"] is not None) is sees


def test_what_is_not_published_is_told_to_its_own_authority_alone(registry):
    send_releases(registry, release(awards=[award()]), source="mine", authority="E06999001", published="no")
    everything = changes(registry, types="contract,process")
    assert len(everything) == 2
    for authority, told in (("E06999001", 2), ("E06999002", 0)):
        registry.headers.update(identity("registry", role="reader", authorities=(authority,)))
        assert len(changes(registry, types="contract,process")) == told
    registry.headers.update(identity("registry"))
    published = release(awards=[award()], hedgerow={"published": True}, id="r2", date="2025-06-01")
    send_releases(registry, published, source="mine")
    registry.headers.update(identity("registry", role="reader", authorities=("E06999002",)))
    assert {event["data"]["published"] for event in changes(registry, types="contract,process")} == {True}


def test_who_has_seen_a_contract_learns_that_it_is_not_published_any_more(registry):
    send_releases(registry, release(awards=[award()]), source="mine", authority="E06999001")
    hidden = release(awards=[award()], hedgerow={"published": False}, id="r2", date="2025-06-01")
    send_releases(registry, hidden, source="mine")
    registry.headers.update(identity("registry", role="reader", authorities=("E06999002",)))
    (event,) = changes(registry, types="contract")[-1:]
    assert event["data"] is None


def test_names_of_people_and_their_mailboxes_are_not_kept(registry, database):
    contact = {"name": "Ann Persona", "email": "ann.persona@example.org", "telephone": "01234 567890"}
    send_releases(registry, release(parties=[COUNCIL | {"contactPoint": contact}], awards=[award()]))
    with database.engine.connect() as connection:
        for table in ("releases", "contracting_processes"):
            kept = str([tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")])
            assert "Persona" not in kept
            assert "ann.persona" not in kept
            assert "01234 567890" in kept


def test_real_releases_are_counted_whole_and_change_nothing_the_second_time(registry, shared):
    content = (shared / "data/ocds_uk/england_contracts_finder.json").read_bytes()
    sent = len(orjson.loads(content)["releases"])
    made = send(registry, "ocds", content, media_type=JSON, source="contracts-finder")
    assert sum(counts(made)) == sent
    assert counts(made)[3] == 0
    assert len(contracts(registry)) > 100
    before = changes(registry)
    again = send(registry, "ocds", content, media_type=JSON, source="contracts-finder")
    assert counts(again) == (0, 0, sent, 0)
    assert changes(registry) == before


def test_contracts_follow_a_merge_of_their_organisations_and_its_undoing(registry):
    twin = party("9", "Quay Kitchen CIO", "supplier")
    send_releases(registry, release(parties=[COUNCIL, twin, KITCHEN], awards=[award(suppliers=refs(twin))]))
    (old,) = only(registry)["supplier_ids"]
    (kitchen,) = registry.items("/v1/organisations", params={"identifier": "GB-CHC:1234567"})
    answer = registry.post(
        f"/v1/organisations/{old}/merge",
        json={"into": kitchen["id"], "reason": "one charity"},
        headers={"if-match": registry.get(f"/v1/organisations/{old}").headers["etag"]},
    )
    assert answer.status_code == 200, answer.text
    assert only(registry)["supplier_ids"] == [kitchen["id"]]


def test_releases_of_one_process_sent_at_once_are_all_kept_and_told(registry):
    send_releases(registry, release(id="first", awards=[award(id="a-first")]))
    sent = [
        release(id=f"r{day}", date=f"2025-02-{day:02}", awards=[award(id=f"a{day}", value=gbp(day))])
        for day in range(1, 9)
    ]
    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(lambda one: send_releases(registry, one), sent))
    assert [counts(one) for one in made] == [(1, 0, 0, 0)] * 8
    assert {one["value_gbp"] for one in contracts(registry).values()} >= set(range(1, 9))
    assert len(contracts(registry)) == 9
