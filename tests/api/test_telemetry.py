"""Nobody outside is told what is asked."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace

from tests.support.registry import GATEWAY, World


class _Collector(trace.TracerProvider):
    """Notes who would hand spans to it."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def get_tracer(self, instrumenting_module_name: str, *_args: Any, **_more: Any) -> trace.Tracer:
        self.asked.append(instrumenting_module_name)
        return trace.NoOpTracer()


def test_requests_are_not_traced_because_the_process_has_a_tracer(
    reading: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With tracing set up for the whole process, the framework hands it neither addresses nor errors of requests."""
    collector = _Collector()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: collector)
    assert reading.web.get("/v1/agents/did:key:z6MkNobody").status == 404
    assert reading.web.post("/v1/events", {}).status == 400
    assert reading.web.post("/access/v1/evaluation", {}, headers=GATEWAY).status == 400
    assert collector.asked == []
