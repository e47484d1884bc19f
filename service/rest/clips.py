"""An uploaded clip to keypoints, for whatever reads one; and whether its client is still there."""

import asyncio
import math
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from threading import Event
from time import monotonic

from starlette.requests import ClientDisconnect, Request

from glosscast.clip import Clip
from glosscast.holistic import extract
from glosscast.video import MIB, Frame, TimedFrames, VideoError, VideoLimits
from service.inference.engine import Engine
from service.observe.tracing import Span, Step
from service.problems import ProblemError
from service.processes.clip_decoder import Budget, decoding
from service.processes.tracker import TrackerLostError
from service.rest.schemas import Timings
from service.settings import Settings

MAX_FPS = 240.0  # of a clip, on average; slow motion of phones


@asynccontextmanager
async def disconnect_of(request: Request) -> AsyncIterator[Event]:
    """An event that is set when the client disconnects; for after the body has been read."""
    disconnected = Event()

    async def watch() -> None:
        while (await request.receive())["type"] != "http.disconnect":
            pass
        disconnected.set()

    watcher = asyncio.create_task(watch())
    try:
        yield disconnected
    finally:
        watcher.cancel()


def keypoints_of(
    engine: Engine, settings: Settings, data: bytes, disconnected: Event, span: Span
) -> tuple[Clip, Timings]:
    """Decode a clip and find the keypoints in it; blocks.

    Args:
        engine: whose trackers are used.
        settings: the limits of a clip.
        data: content of the file.
        disconnected: set when the client has disconnected.
        span: receives the steps.

    Returns:
        The clip, and the time of each step; none of it for inference.

    Raises:
        ProblemError: the clip cannot be read.
        ClientDisconnect: `disconnected` was set.
    """
    limits = VideoLimits(
        max_bytes=settings.max_upload_bytes,
        max_duration_s=settings.max_clip_s,
        max_frames=math.ceil(settings.max_clip_s * MAX_FPS),
    )
    budget = Budget(settings.decode_s, settings.decode_mib * MIB)
    began = monotonic()
    try:
        with decoding(data, engine.bundle.manifest.clip.fps, limits, budget) as decoded:
            opened = monotonic()
            frames = _ClientFrames(decoded, opened - began, disconnected)
            with engine.clip_trackers.lease() as tracker:
                leased = monotonic()
                clip = extract(frames, tracker, engine.bundle.new_crop())
                ended = monotonic()
    except TrackerLostError:
        raise ProblemError("tracker_failed", headers={"Retry-After": "1"}) from None
    except VideoError as error:
        raise ProblemError(error.code, str(error)) from error
    between_s = frames.seconds - (opened - began)  # spent on frames while the tracker was leased
    timings = Timings(decode=ms_of(frames.seconds), keypoints=ms_of(ended - leased - between_s), inference=0.0)
    # A frame is decoded when the one before has been read, so the two steps alternate, each for its `busy_ms` in all.
    span.note(frames=len(clip.t_ms))
    span.step(Step("decode", began, ended, notes={"busy_ms": timings.decode}))
    span.step(Step("tracker", opened, leased))
    span.step(Step("keypoints", leased, ended, notes={"busy_ms": timings.keypoints}))
    return clip, timings


class _ClientFrames(TimedFrames):
    """Frames of a client's clip, until the client disconnects."""

    def __init__(self, frames: Iterator[Frame], seconds: float, disconnected: Event) -> None:
        super().__init__(frames, seconds)
        self._disconnected = disconnected

    def __next__(self) -> Frame:
        if self._disconnected.is_set():
            raise ClientDisconnect
        return super().__next__()


def ms_of(seconds: float) -> float:
    """Milliseconds, as answers state them."""
    return round(seconds * 1000, 1)
