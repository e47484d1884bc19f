"""A tracker for tests that look at no picture."""

import numpy as np

from glosscast.keypoints import CHANNELS, POINTS

BLANK = np.zeros((48, 64, 3), np.uint8)


class CountingTracker:
    """Its keypoints count the frames since its last reset."""

    def __init__(self):
        self.broken = self.closed = self.unresettable = False
        self.resets = self.seen = 0

    def track(self, rgb):
        self.seen += 1
        return np.full((POINTS, CHANNELS), self.seen, np.float32)

    def reset(self):
        if self.unresettable:
            self.broken = True
            raise RuntimeError("graph error")
        self.resets += 1
        self.seen = 0

    def close(self):
        self.closed = self.broken = True
