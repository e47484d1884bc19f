"""The format of the log: plain lines, or one JSON object a line. Neither holds anything about a person."""

import json
import logging
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from datetime import UTC, datetime
from threading import Thread
from typing import Any

from service.settings import LogFormat

TEXT = "%(asctime)s %(levelname)s %(message)s"

# The session that a task or thread works for; it goes into each JSON line that is written there.
SESSION: ContextVar[str | None] = ContextVar("session", default=None)
# The trace that it is recorded in, where traces are on; likewise.
TRACE: ContextVar[str | None] = ContextVar("trace", default=None)


class JsonFormatter(logging.Formatter):
    """One line each: time, level, message, session and trace where there are, and the fields that the call names."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        if (session := SESSION.get()) is not None:
            line["session"] = session
        if (trace := TRACE.get()) is not None:
            line["trace_id"] = trace
        line |= getattr(record, "fields", {})
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, default=str)


def set_up(form: LogFormat) -> None:
    """Send everything from level INFO on to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if form == "json" else logging.Formatter(TEXT))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)


def fields(**named: Any) -> dict[str, dict[str, Any]]:
    """`extra` of a log call: the facts in the message, for programs."""
    return {"fields": named}


def thread(target: Callable[[], None], name: str) -> Thread:
    """A daemon thread that works for the session of its maker."""
    return Thread(target=copy_context().run, args=(target,), name=name, daemon=True)
