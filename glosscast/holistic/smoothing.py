"""Filters that steady the pose from frame to frame, and the heatmap that sharpens it within one.

Follows MediaPipe 0.10.21: `one_euro_filter.cc`, `low_pass_filter.cc` and `RefineLandmarksFromHeatmapCalculator`. Frames
are taken to be 33 ms apart, as MediaPipe's Python solution takes them, whatever the camera's rate.
"""

from math import pi

import numpy as np
from numpy.typing import NDArray

from glosscast.holistic.region import Points

PERIOD_S = 0.033333
# Places around a point at which its heatmap is read. The graph file says 7 wide; MediaPipe's Python package loses that
# option on the way and runs with the calculator's default of 9, and so was all data extracted that models learned from.
KERNEL = np.arange(-4, 5)
MIN_CONFIDENCE = 0.5


class OneEuroFilter:
    """Smooths slow movement more than fast movement (Casiez, Roussel, Vogel 2012).

    Args:
        min_cutoff: cut-off frequency at rest, Hz.
        beta: how fast the cut-off rises with speed.
        derivative_cutoff: cut-off frequency of the speed, Hz.
    """

    def __init__(self, min_cutoff: float, beta: float, derivative_cutoff: float = 1.0) -> None:
        self._min_cutoff = min_cutoff
        self._beta = beta
        self._derivative_cutoff = np.float64(derivative_cutoff)
        self._last: tuple[Points, Points, Points] | None = None  # raw, smoothed, speed

    def __call__(self, values: Points, scale: float, frames: int = 1) -> Points:
        """The next values, smoothed.

        Args:
            values: of the same shape in every frame, pixels.
            scale: size of the object, pixels; speed is measured in it.
            frames: since the last values.
        """
        if self._last is None:
            self._last = values, values, np.zeros_like(values)
            return values
        raw, smoothed, speed = self._last
        period_s = frames * PERIOD_S
        change = (values - raw) / (max(scale, 1e-6) * period_s) - speed
        speed = speed + _weight(self._derivative_cutoff, period_s) * change
        weight = _weight(self._min_cutoff + self._beta * np.abs(speed), period_s)
        smoothed = smoothed + weight * (values - smoothed)
        self._last = values, smoothed, speed
        return smoothed


class LowPass:
    """Exponential smoothing: the value of each new frame counts for `weight`.

    Args:
        weight: 0..1.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._last: NDArray[np.float32] | None = None

    def __call__(self, values: NDArray[np.float32], frames: int = 1) -> NDArray[np.float32]:
        """The next values, smoothed, so many frames after the last ones."""
        weight = np.float32(self._weight if frames == 1 else 1 - (1 - self._weight) ** frames)
        self._last = values if self._last is None else self._last + weight * (values - self._last)
        return self._last


def refine(points: NDArray[np.float32], heatmap: NDArray[np.float32]) -> None:
    """Move points, in place, to the centre of their heatmap's mass around them, where it is sure enough.

    Args:
        points: (N, 2 or more), x and y as shares of the region's side.
        heatmap: (height, width, N or more) logits.
    """
    height, width = heatmap.shape[:2]
    at = np.trunc(points[:, :2] * (width, height)).astype(np.intp)
    columns, rows = at[:, 0, None] + KERNEL, at[:, 1, None] + KERNEL
    inside = ((rows >= 0) & (rows < height))[:, :, None] & ((columns >= 0) & (columns < width))[:, None, :]
    picked = heatmap[
        np.clip(rows, 0, height - 1)[:, :, None],
        np.clip(columns, 0, width - 1)[:, None, :],
        np.arange(len(points))[:, None, None],
    ]
    confidence = inside / (1 + np.exp(-picked))
    on_map = (at[:, 0] >= 0) & (at[:, 0] < width) & (at[:, 1] >= 0)
    sure = on_map & (confidence.max((1, 2)) >= MIN_CONFIDENCE)
    mass = np.where(sure, confidence.sum((1, 2)), 1)
    x = (confidence.sum(1) * columns).sum(1) / (width * mass)
    y = (confidence.sum(2) * rows).sum(1) / (height * mass)
    points[sure, 0], points[sure, 1] = x[sure], y[sure]


def _weight(cutoff: Points | np.float64, period_s: float) -> Points:
    """The weight of a new value in exponential smoothing with this cut-off frequency."""
    return np.asarray(1 / (1 + 1 / (2 * pi * cutoff * period_s)))
