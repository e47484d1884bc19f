"""The part of the picture that a model with an `rgb` stream sees: a square around the signer.

One square a clip, so that what moves in it is the signer. It is the square of the heatmaps (`span` and `offset_y`
in `training/heatmaps.py`), so both visual streams show the same part of the world.
"""

from collections.abc import Iterable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import PRESENCE, SHOULDERS, X, Y

SPAN = 3.6  # side in shoulder widths
OFFSET_Y = 0.2  # centre below the mid-shoulder point, in shoulder widths
MIN_SHOULDERS = 1e-4  # frame heights; narrower ones have no scale, as in `keypoints.normalise`
MAX_SIDE = 2.0  # longer sides of the frame: shoulders found wider than a picture shows cost no more memory than that


class Square(NamedTuple):
    """A square in pixels; it may reach beyond the frame."""

    left: int
    top: int
    side: int


def signer_square(keypoints: NDArray[np.float32], height: int, width: int) -> Square:
    """The square around the signer of a clip or window.

    Args:
        keypoints: (T, 171, 4) in image coordinates, see `glosscast.keypoints`.
        height: of the frames, px.
        width: of the frames, px.

    Returns:
        `SPAN` median shoulder widths a side around the median mid-shoulder point, or the central square of the frame
        where both shoulders are in no frame, as in the photo of a hand alone.
    """
    seen = (keypoints[:, SHOULDERS, PRESENCE] > 0).all(axis=1)
    if seen.any():
        points = keypoints[seen][:, SHOULDERS][:, :, [X, Y]] * np.array([width, height])
        shoulders = float(np.median(np.linalg.norm(points[:, 0] - points[:, 1], axis=1)))
        if shoulders > MIN_SHOULDERS * height:
            across, down = np.median(points.mean(axis=1), axis=0)
            down += OFFSET_Y * shoulders
            side = max(1, round(min(SPAN * shoulders, MAX_SIDE * max(height, width))))
            return Square(round(across - side / 2), round(down - side / 2), side)
    side = min(height, width)
    return Square((width - side) // 2, (height - side) // 2, side)


def crop(frames: Iterable[NDArray[np.uint8]], square: Square, size: int) -> NDArray[np.uint8]:
    """Cut the square out of every frame; beyond the frame its border goes on.

    Args:
        frames: T frames (H, W, 3) uint8 RGB.
        square: what to cut out.
        size: px a side of the result.

    Returns:
        (T, size, size, 3) uint8 RGB.
    """
    cut = np.arange(square.side)
    cropped = np.stack([_resize(_take(frame, square.top + cut, square.left + cut), size) for frame in frames])
    return np.asarray(cropped, np.uint8)


def _take(frame: NDArray[np.uint8], rows: NDArray[np.intp], columns: NDArray[np.intp]) -> NDArray[np.uint8]:
    height, width = frame.shape[:2]
    inside = frame.take(np.clip(rows, 0, height - 1), axis=0)
    return inside.take(np.clip(columns, 0, width - 1), axis=1)


def _resize(picture: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    # Averaging areas keeps a fine pattern, such as a shirt's, from flickering in the small picture.
    shrinking = picture.shape[0] > size
    resized = cv2.resize(picture, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)
