"""A session: what a client signs, from `start` to `ended`, over as many connections as that takes.

It belongs to the event loop, and anything that takes time happens in its `Worker`. A `Link` brings it what one
websocket receives and takes what the client shall hear. While there is none the worker goes on, finals are kept, and
the rest is lost. A client that stays away for too long ends it.
"""

import asyncio
import logging
import secrets
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import ParamSpec, Protocol

from service.access.auth import Caller
from service.inference.engine import Engine
from service.live import endings
from service.live.endings import Ending
from service.live.queues import Arrival, Break, Inbox
from service.live.reader import FrameGate, effective_config
from service.live.tally import Tally
from service.live.transcripts import Transcript
from service.live.worker import Hooks, Worker
from service.observe.logs import SESSION, fields
from service.observe.tracing import Span
from service.protocol.codes import CloseCode
from service.protocol.messages import Ended, Final, Limits, ServerMessage, SignStarted, Start, Started
from service.protocol.wire import FrameFault, parse_frame
from service.state import State

log = logging.getLogger("glosscast.service")

P = ParamSpec("P")

DRAIN_S = 10.0  # for the frames that wait and the sign under way when a stream ends
REPLAYED = 128  # finals that a client which comes back may have missed; more than anyone signs in `resume_s`


class Connection(Protocol):
    """What a stream needs of a `Link`."""

    def say(self, messages: Sequence[ServerMessage]) -> bool:
        """Send messages; False where the client reads so slowly that there is no room."""

    def end(self, code: int | None) -> None:
        """Close with a code when everything has been said; None: the client has gone."""


class Stream:
    """One session.

    Args:
        state: of the application.
        engine: loaded.
        caller: whose it is.
        start: what the client asked for.
    """

    def __init__(self, state: State, engine: Engine, caller: Caller, start: Start) -> None:
        self.id, self.token, self.caller = secrets.token_urlsafe(12), secrets.token_urlsafe(32), caller
        self.config = effective_config(start, engine.bundle)
        self.ready = asyncio.Event()  # set when `started` is on its way
        self._state, self._engine, self._settings = state, engine, state.settings
        self._loop = asyncio.get_running_loop()
        self._ending: asyncio.Future[Ending] = self._loop.create_future()
        self._inbox, self._gate = Inbox(self._settings.queue_frames), FrameGate(self._settings.max_fps)
        self._tally = Tally(state.metrics)
        self._transcript = Transcript(self.id, self.token, engine.bundle.manifest.no_sign)
        self._link: Connection | None = None
        self._away: asyncio.TimerHandle | None = None
        self._finals: deque[Final] = deque(maxlen=REPLAYED)
        self._open: SignStarted | None = None
        self._worker_ended = asyncio.Event()
        self._signs = 0
        self._failed = False

    @property
    def ending(self) -> bool:
        """Whether it has begun to end."""
        return self._ending.done()

    def begin(self, link: Connection) -> None:
        """Set up, and read what is signed until the stream is ended."""
        self._link = link
        self._state.transcripts.open(self._transcript)
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        SESSION.set(self.id)
        facts = {"session": self.id, "input": self.config.input, "bundle": self._engine.bundle.id}
        with self._engine.used(), self._state.tracing.span("stream", **facts) as span:
            await self._go_through(span)

    async def _go_through(self, span: Span) -> None:
        expiry = self._loop.call_later(self._settings.max_session_s, self.end, endings.EXPIRED)
        hooks = Hooks(
            ready=self._on_loop(self._say_started),
            messages=self._on_loop(self._say),
            fault=self._on_loop(self.fault),
            busy=self._on_loop(lambda: self.end(endings.BUSY)),
            failed=self._on_loop(self._on_worker_failed),
            ended=self._on_loop(self._on_worker_ended),
        )
        Worker(self._engine, self._state.metrics, span, self.config, self._inbox, hooks).start()
        code = None
        try:
            code = await self._wind_up(await self._ending)
        finally:
            expiry.cancel()
            self._stop_waiting()
            self._inbox.close()
            # The place is taken until the thread has given its tracker back.
            await self._worker_ended.wait()
            self._state.transcripts.close(self._transcript)
            self._state.streams.leave(self)
            self._report(code, span)

    # --- connections

    def attach(self, link: Connection, last_segment: int | None) -> None:
        """Go on over this connection; the one before is closed, and finals after `last_segment` are said again."""
        before, self._link = self._link, link
        if before is not None:
            before.say([endings.RESUMED_ERROR])
            before.end(CloseCode.RESUMED)
        self._stop_waiting()
        missed = [final for final in self._finals if last_segment is None or final.segment > last_segment]
        self._tell([self._started(resumed=True), *missed, *([self._open] if self._open else [])])

    def detach(self, link: Connection) -> None:
        """The connection has gone; without another one the stream ends after a while."""
        if self._link is not link:
            return
        self._link = None
        known = self.ready.is_set()  # before that nobody has its token
        if known and self._settings.resume_s > 0 and not self.ending:
            self._away = self._loop.call_later(self._settings.resume_s, self.end, endings.GONE)
        else:
            self.end(endings.GONE)

    def _stop_waiting(self) -> None:
        if self._away is not None:
            self._away.cancel()

    # --- what the client says

    def take_frame(self, data: bytes) -> None:
        """A binary message.

        Raises:
            ProtocolViolation: it is malformed.
            FrameFault: the frame cannot be used.
        """
        now_s = monotonic()
        self._tally.received(self.config.input)
        frame, is_first = parse_frame(data, self.config.input), self._gate.last_ms is None
        if not self._gate.admit(frame.t_ms, now_s):
            self._tally.dropped("too_fast")
        elif self._inbox.put(Arrival(frame, now_s)):
            self._tally.dropped("queue_full")
        if is_first:
            self._transcript.origin_ms = frame.t_ms

    def fault(self, fault: FrameFault) -> None:
        """A frame could not be used."""
        self._tell(self._tally.faulty(fault))

    def warn(self) -> None:
        """Tell of dropped frames, where it is time to."""
        if self._link is not None:
            self._tell(self._tally.warning())

    def finalize(self) -> None:
        """Close the sign that is under way."""
        if not self.ending:  # which closes the sign as well
            self._inbox.put_break(Break(monotonic()))

    # --- what the worker's thread has to say, on the event loop

    def _on_loop(self, function: Callable[P, None]) -> Callable[P, None]:
        """The same function for calls from another thread."""

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            with suppress(RuntimeError):  # the loop has been closed; nobody is left to tell
                self._loop.call_soon_threadsafe(partial(function, *args, **kwargs))

        return call

    def _say_started(self) -> None:
        self._tell([self._started(resumed=False)])
        self.ready.set()

    def _started(self, resumed: bool) -> Started:
        settings = self._settings
        return Started(
            session=self.id,
            token=self.token,
            resumed=resumed,
            last_t_ms=self._gate.last_ms,
            expires_at=datetime.now(UTC) + timedelta(seconds=settings.max_session_s - self._tally.age_s),
            config=self.config,
            bundle=self._engine.bundle.id,
            no_sign=self._engine.bundle.manifest.no_sign,
            limits=Limits(
                max_fps=settings.max_fps, max_frame_bytes=settings.max_frame_bytes, resume_s=settings.resume_s
            ),
        )

    def _say(self, messages: Sequence[ServerMessage]) -> None:
        for message in messages:
            if isinstance(message, SignStarted):
                self._open = message
            elif isinstance(message, Final):
                self._open = None
                self._finals.append(message)
                self._transcript.add(message)
        self._tell(messages)

    def _tell(self, messages: Sequence[ServerMessage]) -> None:
        if self._link is not None and not self._link.say(messages):
            self.end(endings.SLOW)

    def _on_worker_failed(self) -> None:
        self._failed = True
        self.end(endings.INTERNAL)

    def _on_worker_ended(self, signs: int) -> None:
        self._signs = signs
        self._worker_ended.set()

    # --- ending

    def end(self, ending: Ending) -> None:
        """Begin to end; the first reason counts."""
        if not self._ending.done():
            self._ending.set_result(ending)

    def shut_down(self) -> None:
        """The service is stopping."""
        self.end(endings.SHUTTING_DOWN)

    async def _wind_up(self, ending: Ending) -> int | None:
        """Say the last words; the close code."""
        code = ending.code
        self._tell(self._tally.warning(at_once=True))
        if ending.error is not None:
            self._tell([ending.error])
        if ending.drain and not await self._drain():
            code = CloseCode.INTERNAL
            self._tell([endings.INTERNAL_ERROR])
        if self._link is not None:
            self._link.end(code)
        return code

    async def _drain(self) -> bool:
        """Read what waits, close the sign under way and sum up; False where that did not work."""
        self._inbox.put_break(Break(monotonic(), last=True))
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._worker_ended.wait()
        except TimeoutError:
            return False
        if not self._failed:
            self._tell([Ended(summary=self._tally.summary(self._signs))])
        return not self._failed

    def _report(self, code: int | None, span: Span) -> None:
        s = self._tally.summary(self._signs)
        label = self._state.metrics.stream_ended(code)
        span.note(code=label, **s.model_dump())
        if code == CloseCode.INTERNAL:
            span.failed(label)
        log.info(
            "stream %s %s ended %s: %.1f s, %d frames, %d dropped, %d faulty, %d signs",
            self.id,
            self.config.input,
            label,
            s.duration_ms / 1000,
            s.frames,
            s.dropped,
            s.faulty,
            s.signs,
            extra=fields(input=self.config.input, code=label, bundle=self._engine.bundle.id, **s.model_dump()),
        )
