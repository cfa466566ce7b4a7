"""The boundaries of authorities, attacked: one who acts for one authority asks for all that is another's, and
writes to it, by every operation of each app's API document.

What is another's has to be answered as what is not there, byte for byte.
"""

import json
import random
import re
from itertools import product
from typing import NamedTuple

import pytest

from tests.contracts.boundaries import OURS, THEIRS, WORD, WORLDS, acting, rows, twin
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
QUICK, QUICK_WRITES = 40, 40
NEVER = {"/healthz", "/readyz"}
WRITERS = ("administrator", "commissioner", "system", "coordinator")
# What changes by itself, or by any writing: the count of changes; how far the registry was read, which any
# administrator may have begun anew; a pull, which the app tries again and again; and where the audit ends.
BY_ITSELF = {"change_clock", "feed", "feed_pulls", "audit_head"}
# What nobody may say of what is sent: whose it is, who one is.
CLAIMS = {
    "authority": THEIRS,
    "authority_code": THEIRS,
    "authority_id": THEIRS,
    "authorities": ["*"],
    "role": "administrator",
    "roles": ["administrator"],
}

_MOMENT = re.compile(r'"(publishedDate|at)":"[^"]*"')


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
    """Each operation with each id in each place where a text can stand, in three formats."""
    for method, path, operation in operations(app, reading=True):
        named = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] != "header"}
        needed = {name: known.get(name, "x") for name, one in named.items() if one.get("required")}
        formats = ("json", "csv", "ndjson") if "format" in named and "graph" not in path else (None,)
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
    kind = answer.headers.get("content-type")
    # When it was answered says nothing of what is in it; a PNG says what its SVG does.
    body = "" if kind == "image/png" else _MOMENT.sub("", answer.text)
    seen = {"status": answer.status_code, "type": kind, "body": body}
    if id not in answer.text and body == answer.text:
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


def plain_questions(app, known):
    """Each operation as it comes, and with each word that a parameter of words takes."""
    for method, path, operation in operations(app, reading=True):
        named = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] != "header"}
        needed = {name: known.get(name, "x") for name, one in named.items() if one.get("required")}
        yield question(method, path, named, needed)
        for name, parameter in named.items():
            if name not in SHAPES:
                for word in words_of(parameter["schema"]):
                    yield question(method, path, named, needed | {name: word})


def words_of(schema):
    kinds = [schema, *schema.get("anyOf", ())]
    kinds += [one["items"] for one in kinds if "items" in one]
    return [word for one in kinds for word in one.get("enum", ())]


@pytest.mark.parametrize("app", WORLDS)
def test_no_answer_about_what_is_ours_names_what_is_another_authoritys(app, world):
    client, theirs, _ = world
    nothing = twin(theirs.theirs[0])
    named, answered = 0, 0
    for place, one in enumerate(plain_questions(app, theirs.known)):
        everything = asked(client, one, acting(app, "administrator", "*"), nothing)
        told = asked(client, one, acting(app, READERS[place % len(READERS)], OURS), nothing)
        assert WORD not in re.sub("|".join(theirs.public) or "^$", "", told["body"].lower()), one
        named += WORD in everything["body"].lower()
        answered += told["status"] == "200"
    assert named > 5, "nothing of theirs is told to anybody: asking shows nothing"
    print(f"\n{app}: {answered} answers, {named} of them name what is theirs to who acts for all")


@pytest.mark.parametrize("app", WORLDS)
def test_each_of_the_ids_is_one_that_its_authority_gets_an_answer_about(app, world):
    client, theirs, _ = world
    headers = acting(app, "administrator", THEIRS)
    for id in theirs.theirs:
        assert any(
            asked(client, one, headers, id) != asked(client, swapped(one, id), headers, twin(id))
            for one in questions(app, theirs.known, [id])
        ), f"nothing is told of {id} to anybody: trying it shows nothing"


def bodies(client, app, id):
    """Nothing; claims alone; and what its authority reads under an id, with other words and with claims."""
    yield {}
    yield CLAIMS | {"id": id, "name": "Taken", "title": "Taken"}
    for path, methods in json.loads((ROOT / "services" / app / "openapi.json").read_bytes())["paths"].items():
        if "get" in methods and re.fullmatch(r"/v1/[a-z-]+/{[a-z_]+}", path):
            found = client.get(re.sub(r"{.*}", id, path), headers=acting(app, "administrator", THEIRS))
            if found.status_code == 200:
                seen = found.json()
                inner = seen["rule"] if isinstance(seen.get("rule"), dict) else seen
                yield inner | {"name": "Taken", "title": "Taken"}
                yield inner | CLAIMS | {"name": "Taken", "title": "Taken"}


def files(id):
    """Files of the kinds that could name it, in their columns."""
    yield f"id,name\n{id},Taken\n"
    yield f"kpi,subject,period,value\nwaits,{id},2025-01,1\n{id},{OURS},2025-01,1\n"
    yield f"kpi,subject,period,value\n{id},{THEIRS},2025-01,1\n"
    yield f"scheme,party,kind,period,amount_gbp\n{id},{OURS},invest,2025-26,1\n"
    yield f"network,from,to,type\n{id},ant,bee,referral\n"
    yield f"matrix,from_area,to_site,minutes\n{id},E05000001,n,1\n"
    yield f"id,title,buyer_id,supplier_id,start,end\n{id},Taken,a,b,2025-01-01,2026-01-01\n"


def writings(client, app, world):
    """Each writing operation with each id in each place and each body."""
    sent = {id: list(bodies(client, app, id)) for id in world.theirs}
    for method, path, operation in operations(app, reading=False):
        named = {one["name"]: one for one in operation.get("parameters", ()) if one["in"] != "header"}
        needed = {name: world.known.get(name, "x") for name, one in named.items() if one.get("required")}
        places = sorted(name for name, one in named.items() if one["in"] == "path")
        claimed = {"source": f"{WORD}-source", "authority": THEIRS}
        options = [{}, *({name: value} for name, value in claimed.items() if name in named)]
        for id in world.theirs:
            content = list(files(id)) if path.startswith("/v1/imports/") else sent[id]
            for body, place, option in product(content, places or [None], options):
                filled = needed | option | ({} if place is None else {place: id})
                yield question(method, path, named, filled), body


def write(client, one, body, headers):
    headers = headers | {"If-Match": "*"}
    content, media_type = (
        (body, "text/csv") if isinstance(body, str) else (json.dumps(body), "application/json")
    )
    return client.request(
        one.method,
        one.path,
        params=list(one.parameters),
        content=content.encode(),
        headers=headers | {"Content-Type": media_type},
    )


def assault(app, client, url, chosen):
    before = rows(url)
    taken = 0
    for place, (one, body) in enumerate(chosen):
        answer = write(client, one, body, acting(app, WRITERS[place % len(WRITERS)], OURS))
        assert answer.status_code < 500, f"{one} {body} {answer.text}"
        taken += answer.status_code < 300
    after = rows(url)
    lost = {name: gone for name, held in before.items() if (gone := held - after[name])}
    assert not set(lost) - BY_ITSELF, lost
    return taken


@pytest.mark.parametrize("app", WORLDS)
def test_nothing_of_another_authority_is_changed(app, world):
    client, theirs, url = world
    everything = list(writings(client, app, theirs))
    assault(app, client, url, random.Random(10).sample(everything, QUICK_WRITES))


@pytest.mark.slow
@pytest.mark.parametrize("app", WORLDS)
def test_no_operation_changes_anything_of_another_authority(app, world):
    client, theirs, url = world
    everything = list(writings(client, app, theirs))
    taken = assault(app, client, url, everything)
    print(
        f"\n{app}: {len(everything)} writes, 0 rows of before changed; {taken} wrote something of their own"
    )
