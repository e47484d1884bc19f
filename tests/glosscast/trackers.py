"""A tracker for tests that look at no picture, and what tests of real ones need."""

from importlib.util import find_spec

import numpy as np
import pytest

from glosscast.keypoints import CHANNELS, POINTS

needs_litert = pytest.mark.skipif(find_spec("ai_edge_litert") is None, reason="ai-edge-litert is not installed")
needs_mediapipe = pytest.mark.skipif(find_spec("mediapipe") is None, reason="mediapipe is not installed")
BLANK = np.zeros((48, 64, 3), np.uint8)


class CountingTracker:
    """Its keypoints count the frames since its last reset."""

    def __init__(self):
        self.broken = self.closed = self.unresettable = False
        self.resets = self.seen = self.people = 0

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
