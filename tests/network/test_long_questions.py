"""A question that takes long does not keep others from their answers."""

import threading
import time

import anyio
import httpx
from hedgerow_kit.auth import Verifier
from hedgerow_network.main import create_app
from hedgerow_network.settings import Settings
from hedgerow_network.store.answers import LONG_WAITING

from tests.network.feeding import feed
from tests.network.world import TODAY, TOWN, records
from tests.support.identity import SIGNER, identity

AT = "/v1/localities/E06000001"
ASKING = 60


def test_slow_answers_leave_threads_to_quick_ones_and_too_many_are_told_to_come_back(database):
    feed(database, records(**TOWN))
    app = create_app(
        Settings(long_cells=0),
        database,
        verifier=Verifier(SIGNER.jwks, audience="network"),
        today=lambda: TODAY,
    )
    go, taken = threading.Event(), threading.Event()

    def slow():
        taken.set()
        go.wait(30)

    working = threading.Thread(target=lambda: app.state.answers.get("slow", slow, long=True))
    working.start()
    assert taken.wait(5)

    async def ask():
        transport = httpx.ASGITransport(app)
        headers = identity("network")
        async with (
            httpx.AsyncClient(transport=transport, base_url="http://test", headers=headers) as client,
            anyio.create_task_group() as tasks,
        ):
            found = []

            async def one(number):
                # Each asks for another date, so that no answer serves two.
                params = {"at": f"20{10 + number % 80}-01-01"}
                found.append(await client.get(f"{AT}/cover", params=params, timeout=60))

            for number in range(ASKING):
                tasks.start_soon(one, number)
            with anyio.fail_after(20):
                while len(found) < ASKING - LONG_WAITING + 1:
                    await anyio.sleep(0.01)
            begun = time.monotonic()
            quick = await client.get("/v1/projection")
            took = time.monotonic() - begun
            refused = list(found)
            go.set()
        return refused, found, quick, took

    try:
        refused, found, quick, took = anyio.run(ask)
    finally:
        go.set()
        working.join()
    assert quick.status_code == 200
    assert took < 5
    assert {answer.status_code for answer in refused} == {503}
    assert all(answer.headers["retry-after"] for answer in refused)
    # Whoever waited has an answer in the end.
    assert [answer.status_code for answer in found].count(200) == LONG_WAITING - 1
