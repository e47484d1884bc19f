"""Carries events to one output, with a bounded queue and retries, so that whoever makes events never waits."""

import asyncio
import logging
import random
from collections import deque
from collections.abc import Coroutine
from datetime import UTC, datetime
from time import monotonic
from typing import Any, Protocol

from service.observe.logs import fields
from service.observe.metrics import Metrics
from service.protocol.events import Event

log = logging.getLogger("glosscast.service")

MAX_WAITING = 256  # events
GIVE_UP_S = 60.0  # age of an event that is not sent any more: a word that appears minutes later misleads
FIRST_WAIT_S = 0.5
LONGEST_WAIT_S = 15.0
IDLE_S = 20.0  # between two looks at the output while there is nothing to send
STOPPED = "the service stopped"
REPORT_S = 60.0  # between two lines of the log about one output


class OutputError(RuntimeError):
    """An event could not be sent. The message is for the log: a kind of fault, without addresses and captions.

    Args:
        message: one line.
        retryable: whether another attempt may succeed.
        after_s: time to wait before it, where the receiver says so.
    """

    def __init__(self, message: str, retryable: bool = True, after_s: float = 0.0) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.after_s = after_s


class Output(Protocol):
    """A place that events are sent to."""

    name: str

    def wants(self, event: Event) -> bool:
        """Whether an event is of interest; called on the event loop, must not block."""

    async def look(self) -> None:
        """Called first, and now and then while there is nothing to send: restore what has broken.

        Raises:
            OutputError: it is still broken.
        """

    async def send(self, event: Event) -> None:
        """Send one event.

        Raises:
            OutputError: it could not be sent.
        """

    def skip(self, event: Event) -> None:
        """Take note of an event that is not sent, since too many wait."""

    async def close(self) -> None:
        """Let go of everything; raises nothing."""


class Courier:
    """Sends the events of one output in order. It belongs to the event loop.

    Args:
        output: where to.
        metrics: count the events by their outcome.
    """

    def __init__(self, output: Output, metrics: Metrics) -> None:
        self._output = output
        self._counts = {
            outcome: metrics.output_events.labels(output.name, outcome) for outcome in ("sent", "dropped", "refused")
        }
        self._waiting: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._closing = False
        self._task: asyncio.Task[None] | None = None
        self._lost = 0  # since the last line of the log
        self._reported_s = -REPORT_S

    def start(self) -> None:
        """Begin to send."""
        self._task = asyncio.create_task(self._work())

    def put(self, event: Event) -> None:
        """Take an event; where too many wait, the oldest is dropped."""
        if not self._output.wants(event):
            return
        if len(self._waiting) >= MAX_WAITING:
            self._output.skip(self._waiting.popleft())
            self._lose("dropped", "too many events wait")
        self._waiting.append(event)
        self._changed.set()

    async def close(self, timeout_s: float) -> None:
        """Send what waits, for so long at most, and end."""
        self._closing = True
        self._changed.set()
        if self._task is None:
            return
        await asyncio.wait([self._task], timeout=timeout_s)
        self._task.cancel()
        await asyncio.wait([self._task])
        for _ in self._waiting:
            self._lose("dropped", STOPPED)
        self._waiting.clear()

    async def _work(self) -> None:
        try:
            await self._look()
            while True:
                if self._waiting:
                    await self._deliver(self._waiting.popleft())
                elif self._closing:
                    return
                else:
                    await self._wait_for_more()
        finally:
            await self._output.close()

    async def _wait_for_more(self) -> None:
        self._changed.clear()
        try:
            async with asyncio.timeout(IDLE_S):
                await self._changed.wait()
        except TimeoutError:
            await self._look()

    async def _look(self) -> None:
        if fault := await _fault_of(self._output.look()):
            self._report(str(fault))

    async def _deliver(self, event: Event) -> None:
        try:
            await self._send(event)
        except asyncio.CancelledError:
            self._lose("dropped", STOPPED)
            raise

    async def _send(self, event: Event) -> None:
        failures = 0
        while fault := await _fault_of(self._output.send(event)):
            if not fault.retryable:
                self._lose("refused", str(fault))
                return
            wait_s = max(fault.after_s, backoff_s(failures))
            failures += 1
            if _age_s(event) + wait_s > GIVE_UP_S:
                self._lose("dropped", str(fault))
                return
            self._report(str(fault))
            await asyncio.sleep(wait_s)
        self._counts["sent"].inc()

    def _lose(self, outcome: str, reason: str) -> None:
        self._counts[outcome].inc()
        self._lost += 1
        self._report(reason)

    def _report(self, reason: str) -> None:
        """Log what is wrong, once in a while."""
        now_s = monotonic()
        if now_s - self._reported_s < REPORT_S:
            return
        self._reported_s = now_s
        named = fields(output=self._output.name, lost=self._lost)
        log.warning("%s: %s; %d events lost", self._output.name, reason, self._lost, extra=named)
        self._lost = 0


def backoff_s(failures: int) -> float:
    """0.5 s, 1, 2, 4 … 15, with jitter, so that services do not return to a restarted receiver all at once."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0**failures) * random.uniform(0.5, 1.0)


async def _fault_of(work: Coroutine[Any, Any, None]) -> OutputError | None:
    """What is wrong, or None; a fault that nobody foresaw ends one event and not the courier."""
    try:
        await work
    except OutputError as error:
        return error
    except Exception as error:
        return OutputError(type(error).__name__, retryable=False)  # its text may have an address
    return None


def _age_s(event: Event) -> float:
    return (datetime.now(UTC) - event.at).total_seconds()
