"""Tags the frames of a stream as inside, outside and at the start of a sign: a small recurrent network in numpy.

A frame costs about a tenth of a millisecond, state is one vector per stream, and nothing but numpy is needed. The
network was trained by `training.segmentation`; its weights are a file of the bundle.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from glosscast.activity import ShoulderLine
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
        self._before: tuple[float, Floats] | None = None

    def push(self, t_ms: float, keypoints: Floats) -> Floats:
        """Features (FEATURES,) of a frame (171, 4), x already in units of frame height; zeros where nobody is seen."""
        place = self._line.place(t_ms, keypoints)
        if place is None:
            self._before = None
            return np.zeros(FEATURES, np.float32)
        hands = np.stack(
            [
                self._hand(keypoints, place, Pose.LEFT_WRIST, LEFT_HAND, -1.0),
                self._hand(keypoints, place, Pose.RIGHT_WRIST, RIGHT_HAND, 1.0),
            ]
        )
        speed = np.zeros((2, 3), np.float32)
        if self._before is not None:
            before_ms, before = self._before
            both = (hands[:, :2] > 0) & (before[:, :2] > 0)
            change = (hands - before) / max((t_ms - before_ms) / 1000.0, 1e-3)
            speed[:, :2] = np.where(both.any(axis=1, keepdims=True), change[:, 2:4], 0.0)
            speed[:, 2] = np.where(both[:, 0], np.abs(change[:, 4:14]).mean(axis=1), 0.0)
        self._before = t_ms, hands
        parts = [hands, np.clip(speed, -FASTEST, FASTEST) / 4.0, _height(hands)]
        return np.asarray(np.concatenate(parts, axis=1).reshape(-1), np.float32)

    def _hand(
        self, keypoints: Floats, place: tuple[NDArray[np.float64], float], side: Pose, hand: slice, flip: float
    ) -> Floats:
        """(14,): seen by the hand model, by the pose model, wrist x, y, five fingertips x, y; left ones mirrored."""
        middle, width = place
        out = np.zeros(14, np.float32)
        points, pose = keypoints[hand], keypoints[side]
        out[0], out[1] = points[HAND_WRIST, PRESENCE] > 0, pose[PRESENCE] >= self._visible
        wrist = points[HAND_WRIST] if out[0] else pose
        if out[0] or out[1]:
            out[2:4] = np.clip((wrist[:2] - middle) / width, -FARTHEST, FARTHEST)
        if out[0]:
            size = max(float(np.linalg.norm(points[HAND_MIDDLE_KNUCKLE, :2] - wrist[:2])), 0.02 * width)
            tips = (points[list(FINGERTIPS), :2] - wrist[:2]) / size
            out[4:14] = np.clip(tips, -FARTHEST, FARTHEST).reshape(-1)
        out[2:14:2] *= flip
        return out


def _height(hands: Floats) -> Floats:
    """(2, 1): how far a seen wrist is above the hips, so that "up" needs no threshold learned from two features."""
    seen = hands[:, :2].any(axis=1)
    height = np.where(seen, np.clip(2.0 - hands[:, 3], 0.0, FARTHEST), 0.0).astype(np.float32)
    return np.asarray(height[:, None], np.float32)


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
