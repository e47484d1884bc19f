"""Each tracker runs in a process of its own, so that native code that crashes or hangs costs one stream its tracker.

The process decodes pictures as well, so that a JPEG of some 40 kB goes to it instead of a megabyte of pixels. Keypoints
come back, and for a model that looks at pictures also the square around the signer.
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
from service.processes.sandbox import Channel, ChannelClosedError, Child, Part, ProcessLimits

log = logging.getLogger("glosscast.service")

PICTURE, PIXELS, RESET = b"P", b"R", b"0"  # kinds of requests
POINTS_FOUND, FAULT, DONE = b"K", b"E", b"."  # kinds of answers
SHAPE = struct.Struct("<HH")  # height, width
FOUND = struct.Struct("<dB")  # aspect; people in view, 255 for as many or more
CROP = struct.Struct("<H?")  # size, 0 for none; whether it follows the signer
KEYPOINT_BYTES = POINTS * CHANNELS * 4
MAX_REQUEST = 256 * MIB
MAX_ANSWER = 64 * 1024  # without a crop
START_S = 60.0  # for a tracker to be made; MediaPipe takes a second on an idle core
MEMORY_BYTES = 8 * 1024 * MIB  # address space of a process, of which MediaPipe uses a small part

Loss = Literal["crashed", "hung"]
OnLoss = Callable[[Loss], None]


class TrackerLostError(RuntimeError):
    """The tracker's process crashed or hung. The frame is lost, and the tracker's state of the stream with it.

    The next frame starts a new process.
    """


class TrackedFrame(NamedTuple):
    """The result of tracking a frame.

    Attributes:
        keypoints: (171, 4).
        aspect: its width / height.
        people: in view, see `Tracker.people`.
        crop: (size, size, 3) uint8, the square around the signer; None where none was requested.
    """

    keypoints: NDArray[np.float32]
    aspect: float
    people: int = 1
    crop: NDArray[np.uint8] | None = None


class ProcessTracker:
    """A tracker in a process of its own. Not for two threads at once.

    Args:
        make_tracker: makes the tracker there; picklable.
        timeout_s: for one frame.
        on_loss: called with the reason when a process has to be replaced.

    Raises:
        TrackerLostError: no tracker could be made.
    """

    def __init__(
        self, make_tracker: Callable[[], Tracker], timeout_s: float, on_loss: OnLoss = lambda reason: None
    ) -> None:
        self.broken = False
        self.people = 0
        self._work = partial(_serve, make_tracker=make_tracker)
        self._timeout_s = timeout_s
        self._on_loss = on_loss
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
        return self._track(0, PIXELS, SHAPE.pack(*rgb.shape[:2]), rgb.data).keypoints

    def track_picture(self, data: bytes, crop: CropSpec | None = None) -> TrackedFrame:
        """Track the stream's next frame, a JPEG, PNG or WebP picture; the process makes the crop.

        Raises:
            VideoError: it is no such picture, see `glosscast.video.decode_image`.
            TrackerLostError: the process crashed or hung.
        """
        spec = crop or CropSpec(0)
        return self._track(spec.size, PICTURE, CROP.pack(*spec), data)

    def reset(self) -> None:
        """Prepare for another stream."""
        self._ask(RESET)
        self.people = 0

    def close(self) -> None:
        """End the process. A second call does nothing."""
        self.broken = True
        self._end()

    def _track(self, size: int, *request: Part) -> TrackedFrame:
        """Request a frame's keypoints, and a crop of `size` px a side; with 0 there is none."""
        pixels = size * size * 3
        answer = self._ask(*request, more=pixels)
        if answer[:1] == FAULT:
            raise _fault(answer[1:])
        start = 1 + FOUND.size
        if answer[:1] != POINTS_FOUND or len(answer) != start + KEYPOINT_BYTES + pixels:
            raise self._lost("crashed")
        aspect, self.people = FOUND.unpack_from(answer, 1)
        keypoints = np.frombuffer(answer, "<f4", POINTS * CHANNELS, start).reshape(POINTS, CHANNELS)
        if not size:
            return TrackedFrame(keypoints.astype(np.float32), aspect, self.people)
        crop = np.frombuffer(answer, np.uint8, offset=start + KEYPOINT_BYTES).reshape(size, size, 3)
        return TrackedFrame(keypoints.astype(np.float32), aspect, self.people, crop)

    def _ask(self, *request: Part, more: int = 0) -> bytearray:
        if self.broken:
            raise RuntimeError("the tracker is closed")
        child = self._child or self._start()
        try:
            child.channel.send(*request, timeout_s=self._timeout_s)
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
        child = self._child
        self._child = None
        if child is not None:
            child.kill()


def track_encoded(tracker: Tracker, data: bytes, crop: SignerCrop | None = None) -> TrackedFrame:
    """Track a stream's next frame, a JPEG, PNG or WebP picture; it is decoded and cropped where the tracker runs.

    Args:
        tracker: of the stream.
        data: the picture.
        crop: of the stream; None where its model looks at no pictures.

    Raises:
        VideoError: it is no such picture.
        TrackerLostError: the tracker's process crashed or hung.
    """
    if isinstance(tracker, ProcessTracker):
        return tracker.track_picture(data, None if crop is None else crop.spec)
    rgb = decode_image(data)
    keypoints = tracker.track(rgb)
    square = None if crop is None else crop(rgb, keypoints)
    return TrackedFrame(keypoints, rgb.shape[1] / rgb.shape[0], tracker.people, square)


def _fault(content: bytearray) -> VideoError:
    code, _, text = content.decode(errors="replace").partition(" ")
    known: tuple[VideoErrorCode, ...] = get_args(VideoErrorCode)
    return VideoError(known[known.index(code)] if code in known else "undecodable", text)


def _serve(channel: Channel, make_tracker: Callable[[], Tracker]) -> None:
    """Answer requests in the process, until it is killed or the service has gone."""
    ProcessLimits(memory_bytes=MEMORY_BYTES).apply()
    server = _Server(make_tracker())
    channel.send(DONE)
    while True:
        request = channel.receive(MAX_REQUEST)
        try:
            channel.send(*server.answer(request))
        except VideoError as error:
            channel.send(FAULT, f"{error.code} {error}".encode())


class _Server:
    """The process's end: its tracker, and the position of the square around the signer."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self._crop: SignerCrop | None = None

    def answer(self, request: bytearray) -> tuple[Part, ...]:
        """The answer to a request."""
        kind = request[:1]
        if kind == RESET:
            self._tracker.reset()
            self._crop = None
            return (DONE,)
        if kind == PICTURE:
            spec = CropSpec(*CROP.unpack_from(request, 1))
            rgb = decode_image(bytes(memoryview(request)[1 + CROP.size :]))
        else:
            spec = CropSpec(0)
            height, width = SHAPE.unpack_from(request, 1)
            rgb = np.frombuffer(request, np.uint8, offset=1 + SHAPE.size).reshape(height, width, 3)
        keypoints = self._tracker.track(rgb).astype("<f4")
        facts = FOUND.pack(rgb.shape[1] / rgb.shape[0], min(self._tracker.people, 255))
        found = POINTS_FOUND, facts, keypoints.tobytes()
        if not spec.size:
            return found
        if self._crop is None:
            self._crop = SignerCrop(spec)
        return *found, self._crop(rgb, keypoints).data
