"""Cover, gaps, overlaps, fragility and what-if of a locality, a tenth of the country and the country."""

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from importlib import util
from pathlib import Path
from typing import Any

import networkx
import numpy as np
from hedgerow_network.domain.cover import Incidence, cover, incidence
from hedgerow_network.domain.fragility import fragility, without
from hedgerow_network.domain.overlap import overlaps, service_cells
from scipy.sparse import csr_array

from bench.report import Row, timed, timed_once

SIZES = {  # areas, needs, services, providers, fewest and most areas a service serves
    "locality": (200, 30, 800, 400, 1, 60),
    "tenth": (3_375, 30, 20_000, 6_000, 1, 300),
    "country": (33_755, 30, 200_000, 60_000, 1, 300),
}
FEW = 20_000
"""A tenth of the country's services."""

Workload = dict[str, Any]


def workload(size: str) -> Workload:
    """Pairs of a place; those of the acceptance workload where its script is at hand, else of our own
    kind.
    """
    shared = os.environ.get("HEDGEROW_SHARED")
    script = Path(shared) / "bench" / "coverage_workload.py" if shared else None
    if script is not None and script.exists():
        spec = util.spec_from_file_location("coverage_workload", script)
        assert spec is not None
        assert spec.loader is not None
        module = util.module_from_spec(spec)
        spec.loader.exec_module(module)
        made: Workload = module.workload(*module.WORKLOADS[size])
        return made
    return _own(*SIZES[size])


def _own(areas: int, needs: int, services: int, providers: int, fewest: int, most: int) -> Workload:
    """Services round a centre, in number of areas log-uniform; few needs are common; half the country is
    thin.
    """
    chance = np.random.default_rng(11)
    width = np.exp(chance.uniform(np.log(fewest), np.log(most + 1), services)).astype(np.int64)
    width = np.clip(width, 1, areas)
    start = (areas * chance.beta(1.3, 2.2, services)).astype(np.int64)
    service = np.repeat(np.arange(services), width)
    step = np.arange(width.sum()) - np.repeat(np.cumsum(width) - width, width)
    area = (np.repeat(start, width) + step + chance.integers(0, 2, width.sum()) * (areas // 41)) % areas
    common = 1 / np.arange(1, needs + 1)
    drawn = chance.choice(needs, (services, 3), p=common / common.sum())
    addressed = np.arange(3)[None, :] < 1 + chance.binomial(2, 0.22, services)[:, None]
    rows, columns = np.nonzero(addressed)
    return {
        "service_area": np.unique(np.column_stack([service, area]), axis=0).astype(np.int32),
        "service_need": np.unique(np.column_stack([rows, drawn[rows, columns]]), axis=0).astype(np.int32),
        "provider": (providers * chance.random(services) ** 1.6).astype(np.int32),
        "shape": np.array([areas, needs, services, providers]),
    }


def ready(of: Workload) -> Incidence:
    areas, needs, _, providers = (int(n) for n in of["shape"])
    return incidence(
        service_area=of["service_area"],
        service_need=of["service_need"],
        unit=of["provider"],
        n_areas=areas,
        n_needs=needs,
        n_units=providers,
    )


def bare(of: Workload) -> np.ndarray[Any, np.dtype[np.int32]]:
    """The depth alone, by products of scipy.sparse: providers × services times services × areas, need by
    need.
    """
    areas, needs, services, providers = (int(n) for n in of["shape"])
    pairs, stated = of["service_area"], of["service_need"]
    serves = csr_array((np.ones(len(pairs), np.int32), (pairs[:, 0], pairs[:, 1])), shape=(services, areas))
    by_need = csr_array(
        (np.ones(len(stated), np.int32), (stated[:, 1], stated[:, 0])), shape=(needs, services)
    )
    depth = np.zeros((needs, areas), np.int32)
    for need in range(needs):
        chosen = by_need.indices[by_need.indptr[need] : by_need.indptr[need + 1]]
        groups = csr_array(
            (np.ones(chosen.size, np.int32), (of["provider"][chosen], np.arange(chosen.size))),
            shape=(providers, chosen.size),
        )
        depth[need] = np.bincount((groups @ serves[chosen]).indices, minlength=areas)
    return depth


def by_graph(of: Workload, *, pairs: bool) -> tuple[int, int, int]:
    """The obvious way: a networkx graph of cells and providers; gaps and fragility by degree, overlaps by
    sets.
    """
    areas, needs, _, _ = (int(n) for n in of["shape"])
    serves: dict[int, list[int]] = {}
    for service, area in of["service_area"].tolist():
        serves.setdefault(service, []).append(area)
    graph = networkx.Graph()
    graph.add_nodes_from((need, area) for need in range(needs) for area in range(areas))
    cells_of: dict[int, set[tuple[int, int]]] = {}
    provider = of["provider"].tolist()
    for service, need in of["service_need"].tolist():
        for area in serves.get(service, ()):
            graph.add_edge((need, area), provider[service])
            if pairs:
                cells_of.setdefault(service, set()).add((need, area))
    cells = [(need, area) for need in range(needs) for area in range(areas)]
    gaps = sum(graph.degree(cell) == 0 for cell in cells)
    alone: dict[int, int] = {}
    for cell in cells:
        if graph.degree(cell) == 1:
            (only,) = graph[cell]
            alone[only] = alone.get(only, 0) + 1
    shared = 0
    if pairs:
        listed = sorted(cells_of)
        for place, first in enumerate(listed):
            for second in listed[place + 1 :]:
                if provider[first] != provider[second] and not cells_of[first].isdisjoint(cells_of[second]):
                    shared += len(cells_of[first] & cells_of[second])
    return gaps, sum(alone.values()), shared


def ours(of: Workload, people: np.ndarray[Any, np.dtype[np.float64]], *, pairs: bool) -> tuple[int, int, int]:
    """The same from the same pairs: incidence, depth, gaps, fragility, and overlaps if asked for."""
    made = ready(of)
    depths = cover(made)
    found = fragility(depths, people)
    shared = 0
    if pairs:
        shared = int(overlaps(service_cells(made), people, group=made.unit).shared_cells.sum())
    return int((depths.depth == 0).sum()), int(found.cells.sum()), shared


def people_of(of: Workload) -> np.ndarray[Any, np.dtype[np.float64]]:
    areas, needs, _, _ = (int(n) for n in of["shape"])
    return np.random.default_rng(5).integers(5, 500, (needs, areas)).astype(np.float64)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:,.2f} ms" if seconds < 1 else f"{seconds:,.2f} s"


def rows() -> Iterator[Row]:
    yield from _locality()
    yield from _tenth()
    yield from _country()


def _locality() -> Iterator[Row]:
    of = workload("locality")
    people = people_of(of)
    assert ours(of, people, pairs=True) == by_graph(of, pairs=True), "both ways must agree"
    made = ready(of)
    assert (cover(made).depth == bare(of)).all()
    graph, kernel = timed(lambda: by_graph(of, pairs=False)), timed(lambda: bare(of), repeat=20)
    path = "locality cover, gaps, fragility (200 areas × 30 needs × 800 services)"
    seconds = timed(lambda: ours(of, people, pairs=False), repeat=20)
    yield Row(
        path,
        _ms(seconds),
        f"networkx {_ms(graph)}",
        f"{graph / seconds:.0f} × faster",
        ">= 10 ×",
        graph >= 10 * seconds,
    )
    yield Row(
        path,
        _ms(seconds),
        f"bare scipy.sparse {_ms(kernel)}",
        f"{seconds / kernel:.2f} ×",
        "<= 10 ×",
        seconds <= 10 * kernel,
    )
    path = "the same with overlaps (all pairs of services)"
    seconds, graph = (
        timed(lambda: ours(of, people, pairs=True)),
        timed(lambda: by_graph(of, pairs=True), repeat=2),
    )
    yield Row(
        path,
        _ms(seconds),
        f"networkx and sets {_ms(graph)}",
        f"{graph / seconds:.0f} × faster",
        ">= 10 ×",
        graph >= 10 * seconds,
    )
    yield Row(
        path,
        _ms(seconds),
        f"bare scipy.sparse {_ms(kernel)}",
        f"{seconds / kernel:.2f} ×",
        "<= 10 ×",
        seconds <= 10 * kernel,
    )
    yield _what_if("locality", made, people)


def _what_if(size: str, made: Incidence, people: np.ndarray[Any, np.dtype[np.float64]]) -> Row:
    depths = cover(made)
    without(made, depths, 0, people)
    sample: list[int] = (
        np.random.default_rng(3).choice(made.n_units, min(made.n_units, 400), replace=False).tolist()
    )
    each = timed(lambda: [without(made, depths, unit, people) for unit in sample]) / len(sample)
    largest = int(np.bincount(made.unit).argmax())
    worst = timed(lambda: without(made, depths, largest, people), repeat=20)
    full = timed(lambda: fragility(cover(made), people))
    return Row(
        f"what-if: remove one provider ({size})",
        f"{_ms(each)} on average, {_ms(worst)} for the largest",
        f"full recompute {_ms(full)}",
        f"1/{full / each:.0f}, for the largest 1/{full / worst:.0f}",
        "<= 1/10",
        max(each, worst) <= full / 10,
    )


def _tenth() -> Iterator[Row]:
    of = workload("tenth")
    people = people_of(of)
    seconds, graph = (
        timed(lambda: ours(of, people, pairs=False)),
        timed(lambda: by_graph(of, pairs=False), repeat=1),
    )
    yield Row(
        "a tenth of the country (3,375 × 30 × 20,000)",
        _ms(seconds),
        f"networkx {_ms(graph)}",
        f"{graph / seconds:.0f} × faster",
        ">= 50 ×",
        graph >= 50 * seconds,
    )
    large = workload("country")
    people_there = people_of(large)
    ten_times = timed(lambda: ours(large, people_there, pairs=False), repeat=2)
    small_mb, large_mb = _extra_mb("tenth"), _extra_mb("country")
    yield Row(
        "growth: 10 × the services and 10 × the areas",
        f"{_ms(ten_times)}, {large_mb:,.0f} MB",
        f"{_ms(seconds)}, {small_mb:,.0f} MB",
        f"{ten_times / seconds:.1f} × the time, {large_mb / small_mb:.1f} × the memory",
        "–",
        None,
    )
    few = _first_services(large, FEW)
    of_few = timed(lambda: ours(few, people_there, pairs=False))
    few_mb = _extra_mb("country", services=FEW)
    yield Row(
        "growth: 10 × the services, the same areas (20,000 and 200,000 over the country)",
        f"{_ms(ten_times)}, {large_mb:,.0f} MB",
        f"{_ms(of_few)}, {few_mb:,.0f} MB",
        f"{ten_times / of_few:.1f} × the time, {large_mb / few_mb:.1f} × the memory",
        "<= 12 × and <= 11 ×",
        ten_times <= 12 * of_few and large_mb <= 11 * few_mb,
    )


def _first_services(of: Workload, number: int) -> Workload:
    """The same place with its first services only; they stand in no order."""
    areas, needs, _, providers = (int(n) for n in of["shape"])
    return {
        "service_area": of["service_area"][of["service_area"][:, 0] < number],
        "service_need": of["service_need"][of["service_need"][:, 0] < number],
        "provider": of["provider"][:number],
        "shape": np.array([areas, needs, number, providers]),
    }


def _country() -> Iterator[Row]:
    of = workload("country")
    people = people_of(of)
    path = "the country (33,755 areas × 30 needs × 200,000 services)"
    seconds, kernel = (
        timed(lambda: ours(of, people, pairs=False), repeat=3),
        timed(lambda: bare(of), repeat=3),
    )
    yield Row(
        path,
        _ms(seconds),
        f"bare scipy.sparse {_ms(kernel)}",
        f"{seconds / kernel:.2f} ×",
        "<= 2 ×",
        seconds <= 2 * kernel,
    )
    extra = _extra_mb("country")
    yield Row(f"{path}: memory", f"{extra:,.0f} MB", "the pairs alone", "-", "< 1,000 MB extra", extra < 1000)
    if os.environ.get("HEDGEROW_BENCH_COUNTRY_GRAPH") == "1":
        # Over a minute and several gigabytes: only when asked for.
        graph = timed_once(lambda: by_graph(of, pairs=False))
        yield Row(
            path,
            _ms(seconds),
            f"networkx {_ms(graph)}",
            f"{graph / seconds:.0f} × faster",
            ">= 50 ×",
            graph >= 50 * seconds,
        )
    yield _what_if("country", ready(of), people)


def _extra_mb(size: str, *, services: int | None = None) -> float:
    """Peak memory above the pairs themselves, of a process that does nothing else."""
    done = subprocess.run(
        [sys.executable, "-c", f"from bench import cover; cover.report_extra({size!r}, services={services})"],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[1],
    )
    return float(done.stdout)


def report_extra(size: str, *, services: int | None = None) -> None:
    """Print the megabytes that the peak rises by while a place, or its first services, is worked out."""
    of = workload(size) if services is None else _first_services(workload(size), services)
    people = people_of(of)
    # A first small run pays for what the libraries load lazily. The peak so far includes making the workload.
    small = workload("locality")
    ours(small, people_of(small), pairs=False)
    _reset_peak()
    before = _resident_kb()
    ours(of, people, pairs=False)
    print(max(_peak_kb() - before, 1) / 1024)


def _reset_peak() -> None:
    clear = Path("/proc/self/clear_refs")
    if clear.exists():
        clear.write_text("5")


def _status_kb(name: str) -> int:
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    line = next(line for line in status.read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def _resident_kb() -> int:
    return _status_kb("VmRSS")


def _peak_kb() -> int:
    return _status_kb("VmHWM")
