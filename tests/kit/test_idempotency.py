"""What is sent twice under one key is done once: over real apps, on both databases."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Annotated

import httpx
import pytest
from hedgerow_kit import problems, serving
from hedgerow_kit.auth import Principal, Verifier, require
from hedgerow_kit.db import Database, Writing
from hedgerow_kit.idempotency import Answering
from sqlalchemy import text

from tests.outcomes.paying import document
from tests.support.apps import made
from tests.support.databases import on_postgresql
from tests.support.http import running
from tests.support.identity import SIGNER, identity

NETWORKS = "/v1/networks"
AREAS = "code,name,level,parent_code,vintage\nE06999001,Skerrow,authority,,2025\n"


@pytest.fixture
def url(made_databases):
    return made_databases.migrated("hedgerow_network")


@pytest.fixture
def app(url):
    return made("network", url)


@pytest.fixture
def client(app):
    with running(app, headers=identity("network")) as made_client:
        yield made_client


def design(client, key, name="Food for Ash", **options):
    headers = {"Idempotency-Key": key, **options.pop("headers", {})}
    return client.post(NETWORKS, json={"name": name}, headers=headers, **options)


def networks(client):
    return [one["id"] for one in client.items(NETWORKS)]


def test_the_second_request_does_nothing_and_gets_the_first_answer(client):
    first, second = design(client, "a"), design(client, "a")
    assert first.status_code == second.status_code == 201, first.text
    assert second.content == first.content
    assert second.headers["location"] == first.headers["location"]
    assert second.headers["etag"] == first.headers["etag"]
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert networks(client) == [first.json()["id"]]


def test_without_a_key_or_with_another_it_is_another_request(client):
    plain = {"name": "Food for Ash"}
    assert client.post(NETWORKS, json=plain).status_code == 201
    assert client.post(NETWORKS, json=plain).status_code == 201
    assert design(client, "a").status_code == design(client, "b").status_code == 201
    assert len(networks(client)) == 4


def test_a_key_used_for_another_body_or_address_is_refused(client):
    assert design(client, "a").status_code == 201
    other = design(client, "a", name="Warmth for Ash")
    assert other.status_code == 422
    assert other.json()["type"] == "urn:hedgerow:problem:idempotency-key-reused"
    assert design(client, "a", params={"note": "x"}).status_code == 422
    assert len(networks(client)) == 1


def test_each_caller_has_keys_of_their_own(client):
    assert design(client, "a").status_code == 201
    principal = Principal("someone else", frozenset({"coordinator"}), frozenset({"*"}))
    other = {"Authorization": f"Bearer {SIGNER.token(principal, audience='network')}"}
    assert design(client, "a", headers=other).status_code == 201
    assert len(networks(client)) == 2


def test_who_shows_less_of_their_rights_is_not_given_what_came_of_more(client):
    """An access token may be good for fewer authorities than the key it was given out for."""

    def acting_for(*codes):
        return identity("network", role="coordinator", authorities=codes)

    wide = design(client, "b", headers=acting_for("*"))
    narrow = design(client, "b", headers=acting_for("E06999001"))
    assert (wide.status_code, narrow.status_code) == (201, 422)
    assert narrow.json()["type"] == "urn:hedgerow:problem:idempotency-key-reused"


def test_what_is_refused_leaves_the_key_free(client):
    refused = client.post(NETWORKS, json={"name": ""}, headers={"Idempotency-Key": "a"})
    assert refused.status_code == 422
    assert refused.json()["type"] != "urn:hedgerow:problem:idempotency-key-reused"
    assert design(client, "a").status_code == 201


@pytest.mark.parametrize("key", ["", "x" * 256, "a\tb"])
def test_what_is_no_key_is_said(client, key):
    answer = design(client, key)
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["parameter"] == "Idempotency-Key"
    assert networks(client) == []


def test_after_a_day_a_key_is_forgotten(client, app, url):
    first = design(client, "a")
    tomorrow = datetime.now(UTC) + timedelta(hours=25)
    app.state.answering = Answering(app.state.database, now=lambda: tomorrow)
    second = design(client, "a", name="Warmth for Ash")
    assert second.status_code == 201
    assert second.json()["id"] != first.json()["id"]


def test_what_is_kept_cannot_be_read_without_the_key(client, url):
    name = design(client, "a").json()["name"]
    with Database(url).reading() as session:
        (kept,) = session.execute(text("SELECT * FROM answers_kept")).all()
    assert name.encode() not in b"".join(str(one).encode() if isinstance(one, str) else b"" for one in kept)
    assert not any(name.encode() in bytes(one) for one in kept if isinstance(one, bytes | memoryview))


def at_once(app, rounds, each=50):
    """So many rounds of requests that come at the same time with one key; the answers of each round."""

    async def race():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        base = {"base_url": "http://hedgerow.test", "timeout": 60}
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, **base) as client:
            body = {"name": "Food"}
            answers = []
            for number in range(rounds):
                # An identity does not live as long as a thousand rounds.
                client.headers = identity("network")
                headers = {"Idempotency-Key": f"race {number}"}
                asked = [client.post(NETWORKS, json=body, headers=headers) for _ in range(each)]
                answers.append(await asyncio.gather(*asked))
            listed, after = [], None
            while True:
                page = (await client.get(NETWORKS, params={"after": after} if after else {})).json()
                listed += page["items"]
                after = page["next"]
                if after is None:
                    return answers, [one["id"] for one in listed]

    return asyncio.run(race())


def one_effect_each(answers, listed):
    for answers_of_round in answers:
        made_once = Counter(answer.json()["id"] for answer in answers_of_round if answer.status_code == 201)
        assert len(made_once) == 1
        assert {answer.status_code for answer in answers_of_round} <= {201, 409}
        assert all(answer.headers["retry-after"] for answer in answers_of_round if answer.status_code == 409)
    assert len(listed) == len(set(listed)) == len(answers)


def test_of_fifty_at_once_one_is_done(app):
    one_effect_each(*at_once(app, rounds=5))


@pytest.mark.slow
def test_of_fifty_at_once_one_is_done_a_thousand_times(app):
    one_effect_each(*at_once(app, rounds=1000))


def over(app, work):
    """What comes of some work with a client of the app, all within one loop."""

    async def run():
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        base = {"base_url": "http://hedgerow.test", "timeout": 60, "headers": identity("network")}
        async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, **base) as client:
            return await work(client)

    return asyncio.run(run())


def test_bodies_that_do_not_come_hold_nothing_that_others_need(app):
    """The one writer of SQLite, the connections to PostgreSQL: nobody has them who is waited for."""

    async def work(client):
        comes = asyncio.Event()

        async def late():
            await comes.wait()
            yield b'{"name": "Food"}'

        def sent(number, path):
            headers = {"Idempotency-Key": f"late {number}", "Content-Type": "application/json"}
            return asyncio.create_task(client.post(path, content=late(), headers=headers))

        waiting = [sent(number, f"{NETWORKS[:3]}/projection/rebuild") for number in range(40)]
        waiting += [sent(f"design {number}", NETWORKS) for number in range(40)]
        await asyncio.sleep(0.5)
        async with asyncio.timeout(10):
            others = [await client.post(NETWORKS, json={"name": "Food"}), await client.get(NETWORKS)]
        comes.set()
        return [answer.status_code for answer in (*others, *await asyncio.gather(*waiting))]

    assert over(app, work) == [201, 200, *[202] * 40, *[201] * 40]


def test_many_keys_at_once_find_connections_for_all(app):
    async def work(client):
        async with asyncio.timeout(25):
            return await asyncio.gather(
                *(
                    client.post(NETWORKS, json={"name": "Food"}, headers={"Idempotency-Key": f"{n}"})
                    for n in range(120)
                )
            )

    assert Counter(answer.status_code for answer in over(app, work)) == {201: 120}


def test_many_keyed_questions_that_read_at_once_find_connections_for_all(made_databases):
    app = made("outcomes", made_databases.migrated("hedgerow_outcomes"))
    rule = document({"id": "core", "kind": "block", "monthly": "1000"})

    async def work(client):
        client.headers = identity("outcomes")
        async with asyncio.timeout(25):
            return await asyncio.gather(
                *(
                    client.post("/v1/payment-rules/lint", json=rule, headers={"Idempotency-Key": f"{n}"})
                    for n in range(120)
                )
            )

    assert Counter(answer.status_code for answer in over(app, work)) == {200: 120}


def test_a_long_answer_is_kept_as_well(url):
    """Whatever came of a request, sent again it is not done again."""
    app, done = serving.create("Long", summary="", errors={}, ready={}), []
    router = problems.router()

    @router.post("/long")
    def long(session: Writing, principal: Annotated[Principal, require("write")]) -> dict[str, str]:
        done.append(principal.subject)
        return {"text": "x" * 3_000_000}

    app.include_router(router)
    app.state.database = Database(url)
    app.state.answering = Answering(app.state.database)
    app.state.verifier = Verifier(SIGNER.jwks, audience="network")
    with running(app, headers=identity("network")) as client:
        first, second = (client.post("/long", headers={"Idempotency-Key": "a"}) for _ in range(2))
    assert (first.status_code, first.content) == (200, second.content)
    assert second.headers["idempotency-replayed"] == "true"
    assert done == ["tester"]


@on_postgresql
def test_several_processes_do_it_once(url):
    """Two apps on one database stand for two processes: they share nothing in memory. SQLite has one."""
    apps = [made("network", url) for _ in range(2)]

    async def race():
        clients = [
            httpx.AsyncClient(
                transport=httpx.ASGITransport(app),
                base_url="http://hedgerow.test",
                headers=identity("network"),
            )
            for app in apps
        ]
        body = {"name": "Food"}
        found = []
        for number in range(10):
            key = {"Idempotency-Key": f"race {number}"}
            found.append(
                await asyncio.gather(
                    *(clients[turn % 2].post(NETWORKS, json=body, headers=key) for turn in range(8))
                )
            )
        return found

    rounds = asyncio.run(race())
    for answers in rounds:
        assert len({answer.json()["id"] for answer in answers if answer.status_code == 201}) == 1
    with Database(url).reading() as session:
        assert session.execute(text("SELECT count(*) FROM networks")).scalar() == len(rounds)


def test_an_import_sent_again_under_its_key_is_the_same_import(made_databases):
    app = made("registry", made_databases.migrated("hedgerow_registry"))
    with running(app, headers=identity("registry")) as client:

        def send(content):
            headers = {"Content-Type": "text/csv", "Idempotency-Key": "nightly"}
            return client.post("/v1/imports/areas", content=content, headers=headers)

        first, second = send(AREAS), send(AREAS)
        assert second.json() == first.json()
        assert second.headers["idempotency-replayed"] == "true"
        assert send(AREAS + "E05999001,Quay,ward,E06999001,2025\n").status_code == 422
        assert len(client.items("/v1/imports")) == 1
        assert len(client.items("/v1/areas")) == 1


def test_every_post_of_a_caller_tells_of_the_key(app):
    for path, methods in app.openapi()["paths"].items():
        if "post" in methods:
            names = [parameter["name"] for parameter in methods["post"]["parameters"]]
            assert names.count("Idempotency-Key") == 1, path
