"""What is traced of a request, and what is not."""

import time
from itertools import pairwise

import pytest

from tests.service.serving import SIGN_EAST, ColourTracker, browser, post, serve

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is not installed: pip install --group tracing")
pytest.importorskip("opentelemetry.exporter.otlp.json.http")

from opentelemetry import trace

from tests.service.tracing.spans import CALLER, PARENT_ID, TRACE_ID, seconds, within


def test_a_clip_has_spans_for_its_steps(bundle_folder, seen, lines):
    with serve(bundle_folder) as address, browser(address) as client:
        client.headers.update({"authorization": "Bearer hush", **CALLER})
        assert post(client, SIGN_EAST, name="of-anna.mp4", top_k=2).status_code == 200
        root = seen.one("POST /v1/classify")

    assert (root.context.trace_id, root.parent.span_id) == (TRACE_ID, PARENT_ID)
    assert root.kind is trace.SpanKind.SERVER
    assert root.attributes == {
        "http.request.method": "POST",
        "http.route": "/v1/classify",
        "http.response.status_code": 200,
    }
    assert root.status.is_unset
    stages = seen.parts(root)
    assert set(stages) == {"upload", "wait", "extraction", "recognition"}
    assert stages["upload"].attributes["glosscast.bytes"] == len(SIGN_EAST)
    extraction, recognition = seen.parts(stages["extraction"]), seen.parts(stages["recognition"])
    assert set(extraction) == {"decode", "tracker", "keypoints"}
    assert set(recognition) == {"batch"}
    assert recognition["batch"].attributes["glosscast.windows"] >= 1
    for span, parts in ((root, stages), (stages["extraction"], extraction), (stages["recognition"], recognition)):
        assert all(within(part, span) for part in parts.values())
    order = [stages[name] for name in ("upload", "wait", "extraction", "recognition")]
    assert all(one.end_time <= next_one.start_time for one, next_one in pairwise(order))

    text = seen.text()
    assert not any(word in text for word in ("hush", "anna", "127.0.0.1", "east", "west", "top_k"))
    (line,) = [line for line in lines if line.get("route") == "/v1/classify"]
    assert line["trace_id"] == CALLER["traceparent"].split("-")[1]


@pytest.mark.slow
def test_time_that_a_tracker_takes_is_its_own(bundle_folder, seen):
    class Slow(ColourTracker):
        def track(self, rgb):
            time.sleep(0.02)
            return super().track(rgb)

    with serve(bundle_folder, Slow) as address, browser(address) as client:
        assert post(client, SIGN_EAST).status_code == 200
        root = seen.one("POST /v1/classify")
    extraction = seen.one("extraction")
    parts = seen.parts(extraction)
    frames = extraction.attributes["glosscast.frames"]

    assert parts["keypoints"].attributes["glosscast.busy_ms"] >= 20 * frames
    assert seconds(parts["keypoints"]) >= 0.02 * frames
    assert seconds(root) >= seconds(extraction)


def test_a_refused_clip_shows_its_stage(bundle_folder, seen):
    with serve(bundle_folder) as address, browser(address) as client:
        assert post(client, b"no video at all").status_code == 415
        root = seen.one("POST /v1/classify")

    assert root.status.is_unset  # the service did what it should
    assert seen.one("extraction").attributes["error.type"] == "unsupported_media"
    assert not seen.named("recognition")


def test_a_failure_is_marked_and_its_text_kept_back(bundle_folder, seen):
    class Broken(ColourTracker):
        def track(self, rgb):
            raise OSError("/home/anna/clip.mp4")

    with serve(bundle_folder, Broken) as address, browser(address) as client:
        assert post(client, SIGN_EAST).status_code == 500
        root = seen.one("POST /v1/classify")

    assert root.status.status_code is trace.StatusCode.ERROR
    assert root.attributes["error.type"] == "500"
    assert seen.one("extraction").attributes["error.type"] == "OSError"
    assert "anna" not in seen.text()


def test_nothing_but_the_interface_is_traced(bundle_folder, seen):
    with serve(bundle_folder) as address, browser(address) as client:
        for path in ("/healthz", "/readyz", "/metrics", "/", "/docs", "/wp-login.php", "/v1/anna", "/v1/bundle?a=anna"):
            client.get(path)
        seen.one("GET /v1/bundle")

    assert sorted(span.name for span in seen.get_finished_spans()) == ["GET (none)", "GET /v1/bundle"]
    assert "anna" not in seen.text()


@pytest.mark.parametrize("traceparent", ["", "00-zz-b7ad6b7169203331-01", f"00-{'0' * 32}-b7ad6b7169203331-01"])
def test_an_empty_header_begins_a_trace(bundle_folder, seen, traceparent):
    with serve(bundle_folder) as address, browser(address) as client:
        assert client.get("/v1/bundle", headers={"traceparent": traceparent}).status_code == 200
        assert seen.one("GET /v1/bundle").parent is None


def test_a_caller_that_does_not_sample_is_heeded(bundle_folder, seen):
    with serve(bundle_folder) as address, browser(address) as client:
        client.get("/v1/bundle", headers={"traceparent": CALLER["traceparent"][:-1] + "0"})
    assert not seen.get_finished_spans()
