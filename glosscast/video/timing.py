"""The time that it takes to get frames."""

from collections.abc import Iterator
from time import perf_counter

from glosscast.video.frames import Frame


class TimedFrames(Iterator[Frame]):
    """Frames, one at a time so that they do not pile up.

    Attributes:
        seconds: how long the frames so far have taken.
    """

    def __init__(self, frames: Iterator[Frame], seconds: float = 0.0) -> None:
        self._frames = frames
        self.seconds = seconds

    def __next__(self) -> Frame:
        began = perf_counter()
        try:
            return next(self._frames)
        finally:
            self.seconds += perf_counter() - began
