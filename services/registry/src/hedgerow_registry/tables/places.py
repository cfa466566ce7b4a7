"""Areas, their outlines, and the figures of areas."""

from typing import Any

from hedgerow_kit import db
from sqlalchemy import CheckConstraint, Float, ForeignKey, Index, Integer, String
from sqlalchemy.orm import Mapped, mapped_column

from hedgerow_registry.tables.provenance import Base, Provenance, key_text

# Stored as the upper end of an open age band, because a primary key holds no NULL.
OPEN_AGE = 999


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
    name_key: Mapped[str] = mapped_column(key_text(300))
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


class Postcode(Provenance, Base):
    """Where a postcode is, after a list of postcodes."""

    __tablename__ = "postcodes"

    postcode: Mapped[str] = mapped_column(String(8), primary_key=True)
    lon: Mapped[float] = mapped_column(Float)
    lat: Mapped[float] = mapped_column(Float)
    area_code: Mapped[str | None] = mapped_column(String(64))
