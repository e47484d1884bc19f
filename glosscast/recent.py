"""The last frames of a stream in arrays without a gap: a clip of them is a view, not a copy of each frame."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import CHANNELS, POINTS

START = 64  # frames that there is room for at first


class RecentFrames:
    """Times, keypoints and numbers of people of frames, and their pictures where a model looks at them, oldest first.

    Frames are written behind each other; at the end of the arrays the live ones move to the front, of larger arrays
    where they fill more than half. So memory is at most about four times that of the frames kept. Pictures are much
    larger: they are kept as they come, and none beyond those frames.

    Args:
        limit: frames kept at most; of more, the oldest go.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._first = self._end = 0
        self._t_ms = np.empty(START, np.float64)
        self._keypoints = np.empty((START, POINTS, CHANNELS), np.float32)
        self._people = np.empty(START, np.int64)
        self._pictures: list[NDArray[np.uint8]] = []

    def __len__(self) -> int:
        return self._end - self._first

    @property
    def t_ms(self) -> NDArray[np.float64]:
        """(T,) times in ms; a view that the next `append` may overwrite, as are `keypoints` and `people`."""
        return self._t_ms[self._first : self._end]

    @property
    def keypoints(self) -> NDArray[np.float32]:
        """(T, 171, 4)."""
        return self._keypoints[self._first : self._end]

    @property
    def people(self) -> NDArray[np.int64]:
        """(T,) people in view."""
        return self._people[self._first : self._end]

    @property
    def pictures(self) -> Sequence[NDArray[np.uint8]] | None:
        """T pictures (S, S, 3); None where frames have none."""
        return self._pictures or None

    def excerpt(self, start_ms: float, end_ms: float) -> Clip | None:
        """The frames from `start_ms` to `end_ms`, of which x and y must share one scale; None for none."""
        part = slice(*np.searchsorted(self.t_ms, [start_ms, end_ms + 1e-6]))
        if not len(self.t_ms[part]):
            return None
        return Clip(
            self.t_ms[part],
            self.keypoints[part],
            aspect=1.0,
            frames=self._pictures[part] or None,
            people=self.people[part],
        )

    def append(
        self, t_ms: float, keypoints: NDArray[np.float32], picture: NDArray[np.uint8] | None = None, people: int = 1
    ) -> None:
        """Add a frame (171, 4) that is later than the others, with its picture if the others have theirs."""
        if self._end == len(self._t_ms):
            self._move()
        self._t_ms[self._end], self._keypoints[self._end], self._people[self._end] = t_ms, keypoints, people
        self._end += 1
        if picture is not None:
            self._pictures.append(picture)
        self._forget(max(0, len(self) - self._limit))

    def drop_before(self, t_ms: float) -> None:
        """Forget the frames before a time."""
        self._forget(int(np.searchsorted(self.t_ms, t_ms)))

    def _forget(self, count: int) -> None:
        self._first += count
        del self._pictures[:count]

    def _move(self) -> None:
        t_ms = self.t_ms
        keypoints = self.keypoints
        people = self.people
        count = len(self)
        if 2 * count > len(self._t_ms):
            self._t_ms = np.empty(2 * len(self._t_ms), np.float64)
            self._keypoints = np.empty((len(self._t_ms), POINTS, CHANNELS), np.float32)
            self._people = np.empty(len(self._t_ms), np.int64)
        self._t_ms[:count], self._keypoints[:count], self._people[:count] = t_ms, keypoints, people
        self._first = 0
        self._end = count
