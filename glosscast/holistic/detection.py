"""Decoding of a single-shot detector's raw output: boxes and their key points, one for each object.

Follows MediaPipe 0.10.21: `SsdAnchorsCalculator`, `TensorsToDetectionsCalculator` and `NonMaxSuppressionCalculator`
with weighted averaging.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

MIN_LOGIT = 0.0  # a score of 0.5
MIN_OVERLAP = 0.3  # intersection over union with a better box from which a box counts as the same object
BOX = 4  # leading values of a detection: centre x, centre y, width, height


def anchors(side: int, strides: tuple[int, ...]) -> NDArray[np.float32]:
    """Anchor centres (N, 2) as shares of the picture's side: two for each stride at each place of its grid.

    Args:
        side: of the model's input, pixels.
        strides: of the detector's layers; equal ones share a grid.
    """
    grids = []
    for stride in dict.fromkeys(strides):
        places = (np.arange(side // stride, dtype=np.float32) + 0.5) * stride / side
        x, y = np.meshgrid(places, places)
        grids.append(np.stack([x.ravel(), y.ravel()], -1).repeat(2 * strides.count(stride), 0))
    return np.concatenate(grids)


def detected(
    raw: NDArray[np.float32], logits: NDArray[np.float32], centres: NDArray[np.float32], side: int
) -> Iterator[NDArray[np.float32]]:
    """Key points (K, 2) of each object that was detected, as shares of the picture's side, the surest first.

    Boxes that overlap a better one are averaged with it, weighted by their scores.

    Args:
        raw: (1, N, 4 + 2 K) offsets in pixels from the anchors.
        logits: (1, N, 1) of the scores.
        centres: (N, 2) from `anchors`.
        side: of the model's input, pixels.
    """
    chosen = np.flatnonzero(logits[0, :, 0] >= MIN_LOGIT)
    if not chosen.size:
        return
    values, scores = raw[0, chosen] / side, 1 / (1 + np.exp(-logits[0, chosen, 0]))
    values[:, 2:BOX] /= 2
    points = values.reshape(len(chosen), -1, 2) + centres[chosen, None]
    low, high = points[:, 0] - values[:, 2:BOX], points[:, 0] + values[:, 2:BOX]
    areas = (high - low).prod(-1)
    left = np.arange(len(chosen))
    while left.size:
        best = left[scores[left].argmax()]
        common = np.clip(np.minimum(high[left], high[best]) - np.maximum(low[left], low[best]), 0, None).prod(-1)
        same = (common > MIN_OVERLAP * (areas[left] + areas[best] - common)) | (left == best)
        object_ = left[same]
        yield np.asarray(np.average(points[object_, 2:], axis=0, weights=scores[object_]), np.float32)
        left = left[~same]
