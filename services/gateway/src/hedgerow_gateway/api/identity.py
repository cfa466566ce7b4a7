"""At the door: a key is exchanged for an identity that one app will believe for a few minutes."""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, NamedTuple

from hedgerow_kit.auth import LONGEST_LIFE_S, Principal, Signer, bearer, unauthorised
from hedgerow_kit.db import Database
from hedgerow_kit.problems import UNAVAILABLE, Problem
from sqlalchemy.exc import DBAPIError

from hedgerow_gateway.domain.keys import HeldKey, digest, identifier_of, is_good, is_over
from hedgerow_gateway.store import keys

log = logging.getLogger(__name__)

# A revoked key is refused this long after at the latest, also when another replica revoked it.
TRUST_SECONDS = 4.0
# For so long a caller who comes again is not looked at again; it adds to the time above.
READY_SECONDS = 0.5
# A handed-on identity has at least this much of its life before it.
SPARE_SECONDS = 60.0
MOST_REMEMBERED = 10_000


class _Known(NamedTuple):
    key: HeldKey | None
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
    """

    token: str
    subject: str
    scope: str


class _Ready(NamedTuple):
    caller: Caller
    until: float


class Identities:
    """Exchanges the Authorization header of a caller for a signed identity."""

    def __init__(
        self,
        database: Database,
        signer: Signer,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        trust_seconds: float = TRUST_SECONDS,
    ) -> None:
        self._database = database
        self._signer = signer
        self._now = now
        self._trust_seconds = trust_seconds
        self._known: dict[str, _Known] = {}
        self._ready: dict[tuple[bytes, str], _Ready] = {}
        self._tokens: dict[tuple[str, str], _Token] = {}
        self._open_tokens: dict[str, _Token] = {}
        self._asking: dict[str, asyncio.Future[HeldKey | None]] = {}
        self._forgotten = 0
        self._hour_noted: dict[str, datetime] = {}

    async def token(self, authorization: str | None, *, app: str) -> str:
        """The identity for an app alone; see `known`."""
        return (await self.known(authorization, app=app)).token

    async def known(self, authorization: str | None, *, app: str) -> Caller:
        """Who comes, with an identity for an app, or a 401 problem that does not say what was wrong."""
        moment = asyncio.get_running_loop().time()
        shown = sha256((authorization or "").encode()).digest()
        ready = self._ready.get((shown, app))
        if ready is not None and moment < ready.until:
            return ready.caller
        forgotten = self._forgotten
        text = bearer(authorization)
        identifier = identifier_of(text)
        if identifier is None:
            raise unauthorised()
        presented = digest(text)
        key = await self._key(identifier, presented)
        now = self._now()
        if key is None or is_over(key.expires_at, key.revoked_at, now=now):
            raise unauthorised()
        principal = Principal(f"key:{key.id}", frozenset(key.roles), frozenset(key.authorities))
        token = self._token(principal, presented, app, now.timestamp())
        caller = Caller(token, principal.subject, _scope(principal))
        if self._forgotten == forgotten:
            left = (key.expires_at - now).total_seconds() if key.expires_at else READY_SECONDS
            _make_room(self._ready)
            self._ready[shown, app] = _Ready(caller, moment + min(left, READY_SECONDS))
        return caller

    def open_token(self, *, app: str) -> str:
        """The identity of whoever comes without a key: it reads what is published for everyone, no more."""
        now = self._now().timestamp()
        kept = self._open_tokens.get(app)
        if kept is None or now >= kept.until:
            principal = Principal("open", frozenset({"open"}), frozenset())
            text = self._signer.token(principal, audience=app)
            kept = self._open_tokens[app] = _Token(text, now + LONGEST_LIFE_S - SPARE_SECONDS)
        return kept.text

    def forget(self) -> None:
        """Look every key up again at its next use."""
        self._forgotten += 1
        self._known.clear()
        self._ready.clear()
        # Who comes from now on must not wait for a look-up that began before.
        self._asking.clear()

    async def _key(self, identifier: str, presented: str) -> HeldKey | None:
        moment = asyncio.get_running_loop().time()
        known = self._known.get(presented)
        if known is not None and moment < known.until:
            return known.key
        forgotten = self._forgotten
        asking = self._asking.get(presented) or self._start_asking(identifier, presented)
        try:
            key = await asyncio.shield(asking)
        except DBAPIError as error:
            log.error("keys cannot be read", extra={"reason": type(error).__name__})
            raise Problem(
                UNAVAILABLE, "Keys cannot be checked at the moment.", headers={"Retry-After": "2"}
            ) from None
        # What a look-up saw may have been revoked while it was under way.
        if self._forgotten == forgotten:
            _make_room(self._known)
            self._known[presented] = _Known(key, moment + self._trust_seconds)
        return key

    def _start_asking(self, identifier: str, presented: str) -> asyncio.Future[HeldKey | None]:
        """Look a key up in a worker thread; whoever comes meanwhile waits for the same answer."""
        asking = asyncio.ensure_future(asyncio.to_thread(self._look_up, identifier, presented))

        def done(_: object) -> None:
            if self._asking.get(presented) is asking:
                del self._asking[presented]

        self._asking[presented] = asking
        asking.add_done_callback(done)
        return asking

    def _look_up(self, identifier: str, presented: str) -> HeldKey | None:
        now = self._now()
        with self._database.reading() as session:
            key = keys.held(session, identifier)
        if key is None or not is_good(key, presented, now=now):
            return None
        self._note_use(key.id, now.replace(minute=0, second=0, microsecond=0))
        return key

    def _note_use(self, identifier: str, hour: datetime) -> None:
        """Once an hour per key and replica: coarse on purpose, and never worth failing a request for."""
        if self._hour_noted.get(identifier) == hour:
            return
        self._hour_noted[identifier] = hour
        try:
            with self._database.writing() as session:
                keys.note_use(session, identifier, hour)
        except DBAPIError as error:
            log.warning("use of a key was not noted", extra={"reason": type(error).__name__})

    def _token(self, principal: Principal, presented: str, app: str, now: float) -> str:
        kept = self._tokens.get((presented, app))
        if kept is not None and now < kept.until:
            return kept.text
        text = self._signer.token(principal, audience=app)
        _make_room(self._tokens)
        self._tokens[presented, app] = _Token(text, now + LONGEST_LIFE_S - SPARE_SECONDS)
        return text


def _scope(principal: Principal) -> str:
    return f"{','.join(sorted(principal.roles))} {','.join(sorted(principal.authorities))}"


def _make_room(remembered: dict[Any, Any]) -> None:
    if len(remembered) >= MOST_REMEMBERED:
        remembered.clear()
