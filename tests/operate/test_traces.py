"""Traces: one span per request, named by its template, in the trace of its caller, without anything sent."""

from __future__ import annotations

from pathlib import Path

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.service import service


async def test_a_request_leaves_a_span_and_no_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr("validator.server.app.open_tracer", lambda: provider.get_tracer("test"))
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    async with service(tmp_path, otel=True) as here:
        await here.post("/check", {"email": "planted-person@acme.test"}, headers={"traceparent": parent})
        await here.post("/check", b"planted-person", headers={"traceparent": "planted-person"})
    spans = exporter.get_finished_spans()
    assert [span.name for span in spans] == ["POST /check", "POST /check"]
    assert f"{spans[0].context.trace_id:032x}" == parent.split("-")[1]
    assert [span.attributes["http.response.status_code"] for span in spans if span.attributes] == [200, 400]
    assert "planted" not in "".join(span.to_json() for span in spans)
    provider.shutdown()


async def test_without_the_setting_nothing_is_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def never() -> None:
        raise AssertionError

    monkeypatch.setattr("validator.server.app.open_tracer", never)
    async with service(tmp_path) as here:
        await here.check("a@acme.test")
