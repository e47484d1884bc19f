"""Whether something has moved in a part of the picture since a tracker looked at it."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from glosscast.holistic.region import Points
from glosscast.keypoints import SHOULDERS
from glosscast.video import RGB

# Grey levels of 255 by which the mean of a square must change. Noise of single pixels averages out in a square; the
# number was chosen on made-up pictures.
CHANGED = 6.0
GREEN = 1
BESIDE = 2.0  # shoulder widths on either side of the signer in which a hand may come into view
CELLS_OF_SHOULDERS, CELLS_OF_PICTURE = 8, 40  # squares in a row in which noise averages out


class Part(NamedTuple):
    """A part of the picture, and the side of the squares in which it is compared, all in pixels."""

    left: int
    top: int
    right: int
    bottom: int
    square: int


class Movement:
    """Compares a part of the picture with what it was when it was looked at. Pictures are all of one size."""

    def __init__(self) -> None:
        self._part = Part(0, 0, 1, 1, 1)
        self._seen: NDArray[np.float32] | None = None

    def remember(self, rgb: RGB, part: Part) -> None:
        """Remember a part of the picture."""
        self._part = part
        self._seen = self._squares(rgb)

    def forget(self) -> None:
        """Take the next picture for one in which something has moved."""
        self._seen = None

    def seen_in(self, rgb: RGB) -> bool:
        """Whether something has moved since; True where nothing was remembered."""
        return self._seen is None or bool(np.abs(self._squares(rgb) - self._seen).max() > CHANGED)

    def _squares(self, rgb: RGB) -> NDArray[np.float32]:
        """The mean of the green channel in each square."""
        left, top, right, bottom, square = self._part
        part = np.ascontiguousarray(rgb[top:bottom, left:right, GREEN])
        size = max(1, part.shape[1] // square), max(1, part.shape[0] // square)
        return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.float32)


def whole(rgb: RGB) -> Part:
    """All of the picture."""
    height, width = rgb.shape[:2]
    return Part(0, 0, width, height, max(1, width // CELLS_OF_PICTURE))


def below_shoulders(rgb: RGB, pose: Points) -> Part:
    """The part from the shoulders of a pose (33, 3) down, which every hand that comes up crosses."""
    middle, width = shoulders(pose)
    height, across = rgb.shape[:2]
    top = int(np.clip(middle[1], 0, height - 1))
    left = int(np.clip(middle[0] - BESIDE * width, 0, across - 1))
    right = int(np.clip(middle[0] + BESIDE * width, left + 1, across))
    return Part(left, top, right, height, max(1, round(width / CELLS_OF_SHOULDERS)))


def shoulders(pose: Points) -> tuple[Points, float]:
    """The middle (2,) of the shoulders of a pose (33, 3) and the width between them, pixels."""
    left, right = pose[SHOULDERS, :2]
    return (left + right) / 2, max(float(np.linalg.norm(left - right)), 1.0)
