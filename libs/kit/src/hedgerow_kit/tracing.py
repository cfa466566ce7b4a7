"""Traces of requests through the apps, for whoever collects OpenTelemetry's; nothing at all unless asked for.

A span says a method, a route's pattern, a status and how long it took: never a path, a query, a statement, a
key or who asked. The provider is our own and not the process's, so no library adds spans that would say more.
"""

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Literal

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, Span, SpanKind
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

# Where to send is said by the standard's own variables; without either, nobody collects.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
HEADERS = frozenset({b"traceparent", b"tracestate"})

_propagator = TraceContextTextMapPropagator()
_provider: "TracerProvider | None" = None
_tracer: trace.Tracer | None = None


def is_on() -> bool:
    """Whether anybody collects."""
    return _tracer is not None


def start(app: str) -> None:
    """Begin to trace, if the environment names a collector (OTLP over HTTP)."""
    global _provider, _tracer
    wanted = any(os.environ.get(name) for name in ENDPOINTS)
    if not wanted or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = os.environ.get("OTEL_SERVICE_NAME", f"hedgerow-{app}")
    _provider = TracerProvider(resource=Resource.create({"service.name": named}))
    _provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    _tracer = _provider.get_tracer("hedgerow")


def stop() -> None:
    """Send what is left."""
    global _provider, _tracer
    provider, _provider, _tracer = _provider, None, None
    if provider is not None:
        provider.shutdown()


@contextmanager
def request(method: str, headers: Iterable[tuple[bytes, bytes]]) -> Iterator[Span]:
    """The span of a request, within the trace that its headers name, if they do; see `answered`."""
    assert _tracer is not None
    with _tracer.start_as_current_span(
        method,
        context=_named(headers),
        kind=SpanKind.SERVER,
        attributes={"http.request.method": method},
        # What went wrong may be told in words that somebody sent.
        record_exception=False,
        set_status_on_exception=False,
    ) as span:
        yield span


def answered(span: Span, method: str, route: str | None, status: int) -> None:
    """Say what a request was. route: its pattern, None where none fits · status: 0 if no answer was begun"""
    if route is not None:
        span.update_name(f"{method} {route}")
        span.set_attribute("http.route", route)
    if status:
        span.set_attribute("http.response.status_code", status)
    if status >= 500 or not status:
        span.set_status(trace.StatusCode.ERROR)


@contextmanager
def transaction(system: str, kind: Literal["read", "write"]) -> Iterator[None]:
    """The span of a transaction within a request; of work that no request began, none."""
    if _tracer is None or not trace.get_current_span().get_span_context().is_valid:
        yield
        return
    # Not made the current one: who begins a transaction need not be in the context that ends it.
    span = _tracer.start_span(kind, kind=SpanKind.CLIENT, attributes={"db.system.name": system})
    try:
        yield
    finally:
        span.end()


def traceparent() -> str | None:
    """The header that hands the current trace on (W3C Trace Context), if there is one."""
    if _tracer is None:
        return None
    made: dict[str, str] = {}
    _propagator.inject(made)
    return made.get("traceparent")


def identifiers() -> dict[str, str]:
    """The current trace and span, for a line of a log."""
    if _tracer is None:
        return {}
    found = trace.get_current_span().get_span_context()
    return (
        {"trace_id": f"{found.trace_id:032x}", "span_id": f"{found.span_id:016x}"} if found.is_valid else {}
    )


def _named(headers: Iterable[tuple[bytes, bytes]]) -> Context:
    given = [(name, value) for name, value in headers if name in HEADERS]
    carrier = {name.decode(): value.decode("latin-1") for name, value in given}
    # Said twice is as good as not said; and what is current here is no part of who asks.
    nobody = trace.set_span_in_context(NonRecordingSpan(trace.INVALID_SPAN_CONTEXT), Context())
    return _propagator.extract(carrier, nobody) if len(carrier) == len(given) else nobody
