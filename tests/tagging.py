"""A learned segmenter that nobody had to train: it says what hands the hand model sees."""

import numpy as np

from glosscast.keypoints import RIGHT_HAND, Pose
from glosscast.learned_segmentation import TaggerSettings, Tagging
from glosscast.tagger import BEGIN, FEATURES, HAND_FEATURES, INSIDE, OUTSIDE, Weights

SETTINGS = TaggerSettings(enter=0.5, leave=0.3, begin=0.6, min_ms=200.0, repeat_ms=3000.0)


def simple_network() -> Weights:
    """In a sign while the hand model sees the right hand, at its start while it sees the left one, too; no memory."""
    enter = np.zeros((2, FEATURES), np.float32)
    enter[0, HAND_FEATURES] = enter[1, 0] = 3.0
    units = 2
    input_ = np.zeros((3 * units, 2), np.float32)
    input_[2 * units :] = np.eye(units)
    bias = np.zeros(3 * units, np.float32)
    bias[units : 2 * units] = -20.0  # the update gate keeps nothing of the state
    leave = np.zeros((3, units), np.float32)
    leave[OUTSIDE], leave[INSIDE], leave[BEGIN] = (-10, 0), (0, 0), (0, 20)
    return Weights(
        enter=enter,
        enter_bias=np.zeros(2, np.float32),
        input=input_,
        input_bias=bias,
        hidden=np.zeros((3 * units, units), np.float32),
        hidden_bias=np.zeros(3 * units, np.float32),
        leave=leave,
        leave_bias=np.array([5.0, 0.0, -10.0], np.float32),
    )


TAGGING = Tagging(SETTINGS, simple_network())


def with_right_hand(keypoints: np.ndarray) -> np.ndarray:
    """The same keypoints (171, 4) with a right hand, all of it at the wrist."""
    out = keypoints.copy()
    out[RIGHT_HAND] = out[Pose.RIGHT_WRIST]
    return out
