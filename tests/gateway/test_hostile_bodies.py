"""Bodies that no client sends by accident: never a 5xx, always a problem, never an echo."""

import json
from collections.abc import Iterator

import pytest

from tests.gateway.servers import Gateway

GOOD = {"name": "x", "roles": ["reader"], "authorities": ["*"]}
VALUES = [
    "NaN",
    "Infinity",
    "-Infinity",
    "1e400",
    "-1e400",
    "9" * 5000,
    "-" + "9" * 5000,
    "0." + "1" * 5000,
    '"\\ud800"',
    '"\\udfff\\ud800"',
    '"\\u0000"',
    '"a\\u0000b"',
    '"' + "x" * 100_000 + '"',
    "[" * 5000 + "]" * 5000,
    '{"a":' * 2000 + "1" + "}" * 2000,
    "null",
    "true",
    "{}",
    "[]",
    "[[]]",
    "[null]",
    '["\\ud800"]',
    '["\\u0000"]',
    "[1e400]",
    "0",
    "-0.0",
    '{"__proto__": {}}',
    '"<script>canary</script>"',
    '"\'; DROP TABLE api_keys; --canary"',
    '"{{7*7}} ${7*7} canary"',
    '"../../etc/canary"',
    '"=cmd|canary"',
    '"\\u202e canary"',
    '"9999-12-31T23:59:59.999999+99:99"',
    '"0000-00-00T00:00:00Z"',
    '"10000-01-01T00:00:00Z"',
]
WHOLE = [
    b"",
    b" ",
    b"\x00",
    b"nonsense canary",
    b"{",
    b'{"name": "x"',
    b'{"name": "x", "name": "canary", "roles": ["reader"]}',
    b"[]",
    b"null",
    b"5",
    b'"canary"',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"name": "\xff\xfe"}',
    b'{"name": "\xed\xa0\x80"}',
    b"{'name': 'canary'}",
    b'{"name": "x",}',
    b"// canary\n{}",
    b"<?xml version='1.0'?><!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
    b"[" * 100_000,
    b"{" * 100_000,
    b'{"a":' * 100_000,
    b"\x1f\x8b\x08\x00canary",
    json.dumps({f"key{number}": number for number in range(20_000)}).encode(),
    json.dumps(GOOD | {"roles": ["reader"] * 50_000}).encode(),
    json.dumps(GOOD).encode("utf-16"),
    json.dumps(GOOD).encode("utf-32"),
]
KINDS = [
    "application/json",
    "application/json; charset=utf-16",
    "application/json; charset=canary",
    "application/problem+json",
    "text/plain",
    "text/csv",
    "multipart/form-data; boundary=x",
    "application/x-www-form-urlencoded",
    "canary",
    "",
]


def bodies() -> Iterator[tuple[bytes, str]]:
    for field in (*GOOD, "expires_at", "canary"):
        for value in VALUES:
            changed = {name: json.dumps(given) for name, given in GOOD.items()} | {field: value}
            body = "{" + ",".join(f'"{name}": {given}' for name, given in changed.items()) + "}"
            yield body.encode(), "application/json"
    for whole in WHOLE:
        yield whole, "application/json"
    for kind in KINDS:
        for whole in (b"{}", b"canary", b"\x00"):
            yield whole, kind


def test_there_are_bodies_enough() -> None:
    assert len(list(bodies())) >= 200


def test_no_hostile_body_gets_more_than_a_problem(lone: Gateway) -> None:
    made = 0
    for body, kind in bodies():
        answer = lone.client.post("/v1/keys", content=body, headers={"Content-Type": kind})
        if answer.status_code == 201:
            made += 1
            continue
        assert 400 <= answer.status_code < 500, (body[:100], kind, answer.status_code)
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == answer.status_code
        reasons = " ".join(error["reason"] for error in problem.get("errors", []))
        assert "canary" not in problem.get("detail", "") + reasons
    # A name may hold nearly any text.
    assert made <= 12


@pytest.mark.parametrize("sent_length", [True, False])
def test_a_body_over_the_limit_is_a_413(lone: Gateway, sent_length: bool) -> None:
    def parts() -> Iterator[bytes]:
        for _ in range(12):
            yield b"x" * 1_000_000

    content = b"".join(parts()) if sent_length else parts()
    answer = lone.client.post("/v1/keys", content=content, headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize(
    "path", ["/", "/healthz", "/readyz", "/docs", "/openapi.json", "/.well-known/jwks.json"]
)
def test_the_open_routes_take_no_writes(lone: Gateway, method: str, path: str) -> None:
    answer = lone.client.request(method, path, content=b"{}")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == "application/problem+json"
