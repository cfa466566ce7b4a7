"""A locality in a few figures."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from hedgerow_network.domain.locality import GAP, OVERLAP, PARTIAL, SINGLE, Assessment


@dataclass(frozen=True)
class NeedSummary:
    """Cells of one need by status, and the people whom its gaps leave out (None where nothing is known)."""

    need: str
    cells: dict[str, int]
    people_uncovered: float | None
    providers: int
    services: int


@dataclass(frozen=True)
class Summary:
    cells: dict[str, int]
    services: int
    providers: int
    residents: float | None
    by_need: list[NeedSummary]


def summary(of: Assessment) -> Summary:
    """Count cells, services and providers, over all and by need; needs with most people uncovered first."""
    by_need = []
    for row, need in enumerate(of.needs):
        status = of.status[row]
        uncovered = np.isin(status, (GAP, PARTIAL))
        known = of.people.basis[row] > 0
        covering = counted(of, [row])
        by_need.append(
            NeedSummary(
                need=need,
                cells=_by_status(status),
                people_uncovered=float(of.affected[row][uncovered].sum())
                if known.any() or not uncovered.any()
                else None,
                providers=np.unique(of.incidence.unit[covering]).size,
                services=covering.size,
            )
        )
    by_need.sort(key=lambda found: (-(found.people_uncovered or 0.0), -found.cells[GAP], found.need))
    covering = counted(of, range(len(of.needs)))
    residents = of.figures.whole_residents[of.locality]
    return Summary(
        cells=_by_status(of.status),
        services=covering.size,
        providers=np.unique(of.incidence.unit[covering]).size,
        residents=float(residents) if np.isfinite(residents) else None,
        by_need=by_need,
    )


def _by_status(status: np.ndarray[tuple[int, ...], np.dtype[np.object_]]) -> dict[str, int]:
    return {name: int((status == name).sum()) for name in (GAP, PARTIAL, SINGLE, OVERLAP)}


def counted(of: Assessment, needs: Sequence[int]) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Services that cover at least one cell of these needs in the locality."""
    if not needs:
        return np.empty(0, np.intp)
    addresses = np.diff(of.incidence.addresses[:, needs].tocsr().indptr) > 0
    return np.flatnonzero(addresses & (np.diff(of.incidence.serves.indptr) > 0))
