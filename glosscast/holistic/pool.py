"""The pool of trackers, and the extraction of a recording's keypoints with one of them."""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.crop import SignerCrop
from glosscast.holistic.choice import new_tracker
from glosscast.holistic.tracking import Tracker
from glosscast.video import Frame


class TrackerPool:
    """Up to `size` trackers, made when first needed and then reused. Safe to use from several threads.

    What a tracker costs depends on which it is; MediaPipe's are dear to keep and dearer to make, hence the pool.

    Args:
        size: how many streams are tracked at the same time, 1 or more.
        factory: makes a tracker.
    """

    def __init__(self, size: int, factory: Callable[[], Tracker] = new_tracker) -> None:
        if size < 1:
            raise ValueError(f"a pool holds at least one tracker, got {size}")
        self._factory = factory
        self._changed = threading.Condition()
        self._vacant = size  # trackers that may still be made
        self._idle: list[Tracker] = []
        self._leased: set[Tracker] = set()
        self._closed = False

    def acquire(self, timeout: float | None = None) -> Tracker:
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

    def release(self, tracker: Tracker) -> None:
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
    def lease(self, timeout: float | None = None) -> Iterator[Tracker]:
        """`acquire` on entry, `release` on exit, however the block ends."""
        tracker = self.acquire(timeout)
        try:
            yield tracker
        finally:
            self.release(tracker)

    def close(self) -> None:
        """Close the idle trackers now and those in use when they come back; waiting threads get a RuntimeError."""
        with self._changed:
            self._closed = True
            idle = self._idle
            self._idle = []
            self._changed.notify_all()
        for tracker in idle:
            tracker.close()

    def _prepare(self, idle: Tracker | None) -> Tracker:
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


def extract(frames: Iterable[Frame], tracker: Tracker, crop: SignerCrop | None = None) -> Clip:
    """Keypoints of a recording's frames, and the signer's pictures where they are wanted; no frame is kept.

    Args:
        frames: in order of time, all of the same size.
        tracker: fresh or reset.
        crop: fresh; cuts the pictures out, for a model that looks at them.

    Raises:
        ValueError: there is no frame.
    """
    t_ms: list[float] = []
    keypoints: list[NDArray[np.float32]] = []
    pictures: list[NDArray[np.uint8]] = []
    people: list[int] = []
    aspect = 1.0
    for frame in frames:
        t_ms.append(frame.t_ms)
        keypoints.append(tracker.track(frame.rgb))
        people.append(tracker.people)
        if crop is not None:
            pictures.append(crop(frame.rgb, keypoints[-1]))
        aspect = frame.rgb.shape[1] / frame.rgb.shape[0]
    if not keypoints:
        raise ValueError("a clip needs at least one frame")
    return Clip(np.array(t_ms, np.float64), np.stack(keypoints), aspect, pictures or None, np.array(people, np.int64))


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
