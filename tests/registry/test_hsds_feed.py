import gzip
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_registry.errors import FeedFailed, FeedRefused
from hedgerow_registry.main import create_app
from hedgerow_registry.settings import Settings
from hedgerow_registry.upstream import feed as feed_module
from hedgerow_registry.upstream.feed import Feed

from tests.registry.files import counts, receipts
from tests.registry.publisher import Answer, Publish, Publisher, full, page, paged, shallow
from tests.support.http import running
from tests.support.identity import SIGNER, identity


def pulled(publisher: Publisher, url: str | None = None, **settings: Any) -> tuple[list[str], list[str]]:
    """The ids and the notes of a whole feed."""
    waits: list[float] = []
    feed = Feed(
        url or publisher.url, allowed_hosts=frozenset({publisher.host}), sleep=waits.append, **settings
    )
    ids, notes = [], []
    try:
        for part in feed.pages():
            ids += [one.value["id"] for one in part.records]
            notes += part.notes
    finally:
        feed.close()
    return ids, notes


def test_all_pages_of_a_feed_of_3_are_read(publish: Publish) -> None:
    publisher = publish(paged({1: page(range(0, 2), 1, 2, 3), 2: page(range(2, 3), 2, 2, 3)}))

    assert pulled(publisher) == (["s0", "s1", "s2"], [])


def test_all_pages_of_a_feed_of_1_are_read_from_nought_as_well(publish: Publish) -> None:
    def of_version_1(numbers: range, number: int) -> dict[str, Any]:
        return {
            "totalElements": 3,
            "totalPages": 2,
            "number": number,
            "first": number == 0,
            "last": number == 1,
            "content": [full(one) for one in numbers],
        }

    publisher = publish(paged({0: of_version_1(range(0, 2), 0), 1: of_version_1(range(2, 3), 1)}))

    assert pulled(publisher) == (["s0", "s1", "s2"], [])


def test_the_root_of_a_feed_leads_to_its_services(publish: Publish) -> None:
    def answer(path: str, query: dict[str, str]) -> Answer:
        if path == "/api":
            return Answer({"version": "HSDS-UK-3.0", "profile": "p", "openapi_url": "o"})
        return paged({1: page(range(0, 2), 1, 1, 2)})(path, query)

    publisher = publish(answer)

    assert pulled(publisher, f"http://{publisher.host}/api") == (["s0", "s1"], [])


def test_a_plain_list_that_ignores_the_page_is_whole(publish: Publish) -> None:
    publisher = publish(lambda _path, _query: Answer([full(0), full(1)]))

    assert pulled(publisher) == (["s0", "s1"], [])


def test_one_service_is_a_feed_of_one(publish: Publish) -> None:
    publisher = publish(lambda _path, _query: Answer(full(7)))

    assert pulled(publisher) == (["s7"], [])


def test_a_feed_that_promises_more_than_it_has_is_read_to_its_end_and_told(publish: Publish) -> None:
    publisher = publish(paged({1: page(range(0, 2), 1, 9, 900, last_page=False)}))

    ids, notes = pulled(publisher)

    assert ids == ["s0", "s1"]
    assert notes == [
        "page 2 does not exist, though the feed said there was more",
        "the feed says it has 900 services and served 2",
    ]


def test_a_feed_that_hides_pages_is_read_on(publish: Publish) -> None:
    lying = page(range(0, 2), 1, 1, 5, last_page=True)
    publisher = publish(paged({1: lying, 2: page(range(2, 4), 2, 1, 5), 3: page(range(4, 5), 3, 1, 5)}))

    assert pulled(publisher) == ([f"s{number}" for number in range(5)], [])


def test_a_feed_that_names_a_smaller_total_on_a_later_page_is_read_on(publish: Publish) -> None:
    # What its pages say of their number is left out: the total alone tells how much is still to come.
    silent = {"total_pages": None, "last_page": None}
    told = [page(range(2 * n, 2 * n + 2), n + 1, 3, total, **silent) for n, total in enumerate((6, 3, 3))]
    publisher = publish(paged({number: one for number, one in enumerate(told, 1)}))

    ids, notes = pulled(publisher)

    assert ids == [f"s{number}" for number in range(6)]
    assert notes == ["the feed's total changed while it was read: 3, 6"]


def test_a_feed_that_repeats_its_first_page_for_ever_ends(publish: Publish) -> None:
    publisher = publish(
        lambda _path, _query: Answer(page(range(0, 2), 1, 1_000_000, 2_000_000, last_page=False))
    )

    ids, notes = pulled(publisher)

    assert ids == ["s0", "s1"]
    assert "page 2 repeats services of earlier pages: taken as the end of the feed" in notes
    assert "the feed says it has 2000000 services and served 2" in notes


def test_empty_pages_do_not_go_on_for_ever(publish: Publish) -> None:
    publisher = publish(lambda _path, query: Answer(page(range(0), int(query.get("page", 1)), 10**6, 10**7)))

    ids, notes = pulled(publisher)

    assert ids == []
    assert len(publisher.asked) == 2
    assert notes == ["the feed says it has 10000000 services and served 0"]


def test_a_feed_that_shifts_while_it_is_read_says_so(publish: Publish) -> None:
    shifting = {1: page(range(0, 2), 1, 2, 3), 2: page(range(1, 4), 2, 2, 4)}

    ids, notes = pulled(publish(paged(shifting)))

    assert ids == ["s0", "s1", "s1", "s2", "s3"]
    assert notes == ["the feed's total changed while it was read: 3, 4"]


def test_a_shallow_list_is_completed_from_the_full_records(publish: Publish) -> None:
    def answer(path: str, _query: dict[str, str]) -> Answer:
        if path == "/api/services":
            return Answer(page(range(0), 1, 1, 2, contents=[shallow(0) | {"kept": 1}, shallow(1)]))
        number = int(path.rpartition("/s")[2])
        return Answer(full(number) | {"fees": "none"}) if number == 0 else Answer({}, 404)

    publisher = publish(answer)
    feed = Feed(publisher.url, allowed_hosts=frozenset({publisher.host}))

    (first, second) = next(feed.pages()).records

    feed.close()
    assert first.value == full(0) | {"kept": 1, "fees": "none"}
    assert first.note is None
    assert second.value == shallow(1)
    assert second.note == "the feed has no full record of it"


def test_a_feed_without_full_records_is_not_asked_for_each(publish: Publish) -> None:
    def answer(path: str, _query: dict[str, str]) -> Answer:
        if path == "/api/services":
            return Answer(page(range(0), 1, 1, 50, contents=[shallow(number) for number in range(50)]))
        return Answer({}, 404)

    publisher = publish(answer)

    ids, _ = pulled(publisher)

    assert len(ids) == 50
    assert len(publisher.asked) == 1 + 3


def test_an_address_that_answers_with_another_service_is_not_believed(publish: Publish) -> None:
    def answer(path: str, _query: dict[str, str]) -> Answer:
        return Answer([shallow(0)]) if path == "/api/services" else Answer(full(99))

    publisher = publish(answer)
    feed = Feed(publisher.url, allowed_hosts=frozenset({publisher.host}))

    (only,) = next(feed.pages()).records

    feed.close()
    assert only.value == shallow(0)
    assert only.note == "the address of its full record answers with another service"


def test_a_server_that_stumbles_is_asked_again(publish: Publish) -> None:
    stumbles = [500, 503, 429]

    def answer(path: str, query: dict[str, str]) -> Answer:
        if stumbles:
            return Answer({}, stumbles.pop(), {"Retry-After": "1"})
        return paged({1: page(range(0, 1), 1, 1, 1)})(path, query)

    publisher = publish(answer)

    assert pulled(publisher) == (["s0"], [])


def test_a_server_that_stays_down_is_given_up_on(publish: Publish) -> None:
    publisher = publish(lambda _path, _query: Answer({}, 500))

    with pytest.raises(FeedFailed, match="no good answer in 4 tries"):
        pulled(publisher)
    assert len(publisher.asked) == 4


def test_a_slow_server_is_given_up_on(publish: Publish) -> None:
    publisher = publish(lambda _path, _query: Answer({}, delay_s=0.5))

    with pytest.raises(FeedFailed, match="no answer within the time limit"):
        pulled(publisher, timeout_s=0.05)


def test_a_server_that_drips_is_given_up_on(publish: Publish) -> None:
    ticks = iter(range(0, 10_000, 100))
    publisher = publish(lambda _path, _query: Answer([full(0)]))

    with pytest.raises(FeedFailed, match="not whole after 60 s"):
        pulled(publisher, clock=lambda: float(next(ticks)))


@pytest.mark.parametrize(
    "body",
    [b"<html>", b"", b"12", b'{"error": "x"}', b'{"services": 1}', b"[1", gzip.compress(b"[]")],
    ids=["html", "empty", "number", "error", "no list", "cut off", "bytes"],
)
def test_an_answerthat_is_no_feed_is_refused(publish: Publish, body: bytes) -> None:
    publisher = publish(lambda _path, _query: Answer(body))

    with pytest.raises(FeedFailed):
        pulled(publisher)


def test_a_compressed_answerlonger_than_the_limit_is_not_unpacked_whole(publish: Publish) -> None:
    bomb = gzip.compress(b" " * (feed_module.LONGEST_BODY + 1))
    publisher = publish(lambda _path, _query: Answer(bomb, headers={"Content-Encoding": "gzip"}))

    with pytest.raises(FeedFailed, match="more than 64,000,000 bytes"):
        pulled(publisher)


@pytest.fixture
def secret() -> Iterator[tuple[str, list[socket.socket]]]:
    """A listener nobody may reach: its address, and the connections that reached it."""
    listener = socket.create_server(("127.0.0.1", 0))
    reached: list[socket.socket] = []

    def listen() -> None:
        while True:
            try:
                reached.append(listener.accept()[0])
            except OSError:
                return

    thread = threading.Thread(target=listen, daemon=True)
    thread.start()
    yield f"{listener.getsockname()[1]}", reached
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()
    for connection in reached:
        connection.close()


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "0.0.0.0",
        "[::1]", "[::]",
        "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[64:ff9b::7f00:1]", "[2002:7f00:1::]", "[::127.0.0.1]",
        "127.0.0.1.", "LOCALHOST", "10.0.0.1", "192.168.0.1", "172.16.0.1", "169.254.169.254", "100.64.0.1",
        "[fe80::1]", "[fd00::1]", "224.0.0.1", "255.255.255.255", "[ff02::1]",
    ],
)  # fmt: skip
def test_a_private_address_is_not_reached_however_it_is_spelled(
    secret: tuple[str, list[socket.socket]], host: str
) -> None:
    port, reached = secret

    with pytest.raises((FeedRefused, FeedFailed)):
        _first_page(f"http://{host}:{port}/services")

    assert reached == []


@pytest.mark.parametrize(
    "url",
    ["file:///etc/hosts", "ftp://a.example/", "gopher://a.example", "//a.example", "a.example",
    "http://", "http://[",
     "http://u:p@a.example/", "http://a.example:99999/", "", "http:///x"],
)  # fmt: skip
def test_only_plain_web_addresses_are_fetched(url: str) -> None:
    with pytest.raises(FeedRefused):
        _first_page(url)


def test_a_redirect_to_a_private_address_is_not_followed(
    publish: Publish, secret: tuple[str, list[socket.socket]]
) -> None:
    port, reached = secret
    for target in (
        f"http://127.0.0.1:{port}/",
        f"http://localhost:{port}/",
        f"//127.0.0.1:{port}/",
        "file:///etc",
    ):
        publisher = publish(lambda _path, _query, to=target: Answer({}, 302, {"Location": to}))
        with pytest.raises(FeedRefused):
            pulled(publisher)

    assert reached == []


def test_a_redirect_within_the_allowed_host_is_followed(publish: Publish) -> None:
    def answer(path: str, query: dict[str, str]) -> Answer:
        if path == "/api/services":
            return Answer({}, 301, {"Location": "/new/services?x=1"})
        return Answer([full(0)])

    assert pulled(publish(answer)) == (["s0"], [])


def test_redirects_do_not_go_round_for_ever(publish: Publish) -> None:
    publisher = publish(lambda path, _query: Answer({}, 302, {"Location": path}))

    with pytest.raises(FeedFailed, match="redirects"):
        pulled(publisher)


def _first_page(url: str) -> None:
    feed = Feed(url, sleep=lambda _seconds: None, timeout_s=2)
    try:
        next(feed.pages())
    finally:
        feed.close()


def test_the_operator_names_the_private_hosts_that_may_be_pulled_from(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HEDGEROW_REGISTRY_ALLOWED_HOSTS", "Feeds.example, 127.0.0.1:8080,")

    assert Settings().feed_hosts == {"feeds.example", "127.0.0.1:8080"}


def test_a_live_feed_is_imported_with_a_receipt_for_each_record(database: Database, publish: Publish) -> None:
    lying = {
        1: page(range(0, 2), 1, 2, 9),
        2: page(range(1, 3), 2, 2, 9, contents=[full(1), full(2), {"id": "s3"}]),
    }
    publisher = publish(paged(lying))
    app = create_app(
        Settings(feed_hosts=frozenset({publisher.host})),
        database,
        verifier=Verifier(SIGNER.jwks, audience="registry"),
    )
    with running(app, headers=identity("registry")) as client:
        made = client.post("/v1/imports/hsds", params={"url": publisher.url, "source": "live"}).json()
        again = client.post("/v1/imports/hsds", params={"url": publisher.url, "source": "live"}).json()
        keyed = {"url": f"{publisher.url}?key=mine", "source": "live"}
        third = client.post("/v1/imports/hsds", params=keyed).json()

        assert third["options"] == {"url": publisher.url, "source": "live"}, "an address may hold a key"
        assert counts(made) == (3, 0, 1, 1)
        assert counts(again) == (0, 0, 4, 1)
        assert "the feed says it has 9 services and served 5" in made["notes"]
        places = [receipt["pointer"] for receipt in receipts(client, made)]
        assert places == ["/page/1/0", "/page/1/1", "/page/2/0", "/page/2/1", "/page/2/2/name"]


def test_a_feed_that_may_not_be_pulled_leaves_nothing(database: Database) -> None:
    app = create_app(Settings(), database, verifier=Verifier(SIGNER.jwks, audience="registry"))
    with running(app, headers=identity("registry")) as client:
        answer = client.post("/v1/imports/hsds", params={"url": "http://127.0.0.1:9/services"})

        assert answer.status_code == 422
        assert answer.json()["errors"][0]["parameter"] == "url"
        assert client.items("/v1/imports") == []


def test_a_feed_that_breaks_off_keeps_what_had_come_and_says_so(database: Database, publish: Publish) -> None:
    def breaking(_path: str, query: dict[str, str]) -> Answer:
        return Answer({}, 403) if "page" in query else Answer(page(range(0, 2), 1, 2, 4))

    publisher = publish(breaking)
    app = create_app(
        Settings(feed_hosts=frozenset({publisher.host})),
        database,
        verifier=Verifier(SIGNER.jwks, audience="registry"),
    )
    with running(app, headers=identity("registry")) as client:
        answer = client.post("/v1/imports/hsds", params={"url": publisher.url})

        assert answer.status_code == 502
        (made,) = client.items("/v1/imports")
        assert made["status"] == "failed"
        assert "status 403" in made["detail"]
        assert counts(made) == (2, 0, 0, 0)
