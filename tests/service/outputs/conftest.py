"""Events to send, and metrics that count them."""

from datetime import UTC, datetime, timedelta

import pytest

from service.observe.metrics import Metrics
from service.protocol import events


@pytest.fixture
def metrics():
    return Metrics()


@pytest.fixture
def count(metrics):
    """How many events of an output had an outcome."""
    return lambda output, outcome: metrics.registry.get_sample_value(
        "glosscast_output_events_total", {"output": output, "outcome": outcome}
    )


@pytest.fixture
def event():
    """Makes events of a session."""

    def make(kind: type, session: str = "a", age_s: float = 0.0, **fields: object) -> events.Event:
        at = datetime.now(UTC) - timedelta(seconds=age_s)
        if kind is events.Final:
            fields = {
                "segment": 0,
                "gloss": "tea",
                "confidence": 0.9,
                "alternatives": [],
                "confusable_with": [],
                "started_at": at,
                "ended_at": at,
                **fields,
            }
        elif kind not in (events.Started, events.Ended):
            fields = {"segment": 0, **fields}
        return kind(session=session, at=at, **fields)

    return make
