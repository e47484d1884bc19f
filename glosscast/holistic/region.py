"""Square regions of a frame that a model looks at: where they come from, how they are cut out and mapped back.

Follows MediaPipe 0.10.21, whose calculators are named with each function. Coordinates are pixels of the frame (x right,
y down) and angles radians, clockwise as seen; MediaPipe's "normalised" ones divide x by the frame's width and y by its
height.
"""

from dataclasses import dataclass
from math import atan2, cos, degrees, floor, hypot, pi, sin

import cv2
import numpy as np
from numpy.typing import NDArray

from glosscast.video import RGB

Points = NDArray[np.float64]
# Of a hand's 21 points.
INDEX_KNUCKLE, MIDDLE_KNUCKLE, RING_KNUCKLE = 5, 9, 13
PALM = [0, 1, 2, 3, 5, 6, 9, 10, 13, 14, 17, 18]  # without the fingers' ends


@dataclass(frozen=True)
class Region:
    """A rectangle, `width` × `height` around (x, y), turned by `rotation`."""

    x: float
    y: float
    width: float
    height: float
    rotation: float = 0.0

    def adjusted(self, scale: float, shift_y: float = 0.0) -> "Region":
        """Moved along its own vertical by a share of its height, made square and enlarged.

        `RectTransformationCalculator` with `square_long`.
        """
        shift = self.height * shift_y
        side = max(self.width, self.height) * scale
        x, y = self.x - shift * sin(self.rotation), self.y + shift * cos(self.rotation)
        return Region(x, y, side, side, self.rotation)

    def crop(self, rgb: RGB, side: int, border: int = cv2.BORDER_REPLICATE) -> RGB:
        """Its pixels, upright, as (side, side, 3); `image_to_tensor_converter_opencv.cc`.

        Args:
            rgb: the frame.
            side: of the picture that comes out, pixels.
            border: OpenCV's rule for what lies outside the frame.
        """
        step = self.width / side
        across, down = step * cos(self.rotation), step * sin(self.rotation)
        half = side / 2
        back = np.array(
            [
                [across, -down, self.x - half * (across - down)],
                [down, across, self.y - half * (down + across)],
            ]
        )
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return np.asarray(cv2.warpAffine(rgb, back, (side, side), flags=flags, borderMode=border), np.uint8)

    def inside(self, width: int, height: int) -> float:
        """The share of it that lies inside a frame of `width` × `height`, taken as upright."""
        half = self.width / 2
        across = min(self.x + half, width) - max(self.x - half, 0)
        down = min(self.y + half, height) - max(self.y - half, 0)
        return max(across, 0.0) * max(down, 0.0) / max(self.width * self.width, 1e-9)

    def project(self, points: NDArray[np.float32]) -> Points:
        """Points found in the region, in frame pixels; `LandmarkProjectionCalculator`.

        Args:
            points: (N, 2 or 3) as shares of the region's side, 0..1 inside; z in the same unit.
        """
        out = points * np.float64(self.width)
        x, y = out[:, 0] - self.width / 2, out[:, 1] - self.width / 2
        c, s = cos(self.rotation), sin(self.rotation)
        out[:, 0], out[:, 1] = c * x - s * y + self.x, s * x + c * y + self.y
        return out


def angle(start: Points, end: Points, target: float) -> float:
    """The rotation of a region in which the direction from `start` to `end` is `target`, 0 right and π/2 up.

    `DetectionsToRectsCalculator`.
    """
    return _wrapped(target - atan2(-(end[1] - start[1]), end[0] - start[0]))


def around_two(centre: Points, edge: Points, target: float) -> Region:
    """The square around a point whose size and direction another one gives; `AlignmentPointsRectsCalculator`."""
    side = 2 * hypot(edge[0] - centre[0], edge[1] - centre[1])
    return Region(float(centre[0]), float(centre[1]), side, side, angle(centre, edge, target))


def around_all(points: Points, rotation: float) -> Region:
    """The upright box of the points, then said to be turned; `DetectionsToRectsCalculator`."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    x, y = (low + high) / 2
    width, height = high - low
    return Region(float(x), float(y), float(width), float(height), rotation)


def around_hand(points: Points) -> Region:
    """The box around the palm of a hand of 21 points, along the hand; `HandLandmarksToRectCalculator`."""
    knuckles = points[[INDEX_KNUCKLE, RING_KNUCKLE, MIDDLE_KNUCKLE], :2]
    rotation = angle(points[0], np.array([0.25, 0.25, 0.5]) @ knuckles, pi / 2)
    palm = points[PALM, :2]
    low, high = palm.min(0), palm.max(0)
    middle = (low + high) / 2
    c, s = cos(rotation), sin(rotation)
    turned = (palm - middle) @ np.array([[c, -s], [s, c]])
    low, high = turned.min(0), turned.max(0)
    x, y = (low + high) / 2
    width, height = high - low
    return Region(float(c * x - s * y + middle[0]), float(s * x + c * y + middle[1]), width, height, rotation)


@dataclass(frozen=True)
class RegionLimits:
    """The largest difference of two regions that still count as the same.

    Attributes:
        rotation: degrees.
        translation: share of the new region's side.
        scale: share of the new region's side.
    """

    rotation: float
    translation: float
    scale: float

    def hold(self, new: Region, old: Region) -> bool:
        """Whether the two are that close; the `rect_requirements` of `RoiTrackingCalculator`."""
        c, s = cos(new.rotation), sin(new.rotation)
        dx, dy = old.x - new.x, old.y - new.y
        return (
            abs(degrees(_wrapped(old.rotation - new.rotation))) <= self.rotation
            and max(abs(c * dx + s * dy), abs(c * dy - s * dx)) <= self.translation * new.width
            and abs(old.width - new.width) <= self.scale * new.width
        )


@dataclass(frozen=True)
class Tracking:
    """The limits of a region's change from frame to frame; `RoiTrackingCalculator`.

    Attributes:
        limits: between this frame's finding and what follows from the last frame.
        margin: by what share of its side the new region is enlarged before it must hold the old points.
    """

    limits: RegionLimits
    margin: float

    def choose(self, new: Region, old: Region, points: Points) -> Region:
        """The region that the last frame's points give, if this frame's own finding agrees with it; else that one.

        Args:
            new: found in this frame.
            old: follows from `points`.
            points: (N, 2 or 3) of the last frame.
        """
        c, s = cos(new.rotation), sin(new.rotation)
        from_new = (points[:, :2] - (new.x, new.y)) @ np.array([[c, -s], [s, c]])
        inside = np.abs(from_new).max() < new.width * (1 + self.margin) / 2
        return old if inside and self.limits.hold(new, old) else new


def _wrapped(radians: float) -> float:
    """The same angle in -π..π."""
    return radians - 2 * pi * floor((radians + pi) / (2 * pi))
