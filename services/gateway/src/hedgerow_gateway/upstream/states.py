"""In which state the apps are: asked of each app by one question at a time for all who want to know."""

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial

import httptools
from hedgerow_kit.state import LAST_CHANGE, STATE_PATH
from yarl import URL

log = logging.getLogger(__name__)

ANSWER_SECONDS = 1.0
# An app that did not say its state is not asked again for so long: its answers are not kept meanwhile.
REST_SECONDS = 1.0
# Who only wants to know a state of before is told one that was heard so long ago without a question.
RECENT_SECONDS = 0.1
# While many come, so long is waited between two questions: more of them are then answered by one.
PACE_SECONDS = 0.001
LONGEST_TOKEN = 200
_LAST_CHANGE = LAST_CHANGE.encode()

State = tuple[str, ...]
# Told the token of an app, or None when it does not say. It must not raise.
Hearer = Callable[[str | None], None]


class States:
    """The states of several apps."""

    def __init__(self, apps: Mapping[str, Sequence[str]]) -> None:
        self._watches = {
            app: _Watch(app, list(map(URL, addresses)), partial(self._is_there, app))
            for app, addresses in apps.items()
        }
        # Told an app that said its state on a connection that was new: it is there, or there again.
        self.when_there: Callable[[str], None] = lambda _app: None

    def _is_there(self, app: str) -> None:
        self.when_there(app)

    async def now(self, apps: Sequence[str]) -> State | None:
        """The state of these apps at a moment after the call; None if one of them does not say."""
        # A future of one's own: who leaves takes nobody else's answer along.
        answer: asyncio.Future[State | None] = asyncio.get_running_loop().create_future()

        def settle(state: State | None) -> None:
            if not answer.done():
                answer.set_result(state)

        self.tell(apps, settle)
        return await answer

    def tell(self, apps: Sequence[str], hearer: Callable[[State | None], None]) -> None:
        """The same, told when it is known."""
        if len(apps) == 1:
            self._watches[apps[0]].tell(lambda token: hearer(None if token is None else (token,)))
            return
        tokens: dict[str, str | None] = {}

        def collect(app: str, token: str | None) -> None:
            tokens[app] = token
            if len(tokens) == len(apps):
                found = tuple(token for app in apps if (token := tokens[app]) is not None)
                hearer(found if len(found) == len(apps) else None)

        for app in apps:
            self._watches[app].tell(partial(collect, app))

    def before(self, apps: Sequence[str]) -> State | None:
        """The state last heard of; it is asked for anew meanwhile. None if one has not been heard of."""
        tokens = [self._watches[app].before() for app in apps]
        return tuple(token for token in tokens if token is not None) if all(tokens) else None

    async def last_change(self, app: str) -> int | None:
        """The number of an app's last change at a moment after the call; None if it does not say."""
        return None if await self.now((app,)) is None else self._watches[app].last_change

    def close(self) -> None:
        for watch in self._watches.values():
            watch.close()


class _Watch:
    """One app. Whoever wants to know waits for a question that is asked after they came.

    It stays with one of the app's replicas for as long as that is there: they share a database, and where its
    state is told by each process in its own words, one goes on as it began.
    """

    def __init__(self, app: str, addresses: Sequence[URL], when_there: Callable[[], None]) -> None:
        self._app = app
        self._addresses = addresses
        self._when_there = when_there
        self._line: _Line | None = None
        self._heard: str | None = None
        self.last_change: int | None = None
        self._next_by_itself = 0.0
        self._rests_until = 0.0
        self._waiting: list[Hearer] = []
        self._asking: asyncio.Task[None] | None = None

    def tell(self, hearer: Hearer) -> None:
        if asyncio.get_running_loop().time() < self._rests_until:
            hearer(None)
            return
        self._waiting.append(hearer)
        self._ask()

    def before(self) -> str | None:
        if asyncio.get_running_loop().time() >= max(self._next_by_itself, self._rests_until):
            self._ask()
        return self._heard

    def close(self) -> None:
        if self._asking is not None:
            self._asking.cancel()
        self._close_line()

    def _ask(self) -> None:
        if self._asking is None:
            self._asking = asyncio.get_running_loop().create_task(self._ask_while_anybody_waits())

    async def _ask_while_anybody_waits(self) -> None:
        waiting: list[Hearer] = []
        try:
            more = True
            while more:
                waiting, self._waiting = self._waiting, []
                self._hear(await self._question())
                for hearer in waiting:
                    hearer(self._heard)
                more = bool(self._waiting)
                if more:
                    await asyncio.sleep(PACE_SECONDS)
        finally:
            self._asking = None

    def _hear(self, token: str | None) -> None:
        moment = asyncio.get_running_loop().time()
        self._heard = token
        self._next_by_itself = moment + RECENT_SECONDS
        if token is None:
            self._rests_until = moment + REST_SECONDS

    async def _question(self) -> str | None:
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                return await self._asked()
        # Whatever it is, those who wait have to be told.
        except Exception as error:
            self._close_line()
            log.info("state not known", extra={"upstream": self._app, "reason": type(error).__name__})
            return None

    async def _asked(self) -> str | None:
        if self._line is not None and not self._line.is_closing:
            try:
                return await self._told(self._line)
            except ConnectionError:
                # Kept open, and closed by the other end just now.
                pass
        self._line = await _connected(self._addresses)
        token = await self._told(self._line)
        if token is not None:
            self._when_there()
        return token

    async def _told(self, line: "_Line") -> str | None:
        token = await line.token()
        self.last_change = line.last_change
        return token

    def _close_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None


async def _connected(addresses: Sequence[URL]) -> "_Line":
    """A connection to the first of the replicas that is there."""
    for address in addresses:
        path = (address.raw_path.rstrip("/") + STATE_PATH).encode()
        request = b"GET %s HTTP/1.1\r\nhost: %s\r\n\r\n" % (path, address.raw_authority.encode())
        try:
            _, line = await asyncio.get_running_loop().create_connection(
                partial(_Line, request),
                address.host or "",
                address.port or 0,
                ssl=True if address.scheme == "https" else None,
            )
        except OSError:
            if address is addresses[-1]:
                raise
        else:
            return line
    raise AssertionError("an app has an address")


class _Line(asyncio.Protocol):
    """A connection kept for this one question: through a client it would cost several times as much."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._body = b""
        self.last_change: int | None = None
        self._answer: asyncio.Future[str | None] | None = None

    @property
    def is_closing(self) -> bool:
        return self._transport is None or self._transport.is_closing()

    async def token(self) -> str | None:
        """The app's answer; None if it gave another than a token. Raises OSError."""
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(self._request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError("the app hung up"))

    def on_message_begin(self) -> None:
        self._body = b""
        self.last_change = None

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == _LAST_CHANGE and value.isdigit():
            self.last_change = int(value)

    def on_body(self, body: bytes) -> None:
        self._body += body
        if len(self._body) > LONGEST_TOKEN:
            raise ValueError("longer than a token")

    def on_message_complete(self) -> None:
        good = self._parser.get_status_code() == 200 and self._body.isalnum()
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(self._body.decode("ascii") if good else None)
        if not self._parser.should_keep_alive():
            self.close()
