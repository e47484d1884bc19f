"""Metrics for Prometheus, and one log line per request. Neither holds anything about a person."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.observe.logs import fields
from service.observe.tracing import Span, Tracing

log = logging.getLogger("glosscast.service")

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
BATCHES = (1, 2, 4, 8, 16, 32, 64)
# Asked every few seconds by machines; not worth a line each.
QUIET = {
    "/healthz",
    "/readyz",
    "/metrics",
    "/v1/sessions/{session}/captions.m3u8",
    "/v1/sessions/{session}/segment-{number}.vtt",
}
# One label for all paths that are no route, and one for all invented methods: a scan must not make a series each.
UNMATCHED = "(none)"
OTHER_METHOD = "(other)"
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}


class Metrics:
    """All series of one application, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        r = self.registry
        self.requests = Counter(
            "glosscast_requests", "HTTP requests answered", ["method", "route", "status"], registry=r
        )
        self.stages = Histogram(
            "glosscast_stage_seconds",
            "Time of one stage: of a whole clip for decode and keypoints, of one frame for queue and frame_keypoints "
            "(its decoding included), of one batch for inference, from the end of a sign to its final for final",
            ["stage"],
            buckets=SECONDS,
            registry=r,
        )
        self.active_streams = Gauge("glosscast_active_streams", "Streams open now", registry=r)
        self.streams = Counter("glosscast_streams", "Streams ended, by the server's close code", ["code"], registry=r)
        self.frames_received = Counter(
            "glosscast_frames_received", "Frames that streams received", ["input"], registry=r
        )
        for kind in ("frames", "keypoints"):  # so that they are 0 before the first frame, not absent
            self.frames_received.labels(kind)
        self.frames_processed = Counter(
            "glosscast_frames_processed", "Frames of streams that were read", ["input"], registry=r
        )
        self.frames_dropped = Counter("glosscast_frames_dropped", "Frames of streams left out", ["reason"], registry=r)
        self.rate_lowered = Gauge(
            "glosscast_rate_lowered", "1 while streams of pictures are read at a lower rate, else 0", registry=r
        )
        self.tracker_restarts = Counter(
            "glosscast_tracker_restarts", "Tracker processes that had to be replaced", ["reason"], registry=r
        )
        self.inferences = Counter("glosscast_inferences", "Runs of the model", registry=r)
        self.batch_size = Histogram(
            "glosscast_batch_windows", "Windows in one run of the model", buckets=BATCHES, registry=r
        )
        self.uploads = Gauge("glosscast_uploads", "Clips taken in now, waiting ones included", registry=r)
        self.windows_waiting = Gauge("glosscast_windows_waiting", "Windows that wait for the model now", registry=r)
        self.viewers = Gauge("glosscast_viewers", "Viewers of captions now", registry=r)
        self.viewers_dropped = Counter(
            "glosscast_viewers_dropped", "Viewers that read too slowly and were let go", registry=r
        )
        self.output_events = Counter(
            "glosscast_output_events", "Events for webhook and MQTT, by outcome", ["output", "outcome"], registry=r
        )
        self.lexicon_changes = Counter(
            "glosscast_lexicon_changes", "Changes of taught signs that were stored", ["change"], registry=r
        )
        self.bundle_loads = Counter("glosscast_bundle_loads", "Bundles loaded, by outcome", ["outcome"], registry=r)
        self.bundle = Info("glosscast_bundle", "The bundle in use", registry=r)

    def inference(self, windows: int, seconds: float) -> None:
        """Count one run of the model."""
        self.inferences.inc()
        self.batch_size.observe(windows)
        self.stages.labels("inference").observe(seconds)

    def stream_ended(self, code: int | None) -> str:
        """Count a stream that ended with this close code, None where the client has gone; its label."""
        label = "gone" if code is None else str(code)
        self.streams.labels(label).inc()
        return label

    def tracker_lost(self, reason: str) -> None:
        """Count a tracker's process that crashed or hung."""
        self.tracker_restarts.labels(reason).inc()

    def lexicon_changed(self, change: str) -> None:
        """Count a change of a lexicon that was stored."""
        self.lexicon_changes.labels(change).inc()

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Time a block as a stage."""
        began = perf_counter()
        try:
            yield
        finally:
            self.stages.labels(name).observe(perf_counter() - began)

    def text(self) -> bytes:
        """The exposition format."""
        return generate_latest(self.registry)


class RequestMetrics:
    """ASGI middleware: counts, logs and traces each HTTP request by its route, never by its path or its sender."""

    def __init__(self, app: ASGIApp, metrics: Metrics, tracing: Tracing) -> None:
        self._app = app
        self._metrics = metrics
        self._tracing = tracing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one connection."""
        if scope["type"] == "http":
            with self._tracing.request(scope) as span:
                await self._request(scope, receive, send, span)
        elif scope["type"] == "websocket":  # its stream outlives it, and is counted, logged and traced by itself
            with self._tracing.caller(scope):
                await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _request(self, scope: Scope, receive: Receive, send: Send, span: Span) -> None:
        status = 0
        began = perf_counter()

        async def watch(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, watch)
        finally:
            route = getattr(scope.get("route"), "path", UNMATCHED)
            method = scope["method"] if scope["method"] in METHODS else OTHER_METHOD
            self._metrics.requests.labels(method, route, str(status)).inc()
            span.answered(method, route, status)
            level = logging.DEBUG if route in QUIET or (route == UNMATCHED and status < 400) else logging.INFO
            took_ms = round((perf_counter() - began) * 1000)
            named = fields(method=method, route=route, status=status, ms=took_ms)
            log.log(level, "%s %s %d %d ms", method, route, status, took_ms, extra=named)
