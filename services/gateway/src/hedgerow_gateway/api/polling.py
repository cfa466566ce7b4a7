"""Answers kept in memory and given out again while nothing changed; one question for all who ask the same.

What is kept is only ever given out after its app was asked, since the reader came, in which state it is, and
said the state in which the answer was made. See docs/explanation/polling.md.
"""

import asyncio
import zlib
from collections import Counter, OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from typing import NamedTuple

import zstandard
from hedgerow_kit.problems import BAD_GATEWAY, Problem
from starlette.types import Message, Receive, Scope, Send

from hedgerow_gateway.domain import variants
from hedgerow_gateway.domain.variants import GZIP, IDENTITY, ZSTD
from hedgerow_gateway.upstream.states import State, States

# An answer that is longer is passed on as it comes.
LONGEST_KEPT = 2_000_000
# Below this, compressing saves nothing that a packet would notice.
SHORTEST_COMPRESSED = 1_000
# A longer body is compressed in a thread.
LONGEST_COMPRESSED_HERE = 20_000
# What an answer takes beside its bytes and its address, about.
OVERHEAD_BYTES = 2_000

# In so many ways (encodings, tags) an answer is kept ready to be sent; in others it is made ready each time.
MOST_WAYS = 16

_VARY = b"accept, accept-encoding, authorization, cookie"
_OF_A_BODY = frozenset({b"content-length", b"content-type", b"content-encoding", b"content-disposition"})
# A request with one of these asks for more than the answer.
_PARTICULAR = frozenset(
    {b"content-length", b"transfer-encoding", b"if-match", b"if-unmodified-since", b"if-range", b"range"}
)
_TEXT = (
    b"text/",
    b"image/svg+xml",
    b"application/json",
    b"application/geo+json",
    b"application/x-ndjson",
    b"application/xml",
    b"application/graphml+xml",
)

Ask = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]


class _Asked(NamedTuple):
    """What of a request's headers the answer rests on, and how it is to be given."""

    accept: bytes
    accept_encoding: bytes
    if_none_match: bytes


class Key(NamedTuple):
    """Everything that an answer rests on beside the state of the apps."""

    who: str
    path: bytes
    query: bytes
    accept: bytes


class Hit(NamedTuple):
    """What was found in memory: by what, and how it was to be given."""

    key: Key
    asked: _Asked
    rests_on: tuple[str, ...]


class OnWire(NamedTuple):
    """An answer as it is sent. head: the lines between those that the server adds and the body"""

    status: bytes
    head: bytes
    body: bytes


class _Left(Enum):
    """What those are told who waited for an answer that cannot be theirs."""

    ASK_AGAIN = 1
    ASK_ALONE = 2


class Polling:
    """The kept answers, the least recently used of which make room for new ones.

    seen: how often an answer was given from memory (`kept`; `repeated`, to a request that came again byte for
    byte), asked for, or shared with who asked at the same time
    """

    def __init__(self, states: States, *, most_bytes: int) -> None:
        self._states = states
        self._most_bytes = most_bytes
        self._kept: OrderedDict[Key, _Answer] = OrderedDict()
        self._bytes = 0
        self._being_asked: dict[Key, _Question] = {}
        self._number = 0
        self.seen: Counter[str] = Counter()

    async def answer(
        self, scope: Scope, receive: Receive, send: Send, *, who: str, rests_on: tuple[str, ...], ask: Ask
    ) -> Hit | None:
        """Answer a GET from memory, or by `ask`, which is handed what the answer may rest on and no more.

        who: equal for callers who are shown the same · rests_on: the apps whose state the answer shows, first
        the one that answers. Returns what was found, if it was found in memory
        """
        asked = _read(scope["headers"])
        if asked is None:
            await ask(scope, receive, send)
            return None
        key = Key(who, scope["raw_path"], scope["query_string"], asked.accept)
        self._number += 1
        came = self._number
        while True:
            state = await self._states.now(rests_on) if key in self._kept else None
            held = self._kept.get(key)
            if held is not None and held.state == state:
                self._kept.move_to_end(key)
                self.seen["kept"] += 1
                await self._give(held, asked, send)
                return Hit(key, asked, rests_on)
            question = self._being_asked.get(key)
            if question is None:
                # An older state will do: an answer that is newer than its state is only asked for once more.
                state = state or self._states.before(rests_on)
                await self._ask(key, state, asked, scope, receive, send, ask, app=rests_on[0])
                return None
            found = await asyncio.shield(question.found)
            if isinstance(found, _Answer) and (question.number > came or found.is_trouble):
                self.seen["shared"] += 1
                await self._give(found, asked, send)
                return None
            if found is _Left.ASK_ALONE:
                self.seen["asked"] += 1
                await ask(scope, receive, send)
                return None

    def answer_again(self, hit: Hit, give: Callable[[OnWire | None], None]) -> None:
        """Give what was found before, if it still is what the app would answer; otherwise None."""

        def told(state: State | None) -> None:
            held = self._kept.get(hit.key)
            if held is None or held.state != state:
                give(None)
                return
            self._kept.move_to_end(hit.key)
            self.seen["repeated"] += 1
            give(held.on_wire(hit.asked))

        self._states.tell(hit.rests_on, told)

    async def _ask(
        self,
        key: Key,
        state: State | None,
        asked: _Asked,
        scope: Scope,
        receive: Receive,
        send: Send,
        ask: Ask,
        *,
        app: str,
    ) -> None:
        self.seen["asked"] += 1
        if state is None:
            await ask(scope, receive, send)
            return
        self._number += 1
        question = self._being_asked[key] = _Question(self._number)

        def settle(outcome: _Answer | _Left) -> None:
            if not question.found.done():
                del self._being_asked[key]
                question.found.set_result(outcome)

        collecting = _Collecting(state, asked, send, settle)
        try:
            try:
                await ask(_only_what_it_rests_on(scope, asked), receive, collecting.take)
                if collecting.broke_off:
                    raise Problem(BAD_GATEWAY, f"The {app} app did not give a whole answer.", app=app)
            except Problem as problem:
                await problem.response()(scope, receive, collecting.take)
        finally:
            settle(collecting.outcome())
        if collecting.answer is not None:
            if not collecting.answer.is_trouble:
                self._keep(key, collecting.answer)
            await self._give(collecting.answer, asked, send)

    def _keep(self, key: Key, answer: "_Answer") -> None:
        before = self._kept.pop(key, None)
        if before is not None:
            self._let_go(before)
            answer.take_over(before)
        self._kept[key] = answer
        answer.is_kept = True
        answer.beside = OVERHEAD_BYTES + sum(map(len, key))
        self._make_room_for(answer)

    def _make_room_for(self, answer: "_Answer") -> None:
        """Count what an answer takes now; it may be what has to go."""
        self._bytes += answer.size - answer.counted
        answer.counted = answer.size
        while self._bytes > self._most_bytes:
            self._let_go(self._kept.popitem(last=False)[1])

    def _let_go(self, answer: "_Answer") -> None:
        self._bytes -= answer.counted
        answer.is_kept = False

    async def _give(self, answer: "_Answer", asked: _Asked, send: Send) -> None:
        named = answer.named_by(asked)
        if named is not None:
            await send({"type": "http.response.start", "status": 304, "headers": answer.unchanged(named)})
            await send({"type": "http.response.body", "body": b""})
            return
        encoding = answer.encoding_for(asked)
        body = answer.bodies.get(encoding)
        if body is None:
            body = await self._compress(answer, encoding)
        await send(
            {"type": "http.response.start", "status": answer.status, "headers": answer.headers(encoding)}
        )
        await send({"type": "http.response.body", "body": body})

    async def _compress(self, answer: "_Answer", encoding: str) -> bytes:
        plain = answer.bodies[IDENTITY]
        if len(plain) <= LONGEST_COMPRESSED_HERE:
            body = _compressed(plain, encoding)
        else:
            body = await answer.compressing(encoding)
        answer.bodies[encoding] = body
        if answer.is_kept:
            self._make_room_for(answer)
        return body


class _Question:
    """Asked once for all who want the same answer. number: its place among all who came and all questions"""

    def __init__(self, number: int) -> None:
        self.number = number
        self.found: asyncio.Future[_Answer | _Left] = asyncio.get_running_loop().create_future()


class _Answer:
    """A whole answer. is_trouble: of the app or on the way to it; shared with those who wait, never kept"""

    def __init__(self, state: State, status: int, headers: Headers, body: bytes) -> None:
        self.state = state
        self.status = status
        self.is_kept = False
        self.counted = 0
        self.beside = OVERHEAD_BYTES
        self.is_trouble = status != 200
        self.bodies = {IDENTITY: body}
        said = dict(headers)
        self.tag = said.get(b"etag", b"")
        self.is_compressible = len(body) >= SHORTEST_COMPRESSED and said.get(b"content-type", b"").startswith(
            _TEXT
        )
        self._plain = headers if self.is_trouble else _varying(headers)
        self._of_encodings: dict[str, Headers] = {IDENTITY: self._plain}
        self._compressing: dict[str, asyncio.Future[bytes]] = {}
        self._on_wire: dict[_Asked, OnWire] = {}

    @property
    def size(self) -> int:
        return self.beside + sum(map(len, self.bodies.values()))

    def take_over(self, before: "_Answer") -> None:
        """Compressed bodies of an equal answer need not be made again."""
        if before.bodies[IDENTITY] == self.bodies[IDENTITY]:
            self.bodies = dict(before.bodies)

    def named_by(self, asked: _Asked) -> bytes | None:
        """The entity tag by which the caller has this answer already."""
        if not asked.if_none_match or not self.tag:
            return None
        return variants.names(asked.if_none_match, self.tag)

    def encoding_for(self, asked: _Asked) -> str:
        return variants.encoding_for(asked.accept_encoding) if self.is_compressible else IDENTITY

    def on_wire(self, asked: _Asked) -> OnWire | None:
        """The bytes to send; None if they have not been made yet."""
        made = self._on_wire.get(asked)
        if made is None:
            made = self._made_for_wire(asked)
            if made is not None and len(self._on_wire) < MOST_WAYS:
                self._on_wire[asked] = made
        return made

    def _made_for_wire(self, asked: _Asked) -> OnWire | None:
        named = self.named_by(asked)
        if named is not None:
            return OnWire(b"HTTP/1.1 304 Not Modified\r\n", _lines(self.unchanged(named)), b"")
        encoding = self.encoding_for(asked)
        body = self.bodies.get(encoding)
        if body is None:
            return None
        return OnWire(b"HTTP/1.1 200 OK\r\n", _lines(self.headers(encoding)), body)

    def headers(self, encoding: str) -> Headers:
        made = self._of_encodings.get(encoding)
        if made is None:
            length = str(len(self.bodies[encoding])).encode()
            changed = {b"content-length": length, b"etag": variants.tag_of(self.tag, encoding)}
            made = [(name, changed.get(name, value)) for name, value in self._plain]
            made.append((b"content-encoding", encoding.encode()))
            self._of_encodings[encoding] = made
        return made

    def unchanged(self, tag: bytes) -> Headers:
        kept = [pair for pair in self._plain if pair[0] not in _OF_A_BODY and pair[0] != b"etag"]
        return [*kept, (b"etag", tag)]

    async def compressing(self, encoding: str) -> bytes:
        """Compressed in a thread, once for all who wait for it."""
        under_way = self._compressing.get(encoding)
        if under_way is None:
            under_way = asyncio.ensure_future(asyncio.to_thread(_compressed, self.bodies[IDENTITY], encoding))
            self._compressing[encoding] = under_way
            under_way.add_done_callback(lambda _: self._compressing.pop(encoding))
        return await asyncio.shield(under_way)


class _Collecting:
    """Holds an answer back that can be kept, or shared, until it is whole; passes others on as they come."""

    def __init__(
        self, state: State, asked: _Asked, send: Send, settle: "Callable[[_Answer | _Left], None]"
    ) -> None:
        self._state = state
        self._asked = asked
        self._send = send
        self._settle = settle
        self._start: Message | None = None
        self._parts: list[bytes] = []
        self._passing = False
        self._swallowing = False
        self.answer: _Answer | None = None

    def outcome(self) -> "_Answer | _Left":
        """For those who wait: the answer; nothing came, so one of them asks again; or it is not to share."""
        if self.answer is not None:
            return self.answer
        return _Left.ASK_ALONE if self._passing else _Left.ASK_AGAIN

    @property
    def broke_off(self) -> bool:
        return self._start is not None and self.answer is None

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._begin(message)
        elif self._start is not None:
            self._parts.append(message.get("body", b""))
            if not message.get("more_body", False):
                start = self._start
                self.answer = _Answer(self._state, start["status"], start["headers"], b"".join(self._parts))
        elif not self._swallowing:
            await self._send(message)

    async def _begin(self, start: Message) -> None:
        said = dict(start["headers"])
        if _is_short(said) and (_can_be_kept(start["status"], said) or start["status"] >= 500):
            # What had begun and broke off is forgotten for what is said of it.
            self._start, self._parts = start, []
            return
        self._passing = True
        # From now on it goes at the pace of whoever reads it, for whom the others do not wait.
        self._settle(self.outcome())
        tag = said.get(b"etag", b"")
        # The app was not told what the caller has: only here is it known whether that still holds.
        if start["status"] == 200 and tag and variants.names(self._asked.if_none_match, tag):
            self._swallowing = True
            kept = [pair for pair in start["headers"] if pair[0] not in _OF_A_BODY]
            await self._send({"type": "http.response.start", "status": 304, "headers": kept})
            await self._send({"type": "http.response.body", "body": b""})
            return
        await self._send(start)


def _is_short(said: dict[bytes, bytes]) -> bool:
    length = said.get(b"content-length", b"")
    return length.isdigit() and int(length) <= LONGEST_KEPT


def _can_be_kept(status: int, said: dict[bytes, bytes]) -> bool:
    return (
        status == 200
        and said.get(b"etag", b"").startswith(b'"')
        and b"content-encoding" not in said
        and b"no-store" not in said.get(b"cache-control", b"")
    )


def _read(headers: Sequence[tuple[bytes, bytes]]) -> _Asked | None:
    """What is asked for; None where more is asked than an answer that is kept could give."""
    accept = accept_encoding = if_none_match = b""
    for name, value in headers:
        if name == b"accept":
            accept = accept + b"," + value if accept else value
        elif name == b"accept-encoding":
            accept_encoding = accept_encoding + b"," + value if accept_encoding else value
        elif name == b"if-none-match":
            if_none_match = if_none_match + b"," + value if if_none_match else value
        elif name in _PARTICULAR or (name == b"cache-control" and b"no-store" in value):
            return None
    return _Asked(accept, accept_encoding, if_none_match)


def _only_what_it_rests_on(scope: Scope, asked: _Asked) -> Scope:
    return {**scope, "headers": [(b"accept", asked.accept)] if asked.accept else []}


def _lines(headers: Headers) -> bytes:
    return b"".join(b"%s: %s\r\n" % pair for pair in headers) + b"\r\n"


def _varying(headers: Headers) -> Headers:
    return [*(pair for pair in headers if pair[0] != b"vary"), (b"vary", _VARY)]


def _compressed(body: bytes, encoding: str) -> bytes:
    if encoding == ZSTD:
        return zstandard.ZstdCompressor(level=6).compress(body)
    assert encoding == GZIP
    return zlib.compress(body, level=6, wbits=16 + zlib.MAX_WBITS)
