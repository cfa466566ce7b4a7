import gc
import gzip
import json
import weakref
import zlib
from pathlib import Path

import pytest
from hedgerow_kit import auth, bulk, db, records, serving
from hedgerow_kit.db import Database
from hedgerow_kit.records import Outcome, quarantined
from hedgerow_kit.spool import Upload
from sqlalchemy import func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from tests.support import auditing
from tests.support.http import running
from tests.support.identity import SIGNER, identity


class Base(DeclarativeBase):
    metadata = db.metadata()


class Import(bulk.ImportMixin, Base):
    pass


class Receipt(bulk.ReceiptMixin, Base):
    pass


class Parcel(Base):
    __tablename__ = "parcels"

    id: Mapped[str] = mapped_column(primary_key=True)
    weight: Mapped[float]


def read(upload, run):
    if upload.media_type == bulk.NDJSON:
        return records.ndjson_records(upload.path, batch=3)
    if upload.media_type == bulk.JSON:
        return records.json_records(upload.path, under=("contents",), batch=3)
    return records.csv_records(upload.path, required=["id", "weight"], optional=["colour"], batch=3)


def write(session, found, run):
    for record in found:
        if record.fields["id"] == "bomb":
            raise RuntimeError("boom")
        try:
            weight = float(record.fields["weight"])
        except (TypeError, ValueError):
            yield quarantined(record, "not a number", column="weight", key=record.fields["id"])
            continue
        old = session.get(Parcel, record.fields["id"])
        verdict = "accepted" if old is None else "unchanged" if old.weight == weight else "changed"
        session.merge(Parcel(id=record.fields["id"], weight=weight))
        yield Outcome(verdict, record.line, pointer=record.pointer)


@pytest.fixture
def client(database_url):
    database = Database(database_url)
    auditing.create(database)
    Base.metadata.create_all(database.engine)
    kind = bulk.Kind(
        "parcels",
        "Parcels",
        read,
        write,
        media_types=(bulk.CSV, bulk.NDJSON, bulk.JSON),
        options={"depot": "Where they lie"},
    )
    importer = bulk.Importer("depot", Import, Receipt, [kind])
    app = serving.create(
        "Depot", summary="", errors={}, ready={"database": serving.database_answers(database)}
    )
    app.state.database = database
    app.state.verifier = auth.Verifier(SIGNER.jwks, audience="depot")
    app.include_router(importer.router())
    with running(app, headers=identity("depot")) as made:
        made.database = database
        made.importer = importer
        yield made
    database.dispose()


def send(client, body, kind=bulk.CSV, **headers):
    content = body if isinstance(body, bytes) else body.encode()
    return client.post("/v1/imports/parcels", content=content, headers={"Content-Type": kind, **headers})


def counts(answer):
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "completed"
    return answer.json()["counts"]


def receipts(client, answer, **params):
    return client.items(answer.json()["receipts"], params=params)


def stored(client):
    with client.database.reading() as session:
        return session.scalar(select(func.count()).select_from(Parcel))


def test_good_rows_land_bad_rows_are_named_and_the_counts_add_up(client):
    answer = send(client, "id,weight\na,1\nb,heavy\nc,3\nd,4,5\ne,5\n")
    assert counts(answer) == {"accepted": 3, "changed": 0, "unchanged": 0, "quarantined": 2}
    bad = receipts(client, answer, verdict="quarantined")
    assert [(r["line"], r["column"], r["key"], r["reason"]) for r in bad] == [
        (3, "weight", "b", "not a number"),
        (5, None, None, "3 fields where the header names 2"),
    ]
    assert sum(r["records"] for r in receipts(client, answer)) == 5


def test_the_same_file_again_changes_nothing_and_its_receipt_is_one_line_a_batch(client):
    body = "id,weight\n" + "".join(f"p{n},{n}\n" for n in range(9))
    send(client, body)
    again = send(client, body)
    assert counts(again)["unchanged"] == 9
    assert [(r["line"], r["line_to"], r["records"]) for r in receipts(client, again)] == [
        (2, 4, 3),
        (5, 7, 3),
        (8, 10, 3),
    ]


def test_ndjson_and_json_documents_say_the_same_as_csv(client):
    rows = [{"id": "a", "weight": 1}, {"id": "b", "weight": 2}]
    assert counts(send(client, "\n".join(map(json.dumps, rows)), bulk.NDJSON))["accepted"] == 2
    assert counts(send(client, json.dumps(rows), bulk.JSON))["unchanged"] == 2
    page = send(client, json.dumps({"total": 2, "contents": [*rows, 7]}), bulk.JSON)
    assert counts(page) == {"accepted": 0, "changed": 0, "unchanged": 2, "quarantined": 1}
    assert receipts(client, page, verdict="quarantined")[0]["pointer"] == "/contents/2"
    assert counts(send(client, json.dumps(rows[0]), bulk.JSON))["unchanged"] == 1


def test_gzip_is_unpacked_on_the_way_and_several_members_are_one_file(client):
    body = gzip.compress(b"id,weight\na,1\n") + gzip.compress(b"b,2\n")
    assert counts(send(client, body, **{"Content-Encoding": "gzip"}))["accepted"] == 2


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (gzip.compress(b"id,weight\na,1\n")[:-5], {"Content-Encoding": "gzip"}, 422),
        (b"not gzip at all", {"Content-Encoding": "gzip"}, 422),
        (b"id,weight\na,1\n", {"Content-Encoding": "br"}, 415),
        (b"id,weight\na,1\n", {"Content-Type": "application/pdf"}, 415),
        (b"id,colour\na,red\n", {}, 422),
        (b"id,weight,id\na,1,b\n", {}, 422),
        (b"", {}, 422),
        (b"id,weight" + b"," * 10_000_000 + b"\n", {}, 422),
        (b'{"id": "a"', {"Content-Type": bulk.JSON}, 422),
        (b'[{"id": "a", "weight": NaN}]', {"Content-Type": bulk.JSON}, 422),
        (b"12", {"Content-Type": bulk.JSON}, 422),
        (b"[" * 5000, {"Content-Type": bulk.JSON}, 422),
        (b"id,weight\na,1\n", {"Content-Type": bulk.NDJSON}, 422),
        (b"\x89PNG\r\n\x1a\n\x00\x00", {}, 422),
    ],
    ids=[
        "gzip cut off",
        "not gzip",
        "unknown encoding",
        "unknown type",
        "missing column",
        "column twice",
        "empty",
        "endless header",
        "JSON cut off",
        "NaN",
        "a bare number",
        "nested deeply",
        "CSV said to be NDJSON",
        "an image",
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused_and_nothing_lands(client, body, headers, status):
    answer = send(client, body, **headers)
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert stored(client) == 0


def test_odd_rows_are_quarantined_one_by_one_and_the_lines_stay_right(client):
    rows = [
        b"id,weight",
        b"a,1",
        b"caf\xe9,2",
        b"",
        b"\x81,6",
        b"n\x00l,3",
        b'"two\nlines",4',
        b"long," + b"9" * 2_000_000,
        b"z,5",
    ]
    answer = send(client, b"\xef\xbb\xbf" + b"\r\n".join(rows) + b"\r\n")
    assert counts(answer) == {"accepted": 4, "changed": 0, "unchanged": 0, "quarantined": 3}
    assert [r["line"] for r in receipts(client, answer, verdict="quarantined")] == [5, 6, 9]
    assert "Windows-1252" in answer.json()["notes"][0]
    with client.database.reading() as session:
        assert session.get(Parcel, "café") is not None
        assert session.get(Parcel, "two\nlines") is not None


def test_a_quotation_mark_that_is_never_closed_loses_no_row_in_silence(client):
    body = 'id,weight\na,1\nb,"2\n' + "".join(f"p{n},{'9' * 1000}\n" for n in range(1500)) + "z,3\n"
    answer = send(client, body)
    assert sum(counts(answer).values()) == 1503


def test_columns_nobody_knows_are_named(client):
    assert send(client, "id,weight,mood\na,1,x\n").json()["notes"] == ["column ignored: mood"]


def test_a_long_ndjson_line_is_quarantined(client):
    body = b'{"id": "a", "weight": 1}\n{"id": "' + b"b" * 10_000_000 + b'"}\n{"id": "c", "weight": 1}\n'
    answer = send(client, body, bulk.NDJSON)
    assert counts(answer) == {"accepted": 2, "changed": 0, "unchanged": 0, "quarantined": 1}


def test_an_error_in_the_middle_keeps_what_landed_with_exact_counts(client):
    answer = send(client, "id,weight\na,1\nb,2\nc,3\nbomb,4\ne,5\n")
    assert answer.status_code == 500
    listed = client.items("/v1/imports")[0]
    assert (listed["status"], listed["counts"]["accepted"], stored(client)) == ("failed", 3, 3)
    assert counts(send(client, "id,weight\na,1\nb,2\nc,3\ne,5\n")) == {
        "accepted": 1,
        "changed": 0,
        "unchanged": 3,
        "quarantined": 0,
    }


def test_an_import_whose_process_died_is_said_to_have_failed(client):
    answer = send(client, "id,weight\na,1\n")
    with client.database.writing() as session:
        row = session.get(Import, answer.json()["id"])
        row.status = "running"
        row.touched_at = row.touched_at - 2 * bulk.SILENCE
    client.importer.mark_interrupted(client.database)
    seen = client.get(f"/v1/imports/{answer.json()['id']}").json()
    assert (seen["status"], seen["counts"]["accepted"]) == ("failed", 1)
    assert "again" in seen["detail"]


def test_options_are_strict_and_kept(client):
    ok = client.post(
        "/v1/imports/parcels?depot=north", content="id,weight\n", headers={"Content-Type": "text/csv"}
    )
    assert ok.json()["options"] == {"depot": "north"}
    assert client.post("/v1/imports/parcels?dept=north", content="id,weight\n").status_code == 422


def test_only_who_may_write_may_import(client):
    for role in ("reader", "coordinator"):
        refused = client.post("/v1/imports/parcels", content="", headers=identity("depot", role=role))
        assert refused.status_code == 403
    assert client.post("/v1/imports/parcels", headers={"Authorization": ""}).status_code == 401
    assert client.get("/v1/imports/none").status_code == 404


def test_a_gzip_bomb_is_refused_at_the_limit(client, monkeypatch):
    monkeypatch.setattr(bulk, "LONGEST_UPLOAD", 5_000_000)
    packer = zlib.compressobj(wbits=31)
    bomb = b"".join(packer.compress(b"0" * 1_000_000) for _ in range(50)) + packer.flush()
    assert send(client, bomb, **{"Content-Encoding": "gzip"}).status_code == 413


def test_a_batch_that_is_written_is_not_in_memory_while_the_next_is_read(client):
    class Parcels(list):
        pass

    written, still_there = [], []

    def batches(upload, run):
        for _ in range(3):
            still_there.extend(one() for one in written if one() is not None)
            found = Parcels()
            written.append(weakref.ref(found))
            batch = records.Batch(found)
            del found
            yield batch
            del batch

    kind = bulk.Kind("parcels", "Parcels", batches, lambda session, found, run: [])
    importer = bulk.Importer("depot", Import, Receipt, [kind])
    gc.disable()
    try:
        importer.run(
            client.database,
            kind,
            Upload(Path(), 0, bulk.CSV),
            options={},
            principal=auth.Principal("anybody", frozenset(), frozenset()),
        )
    finally:
        gc.enable()
    assert len(written) == 3
    assert still_there == []
