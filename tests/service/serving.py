"""A real server in a thread, a websocket client for it, and a tracker that sees colours instead of people.

A green picture is a hand in the middle that is near, a yellow one that is far: signs that can be taught.
A red picture is a signer whose hand is up in the east, a blue one west, a grey one has the arms down, and in a black
one is nobody: with the bundle of `tests.bundles` the gloss that must come out is known.
"""

import io
import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import httpx
import numpy as np
import uvicorn
from PIL import Image
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from glosscast.keypoints import CHANNELS, POINTS
from glosscast.protocol import STREAM_PATH, SUBPROTOCOL, pack_frame
from service.problems import CODES, MEDIA_TYPE
from service.server import server
from service.settings import Settings
from tests.bundles import FRAME_MS, pose

EAST, WEST, DOWN, NOBODY = (200, 30, 30), (30, 30, 200), (120, 120, 120), (0, 0, 0)
NEAR, FAR = (30, 200, 30), (200, 200, 30)
SIZE = (64, 48)  # width, height: the aspect that tests.bundles assumes
TIMEOUT_S = 20
ROOMY = {"queue_frames": 1000, "max_fps": 1000.0}  # for frames that come faster than any camera's


class ColourTracker:
    """Stands in for a tracker. `hold` keeps it from returning until it is set; `entered` is set meanwhile."""

    def __init__(self, hold: threading.Event | None = None, entered: threading.Event | None = None) -> None:
        self.broken = False
        self.people = 1
        self.frames = 0
        self._hold = hold
        self._entered = entered

    def track(self, rgb: np.ndarray) -> np.ndarray:
        if self._entered is not None:
            self._entered.set()
        if self._hold is not None:
            assert self._hold.wait(TIMEOUT_S)
        self.frames += 1
        red, green, blue = rgb.reshape(-1, 3).mean(0)
        if green > 160:
            return pose((0.0, 0.2 + 0.2 * (self.frames % 2)), 1.0 if red > 100 else -1.0)
        if red + blue < 60:
            return np.zeros((POINTS, CHANNELS), np.float32)
        side = (red - blue) / 140  # shoulder widths
        return pose((side, 0.2 + 0.2 * (self.frames % 2)) if abs(side) > 0.5 else None)

    def reset(self) -> None:
        self.frames = 0

    def close(self) -> None:
        self.broken = True


class CrowdTracker(ColourTracker):
    """Sees the same, with another person beside the signer."""

    def track(self, rgb: np.ndarray) -> np.ndarray:
        self.people = 2
        return super().track(rgb)


def picture(colour: tuple[int, int, int], size: tuple[int, int] = SIZE, kind: str = "JPEG") -> bytes:
    out = io.BytesIO()
    Image.new("RGB", size, colour).save(out, kind)
    return out.getvalue()


def colours(*signs: tuple[int, int, int], sign_frames: int = 20, rest_frames: int = 12) -> list[tuple[int, int, int]]:
    """Someone who rests, signs, rests, signs …, rests."""
    frames = [DOWN] * rest_frames
    for sign in signs:
        frames += [sign] * sign_frames + [DOWN] * rest_frames
    return frames


def video(frames: Sequence[tuple[int, int, int]], step_ms: float = FRAME_MS, kind: str = "mp4") -> bytes:
    out = io.BytesIO()
    with av.open(out, mode="w", format=kind) as target:
        stream = target.add_stream("mpeg4", rate=16)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for index, colour in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(np.full((SIZE[1], SIZE[0], 3), colour, np.uint8), format="rgb24")
            frame.time_base = Fraction(1, 1000)
            frame.pts = round(index * step_ms)
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return out.getvalue()


MAX_UPLOAD = 3_000_000
SIGN_EAST = video(colours(EAST))


@contextmanager
def serve(bundle: Path, make_tracker=ColourTracker, **settings) -> Iterator[str]:
    """Host and port of a running service."""
    with running(server(Settings(bundle=bundle, port=0, **settings), make_tracker)) as listener:
        yield f"127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def running(service: uvicorn.Server) -> Iterator[socket.socket]:
    """Runs a service in a thread; the socket that it listens on."""
    thread = threading.Thread(target=service.run)
    thread.start()
    try:
        while not service.started:
            assert thread.is_alive()
            thread.join(0.01)
        yield service.servers[0].sockets[0]
    finally:
        service.should_exit = True
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def free_port() -> int:
    """For a service that cannot be told to take any."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Clock:
    """A clock that tests set."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


class Client:
    """A websocket client that remembers everything it received."""

    def __init__(self, address: str, **options) -> None:
        options.setdefault("subprotocols", [SUBPROTOCOL])
        self._opened = ExitStack()
        url = f"ws://{address}{STREAM_PATH}"
        self.socket = self._opened.enter_context(connect(url, compression=None, open_timeout=TIMEOUT_S, **options))
        self.received: list[dict] = []
        self.code: int | None = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *exception: object) -> None:
        self._opened.close()

    def send(self, message: dict | str | bytes) -> None:
        self.socket.send(json.dumps(message) if isinstance(message, dict) else message)

    def start(self, **fields) -> dict:
        self.send({"type": "start", "input": "keypoints", **fields})
        return self.until("started")

    def keypoints(self, seq: int, t_ms: float, keypoints: np.ndarray) -> None:
        self.send(pack_frame(seq, t_ms, keypoints.astype("<f4").tobytes()))

    def pictures(self, frames: Sequence[tuple[int, int, int]], first: int = 0) -> None:
        for index, colour in enumerate(frames, first):
            self.send(pack_frame(index, index * FRAME_MS, picture(colour)))

    def receive(self) -> dict | None:
        """The next message, or None when the connection is closed."""
        try:
            message = json.loads(self.socket.recv(timeout=TIMEOUT_S))
        except ConnectionClosed as closed:
            self.code = closed.rcvd.code if closed.rcvd else None
            return None
        self.received.append(message)
        return message

    def until(self, kind: str) -> dict:
        """The next message of a kind."""
        while (message := self.receive()) is not None:
            if message["type"] == kind:
                return message
        raise AssertionError(f"closed with {self.code}, after {self.received}")

    def until_closed(self) -> int | None:
        """Hear everything; the close code."""
        while self.receive() is not None:
            pass
        return self.code

    def finals(self) -> list[str]:
        return [m["gloss"] for m in self.received if m["type"] == "final"]

    def of(self, kind: str) -> list[dict]:
        return [m for m in self.received if m["type"] == kind]


def send_all(client, frames):
    for seq, (t_ms, keypoints) in enumerate(frames):
        client.keypoints(seq, t_ms, keypoints)


def metric(address, name):
    for line in httpx.get(f"http://{address}/metrics").text.splitlines():
        if line.startswith(name + " "):
            return float(line.rpartition(" ")[2])
    raise AssertionError(f"no {name}")


def wait_until(condition):
    deadline = time.monotonic() + TIMEOUT_S
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def browser(address):
    return httpx.Client(base_url=f"http://{address}", timeout=20)


def post(client, data, name="clip.mp4", **params):
    return client.post("/v1/classify", files={"file": (name, data)}, params=params)


FORM = {"content-type": "multipart/form-data; boundary=x"}
HEAD = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.mp4"\r\n\r\n'


def form(chunks):
    """A form with one file, in pieces."""
    yield HEAD
    yield from chunks
    yield b"\r\n--x--\r\n"


def assert_problem(answer, status, code):
    assert answer.status_code == status
    assert answer.headers["content-type"] == MEDIA_TYPE
    problem = answer.json()
    assert set(problem) == {"type", "title", "status", "detail", "code"}
    assert (problem["status"], problem["code"], problem["type"]) == (status, code, f"/docs#{code}")
    assert problem["title"]
    assert problem["detail"].endswith(".")
    assert code in CODES
