"""The part of the picture that a model with an `rgb` stream sees: a square around the signer.

The square is `SPAN` shoulder widths wide, as that of the heatmaps (`span` and `offset_y` in
`training/models/heatmaps.py`). It stays where it is while the signer does, so that what moves in it is the signer, and
it depends on nothing that comes later: a live stream, an uploaded clip and a training set get the same pictures of the
same frames.
"""

import math
from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import PRESENCE, SHOULDERS, X, Y

SPAN = 3.6  # side in shoulder widths
OFFSET_Y = 0.2  # centre below the mid-shoulder point, in shoulder widths
MIN_SHOULDERS = 1e-4  # frame heights; narrower ones have no scale, as in `keypoints.normalise`
MAX_SIDE = 2.0  # longer sides of the frame: shoulders found wider than a picture shows cost no more memory than that
RECENT = 16  # frames that show where the signer is now; about a second, so that a turn of the body is outvoted
# Of the square's side: the shoulders of a signer who stays in place vary by 0.02 in place and, seldom, by 0.1 in width.
TOLERANCE = 0.1


class Square(NamedTuple):
    """A square in pixels; it may reach beyond the frame."""

    left: int
    top: int
    side: int


class CropSpec(NamedTuple):
    """The part of a frame that a model with an `rgb` stream gets.

    Attributes:
        size: px a side.
        follow: whether the square follows the signer; where nobody looked for keypoints in the training data it is the
            middle of the frame.
    """

    size: int
    follow: bool = True


class SignerCrop:
    """Cuts the signer out of the frames of one stream, one after the other."""

    def __init__(self, spec: CropSpec) -> None:
        self.spec = spec
        self._frame: tuple[int, int] | None = None  # height, width
        self._recent: deque[NDArray[np.float32]] = deque(maxlen=RECENT)
        self._square: Square | None = None

    def __call__(self, rgb: NDArray[np.uint8], keypoints: NDArray[np.float32]) -> NDArray[np.uint8]:
        """The next frame's picture.

        Args:
            rgb: (H, W, 3) uint8.
            keypoints: (171, 4) of it in image coordinates, see `glosscast.keypoints`.

        Returns:
            (size, size, 3) uint8: the middle of the frame until shoulders were seen, as in the photo of a hand alone.
        """
        height, width = rgb.shape[:2]
        if self._frame != (height, width):  # a phone was turned; pixels mean another place
            self._frame = (height, width)
            self._square = None
            self._recent.clear()
        if self.spec.follow and (keypoints[SHOULDERS, PRESENCE] > 0).all():
            # In half precision, as training keeps keypoints: a pixel more or less would be another picture.
            self._recent.append(keypoints[SHOULDERS].astype(np.float16).astype(np.float32))
            found = signer_square(np.stack(self._recent), height, width)
            if found is not None and (self._square is None or _is_off(self._square, found)):
                self._square = found
        return cut(rgb, self._square or central_square(height, width), self.spec.size)


def signer_square(shoulders: NDArray[np.float32], height: int, width: int) -> Square | None:
    """The square around the signer.

    Args:
        shoulders: (T, 2, 4) in image coordinates, seen in all T frames.
        height: of the frames, px.
        width: of the frames, px.

    Returns:
        `SPAN` median shoulder widths a side around the median mid-shoulder point, None where they have no width.
    """
    points = shoulders[:, :, [X, Y]] * np.array([width, height])
    across_px = float(np.median(np.linalg.norm(points[:, 0] - points[:, 1], axis=1)))
    if across_px <= MIN_SHOULDERS * height:
        return None
    x, y = np.median(points.mean(axis=1), axis=0)
    y += OFFSET_Y * across_px
    side = max(1, round(min(SPAN * across_px, MAX_SIDE * max(height, width))))
    return Square(round(x - side / 2), round(y - side / 2), side)


def central_square(height: int, width: int) -> Square:
    """The largest square in the middle of a frame."""
    side = min(height, width)
    return Square((width - side) // 2, (height - side) // 2, side)


def cut(frame: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    """Cut the square out of a frame (H, W, 3) uint8 as (size, size, 3); beyond the frame its border goes on."""
    import cv2  # 35 MB, which a bundle of keypoints does not need

    height, width = frame.shape[:2]
    along = np.arange(square.side)
    rows = frame.take(np.clip(square.top + along, 0, height - 1), axis=0)
    inside = rows.take(np.clip(square.left + along, 0, width - 1), axis=1)
    # Averaging areas keeps a fine pattern, such as a shirt's, from flickering in the small picture.
    shrinking = square.side > size
    resized = cv2.resize(inside, (size, size), interpolation=cv2.INTER_AREA if shrinking else cv2.INTER_LINEAR)
    return np.asarray(resized, np.uint8)


def _is_off(held: Square, now: Square) -> bool:
    """Whether the signer has left the square that is held: moved away, or come nearer or gone further."""
    (x, y), (now_x, now_y) = ((s.left + s.side / 2, s.top + s.side / 2) for s in (held, now))
    moved = math.hypot(now_x - x, now_y - y)
    return moved > TOLERANCE * held.side or abs(now.side - held.side) > TOLERANCE * held.side
