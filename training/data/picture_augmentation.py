"""Augmentation of pictures: what differs between cameras and framings. All pictures of a clip are changed alike."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from training.config import AugmentationConfig

GREY = np.array([0.299, 0.587, 0.114], np.float32)  # luma of RGB, as in JPEG


class PixelAugmentation:
    """Changes a batch of clips' pictures at random; mirroring is decided by whoever mirrors the keypoints."""

    def __init__(self, config: AugmentationConfig) -> None:
        self.config = config

    def __call__(
        self, clips: Sequence[NDArray[np.uint8]], mirrored: NDArray[np.bool_], rngs: Sequence[np.random.Generator]
    ) -> NDArray[np.uint8]:
        """Pictures (B, T, size, size, 3) uint8 of B clips (T, size, size, 3), mirrored where `mirrored` (B,) says.

        Each clip has a generator of its own, so that its draws are the same whatever share of a batch it comes with.
        """
        drawn = zip(clips, mirrored, rngs, strict=True)
        return np.stack([self._change(frames, bool(flip), rng) for frames, flip, rng in drawn])

    def _change(self, frames: NDArray[np.uint8], flip: bool, rng: np.random.Generator) -> NDArray[np.uint8]:
        moved = self._move(frames, flip, rng).astype(np.float32)
        c = self.config
        grey = moved @ GREY
        moved = grey[..., None] + (moved - grey[..., None]) * _factor(c.saturation, rng)
        mean = grey.mean()
        moved = (mean + (moved - mean) * _factor(c.contrast, rng)) * _factor(c.brightness, rng)
        return np.asarray(moved.round().clip(0, 255), np.uint8)

    def _move(self, frames: NDArray[np.uint8], flip: bool, rng: np.random.Generator) -> NDArray[np.uint8]:
        """Turn, scale and shift about the centre, then mirror; where the picture ends its border goes on."""
        c = self.config
        size = frames.shape[1]
        centre = (size - 1) / 2
        scale = float(np.exp(rng.uniform(-c.frame_scale, c.frame_scale)))
        angle = rng.uniform(-c.frame_rotation, c.frame_rotation)
        matrix = np.asarray(cv2.getRotationMatrix2D((centre, centre), angle, scale), np.float64)
        matrix[:, 2] += rng.uniform(-c.frame_shift, c.frame_shift, 2) * size
        if flip:
            matrix[0] *= -1
            matrix[0, 2] += size - 1
        moved = [cv2.warpAffine(frame, matrix, (size, size), borderMode=cv2.BORDER_REPLICATE) for frame in frames]
        return np.asarray(np.stack(moved), np.uint8)


def _factor(strength: float, rng: np.random.Generator) -> float:
    return float(rng.uniform(1 - strength, 1 + strength))
