"""Spans that tests keep in memory, and how they lie in each other."""

from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.service.serving import wait_until

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
