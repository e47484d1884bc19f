"""Traces: where the time of one request or stream went. The rest of the service uses this module alone for them.

Traces are off unless GLOSSCAST_TRACES is set. `service.observe.spans` then sends them to where OpenTelemetry's own
variables say. Like the log, spans hold times, sizes, counts, codes and the session's id, but nothing about a person and
nothing that was signed.
"""

import os
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib import import_module
from time import monotonic
from urllib.parse import urlsplit

from starlette.types import Scope

from service.settings import PREFIX, Settings

Value = str | int | float
Notes = Mapping[str, Value]

ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")
# The encoding for which no package has to agree with MediaPipe about protobuf.
PROTOCOL = "http/json"


class TracingError(RuntimeError):
    """Traces are asked for and cannot be sent; the message is one line that names what to change."""


@dataclass(frozen=True)
class Step:
    """Work that has ended.

    Attributes:
        name: of its span.
        began_s: when it began, on the monotonic clock.
        ended_s: when it ended.
        inside: its parts.
        notes: attributes of its span.
    """

    name: str
    began_s: float
    ended_s: float
    inside: Sequence["Step"] = ()
    notes: Notes = field(default_factory=dict)


def batch(windows: int, seconds: float) -> Step:
    """A run of the model with so many windows that has just ended; see `service.inference.batcher.Observe`."""
    now_s = monotonic()
    return Step("batch", now_s - seconds, now_s, notes={"windows": windows})


class Span:
    """Work under way. This one is not recorded; its methods may be called from any thread."""

    def note(self, **notes: Value) -> None:
        """Add attributes."""

    def step(self, step: Step) -> None:
        """Add a part that has ended, and its own parts."""

    def failed(self, kind: str) -> None:
        """Mark it as failed, with a code of few values."""

    def answered(self, method: str, route: str, status: int) -> None:
        """Name the request by its route, never by its path, and note its status; 0 where there was no answer."""


class Tracing:
    """Makes the spans of one application. This one makes none."""

    def span(self, name: str, **notes: Value) -> AbstractContextManager[Span]:
        """A block, as a part of the span around it in this task or thread.

        An exception marks it as failed with its `code`, or the name of its class.
        """
        return _NO_SPAN

    def request(self, scope: Scope) -> AbstractContextManager[Span]:
        """A request, as a part of the trace that its header `traceparent` names, if any."""
        return _NO_SPAN

    def caller(self, scope: Scope) -> AbstractContextManager[None]:
        """Spans of the block, and of the tasks that it starts, are parts of the trace that `traceparent` names."""
        return _NOTHING

    def close(self) -> None:
        """Send the spans that have not been sent."""


_NO_SPAN = nullcontext(Span())
_NOTHING = nullcontext()


def tracing_of(settings: Settings) -> Tracing:
    """The tracing that the settings and OpenTelemetry's variables ask for.

    Raises:
        TracingError: it cannot be had.
    """
    if not settings.traces:
        return Tracing()
    _check_environment()
    try:
        spans = import_module("service.observe.spans")
    except ImportError as error:
        raise TracingError(f"{PREFIX}TRACES: it needs OpenTelemetry: pip install --group tracing ({error})") from error
    recording: Tracing = spans.recording()
    return recording


def _check_environment() -> None:
    """Refuse what OpenTelemetry would take to mean its own machine, or would find out only when it sends."""
    name = next((name for name in ENDPOINTS if os.environ.get(name)), None)
    if name is None:
        raise TracingError(
            f"{PREFIX}TRACES: {ENDPOINTS[1]} must say where traces go, as in http://127.0.0.1:4318 for a collector here"
        )
    try:
        url = urlsplit(os.environ[name])
        usable = url.scheme in ("http", "https") and bool(url.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise TracingError(f"{name}: must be an http or https address, as in http://127.0.0.1:4318")
    for name in PROTOCOLS:
        if (value := os.environ.get(name) or PROTOCOL) != PROTOCOL:
            raise TracingError(f"{name}: traces go out as {PROTOCOL}, not {value}; any collector takes that")
