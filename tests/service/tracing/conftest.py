"""What is traced and logged while a test runs."""

import json
import logging

import pytest

from service.observe.logs import JsonFormatter


@pytest.fixture
def seen(monkeypatch):
    """Services that are made from here on are traced into this."""
    # OpenTelemetry may not be installed; the tests are then skipped.
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    from service.observe import spans as recorded
    from tests.service.tracing.spans import ATTRIBUTES, Seen

    exporter = Seen()
    monkeypatch.setattr("service.state.tracing_of", lambda settings: recorded.recording(SimpleSpanProcessor(exporter)))
    yield exporter
    assert {name for span in exporter.get_finished_spans() for name in span.attributes} <= ATTRIBUTES
    assert not any(span.events or span.status.description for span in exporter.get_finished_spans())


@pytest.fixture
def lines():
    """What the service logs meanwhile, as JSON."""
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(json.loads(JsonFormatter().format(record)))
    log = logging.getLogger("glosscast.service")
    level = log.level
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    yield said
    log.removeHandler(handler)
    log.setLevel(level)
