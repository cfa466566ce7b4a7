"""The rows of the registry's database.

Links from reference data to areas and needs carry no foreign key where the other end may arrive later
(an area's parent, a service's area); what must hold at once has one.
"""

from datetime import date, datetime
from typing import Any

from hedgerow_kit import bulk, changes, db
from hedgerow_kit.db import Instant
from sqlalchemy import CheckConstraint, Date, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column


def _key_text(length: int) -> String:
    """A text compared byte by byte on both databases, so that an index serves searches by its beginning."""
    return String(length).with_variant(String(length, collation="C"), "postgresql")


# Stored as the upper end of an open age band, because a primary key holds no NULL.
OPEN_AGE = 999


class Base(DeclarativeBase):
    metadata = db.metadata()


class Provenance:
    """Where a record came from, and the digest by which a re-import knows that nothing changed."""

    source: Mapped[str] = mapped_column(String(200), ForeignKey("sources.name"))
    first_import_id: Mapped[str | None] = mapped_column(String(64))
    last_import_id: Mapped[str | None] = mapped_column(String(64))
    updated_at: Mapped[datetime] = mapped_column(Instant)
    digest: Mapped[str] = mapped_column(String(32))


class Source(Base):
    """A name under which records were handed in; it may belong to an authority."""

    __tablename__ = "sources"

    name: Mapped[str] = mapped_column(String(200), primary_key=True)
    authority_code: Mapped[str | None] = mapped_column(String(64))
    first_import_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[datetime] = mapped_column(Instant)


class Area(Provenance, Base):
    """A geography: a code with the year of its boundary."""

    __tablename__ = "areas"
    __table_args__ = (
        CheckConstraint("(lon IS NULL) = (lat IS NULL)", name="whole_point"),
        Index("ix_areas_level_code", "level", "code"),
        Index("ix_areas_name_key", "name_key", "code"),
    )

    code: Mapped[str] = mapped_column(String(64), primary_key=True)
    name: Mapped[str] = mapped_column(String(300))
    name_key: Mapped[str] = mapped_column(_key_text(300))
    level: Mapped[str] = mapped_column(String(20))
    vintage: Mapped[int] = mapped_column(Integer)
    lon: Mapped[float | None] = mapped_column(Float)
    lat: Mapped[float | None] = mapped_column(Float)
    # "given" or "boundary": a point derived from a boundary moves with it, a given one stays.
    point_from: Mapped[str | None] = mapped_column(String(10))


class AreaParent(Base):
    """One of the areas that an area lies in; several hierarchies may hold at once."""

    __tablename__ = "area_parents"
    __table_args__ = (Index("ix_area_parents_parent", "parent_code", "code"),)

    code: Mapped[str] = mapped_column(
        String(64), ForeignKey("areas.code", ondelete="CASCADE"), primary_key=True
    )
    parent_code: Mapped[str] = mapped_column(String(64), primary_key=True)


class AreaSuccessor(Base):
    """The area that replaced one, or took part of it."""

    __tablename__ = "area_successors"
    __table_args__ = (Index("ix_area_successors_successor", "successor_code", "code"),)

    code: Mapped[str] = mapped_column(
        String(64), ForeignKey("areas.code", ondelete="CASCADE"), primary_key=True
    )
    successor_code: Mapped[str] = mapped_column(String(64), primary_key=True)


class Boundary(Provenance, Base):
    """The outline of an area as a GeoJSON Polygon or MultiPolygon in WGS84."""

    __tablename__ = "boundaries"

    area_code: Mapped[str] = mapped_column(
        String(64), ForeignKey("areas.code", ondelete="CASCADE"), primary_key=True
    )
    geometry: Mapped[dict[str, Any]] = mapped_column(db.Json)


class Residents(Provenance, Base):
    """How many people of an age band and sex lived in an area in a period."""

    __tablename__ = "residents"
    __table_args__ = (
        CheckConstraint("people >= 0", name="people"),
        CheckConstraint("age_from >= 0 AND age_to >= age_from", name="ages"),
        CheckConstraint("sex IN ('all', 'female', 'male')", name="sex"),
    )

    area_code: Mapped[str] = mapped_column(
        String(64), ForeignKey("areas.code", ondelete="CASCADE"), primary_key=True
    )
    period: Mapped[str] = mapped_column(String(32), primary_key=True)
    sex: Mapped[str] = mapped_column(String(6), primary_key=True)
    age_from: Mapped[int] = mapped_column(Integer, primary_key=True)
    age_to: Mapped[int] = mapped_column(Integer, primary_key=True)
    people: Mapped[float] = mapped_column(Float)


class IndexValue(Provenance, Base):
    """The value of a named index (deprivation, rurality …) for an area and period."""

    __tablename__ = "index_values"
    __table_args__ = (Index("ix_index_values_area", "area_code", "index_name"),)

    index_name: Mapped[str] = mapped_column(String(150), primary_key=True)
    area_code: Mapped[str] = mapped_column(
        String(64), ForeignKey("areas.code", ondelete="CASCADE"), primary_key=True
    )
    period: Mapped[str] = mapped_column(String(32), primary_key=True)
    value: Mapped[float] = mapped_column(Float)


class Need(Provenance, Base):
    """Something people need help with: a term of a taxonomy. Its id is `taxonomy:term`."""

    __tablename__ = "needs"
    __table_args__ = (Index("ix_needs_term", "term", "taxonomy"),)

    id: Mapped[str] = mapped_column(String(300), primary_key=True)
    taxonomy: Mapped[str] = mapped_column(String(100))
    term: Mapped[str] = mapped_column(String(199))
    name: Mapped[str] = mapped_column(String(300))
    parent_id: Mapped[str | None] = mapped_column(String(300))


class Crosswalk(Provenance, Base):
    """How a term of one taxonomy relates to one of another (SKOS sense)."""

    __tablename__ = "crosswalk"
    __table_args__ = (
        CheckConstraint("relation IN ('exact', 'narrower', 'broader', 'related')", name="relation"),
    )

    from_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    to_id: Mapped[str] = mapped_column(String(300), primary_key=True)
    relation: Mapped[str] = mapped_column(String(10))


class Demand(Provenance, Base):
    """People in an area with a need in a period: a count, a weight, or both."""

    __tablename__ = "demand"
    __table_args__ = (
        CheckConstraint("people IS NOT NULL OR weight IS NOT NULL", name="figure"),
        CheckConstraint("people >= 0", name="people"),
        CheckConstraint("weight >= 0", name="weight"),
        Index("ix_demand_area", "area_code", "need_id"),
    )

    need_id: Mapped[str] = mapped_column(
        String(300), ForeignKey("needs.id", ondelete="CASCADE"), primary_key=True
    )
    area_code: Mapped[str] = mapped_column(
        String(64), ForeignKey("areas.code", ondelete="CASCADE"), primary_key=True
    )
    period: Mapped[str] = mapped_column(String(32), primary_key=True)
    people: Mapped[float | None] = mapped_column(Float)
    weight: Mapped[float | None] = mapped_column(Float)
    # Where the figure was published, in the words of whoever sent it; `source` is who sent it.
    origin: Mapped[str | None] = mapped_column(String(300))


class Organisation(Provenance, Base):
    """A legal or informal body that provides, or is paid."""

    __tablename__ = "organisations"
    __table_args__ = (
        Index("ix_organisations_name_key", "name_key", "id"),
        Index("ix_organisations_source_name", "source", "name_key"),
        CheckConstraint(
            "sector IN ('public', 'private', 'charity', 'social enterprise', 'mutual', 'informal')",
            name="sector",
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    source_id: Mapped[str | None] = mapped_column(String(500))
    name: Mapped[str] = mapped_column(String(500))
    name_key: Mapped[str] = mapped_column(_key_text(500))
    sector: Mapped[str | None] = mapped_column(String(20))
    legal_form: Mapped[str | None] = mapped_column(String(200))
    size: Mapped[str | None] = mapped_column(String(100))
    status: Mapped[str] = mapped_column(String(30))
    url: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    description: Mapped[str | None] = mapped_column(Text)


class OrganisationIdentifier(Base):
    """An identifier of an organisation under an org-id scheme, kept as text with its zeros."""

    __tablename__ = "organisation_identifiers"
    __table_args__ = (Index("ix_organisation_identifiers_identifier", "scheme", "identifier"),)

    organisation_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    scheme: Mapped[str] = mapped_column(String(40), primary_key=True)
    identifier: Mapped[str] = mapped_column(String(200), primary_key=True)


class OrganisationAlias(Base):
    """Another name an organisation goes by."""

    __tablename__ = "organisation_aliases"

    organisation_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    alias: Mapped[str] = mapped_column(String(500), primary_key=True)


class OrganisationOwner(Base):
    """An organisation that owns another; the owner may arrive later."""

    __tablename__ = "organisation_owners"
    __table_args__ = (Index("ix_organisation_owners_owner", "owner_id", "organisation_id"),)

    organisation_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="CASCADE"), primary_key=True
    )
    owner_id: Mapped[str] = mapped_column(String(36), primary_key=True)


class Service(Provenance, Base):
    """What a provider offers. `document` is the whole nested HSDS 3.1 record where one was sent."""

    __tablename__ = "services"
    __table_args__ = (
        Index("ix_services_organisation", "organisation_id", "id"),
        Index("ix_services_name_key", "name_key", "id"),
        Index("ix_services_source", "source", "id"),
        CheckConstraint("status IN ('active', 'inactive', 'defunct', 'temporarily closed')", name="status"),
        CheckConstraint("minimum_age >= 0 AND maximum_age >= 0", name="ages"),
        CheckConstraint("maximum_age >= minimum_age", name="age_order"),
        CheckConstraint("valid_to >= valid_from", name="validity"),
        CheckConstraint("capacity >= 0", name="capacity"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    source_id: Mapped[str | None] = mapped_column(String(500))
    name: Mapped[str] = mapped_column(String(500))
    name_key: Mapped[str] = mapped_column(_key_text(500))
    organisation_id: Mapped[str | None] = mapped_column(
        String(36), ForeignKey("organisations.id", ondelete="RESTRICT")
    )
    status: Mapped[str] = mapped_column(String(30))
    description: Mapped[str | None] = mapped_column(Text)
    url: Mapped[str | None] = mapped_column(Text)
    email: Mapped[str | None] = mapped_column(Text)
    phone: Mapped[str | None] = mapped_column(String(200))
    minimum_age: Mapped[float | None] = mapped_column(Float)
    maximum_age: Mapped[float | None] = mapped_column(Float)
    capacity: Mapped[float | None] = mapped_column(Float)
    valid_from: Mapped[date | None] = mapped_column(Date)
    valid_to: Mapped[date | None] = mapped_column(Date)
    assured_on: Mapped[date | None] = mapped_column(Date)
    document: Mapped[dict[str, Any] | None] = mapped_column(db.Json)


class ServiceNeed(Base):
    """A need that a service addresses."""

    __tablename__ = "service_needs"
    __table_args__ = (Index("ix_service_needs_need", "need_id", "service_id"),)

    service_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    )
    need_id: Mapped[str] = mapped_column(String(300), primary_key=True)


class ServiceArea(Base):
    """An area that a service says it serves."""

    __tablename__ = "service_areas"
    __table_args__ = (Index("ix_service_areas_area", "area_code", "service_id"),)

    service_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    )
    area_code: Mapped[str] = mapped_column(String(64), primary_key=True)


class Site(Provenance, Base):
    """A place where a service is delivered."""

    __tablename__ = "sites"
    __table_args__ = (
        Index("ix_sites_service", "service_id", "id"),
        Index("ix_sites_area", "area_code", "id"),
        CheckConstraint("(lon IS NULL) = (lat IS NULL)", name="whole_point"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    source_id: Mapped[str | None] = mapped_column(String(500))
    service_id: Mapped[str] = mapped_column(String(36), ForeignKey("services.id", ondelete="CASCADE"))
    name: Mapped[str | None] = mapped_column(String(500))
    address: Mapped[str | None] = mapped_column(Text)
    postcode: Mapped[str | None] = mapped_column(String(16))
    area_code: Mapped[str | None] = mapped_column(String(64))
    lon: Mapped[float | None] = mapped_column(Float)
    lat: Mapped[float | None] = mapped_column(Float)


class Import(bulk.ImportMixin, Base):
    """One file that was handed in, and what became of it."""


class Receipt(bulk.ReceiptMixin, Base):
    """What became of one row of a file, or of a run of rows that all went the same clean way."""


class Change(changes.ChangeMixin, Base):
    """One entry of the change feed."""


class ChangeClock(changes.ChangeClockMixin, Base):
    """The number of the last change."""


feed = changes.Feed(Change, ChangeClock)
