"""Augmentation of keypoint windows: what differs between signers, cameras and trackers, not between signs."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip, ClipSpec, nearest, resample
from glosscast.keypoints import ELBOWS, FACE, LEFT_HAND, POINTS, POSE, PRESENCE, RIGHT_HAND, X, Y, Z, mirror, normalise
from training.config import AugmentationConfig
from training.data.brisk import brisk

NARROW = 0.6, 1.2  # shoulder widths from the middle to the sides of a narrow picture; portrait shows about 0.65


class Augmented(NamedTuple):
    """Windows of B clips, and what their pictures need to go with them.

    Attributes:
        keypoints: (B, T, 171, 4) float32, normalised and changed at random.
        mask: (B, T) float32.
        taken: (B, T) indices of the clips' frames that are nearest to the windows' instants.
        mirrored: (B,) whether left and right were swapped.
    """

    keypoints: NDArray[np.float32]
    mask: NDArray[np.float32]
    taken: NDArray[np.intp]
    mirrored: NDArray[np.bool_]


class Augmentation:
    """Turns clips into a batch of augmented windows, through the same sampling and normalisation as recognition.

    Args:
        config: how much is changed.
        spec: the windows' timing.
        face: whether the model sees the face. Without it no work is done on its points, more than half of all, and
            windows come with zeros there.
    """

    def __init__(self, config: AugmentationConfig, spec: ClipSpec, face: bool = True) -> None:
        self.config = config
        self.spec = spec
        self.points = POINTS if face else FACE.start  # the face is last

    def __call__(
        self, clips: Sequence[Clip], rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Windows (B, T, 171, 4) and masks (B, T) of `clips`, each changed at random."""
        drawn = self.draw(clips, rng)
        return drawn.keypoints, drawn.mask

    def draw(self, clips: Sequence[Clip], rng: np.random.Generator) -> Augmented:
        """The same, with the parameters for the same change of pictures."""
        sampled = [self._sample(clip, rng) for clip in clips]
        keypoints, mask, taken = (np.stack(part) for part in zip(*sampled, strict=True))
        seen = normalise(keypoints, np.array([clip.aspect for clip in clips]))
        mirrored = self.change(seen, rng)
        windows = np.zeros((*seen.shape[:2], POINTS, seen.shape[3]), np.float32)
        windows[:, :, : self.points] = seen
        return Augmented(windows, mask, taken, mirrored)

    def change(self, windows: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.bool_]:
        """Change normalised windows (B, T, 171, 4), or without the face (B, T, 75, 4), in place, but not their timing.

        Returns:
            (B,) whether left and right were swapped.
        """
        swap = rng.random(len(windows)) < self.config.mirror
        windows[swap] = mirror(windows[swap])
        self._move(windows, rng)
        for hand in (LEFT_HAND, RIGHT_HAND):
            self._move_hand(windows[:, :, hand], rng)
        windows[..., :2] += rng.normal(0.0, self.config.noise, windows[..., :2].shape).astype(np.float32)
        self._drop(windows, rng)
        windows[windows[..., PRESENCE] <= 0] = 0.0
        return swap

    def _sample(
        self, clip: Clip, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.intp]]:
        c, spec = self.config, self.spec
        if clip.frames is None and rng.random() < c.brisk:
            clip = brisk(clip, rng)
        speed = np.exp(rng.uniform(-c.speed, c.speed))
        # A stretched clip is centred on the window before it is moved.
        start = (clip.duration_ms - spec.window_ms * speed) / 2 + rng.uniform(-c.start_ms, c.start_ms)
        at_ms = clip.t_ms[0] + start + spec.times_ms * speed
        first = 0
        kept = len(clip.t_ms)
        if rng.random() < c.crop:
            # A live window often holds less than the whole sign: it has just begun, or the recording ends early.
            count = len(clip.t_ms)
            kept = int(rng.integers(max(1, count // 2), count + 1))
            first = int(rng.integers(0, count - kept + 1))
        part = slice(first, first + kept)
        t_ms = clip.t_ms[part]
        return *resample(t_ms, clip.keypoints[part, : self.points], at_ms), first + nearest(t_ms, at_ms)

    def _move(self, windows: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Rotate, scale, shear and shift whole windows in place."""
        c = self.config
        n = len(windows)
        angle = np.radians(rng.uniform(-c.rotation, c.rotation, n))
        scale, aspect = np.exp(rng.uniform(-c.scale, c.scale, n)), np.exp(rng.uniform(-c.aspect, c.aspect, n))
        shear = rng.uniform(-c.shear, c.shear, n)
        cos, sin = np.cos(angle), np.sin(angle)
        rotate = np.array([[cos, sin], [-sin, cos]]).transpose(2, 0, 1)
        stretch = np.zeros((n, 2, 2))
        stretch[:, 0, 0], stretch[:, 1, 1] = scale * np.sqrt(aspect), scale / np.sqrt(aspect)
        stretch[:, 1, 0] = shear * scale
        shift = rng.uniform(-c.shift, c.shift, (n, 1, 1, 2))
        linear = (stretch @ rotate).astype(np.float32)
        x, y = windows[..., X].copy(), windows[..., Y].copy()
        for channel in (X, Y):  # one at a time: numpy is slow where the innermost of an operation's axes is short
            across, down = linear[:, 0, channel, None, None], linear[:, 1, channel, None, None]
            windows[..., channel] = x * across + y * down + shift[..., channel]
        windows[..., Z] *= scale[:, None, None].astype(np.float32)

    def _move_hand(self, hands: NDArray[np.float32], rng: np.random.Generator) -> None:
        """Shift and scale one hand (B, T, 21, 4) about its own wrist, in place."""
        c = self.config
        n = len(hands)
        wrist = hands[:, :, :1, :3].copy()
        scale = np.exp(rng.uniform(-c.hand_scale, c.hand_scale, (n, 1, 1, 1)))
        hands[..., :3] = wrist + (hands[..., :3] - wrist) * scale
        hands[..., [X, Y]] += rng.normal(0.0, c.hand_shift, (n, 1, 1, 2))

    def _drop(self, windows: NDArray[np.float32], rng: np.random.Generator) -> None:
        c = self.config
        n, t = windows.shape[:2]
        windows[rng.random(n) < c.drop_face, :, FACE] = 0.0
        windows[:, :, ELBOWS] *= rng.random((n, 1, 1, 1)) >= c.drop_elbows
        windows[:, :, POSE, PRESENCE] **= np.exp(rng.uniform(-c.presence, c.presence, (n, 1, 1)))
        half = np.where(rng.random((n, 1)) < c.narrow, rng.uniform(*NARROW, (n, 1)), np.inf)
        for hand in (LEFT_HAND, RIGHT_HAND):
            first = rng.uniform(-0.5, 1.0, (n, 1)) * t
            last = first + rng.uniform(0.1, 1.0, (n, 1)) * t
            lost = (rng.random((n, 1)) < c.drop_hand) & (np.arange(t) >= first) & (np.arange(t) < last)
            lost |= rng.random((n, t)) < c.drop_frames
            lost |= np.abs(windows[:, :, hand, X]).mean(axis=-1) > half
            windows[:, :, hand][lost] = 0.0
