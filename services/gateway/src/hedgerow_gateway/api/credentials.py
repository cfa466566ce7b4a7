"""What callers show to say who they are, and for whom each kind of it stands."""

import logging
import re
from collections.abc import Callable
from datetime import UTC, datetime

from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database
from sqlalchemy.exc import DBAPIError

from hedgerow_gateway.api.access_tokens import AccessToken, AccessTokens, granted
from hedgerow_gateway.api.known import Known
from hedgerow_gateway.api.people import People
from hedgerow_gateway.domain.keys import HeldKey, digest, identifier_of, is_good, is_over
from hedgerow_gateway.domain.sessions import is_one
from hedgerow_gateway.store import keys, sessions

log = logging.getLogger(__name__)

LONGEST_CREDENTIAL = 8192
# Three parts of base64url: a signed token, ours or somebody else's.
_SIGNED = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)


class Credentials:
    """Knows API keys, the access tokens given out for them, and people by session or by token."""

    def __init__(
        self,
        database: Database,
        tokens: AccessTokens,
        people: People | None = None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._tokens = tokens
        self._people = people
        self._now = now
        self._hour_noted: dict[str, datetime] = {}

    def could_be(self, text: str) -> bool:
        """Whether a text is shaped like any of them; nothing else is worth a look-up."""
        if identifier_of(text) is not None or is_one(text):
            return True
        return len(text) <= LONGEST_CREDENTIAL and _SIGNED.fullmatch(text) is not None

    def known(self, text: str) -> Known | None:
        """For whom a credential stands, nothing if it is not good.

        Asks the database, and for people's tokens the identity provider: call it in a thread.
        """
        identifier = identifier_of(text)
        if identifier is not None:
            return self._of_key(identifier, text)
        if is_one(text):
            return self._of_session(text)
        token = self._tokens.read(text, now=self._now())
        if token is not None:
            return self._of_access_token(token)
        return self._people.of_token(text) if self._people is not None else None

    def _of_key(self, identifier: str, text: str) -> Known | None:
        now = self._now()
        key = self._held(identifier)
        if key is None or not is_good(key, digest(text), now=now):
            return None
        self.note_use(key.id, now)
        return Known(_principal(key.id, key.roles, key.authorities), key.expires_at)

    def _of_access_token(self, token: AccessToken) -> Known | None:
        key = self._held(token.key_id)
        if key is None or is_over(key.expires_at, key.revoked_at, now=self._now()):
            return None
        grant = granted(key, token.scope)
        if grant is None:
            return None
        return Known(_principal(key.id, *grant), datetime.fromtimestamp(token.ends_at, UTC))

    def _of_session(self, text: str) -> Known | None:
        with self._database.reading() as session:
            row = sessions.found(session, digest(text), now=self._now())
            if row is None:
                return None
            who = Principal(row.subject, frozenset(row.roles), frozenset(row.authorities))
            return Known(who, row.ends_at)

    def _held(self, identifier: str) -> HeldKey | None:
        with self._database.reading() as session:
            return keys.held(session, identifier)

    def note_use(self, identifier: str, now: datetime) -> None:
        """Once an hour per key and replica: coarse on purpose, and never worth failing a request for."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        if self._hour_noted.get(identifier) == hour:
            return
        self._hour_noted[identifier] = hour
        try:
            with self._database.writing() as session:
                keys.note_use(session, identifier, hour)
        except DBAPIError as error:
            log.warning("use of a key was not noted", extra={"reason": type(error).__name__})


def _principal(key_id: str, roles: tuple[str, ...], authorities: tuple[str, ...]) -> Principal:
    return Principal(f"key:{key_id}", frozenset(roles), frozenset(authorities))
