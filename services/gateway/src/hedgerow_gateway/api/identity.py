"""At the door: what a caller shows is exchanged for an identity that one app believes for minutes."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, NamedTuple

from hedgerow_kit.auth import LONGEST_LIFE_S, Principal, bearer, unauthorised
from hedgerow_kit.problems import UNAVAILABLE, Problem
from sqlalchemy.exc import DBAPIError

from hedgerow_gateway.api.credentials import Credentials
from hedgerow_gateway.api.known import Known
from hedgerow_gateway.api.limits import Attempts
from hedgerow_gateway.domain.keys import digest
from hedgerow_gateway.store.signing import Keyring
from hedgerow_gateway.upstream.provider import ProviderDown

log = logging.getLogger(__name__)

# Whatever is revoked is refused this long after at the latest, also when another replica revoked it.
TRUST_SECONDS = 4.0
# For so long a caller who comes again is not looked at again; it adds to the time above.
READY_SECONDS = 0.5
# A handed-on identity has at least this much of its life before it: who waits for another's analysis, which
# then is too old for them, asks with it afterwards.
SPARE_SECONDS = 150.0
MOST_REMEMBERED = 10_000


class _Remembered(NamedTuple):
    known: Known | None
    until: float


class _Token(NamedTuple):
    text: str
    until: float


class Caller(NamedTuple):
    """Who was let in.

    token: the identity for the app that will answer.
    subject: whose it is, for counting and for what changes something.
    scope: roles and authorities as one text. Two callers of one scope get the same answer to a read, so this
    and never the subject is what an answer may be kept by.
    is_follower: whether it is a part of the platform that reads all there is, and has to.
    """

    token: str
    subject: str
    scope: str
    is_follower: bool = False


def shown_as(authorization: str | None) -> bytes:
    """What is remembered in place of an Authorization header."""
    return sha256((authorization or "").encode()).digest()


class _Ready(NamedTuple):
    caller: Caller
    until: float


class Identities:
    """Exchanges the Authorization header of a caller for a signed identity."""

    def __init__(
        self,
        credentials: Credentials,
        keyring: Keyring,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        trust_seconds: float = TRUST_SECONDS,
        attempts: Attempts | None = None,
    ) -> None:
        self._attempts = attempts
        self._credentials = credentials
        self._keyring = keyring
        self._now = now
        self._trust_seconds = trust_seconds
        self._remembered: dict[str, _Remembered] = {}
        self._ready: dict[tuple[bytes, str], _Ready] = {}
        self._tokens: dict[tuple[str, str, str], _Token] = {}
        self._asking: dict[str, asyncio.Future[Known | None]] = {}
        self._forgotten = 0

    async def token(self, authorization: str | None, *, app: str) -> str:
        """The identity for an app alone; see `known`."""
        return (await self.known(authorization, app=app)).token

    async def known(self, authorization: str | None, *, app: str, address: str | None = None) -> Caller:
        """Who comes, with an identity for an app, or a 401 problem that does not say what was wrong.

        address: where it comes from; a credential that is not good counts as an attempt from there, and after
        too many of them nothing from there is looked at for a while but what was good before: a 429 problem.
        """
        moment = asyncio.get_running_loop().time()
        shown = shown_as(authorization)
        ready = self.ready(shown, app)
        if ready is not None:
            return ready
        forgotten = self._forgotten
        text = await self._shown(authorization, address)
        presented = digest(text)
        now = self._now()
        known = await self._admitted(text, presented, address)
        if known is None or (known.ends_at is not None and known.ends_at <= now):
            raise unauthorised()
        token = self._token(known.principal, presented, app, now.timestamp())
        who = known.principal
        caller = Caller(token, who.subject, _scope(who), is_follower=who.roles == {"follower"})
        if self._forgotten == forgotten:
            left = (known.ends_at - now).total_seconds() if known.ends_at else READY_SECONDS
            _make_room(self._ready)
            self._ready[shown, app] = _Ready(caller, moment + min(left, READY_SECONDS))
        return caller

    def ready(self, shown: bytes, app: str) -> Caller | None:
        """Who showed this (see `shown_as`), if that was looked at a moment ago."""
        ready = self._ready.get((shown, app))
        if ready is None or asyncio.get_running_loop().time() >= ready.until:
            return None
        return ready.caller

    def open_token(self, *, app: str) -> str:
        """The identity of whoever comes without a key: it reads what is published for everyone, no more."""
        anybody = Principal("open", frozenset({"open"}), frozenset())
        return self._token(anybody, "", app, self._now().timestamp())

    def forget(self) -> None:
        """Look everything up again at its next use."""
        self._forgotten += 1
        self._remembered.clear()
        self._ready.clear()
        # Who comes from now on must not wait for a look-up that began before.
        self._asking.clear()

    async def _shown(self, authorization: str | None, address: str | None) -> str:
        try:
            return bearer(authorization)
        except Problem:
            if self._attempts is not None and address is not None:
                await self._attempts.nothing_shown(address)
            raise

    async def _admitted(self, text: str, presented: str, address: str | None) -> Known | None:
        """Look a credential up, and count it as an attempt if it is not good."""
        if self._attempts is None or address is None:
            return await self._look_up(text, presented)
        return await self._attempts.judge(address, presented, partial(self._look_up, text, presented))

    async def _look_up(self, text: str, presented: str) -> Known | None:
        if not self._credentials.could_be(text):
            return None
        moment = asyncio.get_running_loop().time()
        remembered = self._remembered.get(presented)
        if remembered is not None and moment < remembered.until:
            return remembered.known
        forgotten = self._forgotten
        asking = self._asking.get(presented) or self._start_asking(text, presented)
        try:
            known = await asyncio.shield(asking)
        except DBAPIError as error:
            log.error("keys cannot be read", extra={"reason": type(error).__name__})
            raise Problem(
                UNAVAILABLE, "Keys cannot be checked at the moment.", headers={"Retry-After": "2"}
            ) from None
        except ProviderDown:
            raise Problem(
                UNAVAILABLE, "The identity provider cannot be asked.", headers={"Retry-After": "10"}
            ) from None
        # What a look-up saw may have been revoked while it was under way.
        if self._forgotten == forgotten:
            _make_room(self._remembered)
            self._remembered[presented] = _Remembered(known, moment + self._trust_seconds)
        return known

    def _start_asking(self, text: str, presented: str) -> asyncio.Future[Known | None]:
        """Look a credential up in a worker thread; whoever comes meanwhile waits for the same answer."""
        asking = asyncio.ensure_future(asyncio.to_thread(self._credentials.known, text))

        def done(_: object) -> None:
            if self._asking.get(presented) is asking:
                del self._asking[presented]

        self._asking[presented] = asking
        asking.add_done_callback(done)
        return asking

    def _token(self, principal: Principal, presented: str, app: str, now: float) -> str:
        # A key that has had its turn signs nothing that is handed on from now on.
        name = presented, app, self._keyring.key_id
        kept = self._tokens.get(name)
        if kept is not None and now < kept.until:
            return kept.text
        text = self._keyring.token(principal, audience=app)
        _make_room(self._tokens)
        self._tokens[name] = _Token(text, now + LONGEST_LIFE_S - SPARE_SECONDS)
        return text


def _scope(principal: Principal) -> str:
    return f"{','.join(sorted(principal.roles))} {','.join(sorted(principal.authorities))}"


def _make_room(remembered: dict[Any, Any]) -> None:
    if len(remembered) >= MOST_REMEMBERED:
        remembered.clear()
