"""What is sent twice under one `Idempotency-Key` is done once, and answered with the same answer twice.

The answer is kept in the transaction of what was done: after a crash both are there, or neither is. Imports,
which commit batch by batch, keep theirs after the last; sent again after a crash they double nothing anyway.

What is kept can be read only with the key that was sent: answers may hold a secret that is shown once.

Nothing is held while a caller is waited for: a body is read before anything begins, but for those of files,
which hold no writer.
"""

import hashlib
from base64 import urlsafe_b64encode
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from anyio import CapacityLimiter, to_thread
from cryptography.fernet import Fernet
from fastapi import Request
from sqlalchemy import Column, DateTime, LargeBinary, MetaData, String, Table, delete, func, insert, select
from sqlalchemy.orm import Session
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Message, Receive

from hedgerow_kit import db
from hedgerow_kit.auth import Principal
from hedgerow_kit.db import Database, Instant
from hedgerow_kit.problems import BAD_REQUEST, LONGEST_JSON_BODY, TOO_LARGE, Problem, ProblemType
from hedgerow_kit.retention import Kept

HEADER = "Idempotency-Key"
REPLAYED = "Idempotency-Replayed"
LONGEST_KEY = 255
KEPT_FOR = timedelta(hours=24)
# Which headers of the first answer are given again; the others are made anew for each.
KEPT_HEADERS = frozenset({"content-type", "location", "etag", "link", "cache-control"})

REUSED = ProblemType(422, "idempotency-key-reused", "The key was used for another request")
UNDER_WAY = ProblemType(
    409, "idempotency-key-under-way", "The first request with this key is still under way"
)

_ANSWERS = Table(
    "answers_kept",
    MetaData(),
    # A digest of who asks and their key; neither can be told from it.
    Column("id", String(64), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("kept_at", Instant, nullable=False, index=True),
)


def declare(metadata: MetaData) -> Table:
    """The table of kept answers, among an app's own tables."""
    return _ANSWERS.to_metadata(metadata)


def create(op: Any) -> None:
    """Make the table, in a migration."""
    op.create_table(
        _ANSWERS.name,
        Column("id", String(64), primary_key=True),
        Column("request", String(64), nullable=False),
        Column("answer", LargeBinary, nullable=False),
        Column("kept_at", DateTime(timezone=True), nullable=False),
    )
    op.create_index("ix_answers_kept_kept_at", _ANSWERS.name, ["kept_at"])


def drop(op: Any) -> None:
    """Take it away again."""
    op.drop_table(_ANSWERS.name)


def kept() -> Kept:
    """For how long answers are kept at least."""
    return Kept(
        "answers",
        "Answers given again for an Idempotency-Key",
        KEPT_FOR.days,
        lambda session: session.scalar(select(func.min(_ANSWERS.c.kept_at))),
        _remove,
    )


def _remove(session: Session, before: datetime, most: int) -> int:
    old = select(_ANSWERS.c.id).where(_ANSWERS.c.kept_at < before).order_by(_ANSWERS.c.kept_at).limit(most)
    gone = delete(_ANSWERS).where(_ANSWERS.c.id.in_(old)).returning(_ANSWERS.c.id)
    return len(session.execute(gone).all())


# Does what is asked, reading its body through what it is given.
Handle = Callable[[Receive], Awaitable[Response]]


class Answering:
    """Answers each key once, for one app's database.

    Requests with one key meet in this process at `_under_way`, those of several processes at a lock that
    PostgreSQL keeps with the transaction; a SQLite database has one process.
    """

    def __init__(
        self, database: Database, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._database = database
        self._now = now
        self._under_way: set[str] = set()
        self._threads = CapacityLimiter(40)
        # On PostgreSQL each holds a connection, and may want another to read: some are left for that.
        self._room = CapacityLimiter(database.most_connections * 2 // 3)

    async def answer(
        self, request: Request, handle: Handle, *, who: Principal, streams: bool = False
    ) -> Response:
        """The answer to a request: the first one's if its key was used before, and then nothing is done.

        A request without a key is answered as it comes. A refusal is not kept: nothing was done. Raises a
        422 problem if the key was used for another request, 409 if that is under way, 400 if it is no key.
        streams: the body is a file of any length, which `handle` puts on disk
        """
        key = _key_of(request)
        if key is None:
            return await handle(request.receive)
        asked = _Asked(request, who)
        if not streams:
            await asked.hold()
        secret = f"{who.subject}\0{key}".encode()
        id = hashlib.sha256(b"which" + secret).hexdigest()
        if id in self._under_way:
            raise _still_under_way()
        self._under_way.add(id)
        try:
            cipher = Fernet(urlsafe_b64encode(hashlib.sha256(b"what" + secret).digest()))
            async with self._room, self._held(request) as held:
                return await self._answer(asked, handle, held, id, cipher)
        finally:
            self._under_way.discard(id)

    async def _answer(
        self, asked: "_Asked", handle: Handle, held: db.Held, id: str, cipher: Fernet
    ) -> Response:
        kept = await self._in_thread(self._kept, held, id)
        if kept is not None:
            before: Response = await self._in_thread(_again, kept, await asked.digest(), cipher)
            return before
        answer = await handle(asked.receive)
        body = getattr(answer, "body", None)
        if answer.status_code < 400 and body is not None:
            packed = _packed(answer, bytes(body))
            await self._in_thread(self._keep, held, id, await asked.digest(), packed, cipher)
        return answer

    @asynccontextmanager
    async def _held(self, request: Request) -> AsyncIterator[db.Held]:
        """The transaction that what is asked is done in, and its answer kept."""
        held = db.Held(self._database, db.reach_of(request))
        request.scope[db.HELD] = held
        try:
            yield held
        except BaseException as error:
            await self._in_thread(held.end, error)
            raise
        else:
            await self._in_thread(held.end, None)
        finally:
            del request.scope[db.HELD]

    async def _in_thread(self, do: Callable[..., Any], *arguments: Any) -> Any:
        # Threads of its own: the requests' may all be waiting for the very transaction that ends here.
        return await to_thread.run_sync(do, *arguments, limiter=self._threads)

    def _kept(self, held: db.Held, id: str) -> Any:
        recent = _ANSWERS.c.kept_at > self._now() - KEPT_FOR
        found = select(_ANSWERS.c.request, _ANSWERS.c.answer).where(_ANSWERS.c.id == id, recent)
        if self._database.dialect == "postgresql":
            number = int.from_bytes(bytes.fromhex(id)[:8], "big", signed=True)
            taken = select(func.pg_try_advisory_xact_lock(number))
            if not held.session().execute(taken).scalar():
                raise _still_under_way()
            # A statement of its own: it sees what was committed before the lock was given.
            return held.session().execute(found).one_or_none()
        # Not in what is held: on SQLite that keeps every other writer out, an import's own among them.
        with self._database.reading() as before:
            return before.execute(found).one_or_none()

    def _keep(self, held: db.Held, id: str, request: str, packed: bytes, cipher: Fernet) -> None:
        answer = cipher.encrypt(packed)
        now, session = self._now(), held.session()
        # The one before, whose time is over.
        session.execute(delete(_ANSWERS).where(_ANSWERS.c.id == id))
        session.execute(insert(_ANSWERS).values(id=id, request=request, answer=answer, kept_at=now))


def _key_of(request: Request) -> str | None:
    key = request.headers.get(HEADER)
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
        reason = f"1 to {LONGEST_KEY} printable ASCII characters"
        raise Problem(BAD_REQUEST, f"{HEADER}: {reason}.", errors=[{"parameter": HEADER, "reason": reason}])
    return key


def _still_under_way() -> Problem:
    return Problem(UNDER_WAY, "Ask again shortly.", headers={"Retry-After": "1"})


def _packed(answer: Response, body: bytes) -> bytes:
    headers = [(name, value) for name, value in answer.headers.items() if name in KEPT_HEADERS]
    return orjson.dumps([answer.status_code, headers]) + b"\n" + body


def _again(kept: Any, request: str, cipher: Fernet) -> Response:
    if kept.request != request:
        raise Problem(REUSED, "Its first request was another one: use a new key for a new request.")
    head, _, body = cipher.decrypt(kept.answer).partition(b"\n")
    status, headers = orjson.loads(head)
    return Response(body, status, dict(headers) | {REPLAYED: "true"})


class _Asked:
    """What was asked and with which rights, digested as it is read, however long it is."""

    def __init__(self, request: Request, who: Principal) -> None:
        self._receive = request.receive
        self._held: deque[Message] = deque()
        scope = request.scope
        self._seen = hashlib.sha256()
        media = request.headers.get("content-type", "")
        coding = request.headers.get("content-encoding", "")
        query = scope["query_string"].decode("latin-1")
        rights = (" ".join(sorted(who.roles)), " ".join(sorted(who.authorities)))
        for part in (scope["method"], scope["path"], query, media, coding, *rights):
            self._seen.update(part.encode() + b"\0")
        self._at_end = False

    async def hold(self) -> None:
        """Read all of the body, to be received afterwards; a problem if it is too long or ends too early."""
        messages: list[Message] = []
        length = 0
        while not self._at_end:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Problem(BAD_REQUEST, "The body ended before it was whole.")
            length += len(message.get("body", b""))
            if length > LONGEST_JSON_BODY:
                raise Problem(TOO_LARGE, f"More than {LONGEST_JSON_BODY:,} bytes.")
            messages.append(message)
        self._held.extend(messages)

    async def receive(self) -> Message:
        if self._held:
            return self._held.popleft()
        message = await self._receive()
        if message["type"] == "http.request":
            self._seen.update(message.get("body", b""))
            self._at_end = not message.get("more_body", False)
        return message

    async def digest(self) -> str:
        """The digest of all of it, read to its end."""
        while not self._at_end:
            if (await self.receive())["type"] == "http.disconnect":
                raise ClientDisconnect
        return self._seen.hexdigest()
