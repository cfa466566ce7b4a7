"""Normalised documents against the published HSDS 3.1 schemas, and against the list of fields those know."""

from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import orjson
import pytest
from hedgerow_registry.domain.hsds import normalise
from hedgerow_registry.domain.hsds.shape import ENTITIES, UNMAPPED
from jsonschema import Draft202012Validator, FormatChecker

from tests.registry.service_records import of_version_1, of_version_3

formats = FormatChecker(formats=("uuid", "email"))


@formats.checks("uri")
def _is_uri(value: object) -> bool:
    # The installed checker skips `uri` in silence where its own dependency is missing.
    split = urlsplit(str(value))
    return bool(split.scheme and split.netloc) and " " not in str(value)


@pytest.fixture(scope="module")
def schema(shared: Path) -> dict[str, Any]:
    path = shared / "conformance/schemas/hsds-3.1/schema/compiled/service.json"
    compiled: dict[str, Any] = orjson.loads(path.read_bytes())
    return compiled


def faults(schema: dict[str, Any], document: Any) -> list[str]:
    found = Draft202012Validator(schema, format_checker=formats).iter_errors(document)
    return [f"{error.json_path}: {error.message[:120]}" for error in found]


def unknown_fields(schema: dict[str, Any], document: Any, at: str = "") -> list[str]:
    """Fields that the schema does not name, but for the one place where others are kept."""
    found = []
    for name, value in document.items():
        inner = schema["properties"].get(name)
        if name == UNMAPPED:
            continue
        if inner is None:
            found.append(f"{at}/{name}")
        elif isinstance(value, list):
            for item in value:
                found += unknown_fields(inner["items"], item, f"{at}/{name}")
        elif isinstance(value, dict):
            found += unknown_fields(inner, value, f"{at}/{name}")
    return found


def test_the_fields_we_know_are_those_of_the_standard(shared: Path) -> None:
    folder = shared / "conformance/schemas/hsds-3.1/schema"
    for name, entity in ENTITIES.items():
        published = orjson.loads((folder / f"{name}.json").read_bytes())
        assert set(entity.fields) == set(published["properties"]), name
        needed = set(published["required"]) - {"id"}
        assert needed <= {*entity.required, *entity.needs, "name", "status"}, name


def test_records_of_every_version_become_valid_documents(schema: dict[str, Any]) -> None:
    for record in (
        of_version_1(),
        of_version_3(),
        of_version_1(pc_metadata={"a": [1]}, contacts=["Enquiries"]),
    ):
        document = normalise(record).document

        assert faults(schema, document) == []
        assert unknown_fields(schema, document) == []


def test_published_examples_become_valid_documents(schema: dict[str, Any], shared: Path) -> None:
    conformance = shared / "conformance"
    found = [
        *sorted(conformance.glob("oruk-mocks/*/service_full.json")),
        *sorted(conformance.glob("oruk-mocks/*/service_at_location_full.json")),
        *sorted(conformance.glob("schemas/hsds*/examples/service_full.json")),
    ]
    assert len(found) > 8
    for path in found:
        document = normalise(orjson.loads(path.read_bytes())).document

        assert faults(schema, document) == [], path
        assert unknown_fields(schema, document) == [], path


def test_nothing_of_the_published_examples_is_lost_but_persons(shared: Path) -> None:
    conformance = shared / "conformance"
    for path in [
        *sorted(conformance.glob("oruk-mocks/*/service_full.json")),
        *sorted(conformance.glob("schemas/hsds*/examples/service_full.json")),
    ]:
        record = orjson.loads(path.read_bytes())
        held = {_plainly(leaf) for leaf in _leaves(normalise(record).document)}

        lost = {_plainly(leaf) for leaf in _leaves(record)} - held

        assert lost <= {"Ann Persona", "A. Persona"}, path


def test_bristols_services_become_valid_documents(schema: dict[str, Any], shared: Path) -> None:
    records = orjson.loads((shared / "data/oruk_bristol/services.json").read_bytes())
    broken = {}
    for record in records:
        document = normalise(record, source="bristol").document
        if document.get("name") and (told := faults(schema, document) + unknown_fields(schema, document)):
            broken[record["id"]] = told

    assert broken == {}


def _leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [leaf for inner in value.values() for leaf in _leaves(inner)]
    if isinstance(value, list):
        return [leaf for inner in value for leaf in _leaves(inner)]
    return [] if value is None else [value]


def _plainly(leaf: Any) -> str:
    return " ".join(str(leaf).split())
