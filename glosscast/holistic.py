"""Frames -> keypoints, with MediaPipe Holistic: one tracker per stream, taken from a pool.

Holistic follows a person from frame to frame, so a tracker belongs to one stream at a time and forgets
everything before the next. Its smoothing takes every frame to be 33 ms after the one before, whatever the
camera's rate.

MediaPipe is imported when the first tracker is made (0.7 s), not with this module. It runs outside Python's
global lock, so trackers in several threads work at the same time.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import FACE_INDICES, LEFT_HAND, POSE, assemble
from glosscast.video import MIN_SIDE_PX, RGB, Frame

POSE_INDICES = range(POSE.stop - POSE.start)
HAND_INDICES = range(LEFT_HAND.stop - LEFT_HAND.start)


class HolisticTracker:
    """Follows one signer through the frames of one stream. Not for two threads at once.

    Attributes:
        broken: MediaPipe failed or the tracker was closed; nothing more comes from it.
    """

    broken: bool

    def __init__(self) -> None:
        from mediapipe.python.solutions.holistic import Holistic

        self.broken = False
        self._used = False
        # Complexity 1 is the one pose model inside the wheel; the others would be downloaded.
        self._holistic = Holistic(static_image_mode=False, model_complexity=1, refine_face_landmarks=False)

    def track(self, rgb: RGB) -> NDArray[np.float32]:
        """Keypoints of the stream's next frame.

        Args:
            rgb: (H, W, 3) uint8, at least 16 px a side.

        Returns:
            (171, 4) float32 in image coordinates 0..1, see `glosscast.keypoints`; zeros with nobody in view.

        Raises:
            ValueError: `rgb` is no such array. The tracker stays as it was.
            RuntimeError: the tracker is broken, now or before.
        """
        if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or min(rgb.shape[:2]) < MIN_SIDE_PX:
            # An empty frame would stop MediaPipe's graph for good.
            raise ValueError(f"a frame is (H, W, 3) uint8, 16 px or more a side; got {rgb.shape} {rgb.dtype}")
        with self._watched():
            self._used = True
            found = self._holistic.process(np.ascontiguousarray(rgb))
        return assemble(
            _points(found.pose_landmarks, POSE_INDICES, ("x", "y", "z", "visibility")),
            _points(found.left_hand_landmarks, HAND_INDICES),
            _points(found.right_hand_landmarks, HAND_INDICES),
            _points(found.face_landmarks, FACE_INDICES),
        )

    def reset(self) -> None:
        """Forget the stream: the next frame is treated as a new tracker would treat it, bit for bit.

        Takes 5 ms, and about 100 ms more from the next frame, which loads the models again.
        """
        with self._watched():
            if self._used:
                self._holistic.reset()
                self._used = False

    def close(self) -> None:
        """Free the models' memory. A second call does nothing."""
        if self._holistic is not None:
            with suppress(Exception):  # a broken graph reports its error once more; nothing is left to do
                self._holistic.close()
        self._holistic = None
        self.broken = True

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Refuse to use a broken graph; note when it breaks."""
        if self.broken:
            raise RuntimeError("the tracker is closed or broken")
        try:
            yield
        except BaseException:
            self.broken = True
            raise


class TrackerPool:
    """Up to `size` trackers, made when first needed and then reused. Safe to use from several threads.

    The first tracker takes about 380 MB and each further one 220 MB. Resets add up to 200 MB within the first
    thirty and nothing after; making and closing trackers goes on adding, hence the pool.

    Args:
        size: how many streams are tracked at the same time, 1 or more.
        factory: makes a tracker.
    """

    def __init__(self, size: int, factory: Callable[[], HolisticTracker] = HolisticTracker) -> None:
        if size < 1:
            raise ValueError(f"a pool holds at least one tracker, got {size}")
        self._factory = factory
        self._changed = threading.Condition()
        self._vacant = size  # trackers that may still be made
        self._idle: list[HolisticTracker] = []
        self._leased: set[HolisticTracker] = set()
        self._closed = False

    def acquire(self, timeout: float | None = None) -> HolisticTracker:
        """Take a tracker that remembers nothing; give it back with `release`.

        Args:
            timeout: how long to wait for one, in seconds; None waits as long as it takes.

        Raises:
            TimeoutError: all are in use and none came back in time.
            RuntimeError: the pool is closed.
        """
        with self._changed:
            free = self._changed.wait_for(lambda: self._closed or self._idle or self._vacant, timeout)
            if self._closed:
                raise RuntimeError("the tracker pool is closed")
            if not free:
                raise TimeoutError("all trackers are in use")
            idle = self._idle.pop() if self._idle else None
            self._vacant -= idle is None
        try:
            tracker = self._prepare(idle)  # slow, so outside the lock
        except BaseException:
            self._vacate()
            raise
        with self._changed:
            self._leased.add(tracker)
        return tracker

    def release(self, tracker: HolisticTracker) -> None:
        """Give a tracker back. A broken one is closed and its place is free for a new one.

        Raises:
            ValueError: the tracker is not in use from this pool, for one because it was given back before.
        """
        with self._changed:
            if tracker not in self._leased:
                raise ValueError("this tracker is not in use from this pool")
            self._leased.remove(tracker)
            if not (tracker.broken or self._closed):
                self._idle.append(tracker)
                self._changed.notify()
                return
        tracker.close()
        self._vacate()

    @contextmanager
    def lease(self, timeout: float | None = None) -> Iterator[HolisticTracker]:
        """`acquire` on entry, `release` on exit, however the block ends."""
        tracker = self.acquire(timeout)
        try:
            yield tracker
        finally:
            self.release(tracker)

    def close(self) -> None:
        """Close the idle trackers now and those in use when they come back; who waits gets a RuntimeError."""
        with self._changed:
            self._closed = True
            idle, self._idle = self._idle, []
            self._changed.notify_all()
        for tracker in idle:
            tracker.close()

    def _prepare(self, idle: HolisticTracker | None) -> HolisticTracker:
        if idle is not None:
            with suppress(Exception):
                idle.reset()
                return idle
            idle.close()
        return self._factory()

    def _vacate(self) -> None:
        with self._changed:
            self._vacant += 1
            self._changed.notify()


def extract(frames: Iterable[Frame], tracker: HolisticTracker) -> Clip:
    """Keypoints of a recording's frames.

    Args:
        frames: in order of time, all of the same size.
        tracker: fresh or reset.

    Raises:
        ValueError: there is no frame.
    """
    t_ms: list[float] = []
    keypoints: list[NDArray[np.float32]] = []
    aspect = 1.0
    for frame in frames:
        t_ms.append(frame.t_ms)
        keypoints.append(tracker.track(frame.rgb))
        aspect = frame.rgb.shape[1] / frame.rgb.shape[0]
    if not keypoints:
        raise ValueError("a clip needs at least one frame")
    return Clip(np.array(t_ms, np.float64), np.stack(keypoints), aspect)


@contextmanager
def quiet_native_logs() -> Iterator[None]:
    """Drop what native code writes to stderr in this block; MediaPipe has no setting for its start-up lines.

    For programs that do one thing: in a server, other threads' lines would be lost as well.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        sys.stderr.flush()
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def _points(landmarks: Any, indices: Sequence[int], fields: Sequence[str] = "xyz") -> NDArray[np.float32]:
    """(len(indices), len(fields)) of a landmark list; zeros where the part was not detected."""
    if landmarks is None:
        return np.zeros((len(indices), len(fields)), np.float32)
    points = landmarks.landmark
    return np.array([[getattr(points[i], field) for field in fields] for i in indices], np.float32)
