"""Clips that look like one of another gloss."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip, resample
from glosscast.keypoints import LEFT_HAND, RIGHT_HAND, Pose, normalise
from training.data import Example

NEAR = 0.15  # shoulder widths, 5 to 6 cm: how far apart the points of near-identical clips are, root mean square
MOMENTS = 12  # at which two clips are compared, evenly over each
HANDS = slice(LEFT_HAND.start, RIGHT_HAND.stop)
COMPARED = [*range(Pose.LEFT_SHOULDER, Pose.RIGHT_WRIST + 1), *range(HANDS.start, HANDS.stop)]
BLOCK = 1024  # clips whose distances to all others are held at a time


@dataclass(frozen=True)
class SuspectClip:
    """A clip whose nearest neighbour has another gloss; `distance` in shoulder widths."""

    clip: str
    gloss: str
    nearest: str
    nearest_gloss: str
    distance: float


def find_suspects(
    names: Sequence[str], examples: Sequence[Example], chosen: NDArray[np.intp], near: float
) -> list[SuspectClip]:
    """Clips, out of those with hands, that are nearest to one of another gloss and nearer than `near`."""
    if len(chosen) < 2:
        return []
    features = _features([examples[index].clip for index in chosen])
    squares = (features**2).sum(axis=1)
    found = []
    for start in range(0, len(chosen), BLOCK):
        block = slice(start, start + BLOCK)
        apart = squares[block, None] + squares - 2 * features[block] @ features.T
        rows = np.arange(len(apart))
        apart[rows, start + rows] = np.inf  # a clip is no neighbour of its own
        for row, other in zip(rows, apart.argmin(axis=1), strict=True):
            mine = chosen[start + row]
            its = chosen[other]
            distance = float(np.sqrt(max(apart[row, other], 0.0) / (MOMENTS * len(COMPARED))))
            if distance < near and examples[mine].gloss != examples[its].gloss:
                pair = (names[mine], examples[mine].gloss, names[its], examples[its].gloss)
                found.append(SuspectClip(*pair, round(distance, 4)))
    return sorted(found, key=lambda suspect: suspect.distance)


def _features(clips: Sequence[Clip]) -> NDArray[np.float32]:
    """(clips, moments x points x 2): arms and hands over the clip, in shoulder widths from between the shoulders."""
    moments = [
        resample(clip.t_ms, clip.keypoints, np.linspace(clip.t_ms[0], clip.t_ms[-1], MOMENTS))[0] for clip in clips
    ]
    aspects = np.array([clip.aspect for clip in clips], np.float32)
    points = normalise(np.stack(moments), aspects)[:, :, COMPARED, :2]
    return points.reshape(len(clips), -1)
