"""Where traces go, and what stops the start."""

import json
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from service.app import create_app
from service.settings import Settings, StartError
from tests.service.process import ROOT, START_S, start_service, wait_for_address
from tests.service.serving import EAST, ColourTracker, browser, colours, post, serve, video

pytest.importorskip("opentelemetry.sdk", reason="OpenTelemetry is not installed: pip install --group tracing")
pytest.importorskip("opentelemetry.exporter.otlp.json.http")

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.service.tracing.spans import CALLER


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


def test_other_tracing_in_the_process_gets_nothing(bundle_folder, monkeypatch):
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: provider)
    with serve(bundle_folder) as address, browser(address) as client:
        assert client.get("/v1/bundle?who=anna").status_code == 200
    assert exporter.get_finished_spans() == ()


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
def test_unusable_trace_settings_are_refused_at_the_start(bundle_folder, monkeypatch, environment, says):
    for name in ("ENDPOINT", "TRACES_ENDPOINT", "PROTOCOL", "TRACES_PROTOCOL"):
        monkeypatch.delenv(f"OTEL_EXPORTER_OTLP_{name}", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StartError) as error:
        create_app(Settings(bundle=bundle_folder, traces=True), ColourTracker)
    assert str(error.value).startswith(says)
    assert "\n" not in str(error.value)


def test_a_missing_group_is_named(bundle_folder, collector, monkeypatch):
    monkeypatch.delitem(sys.modules, "service.observe.spans", raising=False)
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.json.http.trace_exporter", None)
    with pytest.raises(StartError, match=r"^GLOSSCAST_TRACES: .*pip install --group tracing") as error:
        create_app(Settings(bundle=bundle_folder, traces=True), ColourTracker)
    assert "\n" not in str(error.value)


def test_where_traces_are_off_no_sdk_is_loaded():
    code = "import sys; from service.app import create_app; create_app(); print(*sys.modules, sep='\\n')"
    result = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=START_S, check=True
    )
    loaded = result.stdout.splitlines()
    assert "service.observe.tracing" in loaded
    # Its API is there all the same: FastAPI imports it.
    assert not [
        name for name in loaded if name.startswith(("service.observe.spans", "opentelemetry.sdk", "opentelemetry.exp"))
    ]
