"""A change that would break an integrator is found, and one that would not is let through."""

import copy
import json

import pytest

from tests.contracts.promises import breaks
from tests.support.platform import ROOT

APPS = ("registry", "network", "outcomes", "gateway")
ITEM = {
    "type": "object",
    "required": ["id", "level"],
    "properties": {
        "id": {"type": "string"},
        "level": {"enum": ["ward", "authority"], "type": "string"},
        "count": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "parent": {"$ref": "#/components/schemas/Item"},
    },
}
DOCUMENT = {
    "openapi": "3.1.0",
    "paths": {
        "/v1/items": {
            "get": {
                "parameters": [
                    {
                        "in": "query",
                        "name": "level",
                        "schema": {"enum": ["ward", "authority"], "type": "string"},
                    },
                    {"in": "query", "name": "limit", "schema": {"type": "integer"}},
                ],
                "responses": {
                    "200": {
                        "content": {
                            "application/json": {
                                "schema": {"type": "array", "items": {"$ref": "#/components/schemas/Item"}}
                            },
                            "text/csv": {},
                        }
                    }
                },
            },
            "post": {
                "requestBody": {
                    "content": {"application/json": {"schema": {"$ref": "#/components/schemas/New"}}}
                },
                "responses": {"201": {}},
            },
        }
    },
    "components": {"schemas": {"Item": ITEM, "New": {**ITEM, "required": ["id"]}}},
}
GET = ("paths", "/v1/items", "get")
POST = ("paths", "/v1/items", "post")
SHOWN = ("components", "schemas", "Item")
SENT = ("components", "schemas", "New")


def changed(*path, value=None):
    """The document with one thing taken away, or put there."""
    document = copy.deepcopy(DOCUMENT)
    node = document
    for step in path[:-1]:
        node = node[step]
    if value is None:
        del node[path[-1]]
    else:
        node[path[-1]] = value
    return document


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (changed("paths", "/v1/items"), "GET /v1/items: taken away"),
        (changed(*POST), "POST /v1/items: taken away"),
        (changed(*GET, "parameters", 1), "query parameter limit: taken away"),
        (changed(*GET, "parameters", 1, "required", value=True), "query parameter limit: must be sent now"),
        (
            changed(*GET, "parameters", 1, "schema", "type", value="string"),
            "limit: takes string, took integer",
        ),
        (
            changed(*GET, "parameters", 0, "schema", "enum", value=["ward"]),
            "level: no longer takes authority",
        ),
        (changed(*GET, "responses", "200", "content", "text/csv"), "answer 200 text/csv: taken away"),
        (changed(*GET, "responses", "200"), "answer 200: taken away"),
        (changed(*SHOWN, "properties", "count"), "answer 200[]/count: taken away"),
        (changed(*SHOWN, "required", value=["id"]), "answer 200[]/level: may be missing now"),
        (
            changed(*SHOWN, "properties", "id", "type", value="integer"),
            "answer 200[]/id: is integer, was string",
        ),
        (
            changed(*SHOWN, "properties", "id", value={"anyOf": [{"type": "string"}, {"type": "null"}]}),
            "answer 200[]/id: is null, string, was string",
        ),
        (changed(*SENT, "properties", "count"), "body application/json/count: no longer taken"),
        (changed(*SENT, "required", value=["id", "count"]), "body application/json/count: must be sent now"),
        (
            changed(*SENT, "properties", "count", value={"type": "integer"}),
            "count: takes integer, took integer, null",
        ),
        (changed(*POST, "requestBody", "required", value=True), "body: must be sent now"),
        (
            changed(*POST, "requestBody", "content", value={"text/csv": {}}),
            "body application/json: no longer taken",
        ),
    ],
)
def test_a_broken_promise_is_found_and_its_place_is_named(document, said):
    assert any(said in one for one in breaks(DOCUMENT, document)), breaks(DOCUMENT, document)


@pytest.mark.parametrize(
    "document",
    [
        DOCUMENT,
        changed("paths", "/v1/more", value={"get": {"responses": {}}}),
        changed(*GET, "parameters", 1, "schema", value={"anyOf": [{"type": "integer"}, {"type": "string"}]}),
        changed(*GET, "parameters", 0, "schema", "enum", value=["ward", "authority", "lsoa"]),
        changed(*SHOWN, "properties", "more", value={"type": "string"}),
        changed(*SENT, "properties", "more", value={"type": "string"}),
        changed(*SENT, "required", value=[]),
    ],
)
def test_what_only_adds_breaks_nothing(document):
    assert breaks(DOCUMENT, document) == []


@pytest.mark.parametrize("app", APPS)
def test_in_a_real_document_each_operation_that_goes_is_missed(app):
    committed = json.loads((ROOT / "services" / app / "openapi.json").read_bytes())
    for path in list(committed["paths"]):
        without = {
            **committed,
            "paths": {name: item for name, item in committed["paths"].items() if name != path},
        }
        found = breaks(committed, without)
        assert found
        assert all(f" {path}: taken away" in one for one in found)
