"""What a reader of contracts may see: those that are published, those of its own authorities, and money."""

from dataclasses import dataclass, replace
from typing import Any, TypeVar

from hedgerow_kit.auth import Principal
from sqlalchemy import ColumnElement, Select, or_, select, true
from sqlalchemy.orm import Session

from hedgerow_registry.tables import Contract, ContractingProcess, Source

T = TypeVar("T")


@dataclass(frozen=True)
class Sight:
    """authorities: whose unpublished records may be read, `None` for all, else `Principal.codes` · sources:
    those of them · sees_money: and what their records cost · sees_published: and what others have published
    """

    authorities: frozenset[str] | None
    sources: frozenset[str] | None
    sees_money: bool
    sees_published: bool = True

    @classmethod
    def of(cls, session: Session, principal: Principal) -> "Sight":
        """Nobody but those who may read sees what is not published, not even of an authority of theirs."""
        if not principal.may("read"):
            return cls(frozenset(), frozenset(), False)
        if principal.acts_for_all:
            return cls(None, None, principal.may("money"))
        own = select(Source.name).where(Source.authority_code.in_(sorted(principal.codes)))
        return cls(principal.codes, frozenset(session.scalars(own)), principal.may("money"))

    def of_record(self, row: Any) -> "Sight":
        """What is seen of one record: what it costs only if it is of one's own authorities."""
        own = self.sources is None or row.source in self.sources
        return replace(self, sees_money=self.sees_money and own)

    @property
    def of_own(self) -> "Sight":
        """Of one's own authorities' records alone: for sums of what they cost."""
        return replace(self, sees_published=False)

    def is_within(self, authority_code: str | None) -> bool:
        """Whether unpublished records of an authority may be read; those of none are the administrator's."""
        return self.authorities is None or (authority_code is not None and authority_code in self.authorities)

    def money(self, value: T) -> T | None:
        """A value for those who may see it."""
        return value if self.sees_money else None

    def of_contracts(self, query: Select[Any]) -> Select[Any]:
        """A query of contracts narrowed to those that may be seen."""
        return query.where(self._seen(Contract))

    def of_processes(self, query: Select[Any]) -> Select[Any]:
        """A query of contracting processes narrowed to those that may be seen."""
        return query.where(self._seen(ContractingProcess))

    def _seen(self, table: Any) -> ColumnElement[bool]:
        if self.sources is None:
            return true()
        own: ColumnElement[bool] = table.source.in_(sorted(self.sources))
        return or_(table.published, own) if self.sees_published else own
