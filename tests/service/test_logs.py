"""Lines of the log."""

import json
import logging
import threading

from service.observe import logs
from service.observe.logs import SESSION, TRACE, JsonFormatter, fields


def line(message="all is well", *values, exc_info=None, **extra):
    record = logging.getLogger("glosscast.service").makeRecord(
        "glosscast.service", logging.INFO, "a.py", 1, message, values, exc_info, extra=extra
    )
    return JsonFormatter().format(record)


def test_a_line_is_an_object_with_the_fields_of_its_call():
    logged = json.loads(line("stream %s ended", "s", **fields(code="1000", frames=3)))

    assert logged.pop("time").endswith("+00:00")
    assert logged == {
        "level": "info",
        "logger": "glosscast.service",
        "message": "stream s ended",
        "code": "1000",
        "frames": 3,
    }


def test_an_exception_stays_on_one_line():
    try:
        raise RuntimeError("no\nluck")
    except RuntimeError as error:
        logged = line("it failed", exc_info=(type(error), error, error.__traceback__))

    assert "\n" not in logged
    assert "RuntimeError: no\nluck" in json.loads(logged)["exception"]


def test_a_thread_works_for_the_session_of_its_maker():
    logged = []
    SESSION.set("abc")
    thread = logs.thread(lambda: logged.append(line()), "stream")
    SESSION.set(None)
    thread.start()
    thread.join()
    other = threading.Thread(target=lambda: logged.append(line()))
    other.start()
    other.join()

    assert json.loads(logged[0])["session"] == "abc"
    assert "session" not in json.loads(logged[1])


def test_a_line_names_the_trace_that_it_belongs_to():
    token = TRACE.set("0af7651916cd43dd8448eb211c80319c")
    logged = json.loads(line())
    TRACE.reset(token)

    assert logged["trace_id"] == "0af7651916cd43dd8448eb211c80319c"
    assert "trace_id" not in json.loads(line())
