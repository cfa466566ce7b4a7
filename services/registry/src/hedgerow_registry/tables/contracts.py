"""Contracting processes with the releases that tell of them, and the agreements that came of them.

What a question filters or joins by has a column or a table; the rest of a process and of a contract stands in
`details`, in the shape it is answered in. Both are derived from the releases, which are kept as they came.
"""

from datetime import date, datetime
from typing import Any

from hedgerow_kit import db
from hedgerow_kit.db import Instant
from hedgerow_kit.reach import OwnedAlone
from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base, Provenance

_STAGE = "stage IN ('planning', 'tender', 'award', 'contract')"
_METHOD = "method IN ('open', 'selective', 'limited', 'direct')"


class ContractingProcess(Provenance, Base):
    """A process from the first plan to the last contract, known by its `ocid` within its source.

    release: its compiled release · organisations: which organisation each party of it is
    was_published: whether it ever was, so that followers of the feed learn when it no longer is.
    """

    __tablename__ = "contracting_processes"
    __table_args__ = (
        UniqueConstraint("source", "ocid"),
        Index("ix_contracting_processes_ocid", "ocid"),
        Index("ix_contracting_processes_stage", "stage", "id"),
        Index("ix_contracting_processes_prior", "prior_ocid"),
        CheckConstraint(_STAGE, name="stage"),
        CheckConstraint(_METHOD, name="method"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    ocid: Mapped[str] = mapped_column(String(300))
    title: Mapped[str] = mapped_column(String(1000))
    description: Mapped[str | None] = mapped_column(Text)
    stage: Mapped[str] = mapped_column(String(10))
    status: Mapped[str | None] = mapped_column(String(20))
    method: Mapped[str | None] = mapped_column(String(10))
    method_details: Mapped[str | None] = mapped_column(String(500))
    category: Mapped[str | None] = mapped_column(String(10))
    programme: Mapped[str | None] = mapped_column(String(500))
    published: Mapped[bool] = mapped_column(Boolean)
    was_published: Mapped[bool] = mapped_column(Boolean)
    notice_on: Mapped[date | None] = mapped_column(Date)
    opens_on: Mapped[date | None] = mapped_column(Date)
    closes_on: Mapped[date | None] = mapped_column(Date)
    starts: Mapped[date | None] = mapped_column(Date)
    ends: Mapped[date | None] = mapped_column(Date)
    amount: Mapped[float | None] = mapped_column(Float)
    currency: Mapped[str | None] = mapped_column(String(3))
    value_gbp: Mapped[float | None] = mapped_column(Float)
    prior_ocid: Mapped[str | None] = mapped_column(String(300))
    details: Mapped[dict[str, Any]] = mapped_column(db.Json)
    organisations: Mapped[dict[str, Any]] = mapped_column(db.Json)
    release: Mapped[dict[str, Any]] = mapped_column(db.Json)


class Release(Base):
    """A release as it came, in the standard's shape."""

    __tablename__ = "releases"
    __table_args__ = (Index("ix_releases_date", "process_id", "date", "release_id"),)

    process_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracting_processes.id", ondelete="CASCADE"), primary_key=True
    )
    release_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    date: Mapped[datetime] = mapped_column(Instant)
    digest: Mapped[str] = mapped_column(String(32))
    import_id: Mapped[str | None] = mapped_column(String(64))
    document: Mapped[dict[str, Any]] = mapped_column(db.Json)


class ProcessParty(Base):
    """An organisation that buys in a process, or bid in it."""

    __tablename__ = "process_parties"
    __table_args__ = (Index("ix_process_parties_organisation", "organisation_id", "role", "process_id"),)

    process_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracting_processes.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="RESTRICT"), primary_key=True
    )


class ProcessNeed(Base):
    """A need that a process is to answer."""

    __tablename__ = "process_needs"
    __table_args__ = (Index("ix_process_needs_need", "need_id", "process_id"),)

    process_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracting_processes.id", ondelete="CASCADE"), primary_key=True
    )
    need_id: Mapped[str] = mapped_column(String(300), primary_key=True)


class ProcessArea(Base):
    """An area that a process is for."""

    __tablename__ = "process_areas"
    __table_args__ = (Index("ix_process_areas_area", "area_code", "process_id"),)

    process_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracting_processes.id", ondelete="CASCADE"), primary_key=True
    )
    area_code: Mapped[str] = mapped_column(String(64), primary_key=True)


class Contract(Provenance, Base):
    """An agreement between buyers and suppliers: an award, with its contract once there is one."""

    __tablename__ = "contracts"
    __table_args__ = (
        Index("ix_contracts_process", "process_id", "id"),
        Index("ix_contracts_ends", "ends", "id"),
        Index("ix_contracts_source", "source", "id"),
        Index("ix_contracts_ocid", "ocid"),
        Index("ix_contracts_successor", "successor_ocid"),
        CheckConstraint("stage IN ('award', 'contract')", name="stage"),
        CheckConstraint(_METHOD, name="method"),
        CheckConstraint("status IN ('pending', 'active', 'cancelled', 'terminated')", name="status"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    process_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracting_processes.id", ondelete="CASCADE")
    )
    own_id: Mapped[str] = mapped_column(String(300))
    award_id: Mapped[str | None] = mapped_column(String(300))
    ocid: Mapped[str] = mapped_column(String(300))
    title: Mapped[str] = mapped_column(String(1000))
    description: Mapped[str | None] = mapped_column(Text)
    stage: Mapped[str] = mapped_column(String(10))
    status: Mapped[str | None] = mapped_column(String(20))
    method: Mapped[str | None] = mapped_column(String(10))
    method_details: Mapped[str | None] = mapped_column(String(500))
    category: Mapped[str | None] = mapped_column(String(10))
    programme: Mapped[str | None] = mapped_column(String(500))
    amount: Mapped[float | None] = mapped_column(Float)
    currency: Mapped[str | None] = mapped_column(String(3))
    value_gbp: Mapped[float | None] = mapped_column(Float)
    starts: Mapped[date | None] = mapped_column(Date)
    ends: Mapped[date | None] = mapped_column(Date)
    extended_to: Mapped[date | None] = mapped_column(Date)
    signed_on: Mapped[date | None] = mapped_column(Date)
    awarded_on: Mapped[date | None] = mapped_column(Date)
    advertised_on: Mapped[date | None] = mapped_column(Date)
    term_days: Mapped[int | None] = mapped_column(Integer)
    lead_in_days: Mapped[int | None] = mapped_column(Integer)
    is_under_three_years: Mapped[bool | None] = mapped_column(Boolean)
    is_reserved: Mapped[bool] = mapped_column(Boolean)
    published: Mapped[bool] = mapped_column(Boolean)
    was_published: Mapped[bool] = mapped_column(Boolean)
    successor_ocid: Mapped[str | None] = mapped_column(String(300))
    details: Mapped[dict[str, Any]] = mapped_column(db.Json)


class ContractParty(Base):
    """An organisation with a part in a contract. `vcse`: what its publisher says: `yes`, `no` or nothing."""

    __tablename__ = "contract_parties"
    __table_args__ = (
        Index("ix_contract_parties_organisation", "organisation_id", "role", "contract_id"),
        CheckConstraint("role IN ('buyer', 'supplier', 'subcontractor', 'funder')", name="role"),
        CheckConstraint("vcse IN ('', 'yes', 'no')", name="vcse"),
    )

    contract_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracts.id", ondelete="CASCADE"), primary_key=True
    )
    role: Mapped[str] = mapped_column(String(20), primary_key=True)
    organisation_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="RESTRICT"), primary_key=True
    )
    vcse: Mapped[str] = mapped_column(String(3), primary_key=True)


class ContractNeed(Base):
    """A need that a contract is to answer."""

    __tablename__ = "contract_needs"
    __table_args__ = (Index("ix_contract_needs_need", "need_id", "contract_id"),)

    contract_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracts.id", ondelete="CASCADE"), primary_key=True
    )
    need_id: Mapped[str] = mapped_column(String(300), primary_key=True)


class ContractArea(Base):
    """An area that a contract is for."""

    __tablename__ = "contract_areas"
    __table_args__ = (Index("ix_contract_areas_area", "area_code", "contract_id"),)

    contract_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracts.id", ondelete="CASCADE"), primary_key=True
    )
    area_code: Mapped[str] = mapped_column(String(64), primary_key=True)


class ContractService(Base):
    """A service that is delivered under a contract; the service may arrive later."""

    __tablename__ = "contract_services"
    __table_args__ = (Index("ix_contract_services_service", "service_id", "contract_id"),)

    contract_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("contracts.id", ondelete="CASCADE"), primary_key=True
    )
    service_id: Mapped[str] = mapped_column(String(36), primary_key=True)


class UnpublishedTombstone(OwnedAlone, Base):
    """A process or contract that was deleted and never was published: who may learn that it is no more."""

    __tablename__ = "unpublished_tombstones"

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    authority_code: Mapped[str | None] = mapped_column(String(64))
