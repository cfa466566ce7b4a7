import json
from datetime import date, datetime
from typing import Annotated

import pytest
from fastapi import FastAPI, Query
from hedgerow_kit import problems, serving
from hedgerow_kit.conditional import etag, require_match
from hedgerow_kit.problems import Conditional, ProblemType
from pydantic import AwareDatetime, BaseModel
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from tests.support.http import running


class Closed(Exception):
    """The service is already closed."""


class Parcel(BaseModel):
    name: str
    weight_kg: float
    labels: list[str] = []


def app() -> FastAPI:
    made = serving.create(
        "Parcels", summary="", errors={Closed: ProblemType(409, "already-closed", "Already closed")}, ready={}
    )
    router = problems.router()

    @router.post("/parcels")
    def post(parcel: Parcel) -> Parcel:
        return parcel

    @router.get("/parcels")
    def get(limit: int = 5) -> dict[str, int]:
        return {"limit": limit}

    @router.get("/sorted")
    def sort(
        by: Annotated[list[str] | None, Query()] = None, of: Annotated[tuple[str, ...], Query()] = ()
    ) -> list[str]:
        return [*(by or []), *of]

    @router.get("/posted")
    def posted(on: date | None = None, since: AwareDatetime | None = None) -> dict[str, str | None]:
        return {"on": on and on.isoformat(), "since": since and since.isoformat()}

    @router.get("/closed")
    def closed() -> None:
        raise Closed

    @router.get("/broken")
    def broken() -> None:
        raise RuntimeError("secret words")

    @router.get("/crowded")
    def crowded() -> None:
        raise PoolTimeoutError("QueuePool limit reached")

    @router.get("/down")
    def down() -> None:
        raise OperationalError("SELECT secret", {}, Exception("locked"))

    named = problems.router(prefix="/parcels")

    @named.put("/{name}")
    def write(name: str, request: Conditional) -> dict[str, str]:
        require_match(request, etag(name))
        return {"name": name}

    @named.get("/{name}")
    def read(name: str) -> dict[str, str]:
        return {"name": name}

    @named.delete("/{name}")
    def remove(name: str) -> dict[str, str]:
        return {"name": name}

    @router.get("/parcels/heaviest")
    def heaviest() -> dict[str, str]:
        return {"name": "piano"}

    @router.post("/parcels/weigh")
    def weigh() -> dict[str, float]:
        return {"weight_kg": 1.5}

    made.include_router(named)
    made.include_router(router)
    return made


@pytest.fixture(scope="module")
def client():
    with running(app()) as made:
        yield made


def is_problem(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["status"] == status
    assert body["type"].startswith("urn:hedgerow:problem:")
    return body


HOSTILE = {
    "lone surrogate": b'{"name": "\\ud800", "weight_kg": 1}',
    "lone surrogate in a key": b'{"\\udfff": 1}',
    "NaN": b'{"name": "a", "weight_kg": NaN}',
    "Infinity": b'{"name": "a", "weight_kg": Infinity}',
    "minus infinity": b'{"name": "a", "weight_kg": -Infinity}',
    "1e400": b'{"name": "a", "weight_kg": 1e400}',
    "NUL escaped": b'{"name": "a\\u0000b", "weight_kg": 1}',
    "NUL in a key": b'{"a\\u0000": 1, "name": "a", "weight_kg": 1}',
    "NUL raw": b'{"name": "a\x00b", "weight_kg": 1}',
    "deep lists": b"[" * 100_000 + b"]" * 100_000,
    "deep objects": b'{"name":' * 50_000 + b"1" + b"}" * 50_000,
    "endless integer": b'{"name": "a", "weight_kg": ' + b"9" * 5_000 + b"}",
    "cut off": b'{"name": "a", ',
    "not UTF-8": b'{"name": "\xff\xfe", "weight_kg": 1}',
    "UTF-16": '{"name": "a", "weight_kg": 1}'.encode("utf-16"),
    "empty": b"",
    "a bare word": b"name",
    "a list": b"[1, 2]",
    "a number": b"12",
    "null": b"null",
    "wrong types": b'{"name": 1, "weight_kg": "x", "labels": {}}',
    "missing": b"{}",
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_hostile_body_is_a_clear_problem_and_never_echoed(client, body):
    answer = client.post("/parcels", content=body, headers={"Content-Type": "application/json"})
    problem = is_problem(answer, answer.status_code)
    assert answer.status_code in (400, 422)
    assert "\x00" not in json.dumps(problem)


def test_duplicate_keys_take_the_last_value_as_the_standard_allows(client):
    answer = client.post(
        "/parcels",
        content=b'{"name": "a", "name": "b", "weight_kg": 1}',
        headers={"Content-Type": "application/json"},
    )
    assert answer.json()["name"] == "b"


@pytest.mark.parametrize("kind", ["text/plain", "application/xml", "application/json; charset=utf-16", ""])
def test_a_body_of_another_media_type_is_refused(client, kind):
    answer = client.post("/parcels", content=b"{}", headers={"Content-Type": kind})
    is_problem(answer, 415)


def test_a_json_body_of_more_than_the_limit_is_refused(client):
    body = json.dumps({"name": "a" * problems.LONGEST_JSON_BODY, "weight_kg": 1})
    is_problem(client.post("/parcels", content=body, headers={"Content-Type": "application/json"}), 413)


def test_a_wrong_value_is_named_by_a_pointer_without_its_value(client):
    body = is_problem(
        client.post("/parcels", json={"name": "a", "weight_kg": "SECRET", "labels": ["x", {}]}), 422
    )
    assert [error["pointer"] for error in body["errors"]] == ["/weight_kg", "/labels/1"]
    assert "SECRET" not in json.dumps(body)


def test_an_unknown_query_parameter_is_named(client):
    body = is_problem(client.get("/parcels?limt=3"), 422)
    assert body["errors"] == [{"parameter": "limt", "reason": "unknown parameter"}]
    assert "limit" in body["detail"]


def test_a_parameter_of_one_value_is_not_given_twice(client):
    for query in ("limit=5&limit=6", "limit=5&limit=5", "limit=&limit=6"):
        body = is_problem(client.get(f"/parcels?{query}"), 422)
        assert body["errors"] == [{"parameter": "limit", "reason": "given more than once: give it once"}]
    assert client.get("/sorted?by=a&by=b&of=c&of=d").json() == ["a", "b", "c", "d"]


def test_a_wrong_query_parameter_is_named(client):
    assert is_problem(client.get("/parcels?limit=x"), 422)["errors"][0]["parameter"] == "limit"


def test_an_error_of_the_app_speaks_its_docstring(client):
    body = is_problem(client.get("/closed"), 409)
    assert body["type"] == "urn:hedgerow:problem:already-closed"
    assert body["detail"] == "The service is already closed."


def test_an_unexpected_error_says_nothing_of_itself(client):
    assert "secret" not in json.dumps(is_problem(client.get("/broken"), 500))


def test_a_database_that_is_away_is_not_an_error_of_ours(client):
    answer = client.get("/down")
    assert "secret" not in json.dumps(is_problem(answer, 503))
    assert answer.headers["retry-after"] == "2"


def test_no_connection_left_is_not_an_error_of_ours(client):
    answer = client.get("/crowded")
    assert "QueuePool" not in json.dumps(is_problem(answer, 503))
    assert answer.headers["retry-after"] == "2"


def test_unknown_paths_and_methods_are_problems(client):
    assert "/openapi.json" in is_problem(client.get("/nowhere"), 404)["detail"]
    is_problem(client.delete("/parcels"), 405)


def test_nul_in_an_address_is_refused(client):
    is_problem(client.get("/parcels%00"), 400)
    is_problem(client.get("/parcels?limit=%00"), 400)


def test_a_problem_without_words_of_its_own_says_its_first_error():
    errors = [{"parameter": "as_of", "reason": "not a day"}, {"pointer": "/name", "reason": "too long."}]
    assert problems.Problem(problems.UNPROCESSABLE, errors=errors[:1]).detail == "as_of: not a day."
    assert (
        problems.Problem(problems.UNPROCESSABLE, errors=errors).detail
        == "as_of: not a day (1 more in errors)."
    )
    assert problems.Problem(problems.UNPROCESSABLE, "Wrong.", errors=errors).detail == "Wrong."


@pytest.mark.parametrize("weight", ['"12"', "true", '"heavy"', "[12]"])
def test_what_is_no_number_in_json_is_not_taken_for_one(client, weight):
    answer = client.post(
        "/parcels",
        content=f'{{"name": "a", "weight_kg": {weight}}}',
        headers={"Content-Type": "application/json"},
    )
    assert is_problem(answer, 422)["errors"][0]["pointer"] == "/weight_kg"


@pytest.mark.parametrize("day", ["0", "0.5", "-1", "1e3", "20240531", " 7 "])
def test_a_bare_number_is_no_day(client, day):
    answer = client.get("/posted", params={"on": day})
    assert is_problem(answer, 422)["errors"] == [
        {"parameter": "on", "reason": "not a day written as 2024-05-31"}
    ]
    assert client.get("/posted", params={"on": "2024-05-31"}).json()["on"] == "2024-05-31"


@pytest.mark.parametrize("moment", ["0", "0.5", "1717113600"])
def test_a_bare_number_is_no_moment(client, moment):
    answer = client.get("/posted", params={"since": moment})
    assert is_problem(answer, 422)["errors"][0]["parameter"] == "since"
    told = client.get("/posted", params={"since": "2024-05-31T00:00:00Z"}).json()["since"]
    assert datetime.fromisoformat(told) == datetime.fromisoformat("2024-05-31T00:00:00Z")


def test_a_method_that_is_not_there_is_told_which_are(client):
    answer = client.request("DELETE", "/parcels")
    is_problem(answer, 405)
    assert answer.headers["allow"] == "GET, HEAD, POST"


def test_a_name_that_has_an_address_of_its_own_is_no_id(client):
    assert client.get("/parcels/heaviest").json() == {"name": "piano"}
    refused = client.put("/parcels/heaviest", headers={"If-Match": "*"})
    is_problem(refused, 405)
    assert refused.headers["allow"] == "GET, HEAD"
    refused = client.get("/parcels/weigh")
    is_problem(refused, 405)
    assert refused.headers["allow"] == "POST"
    assert client.get("/parcels/heavy").json() == {"name": "heavy"}
    assert client.post("/parcels/heavy").headers["allow"] == "DELETE, GET, HEAD, PUT"


def test_who_is_asked_for_a_version_is_told_of_the_header_and_its_refusals():
    operations = app().openapi()["paths"]["/parcels/{name}"]
    assert problems.IF_MATCH in operations["put"]["parameters"]
    assert {"412", "428"} <= set(operations["put"]["responses"])
    assert problems.IF_MATCH not in operations["delete"]["parameters"]
    assert not {"412", "428"} & set(operations["delete"]["responses"])


def test_each_operation_names_what_it_may_refuse():
    document = app().openapi()
    answers = document["paths"]["/parcels"]["post"]["responses"]
    assert {"400", "409", "413", "415", "422", "503"} <= set(answers)
    assert answers["422"] == {"$ref": "#/components/responses/Invalid"}
    assert list(document["components"]["responses"]["Invalid"]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in document["components"]["schemas"]
