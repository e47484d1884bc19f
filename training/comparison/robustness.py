"""Clips made worse on purpose: what a model reads in unsteady keypoints, without hands, at a low frame rate."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from glosscast.clip import Clip
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, SHOULDERS, X, Y


def jitter(clip: Clip, rng: np.random.Generator, share: float) -> Clip:
    """Shift every point of every frame by normal noise of `share` shoulder widths in x and in y.

    A clip that never shows both shoulders has no such unit and stays as it is.
    """
    shoulders = clip.keypoints[:, SHOULDERS]
    found = (shoulders[..., PRESENCE] > 0).all(axis=1)
    if not found.any():
        return clip
    across = (shoulders[found, 0, :2] - shoulders[found, 1, :2]) * np.array([clip.aspect, 1.0])
    width = float(np.median(np.linalg.norm(across, axis=1)))
    keypoints = clip.keypoints.copy()
    noise = rng.normal(0.0, share * width, (*keypoints.shape[:2], 2)) / np.array([clip.aspect, 1.0])
    keypoints[..., [X, Y]] += np.where(keypoints[..., PRESENCE:] > 0, noise, 0.0).astype(np.float32)
    return Clip(clip.t_ms, keypoints, clip.aspect)


def lose_hands(clip: Clip, rng: np.random.Generator, share: float) -> Clip:
    """Lose each hand in a `share` of the frames, frame by frame, as a tracker does."""
    keypoints = clip.keypoints.copy()
    for hand in (LEFT_HAND, RIGHT_HAND):
        keypoints[rng.random(len(keypoints)) < share, hand] = 0.0
    return Clip(clip.t_ms, keypoints, clip.aspect)


def thin_out(clip: Clip, rng: np.random.Generator, every: float) -> Clip:
    """Keep only every n-th frame."""
    step = int(every)
    return Clip(clip.t_ms[::step], clip.keypoints[::step], clip.aspect)


@dataclass(frozen=True)
class Condition:
    """One way of making clips worse, and how much of it.

    Attributes:
        family: what is done, for people.
        level: how much.
        clean: the level at which nothing would change.
        apply: from a clip and a random generator to the worse clip.
    """

    family: str
    level: float
    clean: float
    apply: Callable[[Clip, np.random.Generator], Clip]

    @property
    def name(self) -> str:
        """What it is called in files and tables."""
        return f"{self.family} {self.level:g}"

    def __call__(self, clip: Clip, number: int) -> Clip:
        """The worse clip; the same one for the same clip number, whichever model reads it."""
        return self.apply(clip, np.random.default_rng([NAMES.index(self.name), number]))


JITTER, LOST_HANDS, FRAME_RATE = "jitter (shoulder widths)", "hands lost (share of frames)", "one frame in"
CONDITIONS = (
    *(Condition(JITTER, share, 0.0, partial(jitter, share=share)) for share in (0.01, 0.02, 0.05)),
    Condition(LOST_HANDS, 0.3, 0.0, partial(lose_hands, share=0.3)),
    *(Condition(FRAME_RATE, every, 1.0, partial(thin_out, every=every)) for every in (2.0, 4.0)),
)
NAMES = [condition.name for condition in CONDITIONS]
