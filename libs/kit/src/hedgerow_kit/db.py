"""One database behind one URL: SQLite or PostgreSQL, one transaction per request, fast writing on both."""

import sqlite3
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager, contextmanager, nullcontext
from datetime import UTC, datetime
from functools import lru_cache
from itertools import count
from typing import Annotated, Any, NamedTuple

import orjson
from anyio import CancelScope, CapacityLimiter, to_thread
from fastapi import Depends, Request
from sqlalchemy import (
    JSON,
    Boolean,
    ColumnElement,
    Connection,
    DateTime,
    MetaData,
    Table,
    Text,
    bindparam,
    create_engine,
    event,
    make_url,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect, Engine
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.orm import Session
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.types import TypeDecorator, TypeEngine

from hedgerow_kit import auth, tracing
from hedgerow_kit.reach import EVERYTHING, Reach, ReachingSession

# Written as text on SQLite and as JSONB on PostgreSQL.
Json = JSON().with_variant(postgresql.JSONB(), "postgresql")


class Instant(TypeDecorator[datetime]):
    """A moment in UTC: SQLite, which keeps no time zone, gives it back with its zone as PostgreSQL does."""

    impl = DateTime(timezone=True)
    cache_ok = True

    @property
    def python_type(self) -> type[datetime]:
        return datetime

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


# Below this many rows a COPY costs more round trips than it saves.
COPY_FROM_ROWS = 500

# How long one writer of SQLite waits for another.
_LONGEST_WAIT_S = 30
# So many requests wait at once for a connection, or for their turn to write; others wait for these.
_WAITING_REQUESTS = 40

_staging_names = count(1)

# Where a request carries the transaction that it writes in, if somebody else ends it.
HELD = "hedgerow.held"


class Act(NamedTuple):
    """Who does what in a transaction: what the audit says of it beside what it changes."""

    who: str
    what: str


# Where a session carries the act it is opened for.
ACT = "hedgerow.act"


def metadata() -> MetaData:
    """A MetaData whose constraints have names, so that migrations can speak of them."""
    return MetaData(
        naming_convention={
            "ix": "ix_%(column_0_label)s",
            "uq": "uq_%(table_name)s_%(column_0_name)s",
            "ck": "ck_%(table_name)s_%(constraint_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
            "pk": "pk_%(table_name)s",
        }
    )


class Queue:
    """Lets one at a time go on, in the order in which they came.

    SQLite has one writer and no queue: who waits looks again now and then, and among several threads that
    write without a pause one may never see the moment between two others.
    """

    def __init__(self, longest_wait_s: float) -> None:
        self._longest_wait_s = longest_wait_s
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()
        self._taken = False

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Hold the turn. Raises OperationalError, as the database would, where it does not come in time."""
        self._wait()
        try:
            yield
        finally:
            self._pass_on()

    def _wait(self) -> None:
        with self._guard:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        if mine.wait(self._longest_wait_s):
            return
        with self._guard:
            if not mine.is_set():
                self._waiting.remove(mine)
                raise OperationalError(
                    "BEGIN IMMEDIATE", None, sqlite3.OperationalError("database is locked")
                )

    def _pass_on(self) -> None:
        with self._guard:
            if self._waiting:
                self._waiting.popleft().set()
            else:
                self._taken = False


class Database:
    """The engine of one app's database and its two kinds of transaction."""

    def __init__(self, url: str, *, pool_size: int = 10) -> None:
        address = make_url(url)
        if address.drivername in ("postgresql", "postgres"):
            address = address.set(drivername="postgresql+psycopg")
        self.dialect = address.get_backend_name()
        if self.dialect == "sqlite" and not address.database:
            raise ValueError("an SQLite database needs a file: sqlite:///path/of/file.db")
        self.most_connections = 3 * pool_size
        self.engine = create_engine(
            address,
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
            pool_size=pool_size,
            max_overflow=self.most_connections - pool_size,
            pool_pre_ping=self.dialect == "postgresql",
        )
        self._read: Engine
        self._write: Engine
        self._turn: Callable[[], AbstractContextManager[None]] = nullcontext
        # Requests wait in threads of their own: whoever is to finish first may need those of the endpoints.
        self.waiting = CapacityLimiter(_WAITING_REQUESTS)
        if self.dialect == "sqlite":
            self._turn = Queue(_LONGEST_WAIT_S).turn
            _prepare_sqlite(self.engine)
            self._read = self.engine.execution_options(begin="BEGIN", query_only=True)
            self._write = self.engine.execution_options(begin="BEGIN IMMEDIATE", query_only=False)
        else:
            self._read = self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
            self._write = self.engine

    @contextmanager
    def reading(self, reach: Reach = EVERYTHING) -> Iterator[Session]:
        """One snapshot of the database, as far as a reach goes; writing in it is refused."""
        with tracing.transaction(self.dialect, "read"), ReachingSession(self._read, reach) as session:
            yield session

    @contextmanager
    def writing(self, reach: Reach = EVERYTHING, *, act: Act | None = None) -> Iterator[Session]:
        """One transaction: committed on success, rolled back on any exception.

        act: what it is for; what it changes is then kept in the audit.
        """
        with (
            tracing.transaction(self.dialect, "write"),
            self._turn(),
            ReachingSession(self._write, reach) as session,
            session.begin(),
        ):
            session.info[ACT] = act
            yield session

    def dispose(self) -> None:
        self.engine.dispose()


def overwrite_removed(session: Session) -> None:
    """Leave nothing of what this connection removes in free pages of an SQLite file."""
    if session.get_bind().dialect.name == "sqlite":
        session.connection().exec_driver_sql("PRAGMA secure_delete=ON")


class Held:
    """A write transaction that begins when it is first asked for, and that whoever holds it ends."""

    def __init__(self, database: Database, reach: Reach) -> None:
        self._opened = ExitStack()
        self._writing = database.writing(reach)
        self._session: Session | None = None

    def session(self) -> Session:
        if self._session is None:
            self._session = self._opened.enter_context(_begun(self._writing))
        return self._session

    def end(self, error: BaseException | None) -> None:
        """Commit, or roll back after an error; nothing if it never began."""
        self._opened.__exit__(type(error) if error else None, error, error.__traceback__ if error else None)


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # The driver's own implicit BEGIN would start a read transaction that cannot be upgraded under load.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={_LONGEST_WAIT_S * 1000}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "temp_store=MEMORY",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        options = connection.get_execution_options()
        connection.exec_driver_sql(f"PRAGMA query_only={int(options.get('query_only', False))}")
        connection.exec_driver_sql(options.get("begin", "BEGIN IMMEDIATE"))


def of(request: Request) -> Database:
    """The database that the app of this request was created with."""
    database: Database = request.app.state.database
    return database


async def _reading(request: Request) -> AsyncIterator[Session]:
    database = of(request)
    async with _entered(database, database.reading(reach_of(request))) as session:
        yield session


async def _writing(request: Request) -> AsyncIterator[Session]:
    database = of(request)
    held: Held | None = request.scope.get(HELD)
    if held is not None:
        session = await to_thread.run_sync(held.session, limiter=database.waiting)
        session.info[ACT] = act_of(request)
        yield session
        return
    async with _entered(database, database.writing(reach_of(request), act=act_of(request))) as session:
        yield session


@asynccontextmanager
async def _entered(
    database: Database, transaction: AbstractContextManager[Session]
) -> AsyncIterator[Session]:
    """A transaction for an endpoint, which finds its connection taken and never waits in its own thread."""
    begun = _begun(transaction)
    session = await to_thread.run_sync(begun.__enter__, limiter=database.waiting)
    error: BaseException | None = None
    try:
        yield session
    except BaseException as raised:
        error = raised
        raise
    finally:
        # Whatever becomes of the request, its transaction ends; for that there always is a thread.
        with CancelScope(shield=True):
            told = (None, None, None) if error is None else (type(error), error, error.__traceback__)
            await to_thread.run_sync(begun.__exit__, *told, limiter=CapacityLimiter(1))


@contextmanager
def _begun(transaction: AbstractContextManager[Session]) -> Iterator[Session]:
    with transaction as session:
        session.connection()
        yield session


def act_of(request: Request) -> Act:
    """The caller, and the route that was called: its pattern, so that acts of one kind are found together."""
    principal = auth.known(request)
    who = "nobody" if principal is None else principal.subject
    return Act(who, f"{request.method} {request.scope['route'].path_format}")


def reach_of(request: Request) -> Reach:
    """The caller's; of nobody who is known, nobody's rows."""
    principal = auth.known(request)
    return Reach(frozenset()) if principal is None else Reach.of(principal)


# The scope makes FastAPI leave the transaction before the response is sent, not after.
Reading = Annotated[Session, Depends(_reading, scope="function")]
Writing = Annotated[Session, Depends(_writing, scope="function")]


def upsert(
    session: Session,
    table: Table | type[Any],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str],
    update: Sequence[str] | None = None,
) -> None:
    """Insert rows, or update those whose key is there already.

    rows: mappings with one and the same set of columns, unique in `key`.
    update: the columns to overwrite on conflict; all but the key by default, none with `[]`.
    """
    if not rows:
        return
    target: Table = table if isinstance(table, Table) else table.__table__
    columns = list(rows[0])
    changing = [name for name in columns if name not in key] if update is None else list(update)
    connection = session.connection()
    session.flush()
    if connection.dialect.name == "postgresql" and len(rows) >= COPY_FROM_ROWS:
        with copied(connection, target, columns, rows) as staging:
            connection.exec_driver_sql(_upsert_from(connection, target, staging, columns, key, changing))
        return
    if connection.dialect.name == "sqlite":
        statement = _sqlite_upsert(connection.dialect, target, tuple(columns), tuple(key), tuple(changing))
        connection.exec_driver_sql(statement.text, statement.values(rows))
        return
    insert = _resolving(postgresql.insert(target), key, changing)
    connection.execute(insert, [dict(row) for row in rows])


def insert_all(session: Session, table: Table | type[Any], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows with one and the same set of columns, none of whose keys is there yet."""
    if not rows:
        return
    target: Table = table if isinstance(table, Table) else table.__table__
    columns = list(rows[0])
    connection = session.connection()
    session.flush()
    if connection.dialect.name == "sqlite":
        statement = _sqlite_upsert(connection.dialect, target, tuple(columns), None, ())
        connection.exec_driver_sql(statement.text, statement.values(rows))
    elif len(rows) >= COPY_FROM_ROWS:
        _copy(connection, target, connection.dialect.identifier_preparer.quote(target.name), columns, rows)
    else:
        connection.execute(target.insert(), [dict(row) for row in rows])


class _Listed(TypeDecorator[list[str]]):
    """Texts as one parameter: an array on PostgreSQL, JSON on SQLite."""

    impl = JSON
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        return dialect.type_descriptor(postgresql.ARRAY(Text) if dialect.name == "postgresql" else JSON())


class _Among(FunctionElement[bool]):
    type = Boolean()
    inherit_cache = True

    def self_group(self, against: Any = None) -> Any:
        # Else SQLite, which has no booleans, is asked whether it is 1, and looks at every row of the table.
        return self


def among(column: Any, values: Iterable[str]) -> ColumnElement[bool]:
    """Whether a column of texts holds one of these values: one parameter, however many they are.

    A list of parameters (`IN`) is written into the statement one by one, each time it is executed.
    """
    return _Among(column, bindparam(None, list(values), type_=_Listed()))


@compiles(_Among, "sqlite")
def _among_json(element: _Among, compiler: SQLCompiler, **terms: Any) -> str:
    column, listed = (compiler.process(part, **terms) for part in element.clauses)
    return f"{column} IN (SELECT value FROM json_each({listed}))"


@compiles(_Among, "postgresql")
def _among_array(element: _Among, compiler: SQLCompiler, **terms: Any) -> str:
    column, listed = (compiler.process(part, **terms) for part in element.clauses)
    return f"{column} = ANY ({listed})"


def _resolving(insert: Any, key: Sequence[str], changing: Sequence[str]) -> Any:
    """An insert that updates some columns of the rows that are there already, or leaves them alone."""
    if not changing:
        return insert.on_conflict_do_nothing(index_elements=list(key))
    return insert.on_conflict_do_update(
        index_elements=list(key), set_={name: insert.excluded[name] for name in changing}
    )


class _Statement(NamedTuple):
    """A statement in the driver's own words: its columns in their order, and how some values are written."""

    text: str
    columns: tuple[str, ...]
    treated: tuple[tuple[int, Callable[[Any], Any]], ...]

    def values(self, rows: Sequence[Mapping[str, Any]]) -> list[tuple[Any, ...]]:
        # Column by column: a value is treated without a look at what stands beside it.
        listed = [[row[name] for row in rows] for name in self.columns]
        for place, treat in self.treated:
            listed[place] = _treated(listed[place], treat)
        return list(zip(*listed, strict=True))


def _treated(values: Sequence[Any], treat: Callable[[Any], Any]) -> list[Any]:
    """The values as they are written; one that stands in row after row, such as a moment, is treated once."""
    made: list[Any] = []
    last = written = None
    for value in values:
        if value is not last or not made:
            last, written = value, treat(value)
        made.append(written)
    return made


@lru_cache(maxsize=256)
def _sqlite_upsert(
    dialect: Dialect,
    table: Table,
    columns: tuple[str, ...],
    key: tuple[str, ...] | None,
    changing: tuple[str, ...],
) -> _Statement:
    """An upsert; an insert that fails where a key is there already, with no key."""
    # SQLAlchemy looks at each value of each row anew, which takes as long as the database does to write it.
    insert = sqlite.insert(table).values({name: bindparam(name) for name in columns})
    resolved = insert if key is None else _resolving(insert, key, changing)
    compiled = resolved.compile(dialect=dialect)
    places: tuple[str, ...] = tuple(compiled.positiontup or ())
    treats = [table.c[name].type.dialect_impl(dialect).bind_processor(dialect) for name in places]
    return _Statement(
        str(compiled),
        places,
        tuple((place, treat) for place, treat in enumerate(treats) if treat is not None),
    )


@contextmanager
def copied(
    connection: Connection, table: Table, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]
) -> Iterator[str]:
    """PostgreSQL only: the rows in a temporary table shaped like `table`; gives its quoted name."""
    quote = connection.dialect.identifier_preparer.quote
    name = quote(f"staging_{table.name}_{next(_staging_names)}")
    listed = ", ".join(quote(column) for column in columns)
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE {name} ON COMMIT DROP AS SELECT {listed} FROM {quote(table.name)} WITH NO DATA"
    )
    _copy(connection, table, name, columns, rows)
    yield name
    connection.exec_driver_sql(f"DROP TABLE {name}")


def _copy(
    connection: Connection,
    table: Table,
    name: str,
    columns: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
) -> None:
    """PostgreSQL only: the rows into the table of this name, which has the columns of `table`."""
    listed = ", ".join(connection.dialect.identifier_preparer.quote(column) for column in columns)
    processors = [
        table.c[column].type.dialect_impl(connection.dialect).bind_processor(connection.dialect)
        for column in columns
    ]
    pairs = list(zip(columns, processors, strict=True))
    cursor = connection.connection.cursor()
    with cursor, cursor.copy(f"COPY {name} ({listed}) FROM STDIN") as copy:  # type: ignore[attr-defined]
        for row in rows:
            copy.write_row([process(row[column]) if process else row[column] for column, process in pairs])


def _upsert_from(
    connection: Connection,
    table: Table,
    staging: str,
    columns: Sequence[str],
    key: Sequence[str],
    changing: Sequence[str],
) -> str:
    quote = connection.dialect.identifier_preparer.quote
    listed = ", ".join(quote(column) for column in columns)
    keyed = ", ".join(quote(column) for column in key)
    resolution = (
        "DO UPDATE SET " + ", ".join(f"{quote(name)} = excluded.{quote(name)}" for name in changing)
        if changing
        else "DO NOTHING"
    )
    return (
        f"INSERT INTO {quote(table.name)} ({listed}) SELECT {listed} FROM {staging} "
        f"ON CONFLICT ({keyed}) {resolution}"
    )
