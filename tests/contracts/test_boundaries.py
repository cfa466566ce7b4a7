"""The boundaries of authorities, attacked: one who acts for one authority asks for all that is another's, and
writes to it, by every operation of each app's API document.

What is another's has to be answered as what is not there, byte for byte.
"""

import json
import random
from itertools import product
from typing import NamedTuple

import pytest

from tests.contracts.boundaries import OURS, THEIRS, WORD, WORLDS, acting, twin
from tests.support import apps
from tests.support.http import running
from tests.support.platform import ROOT

READERS = ("administrator", "reader", "commissioner", "system")
# What says when, how much, in which order or in which shape, and names nothing.
SHAPES = {
    "format",
    "after",
    "limit",
    "rows",
    "as_of",
    "at",
    "from",
    "to",
    "on",
    "until",
    "mark",
    "open",
    "types",
}
QUICK, QUICK_WRITES = 60, 60
NEVER = {"/healthz", "/readyz"}


class Question(NamedTuple):
    method: str
    path: str
    parameters: tuple[tuple[str, str], ...]
    media_type: str | None = None


def operations(app, *, reading):
    document = json.loads((ROOT / "services" / app / "openapi.json").read_bytes())
    for path, methods in sorted(document["paths"].items()):
        for method, operation in sorted(methods.items()):
            if path not in NEVER and (method == "get") is reading:
                yield method.upper(), path, operation


def takes_text(parameter):
    schema = parameter["schema"]
    kinds = [schema, *schema.get("anyOf", ())]
    kinds += [one["items"] for one in kinds if "items" in one]
    return any(one.get("type") == "string" and "enum" not in one for one in kinds)


def questions(app, known, ids):
    """Each operation with each id in each place where a text can stand, in two formats."""
    for method, path, operation in operations(app, reading=True):
        named = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] != "header"}
        needed = {name: known.get(name, "x") for name, one in named.items() if one.get("required")}
        formats = ("json", "csv") if "format" in named and "graph" not in path else (None,)
        for place in sorted(name for name, one in named.items() if name not in SHAPES and takes_text(one)):
            for id, format in product(ids, formats):
                filled = needed | {place: id} | ({} if format is None else {"format": format})
                yield question(method, path, named, filled)


def question(method, path, named, filled, media_type=None):
    rest = []
    for name, value in filled.items():
        if named[name]["in"] == "path":
            path = path.replace(f"{{{name}}}", value.replace(":", "%3A"))
        else:
            rest.append((name, value))
    return Question(method, path, tuple(rest), media_type)


def asked(client, question, headers, id):
    """What there is to see of an answer, the id aside."""
    answer = client.request(question.method, question.path, params=list(question.parameters), headers=headers)
    assert answer.status_code < 500, f"{question} {answer.text}"
    seen = {"status": answer.status_code, "type": answer.headers.get("content-type"), "body": answer.text}
    if id not in answer.text:
        seen["etag"] = answer.headers.get("etag")
    spelled = id.replace(":", "%3A")
    return {name: str(value).replace(id, "?").replace(spelled, "?") for name, value in seen.items()}


def swapped(one, id):
    """The same question about an id that nothing has."""
    other = twin(id)
    spelled = id.replace(":", "%3A"), other.replace(":", "%3A")
    parameters = tuple((name, other if value == id else value) for name, value in one.parameters)
    return one._replace(path=one.path.replace(*spelled), parameters=parameters)


@pytest.fixture
def world(app, made_databases):
    url = made_databases.migrated(f"hedgerow_{app}")
    with running(apps.made(app, url)) as client:
        yield client, WORLDS[app](client, url), url


def pairs(app, world):
    return [(id, one) for id in world.theirs for one in questions(app, world.known, [id])]


def attack(app, client, world, chosen):
    for place, (id, one) in enumerate(chosen):
        headers = acting(app, READERS[place % len(READERS)], OURS)
        told = asked(client, one, headers, id)
        expected = asked(client, swapped(one, id), headers, twin(id))
        assert told == expected, f"{one} tells of {id}"
        assert WORD not in told["body"].lower().replace(f"{WORD}-source", ""), one


@pytest.mark.parametrize("app", WORLDS)
def test_what_is_another_authoritys_is_answered_as_what_is_not_there(app, world):
    client, theirs, _ = world
    everything = pairs(app, theirs)
    attack(app, client, theirs, random.Random(8).sample(everything, QUICK))


@pytest.mark.slow
@pytest.mark.parametrize("app", WORLDS)
def test_every_operation_tells_nothing_of_anything_of_another_authority(app, world):
    client, theirs, _ = world
    everything = pairs(app, theirs)
    attack(app, client, theirs, everything)
    print(f"\n{app}: {len(everything)} pairs of operation and id, 0 rows, 0 hints")


@pytest.mark.parametrize("app", WORLDS)
def test_each_of_the_ids_is_one_that_its_authority_gets_an_answer_about(app, world):
    client, theirs, _ = world
    headers = acting(app, "administrator", THEIRS)
    for id in theirs.theirs:
        assert any(
            asked(client, one, headers, id) != asked(client, swapped(one, id), headers, twin(id))
            for one in questions(app, theirs.known, [id])
        ), f"nothing is told of {id} to anybody: trying it shows nothing"
