"""A client of the live service: `async for event in caption("http://127.0.0.1:8000", "clip.mp4")`.

It speaks the protocol of docs/reference/protocol.md. When a connection breaks it opens another one and resumes the
session, so that no sign is lost or received twice.
"""

import asyncio
import json
import random
from collections import deque
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from http.cookies import SimpleCookie
from time import monotonic
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus
from websockets.typing import Subprotocol

from glosscast.protocol import STREAM_PATH, SUBPROTOCOL, CloseCode, pack_frame
from glosscast.sources import EncodedFrame, Source, encoded_frames

GIVE_UP_S = 90.0  # from the loss of a connection, as the page does; a session can be resumed for 30
LONGEST_WAIT_S = 8.0
MAX_RESENT = 64  # frames that may have been on their way when a connection broke; 4 s
SLOWER = 1.5  # times the interval between two frames, when the service has dropped some
HEADROOM = 0.9  # of the service's limit of frames a second, since the network makes bursts
# Another connection would end in the same way.
FINAL_CODES = {CloseCode.TOO_BIG, CloseCode.BAD_MESSAGE, CloseCode.NOT_AUTHENTICATED, CloseCode.RESUMED}

Message = dict[str, Any]  # as docs/reference/protocol.md has it


class Teaching:
    """Makes signs of a stream examples of glosses, in the lexicon that the stream reads with.

    The service answers each example with a `taught` message. Calls may come from any thread, before the stream begins
    and at any time later; they count from the next frame on, also over another connection.
    """

    def __init__(self) -> None:
        self.message: Message | None = None  # what was said last

    def teach(self, gloss: str, language: str = "") -> None:
        """Make the signs that begin from here on examples of a gloss, until `teach_done` or another `teach`.

        Args:
            gloss: a name of at most 64 characters.
            language: the sign language, as you call it; empty leaves it as it is.
        """
        self.message = {"type": "teach", "gloss": gloss, "language": language}

    def teach_done(self) -> None:
        """Make no more signs examples; a sign that is under way is none."""
        self.message = {"type": "teach_done"}


class CaptionError(RuntimeError):
    """The service refuses the stream or cannot be reached; the message gives the reason in one line."""


async def caption(
    url: str,
    source: Source,
    *,
    api_key: str | None = None,
    keypoints: bool = False,
    interim: bool = True,
    top_k: int = 3,
    realtime: bool = True,
    lexicon: str | None = None,
    teaching: Teaching | None = None,
) -> AsyncGenerator[Message, None]:
    """Yield the service's messages about a camera or a clip: `final`, `interim`, `taught` and the rest.

    A session whose connection broke goes on; only another `started` says so. Where the session could not be resumed,
    its `resumed` is false, and segments count from 0 again.

    Args:
        url: of the service, http://127.0.0.1:8000.
        source: index of a camera, or path of a clip.
        api_key: where the service needs one.
        keypoints: whether to find keypoints on this machine and send them alone; no picture leaves it.
        interim: whether interim results inside a sign are wanted.
        top_k: glosses in a final.
        realtime: whether a clip is sent at its own speed, as a camera's would be, or as fast as the service takes it.
        lexicon: name of a lexicon in the service, whose signs are read as well.
        teaching: by which signs are taught to this lexicon.

    Raises:
        CaptionError: the service refuses, or cannot be reached.
        SourceError, VideoError, OSError, ExtractorError, ModelError: the source cannot be used.
    """
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    options: Message = {"input": "keypoints" if keypoints else "frames", "interim": interim, "top_k": top_k}
    if lexicon is not None:
        options["lexicon"] = lexicon
    session = _Session(source, keypoints, options, realtime and not isinstance(source, int), teaching or Teaching())
    failures = 0
    lost_at_s = 0.0
    try:
        await session.open()
        while not session.done:
            try:
                socket = await connect(
                    address(url), subprotocols=[Subprotocol(SUBPROTOCOL)], additional_headers=headers, compression=None
                )
                if socket.response is not None:
                    headers |= affinity_headers(socket.response.headers)
                async with socket, aclosing(session.exchange(socket)) as messages:
                    async for message in messages:
                        failures = 0
                        yield message
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                if failures == 0:
                    lost_at_s = monotonic()
                await asyncio.sleep(session.wait_s(error, failures, monotonic() - lost_at_s))
                failures += 1
    finally:
        await session.close()


def address(url: str) -> str:
    """The websocket of a service.

    Raises:
        CaptionError: the address is none of a service.
    """
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.netloc:
        raise CaptionError(f"{url}: not an address of the form http://HOST:PORT")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") or STREAM_PATH, "", ""))


def affinity_headers(answer: Headers) -> dict[str, str]:
    """The header with the cookies of a handshake, by which a proxy finds the same replica again."""
    jar: SimpleCookie = SimpleCookie()
    for cookie in answer.get_all("Set-Cookie"):  # of several with one name the last one counts
        jar.load(cookie)
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())} if jar else {}


class _Session:
    """One session, over as many connections as it needs."""

    def __init__(self, source: Source, keypoints: bool, options: Message, paced: bool, teaching: Teaching) -> None:
        self.done = False
        self._frames = encoded_frames(source, keypoints)
        self._options = options
        self._keypoints = keypoints
        self._upcoming: asyncio.Task[EncodedFrame | None] | None = None
        self._sent: deque[EncodedFrame] = deque(maxlen=MAX_RESENT)
        self._seq = 0
        self._teaching = teaching
        self._told: Message | None = None  # of what is taught, over this connection
        self._pace = _Pace(realtime=paced)
        self._live = isinstance(source, int)
        self._connected = False  # ever
        self._started: Message | None = None  # of the session that can be resumed
        self._earlier: Message | None = None  # the session whose viewers the next one goes on with
        self._last_segment: int | None = None
        self._last_taught: int | None = None  # segment
        self._error: Message = {}  # the last one of this connection
        self._fault: Exception | None = None  # of the source

    async def open(self) -> None:
        """Find out whether the source can be used."""
        await self._next_frame()

    async def exchange(self, socket: ClientConnection) -> AsyncGenerator[Message, None]:
        """Send frames and receive messages over one connection.

        Raises:
            ConnectionClosed: it broke, or the service closed it before it had ended the session.
        """
        self._error = {}
        sending = None
        try:
            with suppress(ConnectionClosed):  # the service says why in a message, which is received below
                await socket.send(json.dumps(await self._first_message()))
            while True:
                message: Message = json.loads(await socket.recv())
                is_new = self._on_message(message)
                if message["type"] == "started":
                    sending = asyncio.create_task(self._send(socket, message))
                if is_new:
                    yield message
        except ConnectionClosed as closed:
            if self._fault is not None:
                raise self._fault from None
            self.done = closed.rcvd is not None and closed.rcvd.code == CloseCode.DONE
            if not self.done:
                raise
        except (GeneratorExit, asyncio.CancelledError):
            await socket.close()  # with code 1000: the session will not be resumed
            raise
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.wait([sending])

    def wait_s(self, error: Exception, failures: int, lost_s: float) -> float:
        """The time in s to wait before the next connection, where there has been none for `lost_s`.

        Raises:
            CaptionError: another connection would fail, too.
        """
        code = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd else None
        status = error.response.status_code if isinstance(error, InvalidStatus) else 500
        refused = code in FINAL_CODES or self._error.get("retryable") is False or status < 500
        if refused or not self._connected or lost_s >= GIVE_UP_S:
            raise CaptionError(self._error.get("message") or f"the service cannot be reached: {error}") from error
        if self._error.get("code") == "no_session":
            self._forget()
        backoff_s = min(LONGEST_WAIT_S, 0.5 * 2**failures) * random.uniform(0.5, 1.0)
        wait_s = float(self._error.get("retry_after_s") or (backoff_s if failures else 0.0))
        return min(wait_s, GIVE_UP_S - lost_s)

    async def close(self) -> None:
        """Close the source."""
        if self._upcoming is not None:
            await asyncio.wait([self._upcoming])
        await asyncio.to_thread(self._frames.close)

    # --- receiving

    def _on_message(self, message: Message) -> bool:
        """Take note of a message; whether it is new: a `taught` may come again when a session goes on."""
        match message["type"]:
            case "started":
                self._connected = True
                self._started = message
                own = {name: message[name] for name in ("session", "token")}
                self._earlier = own if message.get("view") else None  # a service that knows no views refuses the field
            case "final":
                self._last_segment = message["segment"]
            case "taught":
                if self._last_taught is not None and message["segment"] <= self._last_taught:
                    return False
                self._last_taught = message["segment"]
            case "warning" if message["code"] in ("frames_dropped", "rate_lowered"):
                self._pace.slow_down()
            case "error":
                self._error = message
            case "ended":
                self._forget()
        return True

    def _forget(self) -> None:
        """Forget the session, which cannot be resumed."""
        self._started = self._last_segment = self._last_taught = None
        self._sent.clear()

    # --- sending

    async def _first_message(self) -> Message:
        if self._started is not None:
            own = {name: self._started[name] for name in ("session", "token")}
            return {"type": "resume", **own, "last_segment": self._last_segment}
        start: Message = {"type": "start", **self._options}
        if self._keypoints and (first := await self._next_frame()) is not None:
            start["aspect"] = first.aspect
        if self._earlier is not None:
            start["continues"] = self._earlier
        return start

    async def _send(self, socket: ClientConnection, started: Message) -> None:
        """Send the frames that were lost when a connection broke, then the others to the end of the source."""
        taken_ms = started["last_t_ms"]
        self._told = None
        try:
            for lost in [frame for frame in self._sent if taken_ms is None or frame.t_ms > taken_ms]:
                await self._send_frame(socket, lost)
            self._pace.begin(started["limits"]["max_fps"])
            while (frame := await self._next_frame()) is not None:
                if not self._live:
                    await self._pace.wait(frame.t_ms)
                self._upcoming = None
                self._sent.append(frame)
                await self._send_frame(socket, frame)
            await self._tell_teaching(socket)
            await socket.send('{"type": "stop"}')
        except ConnectionClosed:
            pass  # `exchange` gets the same exception
        except Exception as fault:
            self._fault = fault
            await socket.close()

    async def _send_frame(self, socket: ClientConnection, frame: EncodedFrame) -> None:
        await self._tell_teaching(socket)
        await socket.send(pack_frame(self._seq, frame.t_ms, frame.payload))
        self._seq += 1

    async def _tell_teaching(self, socket: ClientConnection) -> None:
        if self._teaching.message is not self._told:
            self._told = self._teaching.message
            await socket.send(json.dumps(self._told))

    async def _next_frame(self) -> EncodedFrame | None:
        """The next frame, None at the end; the same one until `_upcoming` is None."""
        if self._upcoming is None:
            self._upcoming = asyncio.create_task(asyncio.to_thread(next, self._frames, None))
        # The caller may be cancelled, the thread cannot: the frame that it gets is for the next connection.
        return await asyncio.shield(self._upcoming)


class _Pace:
    """The times at which a clip's frames are due: at the clip's own speed, or as fast as the service takes them."""

    def __init__(self, realtime: bool) -> None:
        self._realtime = realtime
        self._interval_s = 0.0  # between two frames, where the clip's own times do not count
        self._last_ms: float | None = None
        self._due_s = 0.0

    def begin(self, max_fps: float) -> None:
        """Count time from now on, when the service takes frames."""
        self._interval_s = max(self._interval_s, 1 / (HEADROOM * max_fps))
        self._last_ms = None
        self._due_s = monotonic()

    def slow_down(self) -> None:
        """Send frames more slowly, since the service left some out."""
        self._interval_s *= SLOWER

    async def wait(self, t_ms: float) -> None:
        """Return when the frame of this time is due."""
        if self._realtime:
            self._due_s += 0.0 if self._last_ms is None else (t_ms - self._last_ms) / 1000
        else:
            self._due_s = max(self._due_s + self._interval_s, monotonic())
        await asyncio.sleep(self._due_s - monotonic())
        self._last_ms = t_ms
