"""Figures for Prometheus, on a port of their own that callers never see.

Every label has few values, whatever is asked for: a route's pattern and never a path, a class of statuses, a
method of those there are. Nothing is counted in a process that is not asked to tell.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Literal

from prometheus_client import REGISTRY, Counter, Gauge, Histogram, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

# Where to tell; without a port nobody is told.
PORT = "HEDGEROW_METRICS_PORT"
HOST = "HEDGEROW_METRICS_HOST"

OTHER = "other"
_METHODS = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120, 600)

_requests = Counter("hedgerow_requests", "Requests that were answered.", ["app", "method", "route", "status"])
_durations = Histogram(
    "hedgerow_request_seconds", "From a request to the end of its answer.", ["app", "route"], buckets=_SECONDS
)
_in_flight = Gauge("hedgerow_requests_in_flight", "Requests that are being answered.", ["app"])
_records = Counter(
    "hedgerow_import_records", "Records of imports, by what became of them.", ["app", "kind", "verdict"]
)

# A series is looked up by its labels under a lock: kept, it costs a third. There are few of them.
_requests_of = cache(_requests.labels)
_durations_of = cache(_durations.labels)
_in_flight_of = cache(_in_flight.labels)

_is_telling = False


def is_telling() -> bool:
    """Whether this process counts at all."""
    return _is_telling


def tell() -> None:
    """Begin to count."""
    global _is_telling
    _is_telling = True


def listen() -> int | None:
    """Answer Prometheus at the port that the environment names, and begin to count; gives the port, if any.

    Raises SystemExit, saying why, where the port cannot be had.
    """
    named = os.environ.get(PORT)
    if not named:
        return None
    host = os.environ.get(HOST, "127.0.0.1")
    try:
        server, _ = start_http_server(int(named), addr=host)
    except (OSError, OverflowError, ValueError) as error:
        raise SystemExit(f"{PORT}: cannot listen on {host} port {named} ({error}).") from error
    tell()
    return int(server.server_port)


def began(app: str) -> None:
    """A request has come in; `ended` must follow."""
    _in_flight_of(app).inc()


def ended(app: str, method: str, route: str | None, status: int, seconds: float) -> None:
    """A request is over. route: its pattern, None where none fits · status: 0 where no answer was begun"""
    _in_flight_of(app).dec()
    pattern = route or OTHER
    _requests_of(app, _known(method), pattern, f"{status // 100}xx" if status else "none").inc()
    _durations_of(app, pattern).observe(seconds)


def refused(app: str, method: str, status: int) -> None:
    """A request was turned away before it was known where it leads."""
    _requests_of(app, _known(method), OTHER, f"{status // 100}xx").inc()


def _known(method: str) -> str:
    return method if method in _METHODS else OTHER


def imported(app: str, kind: str, verdicts: dict[str, int]) -> None:
    """Records of an import were written down with their verdicts."""
    for verdict, number in verdicts.items():
        _records.labels(app, kind, verdict).inc(number)


Reading = Callable[[], Iterable[tuple[tuple[str, ...], float]]]


class _Readings(Collector):
    """What is looked up only when Prometheus asks; the last that was named so counts."""

    def __init__(self) -> None:
        self.named: dict[str, tuple[type[Metric], str, tuple[str, ...], Reading]] = {}

    def collect(self) -> Iterator[Metric]:
        for name, (family, said, labels, read) in list(self.named.items()):
            made = family(name, said, labels=labels)  # type: ignore[call-arg]
            for values, number in read():
                made.add_metric(values, number)  # type: ignore[attr-defined]
            yield made

    def describe(self) -> Iterator[Metric]:
        return iter(())


_readings = _Readings()
REGISTRY.register(_readings)


def read(
    name: str, said: str, labels: tuple[str, ...], reading: Reading, *, kind: Literal["counter", "gauge"]
) -> None:
    """Have a figure looked up when it is asked for. reading: the labels' values and the figure of each"""
    family = CounterMetricFamily if kind == "counter" else GaugeMetricFamily
    _readings.named[name] = (family, said, labels, reading)
