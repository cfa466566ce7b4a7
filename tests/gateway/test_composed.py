"""Answers composed of several apps' answers, when an app is down, refuses, or sends elsewhere."""

import asyncio
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hedgerow_gateway.domain.routes import ANALYSIS

from tests.gateway.servers import App, Gateway, gateway, raw_server, reply, serving

OVERVIEW = "/v1/localities/E06999001/overview"
OF_NETWORK = {"summary", "gaps", "overlaps", "fragility", "networks"}


def answers(app: App, word: str, status: int, body: dict[str, Any], *headers: tuple[bytes, bytes]) -> None:
    """Let an app answer this to every path that ends with a word."""

    async def answer(scope: Any, receive: Any, send: Any) -> None:
        await reply(
            send, status, json.dumps(body).encode(), (*headers, (b"content-type", b"application/json"))
        )

    app.answers[word] = answer


def test_parts_of_an_app_that_is_down_are_named_and_the_others_are_there(tmp_path: Path, app: App) -> None:
    with serving(app) as address, gateway(tmp_path, registry_url=address, outcomes_url=address) as made:
        answer = made.client.get(OVERVIEW)
    assert answer.status_code == 200
    whole = answer.json()
    assert {missing["part"] for missing in whole["missing"]} == OF_NETWORK
    assert {missing["app"] for missing in whole["missing"]} == {"network"}
    assert all(whole[part] is None for part in OF_NETWORK)
    assert whole["area"] == whole["kpis"] == whole["breaches"] == whole["pipeline"] == {}


def test_with_every_app_down_there_is_no_answer(lone: Gateway) -> None:
    answer = lone.client.get(OVERVIEW)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) >= 1


def test_one_tag_stands_for_the_whole(behind: Gateway, app: App) -> None:
    tag = behind.client.get(OVERVIEW).headers["etag"]
    assert behind.client.get(OVERVIEW, headers={"If-None-Match": tag}).status_code == 304
    answers(app, "breaches", 200, {"items": ["new"]})
    changed = behind.client.get(OVERVIEW, headers={"If-None-Match": tag})
    assert changed.status_code == 200
    assert changed.json()["breaches"] == {"items": ["new"]}


def test_the_parts_are_asked_for_side_by_side(behind: Gateway, app: App) -> None:
    async def slow(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.sleep(1.5)
        await reply(send, 200, b"{}")

    for word in ("summary", "gaps", "overlaps", "fragility", "latest", "breaches"):
        app.answers[word] = slow
    began = time.monotonic()
    assert behind.client.get(OVERVIEW).status_code == 200
    assert time.monotonic() - began < 6  # one after another they take nine seconds


def test_many_overviews_leave_an_app_room_for_others(tmp_path: Path, app: App) -> None:
    under_way = most = 0

    async def slow(scope: Any, receive: Any, send: Any) -> None:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.3)
        under_way -= 1
        await reply(send, 200, b"{}")

    for word in ("summary", "gaps", "overlaps", "fragility", "networks"):
        app.answers[word] = slow
    other = App()
    with (
        serving(app) as network,
        serving(other) as rest,
        gateway(tmp_path, registry_url=rest, network_url=network, outcomes_url=rest) as made,
        ThreadPoolExecutor(10) as pool,
    ):
        answered = list(pool.map(lambda _: made.client.get(OVERVIEW), range(10)))
    assert [answer.json()["missing"] for answer in answered] == [[]] * 10
    assert ANALYSIS.at_once / 2 <= most <= ANALYSIS.at_once


def test_an_app_that_does_not_answer_is_left_alone_by_the_overview_too(tmp_path: Path, app: App) -> None:
    with (
        raw_server(lambda connection: connection.shutdown(socket.SHUT_RDWR)) as (network, heads),
        serving(app) as rest,
        gateway(tmp_path, registry_url=rest, network_url=network, outcomes_url=rest) as made,
    ):
        assert len(made.client.get(OVERVIEW).json()["missing"]) == len(OF_NETWORK)
        heads.clear()
        missing = made.client.get(OVERVIEW).json()["missing"]
        assert {part["reason"] for part in missing} == {"The network app does not answer at the moment."}
        assert not [head for head in heads if b"/v1/" in head]
        assert made.client.get("/v1/relations").status_code == 503


def test_what_the_question_gets_wrong_is_told_as_the_app_told_it(behind: Gateway, app: App) -> None:
    errors = [{"parameter": "rule", "reason": "not a rule"}]
    answers(app, "gaps", 422, {"detail": "rule: not a rule.", "errors": errors})
    answer = behind.client.get(OVERVIEW, params={"rule": "nearby"})
    assert answer.status_code == 422
    assert answer.json()["errors"] == errors


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_part_that_is_refused_is_missing_and_the_rest_is_there(
    behind: Gateway, app: App, status: int
) -> None:
    answers(app, "contracts", status, {"detail": "secret"})
    answer = behind.client.get("/v1/organisations/abc/profile")
    assert answer.status_code == 200
    (missing,) = answer.json()["missing"]
    assert missing["part"] == "contracts"
    assert "secret" not in answer.text
    assert answer.json()["services"] == {}


def test_a_profile_of_nobody_is_not_found(behind: Gateway, app: App) -> None:
    answers(app, "abc", 404, {"title": "Not found"})
    answer = behind.client.get("/v1/organisations/abc/profile")
    assert answer.status_code == 404
    assert answer.json() == {"type": "urn:hedgerow:problem:not-found", "title": "Not found", "status": 404}


def test_the_profile_of_a_merged_organisation_is_that_of_who_answers_for_it(
    behind: Gateway, app: App
) -> None:
    answers(app, "old", 308, {"title": "Merged"}, (b"location", b"/v1/organisations/new"))
    answer = behind.client.get("/v1/organisations/old/profile")
    assert answer.status_code == 308
    assert answer.headers["location"] == "/v1/organisations/new/profile"


def test_what_is_asked_reaches_each_part_and_nothing_else_does(behind: Gateway, app: App) -> None:
    behind.client.get(
        "/v1/organisations/GB%2D1/profile", params={"area": "E06 & co", "at": "2026-01-01", "limit": "3"}
    )
    asked = {f"{one['path']}?{one['query']}" for one in app.seen}
    assert "/v1/localities/E06%20%26%20co/fragility/GB-1?at=2026-01-01" in asked
    assert "/v1/observations/latest?subject=organisation%3AGB-1&limit=3" in asked
    assert "/v1/organisations/GB-1/services?limit=3" in asked
