"""Perturbed clips: noisy keypoints, lost hands, low frame rates and corrupted pictures."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, SHOULDERS, X, Y
from training.comparison.corruptions import low_light, motion_blur, overexpose
from training.config import ModelConfig
from training.data import Example
from training.data.frames import Pictures


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


Perturbation = Callable[[Example, np.random.Generator], Example]


@dataclass(frozen=True, eq=False)
class PerturbedPictures:
    """Pictures of which some frames are taken, and each stack that is read is changed.

    Attributes:
        pictures: as they were.
        taken: (T,) which of their frames these ones are; None for all.
        change: of a stack (N, H, W, 3) uint8; None for none.
    """

    pictures: Pictures
    taken: NDArray[np.intp] | None = None
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """See `Pictures`."""
        frames = self.pictures.read(indices if self.taken is None else self.taken[indices])
        return frames if self.change is None else self.change(frames)


def of_keypoints(change: Callable[[Clip, np.random.Generator], Clip]) -> Perturbation:
    """A change of a clip's keypoints, its pictures left alone."""
    return lambda example, rng: replace(example, clip=change(example.clip, rng))


def of_pictures(change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Perturbation:
    """A change of a clip's pictures, its keypoints left alone."""

    def apply(example: Example, rng: np.random.Generator) -> Example:
        if example.frames is None:
            return example
        return replace(example, frames=PerturbedPictures(example.frames, change=change))

    return apply


def of_frame_rate(every: float) -> Perturbation:
    """Only every n-th frame, of keypoints and of pictures."""

    def apply(example: Example, rng: np.random.Generator) -> Example:
        taken = np.arange(0, len(example.clip.t_ms), int(every))
        frames = None if example.frames is None else PerturbedPictures(example.frames, taken)
        return replace(example, clip=thin_out(example.clip, rng, every), frames=frames)

    return apply


@dataclass(frozen=True)
class Condition:
    """One way of making clips worse, and how much of it.

    Attributes:
        family: its description for readers.
        level: how much.
        clean: the level at which nothing would change.
        apply: from a clip and a random generator to the worse clip.
    """

    family: str
    level: float
    clean: float
    apply: Perturbation

    @property
    def name(self) -> str:
        """Its name in files and tables."""
        return f"{self.family} {self.level:g}"

    def __call__(self, example: Example, number: int) -> Example:
        """The worse clip; the same one for the same clip number, whichever model reads it."""
        return self.apply(example, np.random.default_rng([NAMES.index(self.name), number]))


JITTER, LOST_HANDS, FRAME_RATE = "jitter (shoulder widths)", "hands lost (share of frames)", "one frame in"
BLUR, DARK, BRIGHT = "motion blur (pixels)", "light left (share)", "overexposure (stops)"
CONDITIONS = (
    *(Condition(JITTER, share, 0.0, of_keypoints(partial(jitter, share=share))) for share in (0.01, 0.02, 0.05)),
    Condition(LOST_HANDS, 0.3, 0.0, of_keypoints(partial(lose_hands, share=0.3))),
    *(Condition(FRAME_RATE, every, 1.0, of_frame_rate(every)) for every in (2.0, 4.0)),
    *(Condition(BLUR, n, 1.0, of_pictures(partial(motion_blur, pixels=n))) for n in (5, 11)),
    *(Condition(DARK, s, 1.0, of_pictures(partial(low_light, light=s))) for s in (0.3, 0.1)),
    *(Condition(BRIGHT, s, 0.0, of_pictures(partial(overexpose, stops=s))) for s in (1.0, 2.0)),
)
NAMES = [condition.name for condition in CONDITIONS]


def conditions_for(model: ModelConfig) -> list[Condition]:
    """Those that change an input of the model."""
    blind = set() if model.needs_signer else {JITTER, LOST_HANDS}
    if model.frame_size is None:
        blind |= {BLUR, DARK, BRIGHT}
    return [condition for condition in CONDITIONS if condition.family not in blind]
