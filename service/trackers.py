"""Trackers in a process each: native code that crashes or hangs takes one stream's tracker with it, and no more.

Pictures are decoded there as well, so what goes over is a JPEG of some 40 kB instead of a megabyte of pixels, and what
comes back are keypoints.
"""

import logging
import struct
from collections.abc import Callable
from functools import partial
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from glosscast.holistic import Tracker
from glosscast.holistic.tracking import checked
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.video import MIB, RGB, VideoError, VideoErrorCode, decode_image
from service.sandbox import Channel, ChannelClosedError, Child, Limits, Part

log = logging.getLogger("glosscast.service")

PICTURE, PIXELS, RESET = b"P", b"R", b"0"  # what is asked
POINTS_FOUND, FAULT, DONE = b"K", b"E", b"."  # what is answered
SHAPE = struct.Struct("<HH")  # height, width
ASPECT = struct.Struct("<d")
KEYPOINT_BYTES = POINTS * CHANNELS * 4
MAX_QUESTION = 256 * MIB
MAX_ANSWER = 64 * 1024
START_S = 60.0  # for a tracker to be made; MediaPipe takes a second on an idle core
MEMORY_BYTES = 8 * 1024 * MIB  # address space of a process, of which MediaPipe uses a small part

MakeTracker = Callable[[], Tracker]
Loss = Literal["crashed", "hung"]
OnLoss = Callable[[Loss], None]


class TrackerLostError(RuntimeError):
    """The tracker's process crashed or hung. The frame is lost, and what was remembered of the stream with it.

    The next frame starts a new process.
    """


class ProcessTracker:
    """A tracker in a process of its own. Not for two threads at once.

    Args:
        make_tracker: makes the tracker there; picklable.
        timeout_s: for one frame.
        on_loss: told why a process had to be replaced.

    Raises:
        TrackerLostError: no tracker could be made.
    """

    def __init__(self, make_tracker: MakeTracker, timeout_s: float, on_loss: OnLoss = lambda reason: None) -> None:
        self.broken = False
        self._work, self._timeout_s, self._on_loss = partial(_serve, make_tracker=make_tracker), timeout_s, on_loss
        self._child: Child | None = None
        self._start()

    @property
    def pid(self) -> int | None:
        """The process, None where there is none now."""
        return None if self._child is None else self._child.pid

    def track(self, rgb: RGB) -> NDArray[np.float32]:
        """Keypoints of the stream's next frame; see `Tracker.track`.

        Raises:
            TrackerLostError: the process crashed or hung.
        """
        rgb = checked(rgb)
        return self._keypoints(PIXELS, SHAPE.pack(*rgb.shape[:2]), rgb.data)[0]

    def track_picture(self, data: bytes) -> tuple[NDArray[np.float32], float]:
        """Keypoints (171, 4) of a JPEG, PNG or WebP picture, and its width / height.

        Raises:
            VideoError: it is no such picture, see `glosscast.video.decode_image`.
            TrackerLostError: the process crashed or hung.
        """
        return self._keypoints(PICTURE, data)

    def reset(self) -> None:
        """Forget the stream."""
        self._ask(RESET)

    def close(self) -> None:
        """End the process. A second call does nothing."""
        self.broken = True
        self._end()

    def _keypoints(self, *question: Part) -> tuple[NDArray[np.float32], float]:
        answer = self._ask(*question)
        if answer[:1] == FAULT:
            raise _fault(answer[1:])
        if answer[:1] != POINTS_FOUND or len(answer) != 1 + ASPECT.size + KEYPOINT_BYTES:
            raise self._lost("crashed")
        (aspect,) = ASPECT.unpack_from(answer, 1)
        keypoints = np.frombuffer(answer, "<f4", offset=1 + ASPECT.size).reshape(POINTS, CHANNELS)
        return keypoints.astype(np.float32), aspect

    def _ask(self, *question: Part) -> bytearray:
        if self.broken:
            raise RuntimeError("the tracker is closed")
        child = self._child or self._start()
        try:
            child.channel.send(*question, timeout_s=self._timeout_s)
            return child.channel.receive(MAX_ANSWER, self._timeout_s)
        except TimeoutError:
            raise self._lost("hung") from None
        except ChannelClosedError:
            raise self._lost("crashed") from None

    def _start(self) -> Child:
        self._child = child = Child(self._work)
        try:
            child.channel.receive(MAX_ANSWER, START_S)
        except (TimeoutError, ChannelClosedError) as error:
            raise self._lost("hung" if isinstance(error, TimeoutError) else "crashed") from None
        return child

    def _lost(self, reason: Loss) -> TrackerLostError:
        log.warning("tracker process %s %s; the next frame starts another", self.pid, reason)
        self._end()
        self._on_loss(reason)
        return TrackerLostError(reason)

    def _end(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            child.kill()


def keypoints_of(tracker: Tracker, data: bytes) -> tuple[NDArray[np.float32], float]:
    """Keypoints (171, 4) of a JPEG, PNG or WebP picture, and its width / height; decoded where the tracker is.

    Raises:
        VideoError: it is no such picture.
        TrackerLostError: the tracker's process crashed or hung.
    """
    if isinstance(tracker, ProcessTracker):
        return tracker.track_picture(data)
    rgb = decode_image(data)
    return tracker.track(rgb), rgb.shape[1] / rgb.shape[0]


def _fault(content: bytearray) -> VideoError:
    code, _, text = content.decode(errors="replace").partition(" ")
    known: tuple[VideoErrorCode, ...] = get_args(VideoErrorCode)
    return VideoError(known[known.index(code)] if code in known else "undecodable", text)


def _serve(channel: Channel, make_tracker: MakeTracker) -> None:
    """What the process does: answer, until it is killed or the service has gone."""
    Limits(memory_bytes=MEMORY_BYTES).hold()
    tracker = make_tracker()
    channel.send(DONE)
    while True:
        question = channel.receive(MAX_QUESTION)
        try:
            channel.send(*_answer(tracker, question))
        except VideoError as error:
            channel.send(FAULT, f"{error.code} {error}".encode())


def _answer(tracker: Tracker, question: bytearray) -> tuple[bytes, ...]:
    kind = question[:1]
    if kind == RESET:
        tracker.reset()
        return (DONE,)
    if kind == PICTURE:
        rgb = decode_image(bytes(memoryview(question)[1:]))
    else:
        height, width = SHAPE.unpack_from(question, 1)
        rgb = np.frombuffer(question, np.uint8, offset=1 + SHAPE.size).reshape(height, width, 3)
    keypoints = tracker.track(rgb).astype("<f4")
    return POINTS_FOUND, ASPECT.pack(rgb.shape[1] / rgb.shape[0]), keypoints.tobytes()
