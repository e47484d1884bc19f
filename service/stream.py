"""The websocket `/v1/stream`: accepts connections, moves messages, and ends streams in order.

The messages are described in `service.protocol`. A client must offer the subprotocol `glosscast.v1`, so that another
version can come beside it; without it, as from an origin that is not allowed, it gets an HTTP error instead of a
websocket. Anything that takes time happens in the stream's `Worker`; here is only what an event loop can do at once.
"""

import asyncio
import logging
import secrets
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from time import monotonic
from typing import Any, ParamSpec

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from service import endings
from service.auth import Caller
from service.codes import CloseCode
from service.endings import Ending
from service.engine import Engine, Services, engine_of, services_of
from service.handshake import check_handshake
from service.keys import Role
from service.mailbox import Arrival, Break, Inbox, Outbox
from service.problems import ProblemError
from service.protocol import (
    SUBPROTOCOL,
    Config,
    Ended,
    Finalize,
    Keepalive,
    Limits,
    ServerMessage,
    Start,
    Started,
    Stop,
)
from service.session import FrameGate, effective_config
from service.tally import Tally
from service.wire import FrameFault, ProtocolViolation, parse_frame, parse_text
from service.worker import Hooks, Worker

log = logging.getLogger("glosscast.service")
router = APIRouter()

P = ParamSpec("P")

DRAIN_S = 10.0  # for the frames that wait and the sign under way when a stream ends
SEND_S = 5.0  # for a client to take the last messages, and the close


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Live captions; see `service.protocol`."""
    services = services_of(websocket)
    try:
        engine = engine_of(websocket)
        check_handshake(websocket, services.settings.allowed_origins)
    except ProblemError as refusal:
        await websocket.send_denial_response(refusal.response)
        return
    admission: Caller | Ending
    try:
        admission = services.access.admit(websocket, Role.STREAM)
    except ProblemError as refusal:
        admission = endings.refused(refusal)
    await Stream(websocket, services, engine).run(admission)


class Stream:
    """One connection, from handshake to close."""

    def __init__(self, websocket: WebSocket, services: Services, engine: Engine) -> None:
        self.id = secrets.token_urlsafe(12)
        self._websocket, self._services, self._engine = websocket, services, engine
        self._settings = services.settings
        self._loop = asyncio.get_running_loop()
        self._ending: asyncio.Future[Ending] = self._loop.create_future()
        self._inbox, self._outbox = Inbox(self._settings.queue_frames), Outbox()
        self._gate = FrameGate(self._settings.max_fps)
        self._config: Config | None = None
        self._ready = asyncio.Event()  # set when `started` is on its way
        self._worker_ended = asyncio.Event()
        self._worker_ended.set()
        self._tally = Tally(services.metrics)
        self._signs = 0
        self._failed = False

    def shut_down(self) -> None:
        """The service is stopping."""
        self._end(endings.SHUTTING_DOWN)

    async def run(self, admission: Caller | Ending) -> None:
        """Serve the connection until it is closed: that of a caller, or of one who is not let in."""
        await self._websocket.accept(SUBPROTOCOL)
        refused = admission if isinstance(admission, Ending) else self._services.streams.enter(self, admission)
        if refused is not None:
            self._end(refused)
        sender = asyncio.create_task(self._guard(self._send))
        receiver = asyncio.create_task(self._guard(self._receive))
        expiry = self._loop.call_later(self._settings.max_session_s, self._end, endings.EXPIRED)
        code = None
        try:
            ending = await self._ending
            receiver.cancel()
            code = await self._close(ending, sender)
        finally:
            expiry.cancel()
            receiver.cancel()
            sender.cancel()
            self._inbox.close()
            # The place is taken until the thread has given its tracker back.
            await self._worker_ended.wait()
            self._services.streams.leave(self)
            self._report(code)

    async def _guard(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception:
            log.exception("a stream failed")
            self._end(endings.INTERNAL)

    async def _send(self) -> None:
        while (message := await self._outbox.get()) is not None:
            text = message.model_dump_json()
            try:
                await self._websocket.send_text(text)
            except (WebSocketDisconnect, RuntimeError):
                return  # gone, or closed by uvicorn: `_receive` hears of both, with the code

    # --- receiving

    async def _receive(self) -> None:
        while not self._ending.done():
            try:
                async with asyncio.timeout(self._settings.idle_s):
                    message = await self._websocket.receive()
            except TimeoutError:
                self._end(endings.IDLE)
                return
            if message["type"] == "websocket.disconnect":
                far_too_big = message.get("code") == CloseCode.TOO_BIG  # for uvicorn, which has closed
                self._end(endings.too_big(self._settings.max_frame_bytes) if far_too_big else endings.GONE)
                return
            text: str | None = message.get("text")
            data = message["bytes"] if text is None else text
            if len(data) > self._settings.max_frame_bytes:
                self._end(endings.too_big(self._settings.max_frame_bytes))
                return
            try:
                await self._take(data)
            except FrameFault as fault:
                self._on_fault(fault)
            except ProtocolViolation as error:
                self._end(endings.violation(str(error)))
            self._say(self._tally.warning())

    async def _take(self, data: bytes | str) -> None:
        if isinstance(data, bytes):
            self._take_frame(data)
            return
        match parse_text(data):
            case Start() as start:
                await self._start(start)
            case Keepalive():
                self._require_start()
            case Finalize():
                self._require_start()
                self._inbox.put_break(Break(monotonic()))
            case Stop():
                self._require_start()
                self._end(endings.DONE)

    def _take_frame(self, data: bytes) -> None:
        config, now_s = self._require_start(), monotonic()
        self._tally.received(config.input)
        frame = parse_frame(data, config.input)
        if not self._gate.admit(frame.t_ms, now_s):
            self._tally.dropped("too_fast")
        elif self._inbox.put(Arrival(frame, now_s)):
            self._tally.dropped("queue_full")

    def _require_start(self) -> Config:
        if self._config is None:
            raise ProtocolViolation("the first message must be start")
        return self._config

    async def _start(self, start: Start) -> None:
        if self._config is not None:
            raise ProtocolViolation("there was a start already")
        self._config = effective_config(start, self._engine.bundle)
        hooks = Hooks(
            ready=self._on_loop(self._say_started),
            messages=self._on_loop(self._say),
            fault=self._on_loop(self._on_fault),
            busy=self._on_loop(lambda: self._end(endings.BUSY)),
            failed=self._on_loop(self._on_worker_failed),
            ended=self._on_loop(self._on_worker_ended),
        )
        Worker(self._engine, self._services.metrics, self._config, self._inbox, hooks).start()
        self._worker_ended.clear()
        # Frames that a client sends without waiting for `started` stay with the network until the tracker is there.
        await self._ready.wait()

    # --- what the worker's thread has to say, on the event loop

    def _on_loop(self, function: Callable[P, None]) -> Callable[P, None]:
        """The same function for calls from another thread."""

        def call(*args: P.args, **kwargs: P.kwargs) -> None:
            with suppress(RuntimeError):  # the loop has been closed; nobody is left to tell
                self._loop.call_soon_threadsafe(partial(function, *args, **kwargs))

        return call

    def _say_started(self) -> None:
        assert self._config is not None
        settings = self._settings
        expires = datetime.now(UTC) + timedelta(seconds=settings.max_session_s - self._tally.age_s)
        limits = Limits(max_fps=settings.max_fps, max_frame_bytes=settings.max_frame_bytes)
        started = Started(
            session=self.id, expires_at=expires, config=self._config, bundle=self._engine.bundle.id, limits=limits
        )
        self._say([started])
        self._ready.set()

    def _say(self, messages: Sequence[ServerMessage]) -> None:
        for message in messages:
            if not self._outbox.put(message):
                self._end(endings.SLOW)

    def _on_fault(self, fault: FrameFault) -> None:
        self._say(self._tally.faulty(fault))

    def _on_worker_failed(self) -> None:
        self._failed = True
        self._end(endings.INTERNAL)

    def _on_worker_ended(self, signs: int) -> None:
        self._signs = signs
        self._worker_ended.set()

    # --- ending

    def _end(self, ending: Ending) -> None:
        """Begin to end; the first reason counts."""
        if not self._ending.done():
            self._ending.set_result(ending)

    async def _close(self, ending: Ending, sender: "asyncio.Task[None]") -> int | None:
        """Say the last words and close; the close code in the end, None where the client has gone."""
        if (code := ending.code) is None:
            return None
        self._say(self._tally.warning(at_once=True))
        if ending.error is not None:
            self._say([ending.error])
        if ending.drain and self._config is not None and not await self._drain():
            code = CloseCode.INTERNAL
            self._say([endings.INTERNAL_ERROR])
        self._outbox.finish()
        # A client that does not read gets neither the last messages nor the close; `Connection` ends its socket.
        with suppress(TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
            async with asyncio.timeout(SEND_S):
                await sender
                await self._websocket.close(code)
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
            self._say([Ended(summary=self._tally.summary(self._signs))])
        return not self._failed

    def _report(self, code: int | None) -> None:
        s = self._tally.summary(self._signs)
        label = "gone" if code is None else str(code)
        self._services.metrics.streams.labels(label).inc()
        log.info(
            "stream %s %s ended %s: %.1f s, %d frames, %d dropped, %d faulty, %d signs",
            self.id,
            self._config.input if self._config else "-",
            label,
            s.duration_ms / 1000,
            s.frames,
            s.dropped,
            s.faulty,
            s.signs,
        )
