"""What is traced, what is not, and where it goes."""

import json
import logging
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise

import pytest

from service.app import create_app
from service.engine import StartError
from service.logs import JsonFormatter
from service.settings import Settings
from tests.bundles import signing
from tests.service.process import ROOT, START_S, start_service, wait_for_address
from tests.service.serving import (
    EAST,
    SIGN_EAST,
    WEST,
    Client,
    ColourTracker,
    browser,
    colours,
    metric,
    post,
    send_all,
    serve,
    video,
    wait_until,
)

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is not installed: pip install 'glosscast[tracing]'")
pytest.importorskip("opentelemetry.exporter.otlp.json.http")

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from service import spans as recorded

CALLER = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}
TRACE_ID, PARENT_ID = 0x0AF7651916CD43DD8448EB211C80319C, 0xB7AD6B7169203331
NOTES = {"bytes", "frames", "busy_ms", "windows", "segment", "session", "input", "bundle", "code", "duration_ms"}
NOTES |= {"dropped", "faulty", "signs"}
ATTRIBUTES = {f"glosscast.{name}" for name in NOTES}
ATTRIBUTES |= {"http.request.method", "http.route", "http.response.status_code", "error.type"}


class Seen(InMemorySpanExporter):
    """The spans that have ended."""

    def named(self, name):
        return [span for span in self.get_finished_spans() if span.name == name]

    def one(self, name):
        wait_until(lambda: self.named(name))  # the answer is out before its span ends
        (span,) = self.named(name)
        return span

    def parts(self, span):
        """Of a span, by name."""
        return {part.name: part for part in self.get_finished_spans() if part.parent and is_part(part, span)}

    def text(self):
        return " ".join(span.to_json() for span in self.get_finished_spans())


def is_part(part, span):
    return (part.parent.span_id, part.context.trace_id) == (span.context.span_id, span.context.trace_id)


def within(part, span, slack_ns=1_000_000):
    return span.start_time - slack_ns <= part.start_time <= part.end_time <= span.end_time + slack_ns


def seconds(span):
    return (span.end_time - span.start_time) / 1e9


@pytest.fixture
def seen(monkeypatch):
    """Services that are made from here on are traced into this."""
    exporter = Seen()
    monkeypatch.setattr("service.engine.tracing_of", lambda settings: recorded.recording(SimpleSpanProcessor(exporter)))
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


def test_a_clip_tells_where_its_time_went(bundle_folder, seen, lines):
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
    parts, frames = seen.parts(extraction), extraction.attributes["glosscast.frames"]

    assert parts["keypoints"].attributes["glosscast.busy_ms"] >= 20 * frames
    assert seconds(parts["keypoints"]) >= 0.02 * frames
    assert seconds(root) >= seconds(extraction)


def test_a_clip_that_is_refused_says_at_which_stage(bundle_folder, seen):
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
def test_a_header_that_says_nothing_begins_a_trace(bundle_folder, seen, traceparent):
    with serve(bundle_folder) as address, browser(address) as client:
        assert client.get("/v1/bundle", headers={"traceparent": traceparent}).status_code == 200
        assert seen.one("GET /v1/bundle").parent is None


def test_a_caller_that_does_not_sample_is_heeded(bundle_folder, seen):
    with serve(bundle_folder) as address, browser(address) as client:
        client.get("/v1/bundle", headers={"traceparent": CALLER["traceparent"][:-1] + "0"})
    assert not seen.get_finished_spans()


# --- streams


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


def test_a_frame_that_waits_shows_what_for(bundle_folder, seen):
    hold, frames = threading.Event(), colours(EAST)
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


# --- to a collector


class Collector(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.received.append((self.path, self.headers["content-type"], json.loads(body)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *arguments):
        pass


@pytest.fixture
def collector(monkeypatch):
    """A collector that the environment names; what it received."""
    for name in ("OTEL_SERVICE_NAME", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        monkeypatch.delenv(name, raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        server.received = []
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.received
        server.shutdown()
        thread.join()


def values(attributes):
    return {one["key"]: next(iter(one["value"].values())) for one in attributes}


@pytest.mark.parametrize("name", [None, "captions-2"])
@pytest.mark.slow
def test_spans_reach_the_collector_that_is_named(bundle_folder, collector, monkeypatch, name):
    if name is not None:
        monkeypatch.setenv("OTEL_SERVICE_NAME", name)
    process = start_service(BUNDLE=bundle_folder, PORT=0, LOG="json", TRACES="true")
    try:
        with browser(wait_for_address(process)) as client:
            assert client.get("/v1/bundle", headers=CALLER).status_code == 200
        process.terminate()
        _, said = process.communicate(timeout=START_S)
    finally:
        process.kill()

    ((path, kind, content),) = collector
    assert (path, kind) == ("/v1/traces", "application/json")
    (resource,) = content["resourceSpans"]
    assert values(resource["resource"]["attributes"])["service.name"] == (name or "glosscast")
    (scope,) = resource["scopeSpans"]
    (span,) = scope["spans"]
    assert span["name"] == "GET /v1/bundle"
    assert f"00-{span['traceId']}-{span['parentSpanId']}-01" == CALLER["traceparent"]
    assert values(span["attributes"])["http.route"] == "/v1/bundle"
    assert int(span["startTimeUnixNano"]) == pytest.approx(time.time_ns(), abs=START_S * 1e9)
    assert 0 < int(span["endTimeUnixNano"]) - int(span["startTimeUnixNano"]) < START_S * 1e9
    lines = [json.loads(line) for line in said.splitlines()]
    assert [line["trace_id"] for line in lines if line.get("route") == "/v1/bundle"] == [span["traceId"]]


def test_a_collector_alone_gets_nothing(bundle_folder, collector, monkeypatch):
    monkeypatch.setenv("FASTAPI_OTEL_AUTO_CONFIGURE", "true")
    with serve(bundle_folder) as address, browser(address) as client:
        assert post(client, video(colours(EAST))).status_code == 200
    assert collector == []


def test_other_code_that_traces_the_process_hears_nothing(bundle_folder, monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with serve(bundle_folder) as address, browser(address) as client:
        assert client.get("/v1/bundle?who=anna").status_code == 200
    assert exporter.get_finished_spans() == ()


# --- the start


@pytest.mark.parametrize(
    ("environment", "says"),
    [
        ({}, "GLOSSCAST_TRACES: OTEL_EXPORTER_OTLP_ENDPOINT must say where"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, "GLOSSCAST_TRACES: OTEL_EXPORTER_OTLP_ENDPOINT must say where"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must be an http"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://[::1"}, "OTEL_EXPORTER_OTLP_ENDPOINT: must be an http"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "ftp://a/b"}, "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: must be an http"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL: traces go out as http/json, not grpc",
        ),
    ],
)
def test_what_cannot_be_sent_is_refused_at_the_start(bundle_folder, monkeypatch, environment, says):
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartError) as error:
        create_app(Settings(bundle=bundle_folder, traces=True), ColourTracker)
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_a_missing_extra_is_named(bundle_folder, collector, monkeypatch):
    monkeypatch.delitem(sys.modules, "service.spans")
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.json.http.trace_exporter", None)
    with pytest.raises(StartError, match=r"^GLOSSCAST_TRACES: .*pip install 'glosscast\[tracing\]'") as error:
        create_app(Settings(bundle=bundle_folder, traces=True), ColourTracker)
    assert "\n" not in str(error.value)


def test_where_traces_are_off_no_sdk_is_loaded():
    code = "import sys; from service.app import create_app; create_app(); print(*sys.modules, sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=True
    )
    loaded = result.stdout.splitlines()
    assert "service.tracing" in loaded
    # Its API is there all the same: FastAPI imports it.
    assert not [name for name in loaded if name.startswith(("service.spans", "opentelemetry.sdk", "opentelemetry.exp"))]
