"""Tags the frames of a stream as inside, outside and at the start of a sign: a small recurrent network in numpy.

A frame costs about a tenth of a millisecond, state is one vector per stream, and nothing but numpy is needed. The
network was trained by `training.segmentation`; its weights are a file of the bundle.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import hypot
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from glosscast.activity import Place, ShoulderLine
from glosscast.keypoints import (
    FINGERTIPS,
    HAND_MIDDLE_KNUCKLE,
    HAND_WRIST,
    LEFT_HAND,
    PRESENCE,
    RIGHT_HAND,
    Pose,
)
from glosscast.probabilities import softmax

Floats = NDArray[np.float32]

TAGS = OUTSIDE, INSIDE, BEGIN = range(3)
HAND_FEATURES = 18
FEATURES = 2 * HAND_FEATURES
TICK_MS = 62.5  # the network's clock: 16 steps a second, whatever the camera gives
LOOKAHEAD = 2  # ticks that the network waits before it tags one
FARTHEST = 4.0  # shoulder widths and hand sizes beyond which a point says no more
FASTEST = 20.0  # shoulder widths a second
NO_TIPS = [0.0] * 10  # places of the fingertips of a hand that the hand model does not see
NO_SPEED = [0.0] * 3
PAUSE_MS = 500.0  # a longer time without a frame starts the network anew
ARRAYS = ("enter", "enter_bias", "input", "input_bias", "hidden", "hidden_bias", "leave", "leave_bias")


class Weights(NamedTuple):
    """A linear layer with a ReLU, a gated recurrent unit (torch's, gates reset, update, new), and a linear layer."""

    enter: Floats
    enter_bias: Floats
    input: Floats
    input_bias: Floats
    hidden: Floats
    hidden_bias: Floats
    leave: Floats
    leave_bias: Floats

    def save(self, file: BinaryIO) -> None:
        """Write them as an .npz."""
        np.savez(file, allow_pickle=False, **self._asdict())


def load_weights(path: Path) -> Weights:
    """Read what `Weights.save` wrote.

    Raises:
        ValueError: not an .npz of these arrays, or their shapes do not fit together; names the file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            weights = Weights(*(np.asarray(file[name], np.float32) for name in ARRAYS))
    except (ValueError, OSError, EOFError, KeyError, TypeError, BadZipFile) as error:
        raise ValueError(f"{path}: not an .npz of {', '.join(ARRAYS)}") from error
    width = len(weights.enter)
    units = weights.hidden.shape[-1]
    shapes = {
        "enter": (width, FEATURES),
        "enter_bias": (width,),
        "input": (3 * units, width),
        "input_bias": (3 * units,),
        "hidden": (3 * units, units),
        "hidden_bias": (3 * units,),
        "leave": (len(TAGS), units),
        "leave_bias": (len(TAGS),),
    }
    for name, shape in shapes.items():
        array = getattr(weights, name)
        if array.shape != shape or not np.isfinite(array).all():
            raise ValueError(f"{path}: {name} must be {shape} finite numbers, it is {array.shape}")
    return weights


class FrameFeatures:
    """The network's input features of frames, which come in order of time.

    For each hand: whether the hand model and the pose model see it, the wrist's place and speed against the shoulders,
    the fingertips against the wrist in hand sizes, and how fast they move there.
    """

    def __init__(self, follow_ms: float, visible: float) -> None:
        self._line = ShoulderLine(follow_ms)
        self._visible = visible
        self._before_ms = 0.0
        self._before: list[list[float]] | None = None  # of each hand

    def push(self, t_ms: float, keypoints: Floats) -> Floats:
        """Features (FEATURES,) of a frame (171, 4), x already in units of frame height; zeros where nobody is seen."""
        place = self._line.place(t_ms, keypoints)
        if place is None:
            self._before = None
            return np.zeros(FEATURES, np.float32)
        hands = [
            self._hand(keypoints, place, Pose.LEFT_WRIST, LEFT_HAND, -1.0),
            self._hand(keypoints, place, Pose.RIGHT_WRIST, RIGHT_HAND, 1.0),
        ]
        features = []
        for index, hand in enumerate(hands):
            features += hand
            if self._before is None:
                features += NO_SPEED
            else:
                features += _speed(self._before[index], hand, max((t_ms - self._before_ms) / 1000.0, 1e-3))
            # How far a seen wrist is above the hips, so that "up" needs no threshold learned from two features.
            features.append(min(max(2.0 - hand[3], 0.0), FARTHEST) if hand[0] or hand[1] else 0.0)
        self._before_ms = t_ms
        self._before = hands
        return np.array(features, np.float32)

    def _hand(self, keypoints: Floats, place: Place, side: Pose, hand: slice, flip: float) -> list[float]:
        """Seen by the hand model, by the pose model, wrist x, y, five fingertips x, y; left ones mirrored."""
        points = keypoints[hand].tolist()
        pose_x, pose_y, _, visibility = keypoints[side].tolist()
        by_hand, by_pose = points[HAND_WRIST][PRESENCE] > 0, visibility >= self._visible
        if not by_hand:
            wrist = place.of(pose_x, pose_y) if by_pose else (0.0, 0.0)
            return [0.0, float(by_pose), flip * _near(wrist[0]), _near(wrist[1]), *NO_TIPS]
        x, y = points[HAND_WRIST][:2]
        knuckle_x, knuckle_y = points[HAND_MIDDLE_KNUCKLE][:2]
        size = max(hypot(knuckle_x - x, knuckle_y - y), 0.02 * place.width)
        wrist = place.of(x, y)
        out = [1.0, float(by_pose), flip * _near(wrist[0]), _near(wrist[1])]
        for tip in FINGERTIPS:
            tip_x, tip_y = points[tip][:2]
            out += (flip * _near((tip_x - x) / size), _near((tip_y - y) / size))
        return out


def _near(value: float) -> float:
    return min(max(value, -FARTHEST), FARTHEST)


def _speed(before: Sequence[float], now: Sequence[float], seconds: float) -> list[float]:
    """How fast a wrist moves along x and y, and how fast its fingertips do; 0 where it was not seen in both frames."""
    if not ((before[0] and now[0]) or (before[1] and now[1])):
        return NO_SPEED
    change = [(new - old) / seconds for old, new in zip(before[2:], now[2:], strict=True)]
    tips = sum(map(abs, change[2:])) / len(NO_TIPS) if before[0] and now[0] else 0.0
    return [min(max(value, -FASTEST), FASTEST) / 4.0 for value in (change[0], change[1], tips)]


@dataclass(frozen=True, eq=False)
class Tagged:
    """Probabilities of `TAGS` at a time."""

    t_ms: float
    probabilities: Floats


class Tagger:
    """Frames of one stream to tags, `LOOKAHEAD` ticks later."""

    def __init__(self, weights: Weights, follow_ms: float, visible: float) -> None:
        self._weights = weights
        self._features = FrameFeatures(follow_ms, visible)
        self._state = np.zeros(weights.hidden.shape[-1], np.float32)
        self._before: tuple[float, Floats] | None = None
        self._tick_ms = 0.0
        self._ticks = 0

    def push(self, t_ms: float, keypoints: Floats) -> list[Tagged]:
        """Take one frame (171, 4), x in units of frame height; what could be tagged with it, in order of time."""
        features = self._features.push(t_ms, keypoints)
        if self._before is None or t_ms - self._before[0] > PAUSE_MS:
            self._before = (t_ms, features)
            self._tick_ms = t_ms
            self._ticks = 0
            self._state[:] = 0.0
        before_ms, before = self._before
        tagged = []
        while self._tick_ms <= t_ms:
            share = (self._tick_ms - before_ms) / max(t_ms - before_ms, 1e-6)
            probabilities = self._step(before + np.float32(share) * (features - before))
            self._ticks += 1
            if self._ticks > LOOKAHEAD:
                tagged.append(Tagged(self._tick_ms - LOOKAHEAD * TICK_MS, probabilities))
            self._tick_ms += TICK_MS
        self._before = t_ms, features
        return tagged

    def _step(self, features: Floats) -> Floats:
        w = self._weights
        entered = np.maximum(w.enter @ features + w.enter_bias, 0.0)
        from_input = w.input @ entered + w.input_bias
        from_state = w.hidden @ self._state + w.hidden_bias
        units = len(self._state)
        gates = 1.0 / (1.0 + np.exp(-(from_input[: 2 * units] + from_state[: 2 * units])))
        reset = gates[:units]
        update = gates[units:]
        new = np.tanh(from_input[2 * units :] + reset * from_state[2 * units :])
        self._state = (1.0 - update) * new + update * self._state
        logits = w.leave @ self._state + w.leave_bias
        return np.asarray(softmax(logits), np.float32)
