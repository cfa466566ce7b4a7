"""BODS 0.4 statements: what is valid lands, what is not names its field, and people leave nothing behind."""

import csv
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from hedgerow_kit.db import Database
from hedgerow_registry.domain.ids import record_id
from hedgerow_registry.imports.bods.model import Invalid, validated
from sqlalchemy import text

from tests.registry.files import changes, counts, notes, quarantined, receipts, send
from tests.support.http import Client

JSON, NDJSON = "application/json", "application/x-ndjson"


def entity(record: str, name: str | None, **more: Any) -> dict[str, Any]:
    details = {"isComponent": False, "entityType": {"type": more.pop("type", "registeredEntity")}}
    if name is not None:
        details["name"] = name
    numbers = [{"scheme": scheme, "id": id} for scheme, id in more.pop("identifiers", ())]
    if numbers:
        details["identifiers"] = numbers
    return statement(record, "entity", details, **more)


def person(record: str, **more: Any) -> dict[str, Any]:
    details = {
        "isComponent": False,
        "personType": "knownPerson",
        "names": [{"fullName": "Zebedee Quillfeather"}],
        "birthDate": "1971-03-14",
        "addresses": [{"type": "residence", "address": "9 Hidden Lane", "postCode": "PE99 9ZZ"}],
    }
    return statement(record, "person", details, **more)


def relation(
    record: str, subject: Any, party: Any, *interests: dict[str, Any], **more: Any
) -> dict[str, Any]:
    details = {"isComponent": False, "subject": subject, "interestedParty": party}
    if interests:
        details["interests"] = list(interests)
    return statement(record, "relationship", details, **more)


def statement(record: str, type: str, details: dict[str, Any], **more: Any) -> dict[str, Any]:
    day = more.pop("day", "2020-01-01")
    return {
        "statementId": more.pop("id", f"{record}-{type}-{day}".ljust(32, "0")),
        "statementDate": day,
        "declarationSubject": record,
        "recordId": record,
        "recordType": type,
        "recordDetails": details,
        **more,
    }


def shares(exact: float | None = None, **more: Any) -> dict[str, Any]:
    bounds = {"exact": exact} if exact is not None else more.pop("share", None)
    return {
        "type": "shareholding",
        "directOrIndirect": "direct",
        **({"share": bounds} if bounds else {}),
        **more,
    }


def bods(client: Client, *statements: dict[str, Any], **params: str) -> dict[str, Any]:
    return send(client, "bods", orjson.dumps(statements), media_type=JSON, **params)


def of(record: str) -> str:
    return record_id("default", "organisation", record)


def state(client: Client, id: str) -> dict[str, Any]:
    return [event["data"] for event in changes(client) if event["subject"] == id][-1]


def suite(shared: Path, kind: str) -> list[Path]:
    return sorted((shared / "conformance" / "bods-statements" / kind).glob("*.json"))


def test_all_111_valid_statements_are_accepted(registry: Client, shared: Path) -> None:
    files = suite(shared, "valid-statements")
    assert len(files) == 111
    lines = []
    for number, path in enumerate(files):
        for one in orjson.loads(path.read_bytes()):
            # Many of the files are about one and the same statement: here each is one of its own.
            one["statementId"] = f"{number:04}{one['statementId']}"[:64]
            lines.append(orjson.dumps(one))
    made = send(registry, "bods", b"\n".join(lines), media_type=NDJSON)
    assert counts(made) == (len(lines), 0, 0, 0), quarantined(registry, made)
    assert counts(send(registry, "bods", b"\n".join(lines), media_type=NDJSON)) == (0, 0, len(lines), 0)


def test_all_192_invalid_statements_are_refused_naming_the_field(registry: Client, shared: Path) -> None:
    files = suite(shared, "invalid-statements")
    assert len(files) == 192
    with (files[0].parent / "expected_errors.csv").open() as table:
        expected = {row[0]: row[3].strip() for row in csv.reader(table)}
    lines, fields = [], []
    for path in files:
        sent = orjson.loads(path.read_bytes())
        if isinstance(sent, dict):
            answer = registry.post(
                "/v1/imports/bods", content=path.read_bytes(), headers={"Content-Type": JSON}
            )
            assert answer.status_code == 422, path.name
            assert "array" in answer.json()["errors"][0]["reason"]
            continue
        lines += [orjson.dumps(one) for one in sent]
        fields += [expected[path.name]] * len(sent)
    made = send(registry, "bods", b"\n".join(lines), media_type=NDJSON)
    assert counts(made) == (0, 0, 0, len(lines))
    named = [re.sub(r"\[\d+\]$", "", column).split(".")[-1] for _, column, _ in quarantined(registry, made)]
    assert named == fields


def test_the_examples_of_the_standard_load_with_a_verdict_each_and_nobody_is_named(
    registry: Client, database: Database, shared: Path
) -> None:
    folder = shared / "data" / "bods_examples"
    total = 0
    for path in sorted(folder.glob("*.json")):
        sent = orjson.loads(path.read_bytes())
        made = send(registry, "bods", path.read_bytes(), media_type=JSON, source=path.stem)
        total += len(sent)
        assert sum(counts(made)) == len(sent), path.name
        assert counts(made)[3] == 0, (path.name, quarantined(registry, made))
    assert total == 119
    people = {
        name["fullName"]
        for path in folder.glob("*.json")
        for one in orjson.loads(path.read_bytes())
        if one["recordType"] == "person"
        for name in one["recordDetails"].get("names", ())
    }
    assert len(people) > 10
    kept = everything(database)
    assert not [name for name in people if name in kept]


def everything(database: Database) -> str:
    """All that the database holds, as text."""
    from hedgerow_registry.tables.provenance import Base

    with database.reading() as session:
        return "\n".join(
            str(row)
            for table in Base.metadata.sorted_tables
            for row in session.execute(text(f'SELECT * FROM "{table.name}"')).all()
        )


def test_entities_become_organisations_or_are_found_by_their_identifiers(registry: Client) -> None:
    send(registry, "organisations", "id,name,identifiers\n1,Carers Together,GB-CHC:1234567", source="lists")
    made = bods(
        registry,
        entity("care", "CARERS TOGETHER", identifiers=[("GB-CHC", "1234567")]),
        entity("plc", "Quorvane plc", identifiers=[("GB-COH", "1234567"), ("XX NONSENSE", "1")]),
        relation("r1", "care", "plc", shares(60, startDate="2019-05-01")),
    )
    assert counts(made) == (3, 0, 0, 0)
    assert [column for _, column, _ in notes(registry, made)] == ["recordDetails.identifiers[1]"]
    carers = record_id("lists", "organisation", "1")
    assert state(registry, carers)["name"] == "Carers Together", "another source's record is not altered"
    assert state(registry, carers)["control"] == [{"owner_id": of("plc"), "from": "2019-05-01", "to": None}]
    assert state(registry, of("plc"))["identifiers"] == [{"scheme": "GB-COH", "id": "01234567"}]


def test_a_relationship_may_come_before_the_records_it_is_about(registry: Client) -> None:
    early = relation("r1", "care", "plc", shares(60))
    made = bods(registry, early)
    assert counts(made) == (1, 0, 0, 0)
    assert [column for _, column, _ in notes(registry, made)] == ["recordDetails.subject"]
    bods(registry, entity("care", "Carers Together"))
    assert state(registry, of("care"))["control"] == [], "nobody has said yet who the owner is"
    bods(registry, entity("plc", "Quorvane plc"))
    assert state(registry, of("care"))["control"] == [{"owner_id": of("plc"), "from": None, "to": None}]
    assert counts(bods(registry, early)) == (0, 0, 1, 0)


def test_later_statements_take_over_and_a_closed_record_ends(registry: Client) -> None:
    bods(
        registry,
        *(entity(record, record.title()) for record in ("care", "council", "mutual")),
        relation("r1", "care", "council", shares(100, startDate="2010-04-01"), recordStatus="new"),
        relation("r1", "care", "council", day="2024-04-01", recordStatus="closed"),
        relation("r2", "care", "mutual", shares(100, startDate="2024-04-01"), day="2024-05-02"),
    )
    periods = {one["owner_id"]: (one["from"], one["to"]) for one in state(registry, of("care"))["control"]}
    assert periods == {of("council"): ("2010-04-01", "2024-03-31"), of("mutual"): ("2024-04-01", None)}
    bods(registry, relation("r2", "care", "mutual", shares(40), day="2025-01-01", recordStatus="updated"))
    periods = {one["owner_id"]: (one["from"], one["to"]) for one in state(registry, of("care"))["control"]}
    assert periods[of("mutual")] == ("2024-04-01", "2024-12-31"), "40 per cent is no control"


def test_a_renamed_company_takes_its_new_name_and_keeps_the_old_as_an_alias(registry: Client) -> None:
    bods(registry, entity("plc", "Quorvane plc", day="2020-01-01"))
    bods(registry, entity("plc", "Quorvane Care plc", day="2022-01-01", recordStatus="updated"))
    now = registry.get(f"/v1/organisations/{of('plc')}").json()
    assert (now["name"], now["aliases"]) == ("Quorvane Care plc", ["Quorvane plc"])


def test_of_people_nothing_is_kept_but_that_there_is_one(
    registry: Client, database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    made = bods(
        registry,
        entity("care", "Carers Together"),
        person("quillfeather-1971"),
        relation("r1", "care", "quillfeather-1971", shares(75)),
        {**person("p2"), "statementDate": "not a day"},
        {
            **person("p3"),
            "recordDetails": {**person("p3")["recordDetails"], "names": ["Zebedee Quillfeather"]},
        },
        entity("trust", "Quillfeather Family Trust", type="arrangement"),
    )
    assert counts(made) == (4, 0, 0, 2)
    assert state(registry, of("care"))["control"] == []
    kept = everything(database) + str(receipts(registry, made)) + caplog.text
    for secret in ("Quillfeather", "1971-03-14", "Hidden Lane", "PE99 9ZZ", "Zebedee"):
        assert secret not in kept.replace("quillfeather-1971-person", "")


def test_an_unspecified_party_is_an_unknown_owner_but_none_to_declare_is_not(registry: Client) -> None:
    bods(
        registry,
        entity("care", "Carers Together CIO"),
        entity("other", "Other Carers CIO"),
        relation("r1", "care", {"reason": "interestedPartyExemptFromDisclosure"}, shares(80)),
        relation("r2", "other", {"reason": "noBeneficialOwners"}),
    )
    assert state(registry, of("care"))["effective_form"] == "unknown"
    assert state(registry, of("other"))["effective_form"] == "not-for-profit"


def test_what_contradicts_itself_in_a_valid_statement_is_left_out_and_said(registry: Client) -> None:
    made = bods(
        registry,
        entity("care", "Carers Together"),
        entity("plc", "Quorvane plc"),
        relation(
            "r1",
            "care",
            "plc",
            shares(share={"minimum": 80, "maximum": 20}),
            {"type": "votingRights", "startDate": "2020-01-01", "endDate": "2019-01-01"},
        ),
        relation("r2", {"reason": "subjectExemptFromDisclosure"}, "plc", shares(80)),
    )
    assert counts(made) == (4, 0, 0, 0)
    assert {column for _, column, _ in notes(registry, made)} == {
        "recordDetails.interests[0].share",
        "recordDetails.subject",
    }


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{}", 422),
        (b"[1]", 200),
        (b"", 422),
        (b"[{]", 422),
        (b'[{"statementId": 1e999}]', 422),
        (b"[[]]", 200),
    ],
)
def test_what_is_no_list_of_statements_lands_nothing(registry: Client, body: bytes, status: int) -> None:
    answer = registry.post("/v1/imports/bods", content=body, headers={"Content-Type": JSON})
    assert answer.status_code == status, answer.text
    if status == 200:
        assert answer.json()["counts"]["quarantined"] == 1


def test_no_refusal_repeats_what_stands_in_the_field() -> None:
    secret = "zebedee"
    for details in ({"isComponent": secret}, {"isComponent": True, "personType": secret}, {"names": secret}):
        with pytest.raises(Invalid) as refused:
            validated(statement("p", "person", details))
        assert secret not in str(refused.value)
