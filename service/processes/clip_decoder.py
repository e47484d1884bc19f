"""Each clip is decoded in a process of its own, since FFmpeg is a large piece of C that reads what strangers send.

The kernel limits the process in time and memory, and lets it open no files or sockets. It never sees another clip and
ends with its own.
"""

import importlib
import math
import pkgutil
import signal
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from time import monotonic
from typing import get_args

import av
import numpy as np

from glosscast.video import (
    MAX_SIDE_PX,
    MIN_SIDE_PX,
    OUT_OF_MEMORY,
    Frame,
    VideoError,
    VideoErrorCode,
    VideoLimits,
    decode_video,
)
from service.processes.sandbox import Channel, ChannelClosedError, Child, ProcessLimits

OPENED, FRAME, FAULT, END = b"O", b"F", b"E", b"."
SHAPE = struct.Struct("<dHH")  # time in ms, height, width
MAX_MESSAGE = 1 + SHAPE.size + MAX_SIDE_PX * MAX_SIDE_PX * 3
MAX_TEXT = 300  # characters of a fault's message
NO_MEMORY = 12  # the decoder's exit code when it has run out of memory

BROKEN = "The video cannot be decoded; it may be damaged."
TOO_EXPENSIVE = "The video takes too long to decode; send a smaller or a shorter one."

# PyAV loads parts of itself when a file needs them; the decoder can open no module any more.
for _module in pkgutil.walk_packages(av.__path__, "av."):
    if not _module.name.endswith("__main__"):
        importlib.import_module(_module.name)


@dataclass(frozen=True)
class Budget:
    """The limits of decoding one clip.

    Attributes:
        seconds: processor time, and time that the service waits for the decoder.
        memory_bytes: address space of the decoder; Python, FFmpeg and the clip itself included.
    """

    seconds: float
    memory_bytes: int


@contextmanager
def decoding(data: bytes, fps: float, limits: VideoLimits, budget: Budget) -> Iterator[Iterator[Frame]]:
    """The frames of a clip, as `glosscast.video.decode_video` gives them; the process lives as long as the block.

    Raises:
        VideoError: on entry where the container cannot be read, while iterating for everything else. The code is
            "too_large" where decoding takes too much time, "out_of_memory" where it takes too much memory, and
            "undecodable" where the process crashes.
    """
    process_limits = ProcessLimits(memory_bytes=budget.memory_bytes, cpu_s=math.ceil(budget.seconds), closed=True)
    child = Child(partial(_decode, fps=fps, limits=limits, process_limits=process_limits))
    try:
        reader = _Reader(child.channel, budget.seconds, child.exit_code)
        reader.send(data)
        yield reader
    finally:
        child.kill()


class _Reader(Iterator[Frame]):
    """The service's end: frames from messages, none of which is trusted.

    Args:
        channel: where they come from.
        seconds: to wait for all of them together.
        exit_code: tells how the process at the other end has ended, see `Child.exit_code`.
    """

    def __init__(self, channel: Channel, seconds: float, exit_code: Callable[[], int | None]) -> None:
        self._channel = channel
        self._left_s = seconds
        self._exit_code = exit_code
        self._last_ms = -math.inf

    def send(self, data: bytes) -> None:
        """Send the clip; returns when its container has been opened."""
        began = monotonic()
        try:
            self._channel.send(data, timeout_s=self._left_s)
        except TimeoutError:
            raise VideoError("too_large", TOO_EXPENSIVE) from None
        except ChannelClosedError:
            raise _error_of_exit(self._exit_code()) from None
        self._left_s -= monotonic() - began
        if self._next(OPENED) is None:
            raise VideoError("undecodable", BROKEN)

    def __next__(self) -> Frame:
        message = self._next(FRAME)
        if message is None:
            if self._last_ms == -math.inf:
                raise VideoError("undecodable", BROKEN)
            raise StopIteration
        frame = _frame(message)
        if frame is None or not (self._last_ms < frame.t_ms < math.inf):
            raise VideoError("undecodable", BROKEN)
        self._last_ms = frame.t_ms
        return frame

    def _next(self, expected: bytes) -> bytearray | None:
        """The next message, which must be of this kind; None at the end of the clip."""
        began = monotonic()
        try:
            message = self._channel.receive(MAX_MESSAGE, max(self._left_s, 0))
        except TimeoutError:
            raise VideoError("too_large", TOO_EXPENSIVE) from None
        except ChannelClosedError:
            raise _error_of_exit(self._exit_code()) from None
        self._left_s -= monotonic() - began
        if message[:1] == FAULT:
            raise _fault(message[1:])
        if message[:1] == END:
            return None
        if message[:1] != expected:
            raise VideoError("undecodable", BROKEN)
        return message


def _frame(message: bytearray) -> Frame | None:
    """The frame of a message of the kind FRAME; None where it holds none."""
    start = len(FRAME) + SHAPE.size
    if len(message) < start:
        return None
    t_ms, height, width = SHAPE.unpack_from(message, len(FRAME))
    if (
        min(height, width) < MIN_SIDE_PX
        or max(height, width) > MAX_SIDE_PX
        or len(message) != start + height * width * 3
    ):
        return None
    return Frame(np.frombuffer(message, np.uint8, offset=start).reshape(height, width, 3), t_ms)


def _fault(content: bytearray) -> VideoError:
    code, _, text = content.decode(errors="replace").partition(" ")
    known: tuple[VideoErrorCode, ...] = get_args(VideoErrorCode)
    return VideoError(known[known.index(code)], text[:MAX_TEXT]) if code in known else VideoError("undecodable", BROKEN)


def _error_of_exit(exit_code: int | None) -> VideoError:
    """The error for a decoder that has ended before its clip."""
    if exit_code == -signal.SIGXCPU:
        return VideoError("too_large", TOO_EXPENSIVE)
    # The service never kills a decoder that it reads from; a kernel that is out of memory does.
    if exit_code in (NO_MEMORY, -signal.SIGKILL):
        return VideoError("out_of_memory", OUT_OF_MEMORY)
    return VideoError("undecodable", BROKEN)


def _decode(channel: Channel, fps: float, limits: VideoLimits, process_limits: ProcessLimits) -> None:
    """Decode one clip, in the process."""
    process_limits.apply()
    try:
        _send_frames(channel, fps, limits)
    except MemoryError:
        sys.exit(NO_MEMORY)  # to send a message could fail for the same reason


def _send_frames(channel: Channel, fps: float, limits: VideoLimits) -> None:
    """Receive a clip and send its frames, or the reason why there are none."""
    try:
        data = bytes(channel.receive(limits.max_bytes))
        frames = decode_video(data, fps, limits)
        channel.send(OPENED)
        for frame in frames:
            channel.send(FRAME, SHAPE.pack(frame.t_ms, *frame.rgb.shape[:2]), frame.rgb.data)
        channel.send(END)
    except VideoError as error:
        channel.send(FAULT, f"{error.code} {error}".encode())
