"""The pace of streams of pictures: all are read at a lower rate while pictures come faster than they can be read.

Without it the streams that are full lose frames in bursts, wherever their queues happen to overflow. Models are trained
with varied rates, so half of the frames, evenly, say nearly as much as all of them.
"""

import threading
from collections.abc import Callable
from math import exp
from time import monotonic

USUAL_FPS = 16.0
LOWERED_FPS = 8.0
LATE_SHARE = 0.25  # of the time that a full queue takes at the usual rate
FOLLOW_S = 0.5  # over which the share of late frames is taken, so that the start of a stream is no load
MOST_LATE = 0.5
CALM_S = 5.0  # without a late frame, after which the rate is restored
# The rate is restored later where it had to be lowered again at once, so that it does not change every few seconds.
LONGEST_CALM_S = 60.0
TOLERANCE = 0.8  # of the time between two frames; cameras are not exact


class Pace:
    """Says whether the rate is lowered, by how long frames have waited. Safe to use from several threads.

    Args:
        queue_frames: that a stream's queue holds; a frame is late that waited a quarter of their time.
        changed: told when the rate is lowered (True) and restored (False).
        clock: seconds.
    """

    def __init__(
        self,
        queue_frames: int,
        changed: Callable[[bool], None] = lambda lowered: None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._limit_s = LATE_SHARE * queue_frames / USUAL_FPS
        self._changed = changed
        self._clock = clock
        self._lock = threading.Lock()
        self._lowered = False
        self._share = 0.0  # of late frames among the last ones
        self._taken_s = clock()
        self._late_s = self._restored_s = -LONGEST_CALM_S
        self._calm_s = CALM_S

    @property
    def lowered(self) -> bool:
        """Whether the rate is lowered now."""
        return self._lowered

    def take(self, waited_s: float) -> None:
        """Take the time that a picture waited until work on it began."""
        with self._lock:
            now_s = self._clock()
            late = waited_s >= self._limit_s
            self._share += (1 - exp((self._taken_s - now_s) / FOLLOW_S)) * (late - self._share)
            self._taken_s = now_s
            if late:
                self._late_s = now_s
            if not self._lowered and self._share > MOST_LATE:
                soon = now_s - self._restored_s < self._calm_s
                self._calm_s = min(2 * self._calm_s, LONGEST_CALM_S) if soon else CALM_S
                self._set(True)
            elif self._lowered and now_s - self._late_s >= self._calm_s:
                self._restored_s = now_s
                self._set(False)

    def _set(self, lowered: bool) -> None:
        self._lowered = lowered
        self._changed(lowered)


class Thinning:
    """Which pictures of one stream are left out, so that what is left is evenly spaced.

    Args:
        pace: of all streams.
    """

    def __init__(self, pace: Pace) -> None:
        self._pace = pace
        self._read_ms = -float("inf")

    def leaves_out(self, t_ms: float) -> bool:
        """Whether the picture of this time is left out; ask once for each, in order."""
        if self._pace.lowered and t_ms - self._read_ms < TOLERANCE * 1000 / LOWERED_FPS:
            return True
        self._read_ms = t_ms
        return False
