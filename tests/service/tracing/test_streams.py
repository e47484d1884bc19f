"""What is traced of a stream."""

import threading
import time

import pytest

from tests.bundles import signing
from tests.service.serving import EAST, WEST, Client, ColourTracker, colours, metric, send_all, serve, wait_until

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is not installed: pip install --group tracing")
pytest.importorskip("opentelemetry.exporter.otlp.json.http")

from opentelemetry import trace

from tests.service.tracing.spans import CALLER, PARENT_ID, TRACE_ID, is_part, seconds, within


def stream(client, sign, **fields):
    started = client.start(**fields)
    send_all(client, signing(sign))
    client.send({"type": "stop"})
    assert client.until_closed() == 1000
    return started["session"]


def test_a_stream_is_one_span_with_one_for_each_final(bundle_folder, seen, lines):
    with serve(bundle_folder, queue_frames=1000, max_fps=1000) as address:
        with Client(address, additional_headers=CALLER) as client:
            session = stream(client, "east", interim=True)
        span = seen.one("stream")

    assert (span.context.trace_id, span.parent.span_id) == (TRACE_ID, PARENT_ID)
    notes = dict(span.attributes)
    assert notes.pop("glosscast.duration_ms") > 0
    assert notes.pop("glosscast.bundle").startswith("compass@")
    assert notes == {
        "glosscast.session": session,
        "glosscast.input": "keypoints",
        "glosscast.code": "1000",
        "glosscast.frames": 44,
        "glosscast.dropped": 0,
        "glosscast.faulty": 0,
        "glosscast.signs": 1,
    }
    final = seen.one("final")
    assert is_part(final, span)
    assert within(final, span)
    assert final.attributes["glosscast.segment"] == client.of("final")[0]["segment"]
    steps = seen.parts(final)
    assert set(steps) == {"queue", "frame_keypoints", "recognition"}
    batches = [part for part in seen.named("batch") if is_part(part, steps["recognition"])]
    assert client.of("interim")  # whose batches are none of these
    assert batches == seen.named("batch") != []
    assert all(within(part, steps["recognition"], slack_ns=0) for part in batches)
    assert all(within(part, final, slack_ns=0) for part in steps.values())
    latency_s = client.of("final")[0]["latency_ms"] / 1000
    assert seconds(final) == pytest.approx(sum(seconds(step) for step in steps.values()), abs=0.002)
    assert seconds(final) >= latency_s - 0.002
    (line,) = [line for line in lines if line.get("code") == "1000"]
    assert (line["session"], line["trace_id"]) == (session, CALLER["traceparent"].split("-")[1])
    assert "east" not in seen.text()


def test_a_sign_that_the_end_of_the_stream_ends_is_traced(bundle_folder, seen):
    with serve(bundle_folder, queue_frames=1000, max_fps=1000) as address:
        with Client(address) as client:
            client.start()
            send_all(client, signing("east")[:26])  # the hand is still up
            client.send({"type": "stop"})
            assert client.until_closed() == 1000
        seen.one("stream")

    assert len(client.finals()) == 1
    assert set(seen.parts(seen.one("final"))) == {"queue", "recognition"}


def test_a_waiting_frame_shows_the_reason(bundle_folder, seen):
    hold = threading.Event()
    frames = colours(EAST)
    with serve(bundle_folder, lambda: ColourTracker(hold), queue_frames=1000, max_fps=1000) as address:
        with Client(address) as client:
            client.start(input="frames")
            client.pictures(frames)
            wait_until(lambda: metric(address, 'glosscast_frames_received_total{input="frames"}') == len(frames))
            time.sleep(0.1)
            hold.set()
            client.send({"type": "stop"})
            assert client.until_closed() == 1000
        steps = seen.parts(seen.one("final"))
    assert seconds(steps["queue"]) >= 0.1


def test_traces_of_streams_that_sign_at_once_are_apart(bundle_folder, seen):
    with serve(bundle_folder, queue_frames=1000, max_fps=1000) as address:
        with Client(address) as one, Client(address) as other:
            sessions = {stream(one, "east"), stream(other, "west")}
        wait_until(lambda: len(seen.named("stream")) == 2)

    spans = seen.named("stream")
    assert {span.attributes["glosscast.session"] for span in spans} == sessions
    assert len({span.context.trace_id for span in spans}) == 2
    assert all(set(seen.parts(span)) == {"final"} for span in spans)


def test_a_stream_that_fails_is_marked(bundle_folder, seen):
    class Broken(ColourTracker):
        def track(self, rgb):
            raise OSError("/home/anna")

    with serve(bundle_folder, Broken) as address:
        with Client(address) as client:
            client.start(input="frames")
            client.pictures([WEST])
            assert client.until_closed() == 1011
        span = seen.one("stream")

    assert span.status.status_code is trace.StatusCode.ERROR
    assert span.attributes["error.type"] == "1011"
