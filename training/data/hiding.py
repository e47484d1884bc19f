"""Parts of the signer taken out of clips, for experiments on how much they say."""

from collections.abc import Collection
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import (
    FACE,
    LEFT_HAND,
    LEFT_HAND_OF_POSE,
    POSE_HEAD,
    PRESENCE,
    RIGHT_HAND,
    RIGHT_HAND_OF_POSE,
)
from training.config import Hidden

HANDS = ((LEFT_HAND, LEFT_HAND_OF_POSE), (RIGHT_HAND, RIGHT_HAND_OF_POSE))


def without(clip: Clip, parts: Collection[Hidden]) -> Clip:
    """The clip in which these parts were never seen; of the hands, that with the shorter way."""
    if not parts:
        return clip
    keypoints = clip.keypoints.copy()
    if "face" in parts:
        keypoints[:, FACE] = keypoints[:, POSE_HEAD] = 0.0
    if "lesser_hand" in parts:
        ways = [_way(keypoints[:, hand], clip.aspect) for hand, _ in HANDS]
        hand, of_pose = HANDS[0 if ways[0] < ways[1] else 1]
        keypoints[:, hand] = keypoints[:, of_pose] = 0.0
    return replace(clip, keypoints=keypoints)


def _way(hand: NDArray[np.float32], aspect: float) -> tuple[float, int]:
    """How far a hand (T, 21, 4) moves, in frame heights, and in how many frames it is seen."""
    seen = hand[..., PRESENCE].all(axis=1)
    steps = np.linalg.norm(np.diff(hand[..., :2] * (aspect, 1.0), axis=0), axis=-1).mean(axis=1)
    return float(steps[seen[1:] & seen[:-1]].sum()), int(seen.sum())
