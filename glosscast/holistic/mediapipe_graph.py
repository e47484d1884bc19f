"""Frames -> keypoints with the package `mediapipe`: the reference that the LiteRT tracker is held against.

MediaPipe is imported when the first tracker is made (0.7 s), not with this module. It runs outside Python's
global lock, so trackers in several threads work at the same time.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glosscast.holistic.tracking import checked
from glosscast.keypoints import FACE_INDICES, LEFT_HAND, POSE, assemble
from glosscast.video import RGB

POSE_INDICES = range(POSE.stop - POSE.start)
HAND_INDICES = range(LEFT_HAND.stop - LEFT_HAND.start)


class MediaPipeTracker:
    """Follows one signer through the frames of one stream. Not for two threads at once.

    The first one takes about 380 MB and each further one 220 MB. Resets add up to 200 MB within the first thirty and
    nothing after; making and closing trackers goes on adding.

    Raises:
        ImportError: the package is not installed.
    """

    def __init__(self) -> None:
        from mediapipe.python.solutions.holistic import Holistic

        self.broken = False
        self.people = 0
        self._used = False
        # Complexity 1 is the one pose model inside the wheel; the others would be downloaded.
        self._holistic = Holistic(static_image_mode=False, model_complexity=1, refine_face_landmarks=False)

    def track(self, rgb: RGB) -> NDArray[np.float32]:
        """Keypoints of the stream's next frame; see `Tracker.track`."""
        rgb = checked(rgb)  # an empty frame would stop MediaPipe's graph for good
        with self._watched():
            self._used = True
            found = self._holistic.process(np.ascontiguousarray(rgb))
        self.people = int(found.pose_landmarks is not None)  # the package does not hand out what it detects
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


def _points(landmarks: Any, indices: Sequence[int], fields: Sequence[str] = "xyz") -> NDArray[np.float32]:
    """(len(indices), len(fields)) of a landmark list; zeros where the part was not detected."""
    if landmarks is None:
        return np.zeros((len(indices), len(fields)), np.float32)
    points = landmarks.landmark
    return np.array([[getattr(points[i], field) for field in fields] for i in indices], np.float32)
