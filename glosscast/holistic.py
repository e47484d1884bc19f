"""Frames -> keypoints, with MediaPipe Holistic: one tracker per stream, taken from a pool.

Holistic follows a person from frame to frame, so a tracker belongs to one stream at a time and forgets everything
before the next. Its smoothing takes every frame as 33 ms after the last one, whatever the camera's rate; the data
that models were trained on has the same property.

MediaPipe is imported when the first tracker is made (0.7 s), not with this module. It runs outside Python's
global lock: trackers in several threads work at the same time.
"""

import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from time import monotonic
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import FACE, FACE_INDICES, LEFT_HAND, POSE, assemble
from glosscast.video import MIN_SIDE_PX, RGB, Frame

POSE_POINTS = POSE.stop - POSE.start
HAND_POINTS = LEFT_HAND.stop - LEFT_HAND.start
FACE_POINTS = FACE.stop - FACE.start


class Tracker(Protocol):
    """What the pool and `extract` need of a tracker."""

    broken: bool

    def track(self, rgb: RGB) -> NDArray[np.float32]: ...

    def reset(self) -> None: ...

    def close(self) -> None: ...


class HolisticTracker:
    """Follows one signer through the frames of one stream. Not for two threads at once.

    Attributes:
        broken: MediaPipe raised; its graph gives nothing any more and the tracker is to be closed.
    """

    def __init__(self) -> None:
        # Complexity 1 is the only model inside the wheel; the others would be downloaded.
        from mediapipe.python.solutions.holistic import Holistic

        self.broken = False
        self._holistic = Holistic(static_image_mode=False, model_complexity=1, refine_face_landmarks=False)

    def track(self, rgb: RGB) -> NDArray[np.float32]:
        """Keypoints of the next frame.

        Args:
            rgb: (H, W, 3) uint8, at least 16 px a side.

        Returns:
            (171, 4) float32 in image coordinates 0..1, see `glosscast.keypoints`; all zeros with nobody in view.

        Raises:
            ValueError: `rgb` is no such array; the tracker stays usable.
            RuntimeError: MediaPipe failed, or the tracker was closed; it is `broken`.
        """
        _check_frame(rgb)
        if self.broken:
            raise RuntimeError("this tracker is closed or broken")
        try:
            found = self._holistic.process(rgb)
        except BaseException:
            self.broken = True
            raise
        return assemble(
            _points(found.pose_landmarks, range(POSE_POINTS), visibility=True),
            _points(found.left_hand_landmarks, range(HAND_POINTS)),
            _points(found.right_hand_landmarks, range(HAND_POINTS)),
            _points(found.face_landmarks, FACE_INDICES),
        )
