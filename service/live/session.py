"""A session: the signing of one client, from `start` to `ended`, over as many connections as it needs.

A session belongs to the event loop, and its `Worker` does everything that takes time. A `Connection` passes on the
messages that one websocket receives, and sends those of the session. While there is no connection, the worker goes on
and keeps finals, and what is said of examples; all other messages are lost. A session ends when its client stays away
for too long.
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

from glosscast.protocol import CloseCode
from glosscast.wording import counted
from service.access.auth import Caller
from service.inference.engine import Engine
from service.live import endings
from service.live.broadcast import Broadcast
from service.live.endings import Ending
from service.live.lexicon import StreamLexicon
from service.live.queues import Arrival, FinishSign, FrameQueue, Lesson, Teaching
from service.live.reader import FrameLimiter, effective_config
from service.live.tally import Tally
from service.live.transcripts import Transcript, Transcripts
from service.live.views import Views
from service.live.worker import Hooks, Worker
from service.observe.logs import SESSION, fields
from service.observe.tracing import Span
from service.protocol.messages import (
    Ended,
    Final,
    Limits,
    ServerMessage,
    SignStarted,
    Start,
    Started,
    Taught,
)
from service.protocol.wire import FrameFault, parse_frame
from service.state import State

log = logging.getLogger("glosscast.service")

P = ParamSpec("P")

DRAIN_S = 10.0  # for the waiting frames and the sign under way when a session ends
REPLAYED = 128  # finals, and what was taught, that a client may have missed; more than anyone signs in `resume_s`


class Recipient(Protocol):
    """The connection over which a session sends its messages."""

    def send(self, messages: Sequence[ServerMessage]) -> bool:
        """Send messages; False where the client reads so slowly that there is no room."""

    def close(self, code: int | None) -> None:
        """Close with a code when everything has been sent; None: the client has gone."""


class Session:
    """One session.

    Args:
        state: of the application.
        engine: loaded.
        transcripts: keep the session's captions.
        views: show them to others.
        caller: the client.
        start: the client's first message.
        on_ended: called when the session has ended and its tracker is free again.
    """

    def __init__(
        self,
        state: State,
        engine: Engine,
        transcripts: Transcripts,
        views: Views,
        caller: Caller,
        start: Start,
        on_ended: Callable[["Session"], None],
    ) -> None:
        self.id = secrets.token_urlsafe(12)
        self.token = secrets.token_urlsafe(32)
        self.caller = caller
        self.config = effective_config(start, engine.bundle)
        self.ready = asyncio.Event()  # set when `started` has been queued
        self._state = state
        self._engine = engine
        self._settings = state.settings
        self._transcripts = transcripts
        self._on_ended = on_ended
        self._loop = asyncio.get_running_loop()
        self._ending: asyncio.Future[Ending] = self._loop.create_future()
        self._frames = FrameQueue(self._settings.queue_frames)
        self._limiter = FrameLimiter(self._settings.max_fps)
        self._tally = Tally(state.metrics)
        no_sign = engine.bundle.manifest.no_sign
        self._transcript = Transcript(self.id, self.token, no_sign)
        opened = partial(views.open, self.id, self.token, caller.name, start.continues)
        self._broadcast = Broadcast(self.id, no_sign, views, opened, state.outputs)
        self._recipient: Recipient | None = None
        self._absence: asyncio.TimerHandle | None = None
        self._kept: deque[Final | Taught] = deque(maxlen=REPLAYED)
        self._open_sign: SignStarted | None = None
        self._worker_ended = asyncio.Event()
        self._signs = 0
        self._failed = False

    @property
    def ending(self) -> bool:
        """Whether it has begun to end."""
        return self._ending.done()

    def begin(self, recipient: Recipient) -> None:
        """Set up, and read signs until the session is ended."""
        self._recipient = recipient
        self._transcripts.open(self._transcript)
        self._running = asyncio.create_task(self._run())

    async def _run(self) -> None:
        SESSION.set(self.id)
        facts = {"session": self.id, "input": self.config.input, "bundle": self._engine.bundle.id}
        with self._engine.used(), self._state.tracing.span("stream", **facts) as span:
            await self._run_worker(span)

    async def _run_worker(self, span: Span) -> None:
        expiry = self._loop.call_later(self._settings.max_session_s, self.end, endings.EXPIRED)
        hooks = Hooks(
            ready=self._on_loop(self._send_started),
            messages=self._on_loop(self._on_messages),
            fault=self._on_loop(self.fault),
            left_out=self._on_loop(partial(self._tally.dropped, "rate_lowered")),
            refused=self._on_loop(self.end),
            failed=self._on_loop(self._on_worker_failed),
            ended=self._on_loop(self._on_worker_ended),
        )
        Worker(self._engine, self._state.metrics, span, self.config, self._frames, hooks, self._open_lexicon).start()
        code = None
        try:
            code = await self._finish(await self._ending)
        finally:
            expiry.cancel()
            self._cancel_absence()
            self._frames.close()
            # The place stays taken until the thread has given its tracker back.
            await self._worker_ended.wait()
            self._transcripts.close(self._transcript)
            self._broadcast.ended()
            self._on_ended(self)
            self._report(code, span)

    def _open_lexicon(self) -> StreamLexicon | None:
        """The lexicon that the client named; called in the worker's thread."""
        lexicons = self._state.lexicons
        if lexicons is None or self.config.lexicon is None:
            return None
        return StreamLexicon(lexicons, self.caller.name, self.config.lexicon, self._engine)

    # --- connections

    def attach(self, recipient: Recipient, last_segment: int | None) -> None:
        """Go on over this connection: close the one before, and send what came after the final of `last_segment`."""
        before = self._recipient
        self._recipient = recipient
        if before is not None:
            before.send([endings.RESUMED_ERROR])
            before.close(CloseCode.RESUMED)
        self._cancel_absence()
        known = -1 if last_segment is None else last_segment
        # Whether `taught` came after that final is not known.
        missed = [m for m in self._kept if m.segment > known or (isinstance(m, Taught) and m.segment == known)]
        self._send([self._started(resumed=True), *missed, *([self._open_sign] if self._open_sign else [])])

    def detach(self, recipient: Recipient) -> None:
        """The connection has closed; without another one the session ends after a while."""
        if self._recipient is not recipient:
            return
        self._recipient = None
        resumable = self.ready.is_set()  # no client has the token before that
        if resumable and self._settings.resume_s > 0 and not self.ending:
            self._absence = self._loop.call_later(self._settings.resume_s, self.end, endings.CLIENT_GONE)
        else:
            self.end(endings.CLIENT_GONE)

    def _cancel_absence(self) -> None:
        if self._absence is not None:
            self._absence.cancel()

    # --- from the client

    def take_frame(self, data: bytes) -> None:
        """Take a binary message.

        Raises:
            ProtocolViolation: it is malformed.
            FrameFault: the frame cannot be used.
        """
        now_s = monotonic()
        self._tally.received(self.config.input)
        frame = parse_frame(data, self.config.input)
        is_first = self._limiter.last_ms is None
        if not self._limiter.accept(frame.t_ms, now_s):
            self._tally.dropped("too_fast")
        else:
            self._broadcast.frame_arrived(frame.t_ms)
            if self._frames.put(Arrival(frame, now_s)):
                self._tally.dropped("queue_full")
        if is_first:
            self._transcript.origin_ms = frame.t_ms

    def fault(self, fault: FrameFault) -> None:
        """Count a frame that could not be used, and send an error."""
        self._send(self._tally.faulty(fault))

    def warn(self) -> None:
        """Send warnings of frames that were left out, where one is due."""
        if self._recipient is not None:
            self._send(self._tally.warning())

    def finalize(self) -> None:
        """Finish the sign that is under way."""
        if not self.ending:  # the end finishes the sign as well
            self._frames.put_request(FinishSign(monotonic()))

    def teach(self, lesson: Lesson | None) -> None:
        """Make the next signs examples; None: no more."""
        self._frames.put_request(Teaching(lesson))

    # --- from the worker's thread, on the event loop

    def _on_loop(self, function: Callable[P, None]) -> Callable[P, None]:
        """The same function for calls from another thread."""

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            with suppress(RuntimeError):  # the loop has been closed
                self._loop.call_soon_threadsafe(partial(function, *args, **kwargs))

        return call

    def _send_started(self) -> None:
        self._broadcast.started()
        self._send([self._started(resumed=False)])
        self.ready.set()

    def _started(self, resumed: bool) -> Started:
        settings = self._settings
        return Started(
            session=self.id,
            token=self.token,
            resumed=resumed,
            last_t_ms=self._limiter.last_ms,
            expires_at=datetime.now(UTC) + timedelta(seconds=settings.max_session_s - self._tally.age_s),
            config=self.config,
            bundle=self._engine.bundle.id,
            no_sign=self._engine.bundle.manifest.no_sign,
            limits=Limits(
                max_fps=settings.max_fps, max_frame_bytes=settings.max_frame_bytes, resume_s=settings.resume_s
            ),
            view=self._broadcast.address,
        )

    def _on_messages(self, messages: Sequence[ServerMessage]) -> None:
        for message in messages:
            if isinstance(message, SignStarted):
                self._open_sign = message
            elif isinstance(message, Final):
                self._open_sign = None
                self._kept.append(message)
                self._transcript.add(message)
            elif isinstance(message, Taught):
                self._kept.append(message)
        self._broadcast.tell(messages)
        self._send(messages)

    def _send(self, messages: Sequence[ServerMessage]) -> None:
        if self._recipient is not None and not self._recipient.send(messages):
            self.end(endings.SLOW_READER)

    def _on_worker_failed(self) -> None:
        self._failed = True
        self.end(endings.INTERNAL)

    def _on_worker_ended(self, signs: int) -> None:
        self._signs = signs
        self._worker_ended.set()

    # --- ending

    def end(self, ending: Ending) -> None:
        """Begin to end; only the first call counts."""
        if not self._ending.done():
            self._ending.set_result(ending)

    def shut_down(self) -> None:
        """The service is stopping."""
        self.end(endings.SHUTTING_DOWN)

    async def _finish(self, ending: Ending) -> int | None:
        """Send the last messages; the close code."""
        code = ending.code
        if ending is not endings.DONE:
            self.teach(None)  # a sign that is cut off is no example
        self._send(self._tally.warning(at_once=True))
        if ending.error is not None:
            self._send([ending.error])
        if ending.drain and not await self._drain():
            code = CloseCode.INTERNAL
            self._send([endings.INTERNAL_ERROR])
        if self._recipient is not None:
            self._recipient.close(code)
        return code

    async def _drain(self) -> bool:
        """Read the waiting frames, finish the sign under way and sum up; False where that failed."""
        self._frames.put_request(FinishSign(monotonic(), last=True))
        try:
            async with asyncio.timeout(DRAIN_S):
                await self._worker_ended.wait()
        except TimeoutError:
            return False
        if not self._failed:
            self._send([Ended(summary=self._tally.summary(self._signs))])
        return not self._failed

    def _report(self, code: int | None, span: Span) -> None:
        s = self._tally.summary(self._signs)
        label = self._state.metrics.stream_ended(code)
        span.note(code=label, **s.model_dump())
        if code == CloseCode.INTERNAL:
            span.failed(label)
        log.info(
            "stream %s %s ended %s: %.1f s, %s, %d dropped, %d faulty, %s",
            self.id,
            self.config.input,
            label,
            s.duration_ms / 1000,
            counted(s.frames, "frame"),
            s.dropped,
            s.faulty,
            counted(s.signs, "sign"),
            extra=fields(input=self.config.input, code=label, bundle=self._engine.bundle.id, **s.model_dump()),
        )
