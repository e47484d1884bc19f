"""Decoding of a single-shot detector's raw output: boxes and their key points, of which the best is kept.

Follows MediaPipe 0.10.21: `SsdAnchorsCalculator`, `TensorsToDetectionsCalculator` and `NonMaxSuppressionCalculator`
with weighted averaging, of which only the best detection is ever used.
"""

import numpy as np
from numpy.typing import NDArray

MIN_LOGIT = 0.0  # a score of 0.5
MIN_OVERLAP = 0.3  # intersection over union with the best box from which a box counts as the same object
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


def best_keypoints(
    raw: NDArray[np.float32], logits: NDArray[np.float32], centres: NDArray[np.float32], side: int
) -> NDArray[np.float32] | None:
    """Key points (K, 2) of the best detection as shares of the picture's side; None if nothing was detected.

    Boxes that overlap the best one are averaged with it, weighted by their scores.

    Args:
        raw: (1, N, 4 + 2 K) offsets in pixels from the anchors.
        logits: (1, N, 1) of the scores.
        centres: (N, 2) from `anchors`.
        side: of the model's input, pixels.
    """
    chosen = np.flatnonzero(logits[0, :, 0] >= MIN_LOGIT)
    if not chosen.size:
        return None
    values, scores = raw[0, chosen] / side, 1 / (1 + np.exp(-logits[0, chosen, 0]))
    values[:, 2:BOX] /= 2
    points = values.reshape(len(chosen), -1, 2) + centres[chosen, None]
    low, high = points[:, 0] - values[:, 2:BOX], points[:, 0] + values[:, 2:BOX]
    best = int(scores.argmax())
    common = np.clip(np.minimum(high, high[best]) - np.maximum(low, low[best]), 0, None).prod(-1)
    areas = (high - low).prod(-1)
    same = common > MIN_OVERLAP * (areas + areas[best] - common)
    same[best] = True
    return np.asarray(np.average(points[same, 2:], axis=0, weights=scores[same]), np.float32)
