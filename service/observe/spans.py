"""Spans recorded with OpenTelemetry's SDK (group `tracing`) and sent as OTLP over HTTP; see `service.observe.tracing`.

The tracer is not registered globally, so that other code of the process cannot find it and write to it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic, time_ns

from opentelemetry import context, trace
from opentelemetry.exporter.otlp.json.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, OTELResourceDetector, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanProcessor
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from starlette.datastructures import Headers
from starlette.types import Scope

from glosscast import __version__
from service.observe.logs import TRACE
from service.observe.tracing import Notes, Span, Step, Tracing, Value

TRACED = "/v1/"  # requests under it; pages, health and figures are asked for too often to be worth a trace each
W3C = TraceContextTextMapPropagator()


def recording(processor: SpanProcessor | None = None) -> "Recording":
    """Tracing that records.

    Args:
        processor: takes the spans; by default they are sent in the background where OTEL_EXPORTER_OTLP_* say.
    """
    named = Resource({SERVICE_NAME: "glosscast", SERVICE_VERSION: __version__})
    provider = TracerProvider(resource=Resource.create().merge(named).merge(OTELResourceDetector().detect()))
    provider.add_span_processor(processor or BatchSpanProcessor(OTLPSpanExporter()))
    return Recording(provider)


class _Recorded(Span):
    def __init__(self, tracer: trace.Tracer, span: trace.Span) -> None:
        self._tracer = tracer
        self._span = span

    def note(self, **notes: Value) -> None:
        self._span.set_attributes(_prefixed(notes))

    def step(self, step: Step) -> None:
        self._add(step, self._span, time_ns() - round(monotonic() * 1e9))

    def _add(self, step: Step, parent: trace.Span, offset_ns: int) -> None:
        span = self._tracer.start_span(
            step.name,
            trace.set_span_in_context(parent),
            attributes=_prefixed(step.notes),
            start_time=offset_ns + round(step.began_s * 1e9),
        )
        for part in step.inside:
            self._add(part, span, offset_ns)
        span.end(offset_ns + round(step.ended_s * 1e9))

    def failed(self, kind: str) -> None:
        self._span.set_attribute("error.type", kind)
        self._span.set_status(trace.StatusCode.ERROR)

    def answered(self, method: str, route: str, status: int) -> None:
        self._span.update_name(f"{method} {route}")
        self._span.set_attributes({"http.request.method": method, "http.route": route})
        if status:
            self._span.set_attribute("http.response.status_code", status)
        if not 0 < status < 500:
            self.failed(str(status or "no_answer"))


class Recording(Tracing):
    """Tracing by an SDK's `provider`, which it closes."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("glosscast", __version__)

    @contextmanager
    def span(self, name: str, **notes: Value) -> Iterator[Span]:
        """See `Tracing`."""
        with self._under_way(name, trace.SpanKind.INTERNAL, notes) as span:
            yield span

    @contextmanager
    def request(self, scope: Scope) -> Iterator[Span]:
        """See `Tracing`."""
        if not scope["path"].startswith(TRACED):
            yield Span()
            return
        with self.caller(scope), self._under_way("request", trace.SpanKind.SERVER, {}) as span:
            yield span

    @contextmanager
    def caller(self, scope: Scope) -> Iterator[None]:
        """See `Tracing`."""
        token = context.attach(W3C.extract(Headers(scope=scope), context.Context()))
        try:
            yield
        finally:
            context.detach(token)

    @contextmanager
    def _under_way(self, name: str, kind: trace.SpanKind, notes: Notes) -> Iterator[Span]:
        # An exception's own text may hold anything; its class and code do not.
        with self._tracer.start_as_current_span(
            name, kind=kind, attributes=_prefixed(notes), record_exception=False, set_status_on_exception=False
        ) as span:
            token = TRACE.set(trace.format_trace_id(span.get_span_context().trace_id))
            recorded = _Recorded(self._tracer, span)
            try:
                yield recorded
            except Exception as error:
                recorded.failed(str(getattr(error, "code", type(error).__name__)))
                raise
            finally:
                TRACE.reset(token)

    def close(self) -> None:
        """See `Tracing`."""
        self._provider.shutdown()


def _prefixed(notes: Notes) -> dict[str, Value]:
    return {f"glosscast.{name}": value for name, value in notes.items()}
