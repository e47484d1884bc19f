"""The websocket `/v1/stream`: accepts connections, passes on messages to and from their sessions, and closes.

`service.protocol.messages` describes the messages. A client must offer the subprotocol `glosscast.v1`, so that another
version can be added beside it. Without it, and for an origin that is not allowed, the handshake is refused with an HTTP
error. What a client signs belongs to its `Session`, which outlives the connection. A connection does only what an event
loop can do without blocking.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from time import monotonic
from typing import Any

from fastapi import APIRouter, WebSocket, WebSocketDisconnect

from glosscast.protocol import CLIENT_CLOSED, STREAM_PATH, SUBPROTOCOL, CloseCode
from service.access.auth import Caller
from service.access.keys import Role
from service.access.rates import Bucket
from service.live import endings
from service.live.endings import Ending
from service.live.handshake import check_handshake
from service.live.queues import Lesson, MessageQueue
from service.live.reader import inputs_of
from service.live.registry import registry_of
from service.live.session import Session
from service.live.transcripts import transcripts_of
from service.live.views import views_of
from service.problems import ProblemError
from service.protocol.messages import Finalize, Keepalive, Resume, ServerMessage, Start, Stop, Teach, TeachDone
from service.protocol.wire import FrameFault, ProtocolViolation, parse_text
from service.state import State, engine_of, state_of

log = logging.getLogger("glosscast.service")
router = APIRouter()

# A client that sends more messages is read more slowly.
MESSAGES_PER_FRAME = 4  # for each frame of `max_fps`
MESSAGES_AHEAD_S = 10.0  # messages of so long may come at once
SEND_S = 5.0  # for a client to take the last messages, and the close


@router.websocket(STREAM_PATH)
async def stream(websocket: WebSocket) -> None:
    """Live captions; see `service.protocol.messages`."""
    state = state_of(websocket)
    try:
        engine_of(websocket)
        check_handshake(websocket, state.settings.allowed_origins)
    except ProblemError as refusal:
        await websocket.send_denial_response(refusal.response)
        return
    authorised: Caller | Ending
    try:
        authorised = state.access.authorise(websocket, Role.STREAM)
    except ProblemError as refusal:
        authorised = endings.refused(refusal)
    await Connection(websocket, state).run(authorised)


class Connection:
    """One connection, from handshake to close."""

    def __init__(self, websocket: WebSocket, state: State) -> None:
        self._websocket = websocket
        self._state = state
        self._settings = state.settings
        self._registry = registry_of(websocket)
        self._transcripts = transcripts_of(websocket)
        self._views = views_of(websocket)
        self._closing: asyncio.Future[int | None] = asyncio.get_running_loop().create_future()
        self._unsent = MessageQueue()
        rate = MESSAGES_PER_FRAME * self._settings.max_fps
        self._pace = Bucket(rate, max(1.0, MESSAGES_AHEAD_S * rate))
        self._caller: Caller | None = None
        self._session: Session | None = None

    async def run(self, authorised: Caller | Ending) -> None:
        """Serve the connection of an authorised or a refused caller until it is closed."""
        await self._websocket.accept(SUBPROTOCOL)
        if refusal := self._registry.register(self, authorised):
            self._end(refusal)
        elif isinstance(authorised, Caller):
            self._caller = authorised
        sender = asyncio.create_task(self._guard(self._send_queued))
        receiver = asyncio.create_task(self._guard(self._receive))
        code = None
        try:
            code = await self._closing
            receiver.cancel()
            await self._finish(code, sender)
        finally:
            receiver.cancel()
            sender.cancel()
            self._registry.unregister(self)
            if self._session is not None:
                self._session.detach(self)
            else:
                log.info("stream - ended %s before its start", self._state.metrics.stream_ended(code))

    # --- for the session and the registry

    def send(self, messages: Sequence[ServerMessage]) -> bool:
        """Send messages; False where the client reads so slowly that there is no room."""
        return [message for message in messages if not self._unsent.put(message)] == []

    def close(self, code: int | None) -> None:
        """Close with a code when everything has been sent; None: the client has gone. Only the first call counts."""
        if not self._closing.done():
            self._closing.set_result(code)

    def shut_down(self) -> None:
        """The service is stopping."""
        self._end(endings.SHUTTING_DOWN)

    def _end(self, ending: Ending) -> None:
        """End the session, or the connection where there is none."""
        if self._session is not None:
            self._session.end(ending)
            return
        if ending.error is not None:
            self.send([ending.error])
        self.close(ending.code)

    async def _guard(self, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await work()
        except Exception:
            log.exception("a stream failed")
            self._end(endings.INTERNAL)

    # --- the websocket

    async def _send_queued(self) -> None:
        while (message := await self._unsent.get()) is not None:
            text = message.model_dump_json()
            try:
                await self._websocket.send_text(text)
            except (WebSocketDisconnect, RuntimeError):
                return  # the client has gone or uvicorn has closed; `_receive` gets both, with the code

    async def _receive(self) -> None:
        while True:
            try:
                async with asyncio.timeout(self._settings.idle_s):
                    message = await self._websocket.receive()
            except TimeoutError:
                self._end(endings.IDLE)
                return
            if self._closing.done():
                return  # the session has gone on over another connection
            if message["type"] == "websocket.disconnect":
                self._on_disconnect(message.get("code"))
                return
            if (early_s := self._pace.take(monotonic())) > 0:
                await asyncio.sleep(early_s)  # meanwhile nothing is read from the network
                self._pace.take(monotonic())
            text: str | None = message.get("text")
            await self._handle(message["bytes"] if text is None else text)

    def _on_disconnect(self, code: int | None) -> None:
        if code == CloseCode.TOO_BIG:  # far too big for uvicorn, which has closed
            self._end(endings.too_big(self._settings.max_frame_bytes))
        elif code == CLIENT_CLOSED:
            self._end(endings.CLIENT_GONE)
        self.close(None)

    async def _handle(self, data: bytes | str) -> None:
        if len(data) > self._settings.max_frame_bytes:
            self._end(endings.too_big(self._settings.max_frame_bytes))
            return
        try:
            if isinstance(data, bytes):
                self._handle_frame(data)
            else:
                await self._handle_text(data)
        except ProtocolViolation as error:
            self._end(endings.violation(str(error)))

    def _handle_frame(self, data: bytes) -> None:
        session = self._require_session()
        if session.ending:
            return
        try:
            session.take_frame(data)
        except FrameFault as fault:
            session.fault(fault)
        session.warn()

    async def _handle_text(self, text: str) -> None:
        match parse_text(text):
            case Start() as start:
                await self._start(start)
            case Resume() as resume:
                self._resume(resume)
            case Keepalive():
                self._require_session().warn()
            case Finalize():
                self._require_session().finalize()
            case Teach() as teach:
                self._teach(teach)
            case TeachDone():
                self._require_session().teach(None)
            case Stop():
                self._require_session().end(endings.DONE)

    def _require_session(self) -> Session:
        if self._session is None:
            raise ProtocolViolation("the first message must be start or resume")
        return self._session

    def _require_caller(self) -> Caller:
        if self._session is not None or self._caller is None:
            raise ProtocolViolation("there was a start already")
        return self._caller

    async def _start(self, start: Start) -> None:
        caller = self._require_caller()
        engine = self._state.engine
        if engine is None:
            self._end(endings.SHUTTING_DOWN)
            return
        if start.input not in inputs_of(engine.bundle):
            self._end(endings.PICTURES_REQUIRED)
            return
        if start.lexicon is not None and self._state.lexicons is None:
            self._end(endings.LEXICONS_OFF)
            return
        session = Session(self._state, engine, self._transcripts, self._views, caller, start, self._registry.release)
        if refusal := self._registry.open(session, self):
            self._end(refusal)
            return
        self._session = session
        session.begin(self)
        # Frames that a client sends without waiting for `started` stay in the network until the tracker is there.
        await session.ready.wait()

    def _resume(self, resume: Resume) -> None:
        session = self._registry.resume(resume.session, resume.token, self._require_caller(), self)
        if session is None:
            self._end(endings.NO_SESSION)
            return
        self._session = session
        session.attach(self, resume.last_segment)

    def _teach(self, teach: Teach) -> None:
        session = self._require_session()
        assert self._caller is not None  # there is no session without one
        refusal = None
        if Role.TEACH not in self._caller.roles:
            refusal = endings.TEACHING_NOT_ALLOWED
        elif session.config.lexicon is None:
            refusal = endings.LEXICON_REQUIRED
        if refusal is None:
            session.teach(Lesson(teach.gloss, teach.language))
        elif not self.send([refusal]):
            self._end(endings.SLOW_READER)

    # --- ending

    async def _finish(self, code: int | None, sender: "asyncio.Task[None]") -> None:
        """Send the remaining messages and close, unless the client has gone."""
        if code is None:
            return
        self._unsent.finish()
        # A client that does not read gets neither the last messages nor the close; the server then aborts its socket.
        with suppress(TimeoutError, WebSocketDisconnect, OSError, RuntimeError):
            async with asyncio.timeout(SEND_S):
                await sender
                await self._websocket.close(code)
