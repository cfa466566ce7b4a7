"""Matrices of travel costs: which there are, and one in memory."""

from collections import OrderedDict
from threading import Lock
from typing import NamedTuple

import numpy as np
from hedgerow_kit.db import Database
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from hedgerow_network.domain.matrices import CostMatrix
from hedgerow_network.tables import Cost
from hedgerow_network.tables import CostMatrix as Row


class Size(NamedTuple):
    pairs: int
    areas: int
    sites: int
    in_minutes: int
    in_km: int


def named(session: Session, name: str) -> Row | None:
    return session.scalars(select(Row).where(Row.name == name)).one_or_none()


def size(session: Session, number: int) -> Size:
    """How many pairs, areas and sites a matrix has."""
    query = select(
        func.count(),
        func.count(Cost.from_area.distinct()),
        func.count(Cost.to_site.distinct()),
        func.count(Cost.minutes),
        func.count(Cost.km),
    ).where(Cost.matrix == number)
    return Size(*session.execute(query).one())


class Matrices:
    """The matrices last asked for, each read once for each of its versions."""

    def __init__(self, database: Database, *, kept: int = 4) -> None:
        self._database = database
        self._kept = kept
        self._lock = Lock()
        self._held: OrderedDict[tuple[int, int], CostMatrix] = OrderedDict()

    def named(self, name: str) -> tuple[CostMatrix, str | None] | None:
        """The matrix as it stands and the authority it belongs to; None if there is none of the name."""
        with self._database.reading() as session:
            row = named(session, name)
            if row is None:
                return None
            with self._lock:
                key = (row.number, row.version)
                found = self._held.get(key)
                if found is None:
                    found = self._held[key] = _read(session, row)
                self._held.move_to_end(key)
                while len(self._held) > self._kept:
                    self._held.popitem(last=False)
            return found, row.authority_code


def _read(session: Session, row: Row) -> CostMatrix:
    origins: dict[str, int] = {}
    sites: dict[str, int] = {}
    parts = []
    query = (
        select(Cost.from_area, Cost.to_site, Cost.minutes, Cost.km)
        .where(Cost.matrix == row.number)
        .order_by(Cost.from_area, Cost.to_site)
        .execution_options(yield_per=50_000)
    )
    for rows in session.execute(query).partitions():
        table = [
            (
                origins.setdefault(origin, len(origins)),
                sites.setdefault(site, len(sites)),
                np.nan if minutes is None else minutes,
                np.nan if km is None else km,
            )
            for origin, site, minutes, km in rows
        ]
        parts.append(np.array(table, dtype=np.float64))
    all_parts = np.concatenate(parts) if parts else np.empty((0, 4))
    return CostMatrix(
        name=row.name,
        version=row.version,
        origins=tuple(origins),
        sites=tuple(sites),
        origin=all_parts[:, 0].astype(np.int32),
        site=all_parts[:, 1].astype(np.int32),
        minutes=np.ascontiguousarray(all_parts[:, 2]),
        km=np.ascontiguousarray(all_parts[:, 3]),
        site_source=row.site_source,
    )
