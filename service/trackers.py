"""Trackers in a process each: native code that crashes or hangs takes one stream's tracker with it, and no more.

Pictures are decoded there as well, so what goes over is a JPEG of some 40 kB instead of a megabyte of pixels, and what
comes back are keypoints, and for a model of pictures the signer cut out.
"""

import logging
import struct
from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from glosscast.crop import CropSpec, SignerCrop
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
CROP = struct.Struct("<H?")  # size, 0 for none; whether it follows the signer
KEYPOINT_BYTES = POINTS * CHANNELS * 4
MAX_QUESTION = 256 * MIB
MAX_ANSWER = 64 * 1024  # without a crop
START_S = 60.0  # for a tracker to be made; MediaPipe takes a second on an idle core
MEMORY_BYTES = 8 * 1024 * MIB  # address space of a process, of which MediaPipe uses a small part

MakeTracker = Callable[[], Tracker]
Loss = Literal["crashed", "hung"]
OnLoss = Callable[[Loss], None]


class TrackerLostError(RuntimeError):
    """The tracker's process crashed or hung. The frame is lost, and what was remembered of the stream with it.

    The next frame starts a new process.
    """


class Sight(NamedTuple):
    """What a frame gives.

    Attributes:
        keypoints: (171, 4).
        aspect: its width / height.
        crop: (size, size, 3) uint8 of the signer, where that was asked for.
    """

    keypoints: NDArray[np.float32]
    aspect: float
    crop: NDArray[np.uint8] | None = None


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
        return self._see(0, PIXELS, SHAPE.pack(*rgb.shape[:2]), rgb.data).keypoints

    def track_picture(self, data: bytes, crop: CropSpec | None = None) -> Sight:
        """What the stream's next frame gives, a JPEG, PNG or WebP picture; the crop is made there.

        Raises:
            VideoError: it is no such picture, see `glosscast.video.decode_image`.
            TrackerLostError: the process crashed or hung.
        """
        spec = crop or CropSpec(0)
        return self._see(spec.size, PICTURE, CROP.pack(*spec), data)

    def reset(self) -> None:
        """Forget the stream."""
        self._ask(RESET)

    def close(self) -> None:
        """End the process. A second call does nothing."""
        self.broken = True
        self._end()

    def _see(self, size: int, *question: Part) -> Sight:
        """Ask about a frame, for a crop of `size` px a side or, with 0, for none."""
        pixels = size * size * 3
        answer = self._ask(*question, more=pixels)
        if answer[:1] == FAULT:
            raise _fault(answer[1:])
        start = 1 + ASPECT.size
        if answer[:1] != POINTS_FOUND or len(answer) != start + KEYPOINT_BYTES + pixels:
            raise self._lost("crashed")
        (aspect,) = ASPECT.unpack_from(answer, 1)
        keypoints = np.frombuffer(answer, "<f4", POINTS * CHANNELS, start).reshape(POINTS, CHANNELS)
        if not size:
            return Sight(keypoints.astype(np.float32), aspect)
        crop = np.frombuffer(answer, np.uint8, offset=start + KEYPOINT_BYTES).reshape(size, size, 3)
        return Sight(keypoints.astype(np.float32), aspect, crop)

    def _ask(self, *question: Part, more: int = 0) -> bytearray:
        if self.broken:
            raise RuntimeError("the tracker is closed")
        child = self._child or self._start()
        try:
            child.channel.send(*question, timeout_s=self._timeout_s)
            return child.channel.receive(MAX_ANSWER + more, self._timeout_s)
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


def sight_of(tracker: Tracker, data: bytes, crop: SignerCrop | None = None) -> Sight:
    """What a stream's next frame gives, a JPEG, PNG or WebP picture; decoded, and cut out, where the tracker is.

    Args:
        tracker: of the stream.
        data: the picture.
        crop: of the stream, where its model looks at pictures.

    Raises:
        VideoError: it is no such picture.
        TrackerLostError: the tracker's process crashed or hung.
    """
    if isinstance(tracker, ProcessTracker):
        return tracker.track_picture(data, None if crop is None else crop.spec)
    rgb = decode_image(data)
    keypoints = tracker.track(rgb)
    return Sight(keypoints, rgb.shape[1] / rgb.shape[0], None if crop is None else crop(rgb, keypoints))


def _fault(content: bytearray) -> VideoError:
    code, _, text = content.decode(errors="replace").partition(" ")
    known: tuple[VideoErrorCode, ...] = get_args(VideoErrorCode)
    return VideoError(known[known.index(code)] if code in known else "undecodable", text)


def _serve(channel: Channel, make_tracker: MakeTracker) -> None:
    """What the process does: answer, until it is killed or the service has gone."""
    Limits(memory_bytes=MEMORY_BYTES).hold()
    server = _Server(make_tracker())
    channel.send(DONE)
    while True:
        question = channel.receive(MAX_QUESTION)
        try:
            channel.send(*server.answer(question))
        except VideoError as error:
            channel.send(FAULT, f"{error.code} {error}".encode())


class _Server:
    """The process's end: its tracker, and what it remembers to cut the signer out."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._crop: SignerCrop | None = None

    def answer(self, question: bytearray) -> tuple[Part, ...]:
        """What is sent back."""
        kind = question[:1]
        if kind == RESET:
            self._tracker.reset()
            self._crop = None
            return (DONE,)
        if kind == PICTURE:
            spec = CropSpec(*CROP.unpack_from(question, 1))
            rgb = decode_image(bytes(memoryview(question)[1 + CROP.size :]))
        else:
            spec = CropSpec(0)
            height, width = SHAPE.unpack_from(question, 1)
            rgb = np.frombuffer(question, np.uint8, offset=1 + SHAPE.size).reshape(height, width, 3)
        keypoints = self._tracker.track(rgb).astype("<f4")
        found = POINTS_FOUND, ASPECT.pack(rgb.shape[1] / rgb.shape[0]), keypoints.tobytes()
        if not spec.size:
            return found
        if self._crop is None:
            self._crop = SignerCrop(spec)
        return *found, self._crop(rgb, keypoints).data
