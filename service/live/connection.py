"""The websocket `/v1/stream`: accepts connections, moves messages between them and their streams, and closes in order.

`service.protocol.messages` describes the messages. A client must offer the subprotocol `glosscast.v1`, so that another
version can come beside it; without it, as from an origin that is not allowed, it gets an HTTP error instead of a
websocket. What a client signs belongs to its `Stream`, which outlives the connection; here is only what an event loop
can do at once.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from service.access.auth import Caller
from service.access.keys import Role
from service.access.rates import Bucket
from service.live import endings
from service.live.endings import Ending
from service.live.handshake import check_handshake
from service.live.queues import Outbox
from service.live.reader import inputs_of
from service.live.session import Stream
from service.problems import ProblemError
from service.protocol.codes import CLIENT_CLOSED, CloseCode
from service.protocol.messages import SUBPROTOCOL, Finalize, Keepalive, Resume, ServerMessage, Start, Stop
from service.protocol.wire import FrameFault, ProtocolViolation, parse_text
from service.state import State, engine_of, state_of

log = logging.getLogger("glosscast.service")
router = APIRouter()

# Who sends more messages is read more slowly.
MESSAGES_PER_FRAME = 4  # for each frame of `max_fps`
MESSAGES_AHEAD_S = 10.0  # messages of so long may come at once
SEND_S = 5.0  # for a client to take the last messages, and the close


@router.websocket("/v1/stream")
async def stream(websocket: WebSocket) -> None:
    """Live captions; see `service.protocol.messages`."""
    state = state_of(websocket)
    try:
        engine_of(websocket)
        check_handshake(websocket, state.settings.allowed_origins)
    except ProblemError as refusal:
        await websocket.send_denial_response(refusal.response)
        return
    admission: Caller | Ending
    try:
        admission = state.access.authorise(websocket, Role.STREAM)
    except ProblemError as refusal:
        admission = endings.refused(refusal)
    await Link(websocket, state).run(admission)


class Link:
    """One connection, from handshake to close."""

    def __init__(self, websocket: WebSocket, state: State) -> None:
        self._websocket, self._state = websocket, state
        self._settings = state.settings
        self._closing: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._outbox = Outbox()
        rate = MESSAGES_PER_FRAME * self._settings.max_fps
        self._pace = Bucket(rate, max(1.0, MESSAGES_AHEAD_S * rate))
        self._caller: Caller | None = None
        self._stream: Stream | None = None

    async def run(self, admission: Caller | Ending) -> None:
        """Serve the connection until it is closed: that of a caller, or of one who is not let in."""
        await self._websocket.accept(SUBPROTOCOL)
        if refusal := self._state.streams.knock(self, admission):
            self._stop(refusal)
        elif isinstance(admission, Caller):
            self._caller = admission
        sender = asyncio.create_task(self._guard(self._send))
        receiver = asyncio.create_task(self._guard(self._receive))
        code = None
        try:
            code = await self._closing
            receiver.cancel()
            await self._close(code, sender)
        finally:
            receiver.cancel()
            sender.cancel()
            self._state.streams.gone(self)
            if self._stream is not None:
                self._stream.detach(self)
            else:
                log.info("stream - ended %s before its start", self._state.metrics.stream_ended(code))

    # --- what the stream asks for

    def say(self, messages: Sequence[ServerMessage]) -> bool:
        """Send messages; False where the client reads so slowly that there is no room."""
        return [message for message in messages if not self._outbox.put(message)] == []

    def end(self, code: int | None) -> None:
        """Close with a code when everything has been said; None: the client has gone. The first time counts."""
        if not self._closing.done():
            self._closing.set_result(code)

    def shut_down(self) -> None:
        """The service is stopping."""
        self._stop(endings.SHUTTING_DOWN)

    def _stop(self, ending: Ending) -> None:
        """End the stream, or the connection where there is none."""
        if self._stream is not None:
            self._stream.end(ending)
            return
        if ending.error is not None:
            self.say([ending.error])
        self.end(ending.code)

    async def _guard(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception:
            log.exception("a stream failed")
            self._stop(endings.INTERNAL)

    # --- the websocket

    async def _send(self) -> None:
        while (message := await self._outbox.get()) is not None:
            text = message.model_dump_json()
            try:
                await self._websocket.send_text(text)
            except (WebSocketDisconnect, RuntimeError):
                return  # gone, or closed by uvicorn: `_receive` hears of both, with the code

    async def _receive(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.idle_s):
                    message = await self._websocket.receive()
            except TimeoutError:
                self._stop(endings.IDLE)
                return
            if self._closing.done():
                return  # the stream has gone on elsewhere
            if message["type"] == "websocket.disconnect":
                self._on_disconnect(message.get("code"))
                return
            if (early_s := self._pace.take(monotonic())) > 0:
                await asyncio.sleep(early_s)  # meanwhile nothing is read from the network
                self._pace.take(monotonic())
            text: str | None = message.get("text")
            await self._take(message["bytes"] if text is None else text)

    def _on_disconnect(self, code: int | None) -> None:
        if code == CloseCode.TOO_BIG:  # far too big for uvicorn, which has closed
            self._stop(endings.too_big(self._settings.max_frame_bytes))
        elif code == CLIENT_CLOSED:
            self._stop(endings.GONE)
        self.end(None)

    async def _take(self, data: bytes | str) -> None:
        if len(data) > self._settings.max_frame_bytes:
            self._stop(endings.too_big(self._settings.max_frame_bytes))
            return
        try:
            if isinstance(data, bytes):
                self._take_frame(data)
            else:
                await self._take_text(data)
        except ProtocolViolation as error:
            self._stop(endings.violation(str(error)))

    def _take_frame(self, data: bytes) -> None:
        stream = self._require_stream()
        if stream.ending:
            return
        try:
            stream.take_frame(data)
        except FrameFault as fault:
            stream.fault(fault)
        stream.warn()

    async def _take_text(self, text: str) -> None:
        match parse_text(text):
            case Start() as start:
                await self._start(start)
            case Resume() as resume:
                self._resume(resume)
            case Keepalive():
                self._require_stream().warn()
            case Finalize():
                self._require_stream().finalize()
            case Stop():
                self._require_stream().end(endings.DONE)

    def _require_stream(self) -> Stream:
        if self._stream is None:
            raise ProtocolViolation("the first message must be start or resume")
        return self._stream

    def _require_caller(self) -> Caller:
        if self._stream is not None or self._caller is None:
            raise ProtocolViolation("there was a start already")
        return self._caller

    async def _start(self, start: Start) -> None:
        caller, engine = self._require_caller(), self._state.engine
        if engine is None:
            self._stop(endings.SHUTTING_DOWN)
            return
        if start.input not in inputs_of(engine.bundle):
            self._stop(endings.KEYPOINTS_ALONE)
            return
        stream = Stream(self._state, engine, caller, start)
        if refusal := self._state.streams.enter(stream):
            self._stop(refusal)
            return
        self._take_over(stream)
        stream.begin(self)
        # Frames that a client sends without waiting for `started` stay with the network until the tracker is there.
        await stream.ready.wait()

    def _resume(self, resume: Resume) -> None:
        stream = self._state.streams.find(resume.session, resume.token, self._require_caller())
        if stream is None:
            self._stop(endings.NO_SESSION)
            return
        self._take_over(stream)
        stream.attach(self, resume.last_segment)

    def _take_over(self, stream: Stream) -> None:
        self._stream = stream
        self._state.streams.pass_door(self)

    # --- ending

    async def _close(self, code: int | None, sender: "asyncio.Task[None]") -> None:
        """Send what is left and close, unless the client has gone."""
        if code is None:
            return
        self._outbox.finish()
        # A client that does not read gets neither the last messages nor the close; `Connection` ends its socket.
        with suppress(TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
            async with asyncio.timeout(SEND_S):
                await sender
                await self._websocket.close(code)
