"""Traces by OpenTelemetry, off by default: one span per request, named by its template, without any value."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from validator import __version__
from validator.errors import SettingsError

Answering = Callable[[web.Request], Awaitable[web.StreamResponse]]


def open_tracer() -> Any:
    """A tracer that sends where the `OTEL_*` variables say; raises `SettingsError` without the extra."""
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.sdk.resources import Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ModuleNotFoundError:
        raise SettingsError("VALIDATOR_OTEL: install the extra `otel`") from None
    if not isinstance(trace.get_tracer_provider(), TracerProvider):
        provider = TracerProvider(resource=Resource.create({"service.name": "validator"}))
        provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
        trace.set_tracer_provider(provider)
    return trace.get_tracer("validator", __version__)


def traced(tracer: Any, method: str, template: str, answer: Answering) -> Answering:
    """*answer* inside a span that continues the caller's trace."""
    from opentelemetry.propagate import extract
    from opentelemetry.trace import SpanKind, Status, StatusCode

    attributes = {"http.request.method": method, "http.route": template}

    async def inside(request: web.Request) -> web.StreamResponse:
        context = extract({"traceparent": request.headers.get("traceparent", "")})
        span = tracer.start_span(f"{method} {template}", context, kind=SpanKind.SERVER, attributes=attributes)
        try:
            response = await answer(request)
            span.set_attribute("http.response.status_code", response.status)
            if response.status >= 500:
                span.set_status(Status(StatusCode.ERROR))
            return response
        finally:
            span.end()

    return inside
