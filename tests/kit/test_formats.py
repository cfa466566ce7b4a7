"""Lists in every format, over a real app: rows are the same in each, and none is lost."""

import csv
import doctest
import io
import json
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, Literal

import openpyxl
import orjson
import polars as pl
import pytest
from fastapi import Request, Response
from hedgerow_kit import flat, formats, paging, parquet, problems, serving, sheets
from hedgerow_kit.formats import harmless
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl.utils.escape import unescape
from pydantic import BaseModel

from tests.support.http import Client, running

NASTY = ["=1+1", "+44 1", "-x", "@home", "\tx", "\rx", "01234567", "1E5", "5-9", "MAR1", "a;b\\c", 'say "x"']


class Maker(BaseModel):
    id: str
    name: str


class Batch(BaseModel):
    weight: float
    by: Maker


class Parcel(BaseModel):
    id: str
    title: str
    number: int
    weight: float | None
    sealed: bool
    sent: date | None
    seen: datetime
    kind: Literal["box", "bag"]
    marks: list[str]
    maker: Maker | None
    batches: list[Batch]
    rest: dict[str, Any]
    lon: float | None
    lat: float | None


class Grounds(BaseModel):
    at: date
    caveats: list[str]


class Parcels(paging.Page[Parcel]):
    computed: Grounds


class Shapeless(BaseModel):
    items: list[dict[str, Any]]
    next: str | None = None


def parcel(number: int) -> Parcel:
    return Parcel(
        id=f"{number:08d}",
        title=NASTY[number % len(NASTY)],
        number=-number,
        weight=None if number % 3 == 0 else number / 7,
        sealed=number % 2 == 0,
        sent=date(2026, 1, 1 + number % 28) if number % 5 else None,
        seen=datetime.fromisoformat(f"2026-01-01T10:00:00.{number:06d}+00:00"),
        kind="box",
        marks=["a;b", "c"][: number % 3],
        maker=Maker(id=f"0{number}", name="Ärö") if number % 4 else None,
        batches=[
            Batch(weight=1.5, by=Maker(id="7", name="x")),
            Batch(weight=2, by=Maker(id="8", name="y;z")),
        ],
        rest={"colour": ["red", 1]},
        lon=-2.5 if number % 2 else None,
        lat=53.25,
    )


CAVEAT = "Ç’est “dérivé” 🦔"


def an_app(how_many: int) -> Any:
    router = problems.router()
    parcels = [parcel(number) for number in range(how_many)]

    @router.get("/v1/parcels")
    def list_parcels(
        request: Request,
        response: Response,
        kind: str | None = None,
        after: paging.After = None,
        limit: paging.Limit = 50,
    ) -> Parcels:
        page, marker = paging.window(parcels, lambda one: (one.id,), after=after, limit=limit)
        paging.link_next(request, response, marker)
        grounds = Grounds(at=date(2026, 1, 15), caveats=[CAVEAT])
        return Parcels(items=page, next=marker, computed=grounds)

    @router.get("/v1/makers")
    def list_makers(after: paging.After = None, limit: paging.Limit = 50) -> paging.Page[Maker]:
        return paging.Page(items=[])

    @router.get("/v1/anything")
    def list_anything() -> Shapeless:
        return Shapeless(items=[{"a": 1}, {"b": [2]}])

    @router.get("/v1/one")
    def one() -> Maker:
        return Maker(id="1", name="One")

    app = serving.create("Test", summary="", errors={}, ready={})
    app.include_router(router)
    return app


MANY = 2_503


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with running(an_app(MANY)) as made:
        yield made


@pytest.fixture(scope="module")
def items(client: Client) -> list[dict[str, Any]]:
    return client.items("/v1/parcels", params={"limit": 1000})


COLUMNS = [
    "id",
    "title",
    "number",
    "weight",
    "sealed",
    "sent",
    "seen",
    "kind",
    "marks",
    "maker.id",
    "maker.name",
    "batches.weight",
    "batches.by.id",
    "batches.by.name",
    "rest",
    "lon",
    "lat",
]


def read_csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_ndjson_gives_every_item_as_it_stands_in_json(client: Client, items: list[Any]) -> None:
    answer = client.get("/v1/parcels", params={"format": "ndjson"})
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert [orjson.loads(line) for line in answer.content.splitlines()] == items
    assert len(items) == MANY


def test_csv_has_a_column_for_each_field_and_a_row_for_each_item(client: Client, items: list[Any]) -> None:
    answer = client.get("/v1/parcels", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == 'attachment; filename="parcels.csv"'
    rows = read_csv(answer.text)
    assert list(rows[0]) == COLUMNS
    assert [row["id"] for row in rows] == [item["id"] for item in items]
    assert [row["title"] for row in rows] == [item["title"] for item in items]
    assert [flat.parts(row["marks"]) for row in rows if row["marks"]] == [
        item["marks"] for item in items if item["marks"]
    ]
    by_hand = rows[2]
    assert by_hand["number"] == "-2"
    assert float(by_hand["weight"]) == 2 / 7
    assert by_hand["sealed"] == "true"
    assert by_hand["marks"] == "a\\;b;c"
    assert by_hand["maker.name"] == "Ärö"
    assert by_hand["batches.weight"] == "1.5;2.0"
    assert by_hand["batches.by.name"] == "x;y\\;z"
    assert json.loads(by_hand["rest"]) == {"colour": ["red", 1]}
    assert (rows[0]["maker.id"], rows[0]["weight"], rows[0]["sent"]) == ("", "", "")


def test_csv_for_excel_has_a_mark_and_nothing_that_excel_would_run_or_change(
    client: Client, items: list[Any]
) -> None:
    answer = client.get("/v1/parcels", params={"format": "csv-excel"})
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = read_csv(answer.content.decode("utf-8-sig"))
    assert [row["id"] for row in rows] == ["'" + item["id"] for item in items]
    assert not [row for row in rows if row["title"].startswith(("=", "+", "-", "@", "\t", "\r"))]
    assert [row["title"].removeprefix("'") for row in rows] == [item["title"] for item in items]
    assert rows[5]["number"] == "-5"


def test_a_workbook_keeps_identifiers_as_text_and_numbers_and_dates_as_such(
    client: Client, items: list[Any]
) -> None:
    answer = client.get("/v1/parcels", params={"format": "xlsx"})
    book = openpyxl.load_workbook(io.BytesIO(answer.content), read_only=True)
    assert book.sheetnames == ["Rows", "About"]
    header, *rows = book["Rows"].iter_rows(values_only=True)
    assert list(header) == COLUMNS
    assert [row[0] for row in rows] == [item["id"] for item in items]
    # The standard writes control characters as `_x000D_`; this reader leaves that to its caller.
    assert [unescape(row[1]) for row in rows] == [item["title"] for item in items]
    assert [row[2] for row in rows] == [item["number"] for item in items]
    # A workbook holds numbers to 16 digits.
    weights = [(row[3], item["weight"]) for row, item in zip(rows, items, strict=True)]
    assert all(shown is held is None or shown == pytest.approx(held, rel=1e-14) for shown, held in weights)
    assert [row[4] for row in rows] == [item["sealed"] for item in items]
    assert rows[1][5] == datetime(2026, 1, 2)  # noqa: DTZ001
    about = dict(book["About"].iter_rows(values_only=True))
    assert about == {"computed.at": "2026-01-15", "computed.caveats": CAVEAT}


def test_parquet_has_typed_columns_and_carries_what_the_answer_rests_on(
    client: Client, items: list[Any]
) -> None:
    answer = client.get("/v1/parcels", params={"format": "parquet"})
    frame = pl.read_parquet(answer.content)
    assert frame.columns == COLUMNS
    assert frame.schema["sent"] == pl.Date
    assert frame.schema["seen"] == pl.Datetime("us", "UTC")
    assert frame["id"].to_list() == [item["id"] for item in items]
    assert frame["number"].to_list() == [item["number"] for item in items]
    assert frame["weight"].to_list() == [item["weight"] for item in items]
    assert frame["sent"].to_list() == [
        None if item["sent"] is None else date.fromisoformat(item["sent"]) for item in items
    ]
    assert frame["seen"].to_list() == [datetime.fromisoformat(item["seen"]) for item in items]
    said = pl.read_parquet_metadata(io.BytesIO(answer.content))
    assert json.loads(said["computed"])["caveats"] == [CAVEAT]


def test_geojson_gives_a_feature_for_each_item_without_a_place_where_none_is_known(
    client: Client, items: list[Any]
) -> None:
    made = client.get("/v1/parcels", headers={"Accept": "application/geo+json"}).json()
    assert made["type"] == "FeatureCollection"
    assert made["computed"]["caveats"] == [CAVEAT]
    assert len(made["features"]) == MANY
    assert made["features"][0]["geometry"] is None
    one = made["features"][1]
    assert (one["type"], one["id"]) == ("Feature", "00000001")
    assert one["geometry"] == {"type": "Point", "coordinates": [-2.5, 53.25]}
    assert one["properties"]["maker.name"] == "Ärö"


@pytest.mark.parametrize("format", ["ndjson", "csv", "csv-excel", "xlsx", "parquet", "geojson"])
def test_what_the_answer_rests_on_is_named_in_a_header_and_behind_a_link(client: Client, format: str) -> None:
    answer = client.get("/v1/parcels", params={"format": format, "kind": "b&x"})
    assert json.loads(answer.headers["hedgerow-about"]) == {
        "computed": {"at": "2026-01-15", "caveats": [CAVEAT]}
    }
    described = client.get(answer.links["describedby"]["url"])
    assert described.json()["computed"]["caveats"] == [CAVEAT]
    assert described.url.params["kind"] == "b&x"


def test_with_a_limit_comes_that_page_with_the_address_of_the_next(client: Client) -> None:
    seen, path = [], "/v1/parcels?limit=997&format=csv"
    while path:
        answer = client.get(path)
        seen += [row["id"] for row in read_csv(answer.text)]
        assert answer.headers["etag"]
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == [f"{number:08d}" for number in range(MANY)]


def test_after_a_marker_come_all_the_items_behind_it(client: Client) -> None:
    marker = client.get("/v1/parcels", params={"limit": 10}).json()["next"]
    rows = read_csv(client.get("/v1/parcels", params={"after": marker, "format": "csv"}).text)
    assert [row["id"] for row in rows] == [f"{number:08d}" for number in range(10, MANY)]


@pytest.mark.parametrize("format", ["csv", "csv-excel", "xlsx", "parquet", "ndjson"])
def test_an_empty_list_has_its_headers_and_an_entity_tag(client: Client, format: str) -> None:
    answer = client.get("/v1/makers", params={"format": format})
    assert answer.status_code == 200
    again = client.get(
        "/v1/makers", params={"format": format}, headers={"If-None-Match": answer.headers["etag"]}
    )
    assert again.status_code == 304
    if format == "csv":
        assert answer.text == "id,name\r\n"
    if format == "xlsx":
        rows = list(openpyxl.load_workbook(io.BytesIO(answer.content))["Rows"].values)
        assert rows == [("id", "name")]
    if format == "parquet":
        assert pl.read_parquet(answer.content).columns == ["id", "name"]


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/v1/parcels?format=yaml", {}, 422),
        ("/v1/parcels?format=", {}, 422),
        ("/v1/makers?format=geojson", {}, 406),
        ("/v1/makers", {"Accept": "application/geo+json"}, 406),
        ("/v1/makers", {"Accept": "text/html"}, 406),
        ("/v1/makers", {"Accept": "application/json;q=0"}, 406),
        ("/v1/anything?format=csv", {}, 406),
        ("/v1/one?format=csv", {}, 422),
        ("/v1/one", {"Accept": "text/csv"}, 406),
        ("/v1/parcels?format=csv&limit=0", {}, 422),
        ("/v1/parcels?format=csv&after=nonsense", {}, 422),
        ("/v1/parcels?format=csv&colour=red", {}, 422),
    ],
)
def test_what_cannot_be_given_is_a_problem_that_names_it(
    client: Client, path: str, headers: dict[str, str], status: int
) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize(
    ("accept", "given"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "application/json"),
        ("text/csv", "text/csv; charset=utf-8"),
        ("text/csv, */*", "text/csv; charset=utf-8"),
        ("application/json;q=0.5, text/*", "text/csv; charset=utf-8"),
        ("application/ndjson", "application/x-ndjson"),
        ("application/vnd.apache.parquet, text/csv;q=0.9", "application/vnd.apache.parquet"),
        ("nonsense, application/json;q=x, */*;q=0.1", "application/json"),
    ],
)
def test_the_accept_header_chooses(client: Client, accept: str, given: str) -> None:
    answer = client.get("/v1/makers", headers={"Accept": accept})
    assert answer.headers["content-type"] == given
    assert answer.headers["vary"] == "Accept"


def test_items_without_fixed_fields_come_as_lines(client: Client) -> None:
    assert client.get("/v1/anything?format=ndjson").content == b'{"a":1}\n{"b":[2]}\n'


def test_the_api_document_names_the_formats_of_each_list() -> None:
    document = an_app(0).openapi()

    def said(path: str) -> list[str] | None:
        parameters = document["paths"][path]["get"].get("parameters", [])
        return next((one["schema"]["enum"] for one in parameters if one["name"] == "format"), None)

    assert said("/v1/parcels") == ["json", "ndjson", "csv", "csv-excel", "xlsx", "geojson", "parquet"]
    assert said("/v1/makers") == ["json", "ndjson", "csv", "csv-excel", "xlsx", "parquet"]
    assert said("/v1/anything") == ["json", "ndjson"]
    assert said("/v1/one") is None
    assert "x-list" not in json.dumps(document)
    content = document["paths"]["/v1/makers"]["get"]["responses"]["200"]["content"]
    assert content["text/csv"]["schema"] == content["application/x-ndjson"]["schema"] == {"type": "string"}
    parcels = document["paths"]["/v1/parcels"]["get"]["responses"]["200"]["content"]
    assert parcels["application/geo+json"]["schema"] == {"type": "object"}
    assert content["application/json"]["schema"]["$ref"].endswith("Page_Maker_")


def test_two_runs_give_the_same_bytes(client: Client) -> None:
    for format in ("xlsx", "parquet", "csv-excel", "geojson"):
        path = f"/v1/parcels?limit=200&format={format}"
        assert client.get(path).content == client.get(path).content, format


def test_the_examples_in_the_text_hold() -> None:
    assert doctest.testmod(flat).failed == doctest.testmod(formats).failed == 0


@settings(max_examples=200)
@given(st.lists(st.text(), min_size=1))
def test_joined_cells_can_be_taken_apart_again(parts: list[str]) -> None:
    class Item(BaseModel):
        parts: list[str]

    (cell,) = flat.row({"parts": parts}, flat.columns(Item))
    assert flat.parts(str(cell)) == parts


@settings(max_examples=300)
@given(st.one_of(st.text(), st.from_regex(r"[=+\-@'0-9eE/. ]{1,8}", fullmatch=True)))
def test_what_is_made_harmless_can_be_undone(text: str) -> None:
    shown = harmless(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
    assert shown.removeprefix("'") == text
    assert formats.plain(text) == text


@settings(max_examples=60)
@given(st.lists(st.text(st.characters(blacklist_categories=("Cs",))), max_size=5))
def test_any_text_survives_csv_and_parquet(texts: list[str]) -> None:
    made = formats.Listing.of(paging.Page[Maker])
    assert made is not None
    items = [{"id": str(place), "name": text} for place, text in enumerate(texts)]
    for format in (*formats.EVERYWHERE[2:3], parquet.PARQUET):
        writer = format.writer(made)
        try:
            body = b"".join([*writer.begin({}), *writer.add(items), *writer.end()])
        finally:
            writer.close()
        if format.name == "csv":
            found = [row["name"] for row in read_csv(body.decode())]
        else:
            found = pl.read_parquet(body)["name"].to_list()
        assert found == texts


def test_an_endless_text_and_a_large_number_fit_a_workbook() -> None:
    class Item(BaseModel):
        text: str
        number: int

    writer = sheets.Workbook(flat.columns(Item))
    try:
        writer.begin({})
        writer.add(
            [{"text": "x" * 40_000, "number": 12345678901234567890}, {"text": "\x01\x0b", "number": 1}]
        )
        body = b"".join(writer.end())
    finally:
        writer.close()
    _, first, second = openpyxl.load_workbook(io.BytesIO(body))["Rows"].values
    assert (len(first[0]), first[0][-1], first[1]) == (32_767, "…", "12345678901234567890")
    assert second[1] == 1
