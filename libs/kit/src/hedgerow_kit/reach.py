"""Whose rows a session sees: a filter on every query of it, and a second lock in PostgreSQL.

A table whose rows belong to authorities is a class that is `Guarded`. Every query of a session that mentions
such a class, wherever in it, is narrowed to the rows within the session's reach: a query cannot forget to. On
PostgreSQL each transaction also tells the database its reach, whose policies (`migrations.protect`) hide the
same rows from statements that go past the classes, and all rows from a transaction that tells nothing.
"""

from collections.abc import Iterator, Set
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Text, event, false, or_, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import (
    Mapped,
    ORMExecuteState,
    Session,
    SessionTransaction,
    mapped_column,
    with_loader_criteria,
)
from sqlalchemy.orm.interfaces import ORMOption

from hedgerow_kit.auth import Principal

SETTING = "hedgerow.authorities"
_KEPT = "hedgerow.reach"


@dataclass(frozen=True)
class Reach:
    """Whose rows are seen: those of some authorities and nobody's in particular; None: everybody's."""

    authorities: frozenset[str] | None

    @classmethod
    def of(cls, principal: Principal) -> "Reach":
        if principal.acts_for_all:
            return EVERYTHING
        return cls(principal.codes)

    @cached_property
    def criteria(self) -> tuple[ORMOption, ...]:
        """What narrows a query to this reach, one option for each class that is guarded."""
        if self.authorities is None:
            return ()
        return tuple(
            with_loader_criteria(guarded, guarded.within(self.authorities), include_aliases=True)
            for guarded in _mapped(Guarded)
        )

    @property
    def said(self) -> str:
        """As PostgreSQL is told; the policies read it."""
        if self.authorities is None:
            return "*"
        # The first word stands for nobody's in particular: what is told is never empty.
        return ",".join(["shared", *sorted(code for code in self.authorities if "," not in code)])


# Of the app's own work: following, pulling, importing, matching.
EVERYTHING = Reach(None)


class Guarded:
    """A class whose rows are not everybody's to see: nobody's but who acts for all, unless it says whose."""

    @classmethod
    def within(cls, authorities: Set[str]) -> ColumnElement[bool]:
        """Whether a row is within reach of who acts for these authorities, and not for all."""
        return false()


class Owned(Guarded):
    """A row that belongs to an authority; one without is nobody's in particular, and everybody's to see."""

    authority_code: Mapped[str | None] = mapped_column(Text)

    @classmethod
    def within(cls, authorities: Set[str]) -> ColumnElement[bool]:
        return or_(cls.authority_code.is_(None), cls.authority_code.in_(sorted(authorities)))


class OwnedAlone(Owned):
    """A row that only its authority may see; without one, only who acts for all."""

    @classmethod
    def within(cls, authorities: Set[str]) -> ColumnElement[bool]:
        return cls.authority_code.in_(sorted(authorities))


class ReachingSession(Session):
    """A session that sees no further than its reach."""

    def __init__(self, bind: Any, reach: Reach) -> None:
        super().__init__(bind, info={_KEPT: reach})


@contextmanager
def widened(session: Session) -> Iterator[None]:
    """See everything for a while: for what has to be looked for, or be one, across authorities."""
    narrow: Reach = session.info[_KEPT]
    session.flush()
    # A transaction that begins here begins narrow: so it is again when a savepoint within is taken back.
    connection = session.connection()
    session.info[_KEPT] = EVERYTHING
    say(connection, EVERYTHING)
    try:
        yield
        session.flush()
    except BaseException:
        session.info[_KEPT] = narrow
        # A transaction that the database gave up takes no statement more; what is to be told is why it did.
        with suppress(DBAPIError):
            if session.is_active:
                say(session.connection(), narrow)
        raise
    session.info[_KEPT] = narrow
    say(session.connection(), narrow)


def _mapped(base: type[Guarded]) -> Iterator[type[Guarded]]:
    for one in base.__subclasses__():
        if hasattr(one, "__table__"):
            yield one
        else:
            yield from _mapped(one)


@event.listens_for(ReachingSession, "do_orm_execute")
def _narrow(asked: ORMExecuteState) -> None:
    if asked.is_select or asked.is_update or asked.is_delete:
        reach: Reach = asked.session.info[_KEPT]
        if reach.criteria:
            asked.statement = asked.statement.options(*reach.criteria)


@event.listens_for(ReachingSession, "after_begin")
def _tell(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    say(connection, session.info[_KEPT])


def say(connection: Connection, reach: Reach) -> None:
    """Tell PostgreSQL how far the present transaction may see."""
    # Until the end of the transaction and no longer: a pooled connection carries it to nobody.
    if connection.dialect.name == "postgresql":
        connection.execute(
            text("SELECT set_config(:name, :said, true)"), {"name": SETTING, "said": reach.said}
        )
