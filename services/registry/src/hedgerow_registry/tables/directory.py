"""Organisations, services and sites."""

from datetime import date
from typing import Any

from hedgerow_kit import db
from sqlalchemy import Boolean, CheckConstraint, Date, Float, ForeignKey, Index, Integer, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base, Provenance, key_text


class Organisation(Provenance, Base):
    """A legal or informal body that provides, or is paid."""

    __tablename__ = "organisations"
    __table_args__ = (
        Index("ix_organisations_name_key", "name_key", "id"),
        Index("ix_organisations_source_name", "source", "name_key"),
        Index("ix_organisations_head_office", "head_office_area_code", "id"),
        CheckConstraint(
            "sector IN ('public', 'private', 'charity', 'social enterprise', 'mutual', 'informal')",
            name="sector",
        ),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    source_id: Mapped[str | None] = mapped_column(String(500))
    name: Mapped[str] = mapped_column(String(500))
    name_key: Mapped[str] = mapped_column(key_text(500))
    sector: Mapped[str | None] = mapped_column(String(20))
    # As it was said, and the code of it where the words are understood.
    legal_form: Mapped[str | None] = mapped_column(String(200))
    legal_form_code: Mapped[str | None] = mapped_column(String(40))
    size: Mapped[str | None] = mapped_column(String(100))
    size_band: Mapped[str | None] = mapped_column(String(10))
    head_office_area_code: Mapped[str | None] = mapped_column(String(64))
    user_led: Mapped[bool | None] = mapped_column(Boolean)
    user_led_evidence: Mapped[str | None] = mapped_column(Text)
    user_led_on: Mapped[date | None] = mapped_column(Date)
    supported_business: Mapped[bool | None] = mapped_column(Boolean)
    supported_business_evidence: Mapped[str | None] = mapped_column(Text)
    supported_business_on: Mapped[date | None] = mapped_column(Date)
    public_service_mutual: Mapped[bool | None] = mapped_column(Boolean)
    public_service_mutual_evidence: Mapped[str | None] = mapped_column(Text)
    public_service_mutual_on: Mapped[date | None] = mapped_column(Date)
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
    """What a provider offers. `document` is the whole nested HSDS 3.1 record where one was sent.

    circumstances: of whom it is for, as a flat file says them; of a nested record its document tells them.
    """

    __tablename__ = "services"
    __table_args__ = (
        Index("ix_services_organisation", "organisation_id", "id"),
        Index("ix_services_name_key", "name_key", "id"),
        Index("ix_services_source", "source", "id"),
        Index("ix_services_assured", "source", "assured_on"),
        CheckConstraint("status IN ('active', 'inactive', 'defunct', 'temporarily closed')", name="status"),
        CheckConstraint("minimum_age >= 0 AND maximum_age >= 0", name="ages"),
        CheckConstraint("maximum_age >= minimum_age", name="age_order"),
        CheckConstraint("valid_to >= valid_from", name="validity"),
        CheckConstraint("capacity >= 0", name="capacity"),
    )

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    source_id: Mapped[str | None] = mapped_column(String(500))
    name: Mapped[str] = mapped_column(String(500))
    name_key: Mapped[str] = mapped_column(key_text(500))
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
    circumstances: Mapped[list[str] | None] = mapped_column(db.Json)
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


class ServiceOpening(Base):
    """An opening time of a service, or of one of its places: derived from the schedules of its document.

    The columns are those of `domain.openings.OpeningTime`.
    """

    __tablename__ = "service_openings"
    __table_args__ = (Index("ix_service_openings_hours", "weekday", "opens", "closes", "service_id"),)

    service_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    )
    number: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=False)
    place_id: Mapped[str | None] = mapped_column(String(36))
    weekday: Mapped[int | None] = mapped_column(Integer)
    opens: Mapped[int | None] = mapped_column(Integer)
    closes: Mapped[int | None] = mapped_column(Integer)
    starts: Mapped[date | None] = mapped_column(Date)
    ends: Mapped[date | None] = mapped_column(Date)
    every: Mapped[int] = mapped_column(Integer)
    monthly: Mapped[bool] = mapped_column(Boolean)
    anchor: Mapped[int | None] = mapped_column(Integer)
    nth: Mapped[int | None] = mapped_column(Integer)
    month_day: Mapped[int | None] = mapped_column(Integer)


class ServiceTerm(Base):
    """A term that an attribute of a service names, as its source calls it: derived from its document."""

    __tablename__ = "service_terms"
    __table_args__ = (
        Index("ix_service_terms_term", "term_id", "service_id"),
        Index("ix_service_terms_taxonomy", "taxonomy_key", "service_id"),
    )

    service_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    )
    term_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    # The taxonomy's id, and one row more with its name.
    taxonomy_key: Mapped[str] = mapped_column(String(300), primary_key=True)


class PlacePostcode(Base):
    """A postcode of a place beside its main one: of a second address, or of a place that is no site."""

    __tablename__ = "place_postcodes"
    __table_args__ = (Index("ix_place_postcodes_postcode", "postcode", "service_id"),)

    service_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    )
    place_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    postcode: Mapped[str] = mapped_column(String(16), primary_key=True)


class OtherPlace(Base):
    """Where a service is delivered that is no site: online, or not said where. Derived from its document."""

    __tablename__ = "other_places"
    __table_args__ = (Index("ix_other_places_service", "service_id"),)

    id: Mapped[str] = mapped_column(String(36), primary_key=True)
    service_id: Mapped[str] = mapped_column(
        String(36), ForeignKey("services.id", ondelete="CASCADE"), primary_key=True
    )


class Site(Provenance, Base):
    """A place where a service is delivered."""

    __tablename__ = "sites"
    __table_args__ = (
        Index("ix_sites_service", "service_id", "id"),
        Index("ix_sites_area", "area_code", "id"),
        Index("ix_sites_postcode", "postcode", "id"),
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
