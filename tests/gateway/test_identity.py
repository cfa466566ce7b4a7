"""Keys at the door, with the clock in the test's hand."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import jwt
import pytest
from hedgerow_gateway import actions
from hedgerow_gateway.api.access_tokens import AccessTokens
from hedgerow_gateway.api.credentials import Credentials
from hedgerow_gateway.api.identity import READY_SECONDS, TRUST_SECONDS, Caller, Identities
from hedgerow_gateway.store.signing import Keyring
from hedgerow_kit.auth import Verifier
from hedgerow_kit.db import Database
from hedgerow_kit.problems import Problem
from sqlalchemy import event

START = datetime(2026, 6, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def seconds(self) -> float:
        return self.now.timestamp()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def keyring(tmp_path: Path, clock: Clock) -> Keyring:
    return Keyring(tmp_path, clock=clock.seconds)


@pytest.fixture
def tokens(keyring: Keyring) -> AccessTokens:
    return AccessTokens(keyring, "http://hedgerow.test")


@pytest.fixture
def identities(database: Database, keyring: Keyring, tokens: AccessTokens, clock: Clock) -> Identities:
    return Identities(Credentials(database, tokens, now=clock), keyring, now=clock)


@pytest.fixture
def asked(database: Database) -> Iterator[list[str]]:
    statements: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.lstrip().upper().startswith("SELECT") and "api_keys" in statement:
            statements.append(statement)

    event.listen(database.engine, "before_cursor_execute", note)
    yield statements
    event.remove(database.engine, "before_cursor_execute", note)


def key(database: Database, *, expires_at: datetime | None = None) -> str:
    with database.writing() as session:
        _, text = actions.give_key(
            session, name="k", roles=["reader"], authorities=["*"], expires_at=expires_at, now=START
        )
    return f"Bearer {text}"


def test_a_revoked_key_is_forgotten_within_five_seconds() -> None:
    assert TRUST_SECONDS + READY_SECONDS < 5


def test_many_requests_with_one_key_look_it_up_once(
    database: Database, identities: Identities, asked: list[str]
) -> None:
    shown = key(database)

    async def many() -> set[str]:
        return set(await asyncio.gather(*(identities.token(shown, app="registry") for _ in range(50))))

    assert len(asyncio.run(many())) == 1
    assert len(asked) == 1


def test_an_unknown_key_is_remembered_too(
    database: Database, identities: Identities, asked: list[str]
) -> None:
    async def many() -> None:
        for _ in range(20):
            with pytest.raises(Problem):
                await identities.token("Bearer hedgerow_0123456789abcdef_" + "a" * 43, app="registry")

    asyncio.run(many())
    assert len(asked) == 1


def test_what_is_not_shaped_like_a_key_is_not_looked_up(
    database: Database, identities: Identities, asked: list[str]
) -> None:
    async def many() -> None:
        for shown in (None, "", "Bearer", "Bearer x", "Bearer " + "x" * 5000, "Bearer é", "Basic x"):
            with pytest.raises(Problem):
                await identities.token(shown, app="registry")

    asyncio.run(many())
    assert asked == []


def test_an_identity_is_renewed_long_before_it_ends(
    database: Database, identities: Identities, keyring: Keyring, clock: Clock
) -> None:
    shown = key(database)
    verifier = Verifier(keyring.jwks, audience="registry", clock=clock.seconds)

    async def all_day() -> int:
        tokens = set()
        for _ in range(60):
            token = await identities.token(shown, app="registry")
            tokens.add(token)
            verifier.principal(token)
            claims = jwt.decode(token, options={"verify_signature": False})
            assert claims["exp"] - clock.seconds() >= 150 - 1
            clock.now += timedelta(seconds=20)
            identities.forget()
        return len(tokens)

    assert asyncio.run(all_day()) == 8


def test_callers_of_the_same_roles_and_authorities_share_a_scope_and_nothing_else(
    database: Database, identities: Identities
) -> None:
    def given(*roles: str, authorities: list[str]) -> str:
        with database.writing() as session:
            _, text = actions.give_key(
                session, name="k", roles=roles, authorities=authorities, expires_at=None, now=START
            )
        return f"Bearer {text}"

    same = [
        given("reader", "system", authorities=["E08000009", "E08000001"]),
        given("system", "reader", authorities=["E08000001", "E08000009"]),
    ]
    others = [
        given("reader", authorities=["E08000001", "E08000009"]),
        given("reader", "system", authorities=["E08000009"]),
        given("reader", "system", authorities=["*"]),
    ]

    async def all_of_them() -> list[Caller]:
        return [await identities.known(shown, app="registry") for shown in (*same, *others)]

    callers = asyncio.run(all_of_them())
    assert callers[0].scope == callers[1].scope
    assert len({caller.scope for caller in callers}) == 4
    assert len({caller.subject for caller in callers}) == 5


def test_a_key_ends_to_the_second_though_it_is_remembered(
    database: Database, identities: Identities, clock: Clock
) -> None:
    shown = key(database, expires_at=START + timedelta(seconds=10))

    async def around_the_end() -> None:
        await identities.token(shown, app="registry")
        clock.now = START + timedelta(seconds=10)
        await asyncio.sleep(READY_SECONDS + 0.05)
        with pytest.raises(Problem):
            await identities.token(shown, app="registry")

    asyncio.run(around_the_end())


def test_a_revocation_is_seen_although_a_look_up_was_under_way(
    database: Database, identities: Identities
) -> None:
    shown = key(database)
    identifier = shown.split("_")[1]

    async def race() -> None:
        under_way = asyncio.ensure_future(identities.token(shown, app="registry"))
        await asyncio.sleep(0)
        with database.writing() as session:
            actions.give_key(
                session, name="a", roles=["administrator"], authorities=["*"], expires_at=None, now=START
            )
            actions.revoke_key(session, identifier, now=START)
        identities.forget()
        await asyncio.gather(under_way, return_exceptions=True)
        with pytest.raises(Problem):
            await identities.token(shown, app="registry")

    asyncio.run(race())
