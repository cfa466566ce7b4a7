"""What a reader of contracts may see: those that are published, those of its own authorities, and money."""

from dataclasses import dataclass
from typing import Any, TypeVar

from hedgerow_kit.auth import ALL_AUTHORITIES, Principal
from sqlalchemy import ColumnElement, Select, or_, select, true

from hedgerow_registry.tables import Contract, ContractingProcess, Source

T = TypeVar("T")


@dataclass(frozen=True)
class Sight:
    """authorities: whose unpublished records may be read, `None` for all · sees_money: and the cost."""

    authorities: frozenset[str] | None
    sees_money: bool

    @classmethod
    def of(cls, principal: Principal) -> "Sight":
        """Nobody but those who may read sees what is not published, not even of an authority of theirs."""
        if not principal.may("read"):
            return cls(frozenset(), False)
        unlimited = ALL_AUTHORITIES in principal.authorities
        return cls(None if unlimited else principal.authorities, principal.may("money"))

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
        if self.authorities is None:
            return true()
        own = select(Source.name).where(Source.authority_code.in_(sorted(self.authorities)))
        seen: ColumnElement[bool] = or_(table.published, table.source.in_(own))
        return seen
