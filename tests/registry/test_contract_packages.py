import json
from uuid import UUID

import orjson
import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from jsonschema import Draft4Validator, FormatChecker
from referencing import Registry, Resource

from tests.registry.files import counts, fill, send
from tests.registry.releases import (
    JSON,
    award,
    gbp,
    release,
    send_releases,
    tender,
)
from tests.registry.test_contracts_api import ID, PLAN, full, plan, put
from tests.support.http import running
from tests.support.identity import SIGNER, identity


@pytest.fixture
def other(made_databases):
    """A second registry, empty."""
    database = Database(made_databases.migrated("hedgerow_registry"))
    app = create_app(Settings(), database, verifier=Verifier(SIGNER.jwks, audience="registry"))
    with running(app, headers=identity("registry")) as client:
        yield client
    database.dispose()


def exported(client, path="/v1/contracts.ocds", **params):
    answer = client.get(path, params=params)
    assert answer.status_code == 200, answer.text
    return orjson.loads(answer.content)


def stray():
    """A release with much that strays from the standard."""
    return release(
        "ocds-stray",
        tender=tender(
            id=7,
            status="Complete",
            procurementMethod="by magic",
            value={"amount": "£120,000", "currency": "gbp"},
            items=[{"description": "no id"}, {"id": 2, "classification": "CPV"}],
            documents={"title": "one alone", "url": "www.example.org/a b"},
            tenderPeriod={"startDate": "2024-10-01", "endDate": "soon", "durationInDays": "30"},
            hasEnquiries="no",
            milestones=[None],
            minValue=5,
        ),
        awards=[award(date="2025-02-01", amendments=[{"id": 1, "date": "x"}], items=[])],
        contracts=[{"id": 1, "status": "Running", "dateSigned": "01/02/2025", "implementation": {}}],
        relatedProcesses=[{"id": None, "relationship": "prior", "identifier": 12}],
        planning={"budget": {"amount": 5, "uri": "not a uri"}},
        language=None,
    )


def filled(client):
    fill(client)
    put(client, ID, full(client))
    client.put(f"/v1/pipeline/{PLAN}", json=plan(client))
    send_releases(
        client,
        stray(),
        release(tender=tender(lots=[{"id": "1", "value": gbp(5)}]), awards=[award()]),
        release(id="r2", date="2025-03-03", awards=[{"id": "a1", "value": gbp(7)}]),
    )


@pytest.fixture(scope="session")
def schemas(shared):
    folder = shared / "conformance/schemas/ocds-1.1/schema"
    made = {
        name: json.loads((folder / f"{name}-schema.json").read_text())
        for name in ("release", "record-package")
    }
    made["release-package"] = json.loads((folder / "release-package-schema.json").read_text())
    resources = [(schema["id"], Resource.from_contents(schema)) for schema in made.values()]
    resources.append(
        (
            "https://standard.open-contracting.org/schema/1__1__5/release-schema.json",
            Resource.from_contents(made["release"]),
        )
    )
    registry = Registry().with_resources(resources)
    return {
        name: Draft4Validator(schema, registry=registry, format_checker=FormatChecker(["date-time", "uri"]))
        for name, schema in made.items()
    }


def faults(validator, document):
    return [
        f"{'/'.join(map(str, error.absolute_path))}: {error.message[:200]}"
        for error in validator.iter_errors(document)
    ]


KNOWN = {
    # Fields of published extensions, and Hedgerow's own.
    *("bids", "hedgerow", "lots", "otherRequirements", "communication", "classification", "datePublished"),
    *("suppliers", "finance", "relatedLots", "relatedBids", "subcontracting", "hasSubcontracting"),
}


def unknown_fields(schema, document, kind="release"):
    """Fields of the main sections that neither the standard nor an extension has."""
    found = set(document) - set(schema["properties"]) - KNOWN
    for section, name in (("tender", "Tender"), ("planning", "Planning")):
        known = schema["definitions"][name]["properties"]
        found |= set(document.get(section, {})) - set(known) - KNOWN
    for section, name in (("awards", "Award"), ("contracts", "Contract"), ("parties", "Organization")):
        for one in document.get(section, []):
            found |= set(one) - set(schema["definitions"][name]["properties"]) - KNOWN
    return found


def test_every_exported_release_and_record_is_valid(registry, schemas):
    filled(registry)
    assert len(faults(schemas["release"], stray())) > 10, "what was sent is not"
    releases = exported(registry)
    assert len(releases["releases"]) == 5
    assert faults(schemas["release-package"], releases) == []
    for one in releases["releases"]:
        assert faults(schemas["release"], one) == []
        assert unknown_fields(schemas["release"].schema, one) == set()
    records = exported(registry, package="records")
    assert len(records["records"]) == 4
    assert faults(schemas["record-package"], records) == []
    for one in records["records"]:
        assert faults(schemas["release"], one["compiledRelease"]) == []


def test_real_releases_are_exported_valid(registry, schemas, shared):
    content = (shared / "data/ocds_uk/england_contracts_finder.json").read_bytes()
    send(registry, "ocds", content, media_type=JSON, source="contracts-finder")
    package = exported(registry, package="records")
    assert sum(len(one["releases"]) for one in package["records"]) == 200
    assert faults(schemas["record-package"], package) == []


def state(client):
    """All that is told of contracts and plans, without when it was written and by which import."""

    def said(value):
        left_out = ("first_import_id", "last_import_id", "updated_at", "source")
        return {name: part for name, part in value.items() if name not in left_out}

    contracts = [
        said(client.get(f"/v1/contracts/{one['id']}").json()) for one in client.items("/v1/contracts")
    ]
    return contracts, [said(one) for one in client.items("/v1/pipeline")]


@pytest.mark.parametrize("package", ["releases", "records"])
def test_what_is_exported_and_imported_elsewhere_is_the_same(registry, other, package):
    filled(registry)
    sent = {
        source: registry.get("/v1/contracts.ocds", params={"package": package, "source": source}).content
        for source in ("ocds", "default")
    }
    fill(other)
    for source, content in sent.items():
        made = send(other, "ocds", content, media_type=JSON, source=source)
        assert counts(made)[1:] == (0, 0, 0)
    assert state(other) == state(registry)
    assert exported(other, package=package)[package] == exported(registry, package=package)[package]
    again = send(registry, "ocds", sent["ocds"], media_type=JSON, source="ocds")
    assert counts(again)[0] == 0 == counts(again)[1]


def test_a_contract_is_exported_alone(registry):
    filled(registry)
    record = exported(registry, f"/v1/contracts/{ID}/ocds")["records"][0]
    assert record["ocid"] == f"hedgerow-{ID}"
    assert record["compiledRelease"]["contracts"][0]["id"] == ID
    releases = exported(registry, f"/v1/contracts/{ID}/ocds", package="releases")["releases"]
    assert releases == record["releases"]
    assert registry.get(f"/v1/contracts/{UUID(int=9, version=4)}/ocds").status_code == 404


def amounts(value):
    if isinstance(value, dict):
        own = [value["amount"]] if isinstance(value.get("amount"), int | float) else []
        return own + [found for part in value.values() for found in amounts(part)]
    return [found for part in value for found in amounts(part)] if isinstance(value, list) else []


def test_an_export_holds_amounts_for_those_alone_who_may_see_money(registry, schemas):
    filled(registry)
    assert len(amounts(exported(registry))) > 5
    registry.headers.update(identity("registry", role="reader"))
    package = exported(registry)
    assert amounts(package) == []
    assert faults(schemas["release-package"], package) == []


def test_what_was_not_published_is_not_exported_to_others(registry):
    hidden = release(tender=tender(title="A secret"), awards=[award()], hedgerow={"published": False})
    shown = release(
        id="r2", date="2025-05-01", tender=tender(), awards=[award()], hedgerow={"published": True}
    )
    never = release("ocds-2", awards=[award()], hedgerow={"published": False})
    send_releases(registry, hidden, shown, never, source="mine", authority="E06999001")
    for authority, ids in (("E06999001", ["r1", "r1", "r2"]), ("E06999002", ["r2"])):
        registry.headers.update(identity("registry", role="reader", authorities=(authority,)))
        package = exported(registry)
        assert sorted(one["id"] for one in package["releases"]) == ids
        assert ("A secret" in str(package)) is (len(ids) > 1)


def test_an_export_is_narrowed_like_a_list(registry):
    filled(registry)
    assert {one["ocid"] for one in exported(registry, ocid="ocds-test-1")["releases"]} == {"ocds-test-1"}
    assert len(exported(registry, need="food")["releases"]) == 2
    assert exported(registry, source="nobody")["releases"] == []


def test_our_merging_rules_are_the_standards(schemas):
    from ocdsmerge.rules import get_merge_rules

    for path, rule in get_merge_rules(schemas["release"].schema).items():
        if rule == "omitWhenMerged":
            assert path in {("id",), ("date",), ("tag",)}
        else:
            last = path[-1]
            assert last in {"additionalIdentifiers", "additionalClassifications", "changes"} or _is_plain(
                schemas["release"].schema, path
            ), path


def _is_plain(schema, path):
    """Whether a list holds texts, which any merge replaces whole."""
    node = schema
    for name in path:
        node = node.get("items", node)
        node = schema["definitions"][node["$ref"].rpartition("/")[2]] if "$ref" in node else node
        node = node["properties"][name]
    return node["items"].get("type") == "string"
