"""A client of the live service: `async for event in caption("http://127.0.0.1:8000", "clip.mp4")`.

It speaks the protocol of docs/reference/protocol.md. When a connection breaks it opens another one and resumes the
session, so that no sign is lost or heard twice.
"""

import asyncio
import json
import random
import struct
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
from websockets.frames import CloseCode
from websockets.typing import Subprotocol

from glosscast.sources import Shot, Source, shots

SUBPROTOCOL = Subprotocol("glosscast.v1")
PATH = "/v1/stream"
ATTEMPTS = 8  # to connect again, over about 40 s; a session can be resumed for 30
LONGEST_WAIT_S = 8.0
SENT_AGAIN = 64  # frames that may have been on their way when a connection broke; 4 s
SLOWER = 1.5  # times the interval between two frames, when the service has dropped some
HEADROOM = 0.9  # of the service's limit of frames a second, since the network makes bursts
FINAL_CODES = {1009, 4000, 4001, 4009}  # another connection would end in the same way

Message = dict[str, Any]  # as docs/reference/protocol.md has it


class CaptionError(RuntimeError):
    """The service does not take the stream, or cannot be reached; one line that says why."""


async def caption(
    url: str,
    source: Source,
    *,
    api_key: str | None = None,
    keypoints: bool = False,
    interim: bool = True,
    top_k: int = 3,
    realtime: bool = True,
) -> AsyncGenerator[Message, None]:
    """What the service says about a camera or a clip, message by message: `final`, `interim` and the rest.

    A session whose connection broke goes on without a word, but for another `started`. Where it could not be resumed,
    that has `resumed` false, and segments count from 0 again.

    Args:
        url: of the service, http://127.0.0.1:8000.
        source: index of a camera, or path of a clip.
        api_key: where the service needs one.
        keypoints: whether to find keypoints on this machine and send them alone; no picture leaves it.
        interim: whether guesses inside a sign are wanted.
        top_k: glosses in a final.
        realtime: whether a clip is sent at its own speed, as a camera's would be, or as fast as the service takes it.

    Raises:
        CaptionError: the service refuses, or cannot be reached.
        SourceError, VideoError, OSError, ExtractorError, ModelError: the source cannot be used.
    """
    headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}
    wishes: Message = {"input": "keypoints" if keypoints else "frames", "interim": interim, "top_k": top_k}
    session = _Session(source, keypoints, wishes, realtime and not isinstance(source, int))
    failures = 0
    try:
        await session.open()
        while not session.done:
            try:
                socket = await connect(
                    address(url), subprotocols=[SUBPROTOCOL], additional_headers=headers, compression=None
                )
                if socket.response is not None:
                    headers |= place_of(socket.response.headers)
                async with socket, aclosing(session.over(socket)) as messages:
                    async for message in messages:
                        failures = 0
                        yield message
            except (ConnectionClosed, InvalidHandshake, OSError, TimeoutError) as error:
                await asyncio.sleep(session.wait_s(error, failures))
                failures += 1
    finally:
        await session.close()


def address(url: str) -> str:
    """The websocket of a service.

    Raises:
        CaptionError: this is no address of one.
    """
    parts = urlsplit(url)
    scheme = {"http": "ws", "https": "wss"}.get(parts.scheme, parts.scheme)
    if scheme not in ("ws", "wss") or not parts.netloc:
        raise CaptionError(f"{url}: not an address of the form http://HOST:PORT")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/") or PATH, "", ""))


def place_of(answer: Headers) -> dict[str, str]:
    """The header that leads back to the replica behind a proxy that answered a handshake: the cookies that it set."""
    jar: SimpleCookie = SimpleCookie()
    for cookie in answer.get_all("Set-Cookie"):  # of several with one name the last one counts
        jar.load(cookie)
    return {"Cookie": "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())} if jar else {}


def pack(seq: int, t_ms: float, payload: bytes) -> bytes:
    """A frame as a binary message: its number, its time in ms, and a picture or keypoints."""
    header = json.dumps({"seq": seq, "t_ms": t_ms}).encode()
    return struct.pack("<I", len(header)) + header + payload


class _Session:
    """One session, over as many connections as it takes."""

    def __init__(self, source: Source, keypoints: bool, wishes: Message, paced: bool) -> None:
        self.done = False
        self._shots = shots(source, keypoints)
        self._wishes, self._keypoints = wishes, keypoints
        self._coming: asyncio.Task[Shot | None] | None = None
        self._sent: deque[Shot] = deque(maxlen=SENT_AGAIN)
        self._seq = 0
        self._pace = _Pace(realtime=paced)
        self._live = isinstance(source, int)
        self._connected = False  # ever
        self._started: Message | None = None  # of the session that can be resumed
        self._last_segment: int | None = None
        self._error: Message = {}  # the last one of this connection
        self._fault: Exception | None = None  # of the source

    async def open(self) -> None:
        """Find out whether the source can be used."""
        await self._shot()

    async def over(self, socket: ClientConnection) -> AsyncGenerator[Message, None]:
        """Send and hear over one connection.

        Raises:
            ConnectionClosed: it broke, or the service closed it before it had ended the session.
        """
        self._error, sending = {}, None
        try:
            with suppress(ConnectionClosed):  # by a service that says why; that is heard below
                await socket.send(json.dumps(await self._first_message()))
            while True:
                message: Message = json.loads(await socket.recv())
                self._hear(message)
                if message["type"] == "started":
                    sending = asyncio.create_task(self._send(socket, message))
                yield message
        except ConnectionClosed as closed:
            if self._fault is not None:
                raise self._fault from None
            self.done = closed.rcvd is not None and closed.rcvd.code == CloseCode.NORMAL_CLOSURE
            if not self.done:
                raise
        except (GeneratorExit, asyncio.CancelledError):
            await socket.close()  # with 1000: nobody will come back
            raise
        finally:
            if sending is not None:
                sending.cancel()
                await asyncio.wait([sending])

    def wait_s(self, error: Exception, failures: int) -> float:
        """How long to wait before the next connection.

        Raises:
            CaptionError: there is no use in another one.
        """
        code = error.rcvd.code if isinstance(error, ConnectionClosed) and error.rcvd else None
        status = error.response.status_code if isinstance(error, InvalidStatus) else 500
        refused = code in FINAL_CODES or self._error.get("retryable") is False or status < 500
        if refused or not self._connected or failures >= ATTEMPTS:
            raise CaptionError(self._error.get("message") or f"the service cannot be reached: {error}") from error
        if self._error.get("code") == "no_session":
            self._forget()
        backoff_s = min(LONGEST_WAIT_S, 0.5 * 2**failures) * random.uniform(0.5, 1.0)
        return float(self._error.get("retry_after_s") or (backoff_s if failures else 0.0))

    async def close(self) -> None:
        """Let go of the source."""
        if self._coming is not None:
            await asyncio.wait([self._coming])
        await asyncio.to_thread(self._shots.close)

    # --- hearing

    def _hear(self, message: Message) -> None:
        match message["type"]:
            case "started":
                self._connected, self._started = True, message
            case "final":
                self._last_segment = message["segment"]
            case "warning" if message["code"] == "frames_dropped":
                self._pace.slow_down()
            case "error":
                self._error = message
            case "ended":
                self._forget()

    def _forget(self) -> None:
        """There is nothing to resume."""
        self._started = self._last_segment = None
        self._sent.clear()

    # --- sending

    async def _first_message(self) -> Message:
        if self._started is not None:
            own = {name: self._started[name] for name in ("session", "token")}
            return {"type": "resume", **own, "last_segment": self._last_segment}
        start: Message = {"type": "start", **self._wishes}
        if self._keypoints and (first := await self._shot()) is not None:
            start["aspect"] = first.aspect
        return start

    async def _send(self, socket: ClientConnection, started: Message) -> None:
        """Send frames to the end of the source, those first that got lost when a connection broke."""
        taken_ms = started["last_t_ms"]
        try:
            for lost in [shot for shot in self._sent if taken_ms is None or shot.t_ms > taken_ms]:
                await self._send_shot(socket, lost)
            self._pace.begin(started["limits"]["max_fps"])
            while (shot := await self._shot()) is not None:
                if not self._live:
                    await self._pace.wait(shot.t_ms)
                self._coming = None
                self._sent.append(shot)
                await self._send_shot(socket, shot)
            await socket.send('{"type": "stop"}')
        except ConnectionClosed:
            pass  # `over` hears of it as well
        except Exception as fault:
            self._fault = fault
            await socket.close()

    async def _send_shot(self, socket: ClientConnection, shot: Shot) -> None:
        await socket.send(pack(self._seq, shot.t_ms, shot.payload))
        self._seq += 1

    async def _shot(self) -> Shot | None:
        """The frame that comes next, None at the end; the same one until `_coming` is None."""
        if self._coming is None:
            self._coming = asyncio.create_task(asyncio.to_thread(next, self._shots, None))
        # Who waits may be cancelled, the thread cannot: what it finds is for the next connection.
        return await asyncio.shield(self._coming)


class _Pace:
    """When a clip's frames are due: at the clip's own speed, or as fast as the service takes them."""

    def __init__(self, realtime: bool) -> None:
        self._realtime = realtime
        self._interval_s = 0.0  # between two frames, where the clip's own times do not count
        self._last_ms: float | None = None
        self._due_s = 0.0

    def begin(self, max_fps: float) -> None:
        """Frames may come, from now on."""
        self._interval_s = max(self._interval_s, 1 / (HEADROOM * max_fps))
        self._last_ms, self._due_s = None, monotonic()

    def slow_down(self) -> None:
        """Frames were dropped."""
        self._interval_s *= SLOWER

    async def wait(self, t_ms: float) -> None:
        """Return when the frame of this time is due."""
        if self._realtime:
            self._due_s += 0.0 if self._last_ms is None else (t_ms - self._last_ms) / 1000
        else:
            self._due_s = max(self._due_s + self._interval_s, monotonic())
        await asyncio.sleep(self._due_s - monotonic())
        self._last_ms = t_ms
