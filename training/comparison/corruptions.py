"""Image corruptions to measure robustness with: motion blur, low light, overexposure. Stacks are (T, H, W, 3) uint8."""

import numpy as np
from numpy.typing import NDArray

Frames = NDArray[np.uint8]


def motion_blur(frames: Frames, pixels: int) -> Frames:
    """Smear every frame over `pixels` columns, as a sideways movement does during the exposure.

    Raises:
        ValueError: `pixels` is below 1.
    """
    if pixels < 1:
        raise ValueError(f"motion blur needs 1 pixel or more, got {pixels}")
    before = (pixels - 1) // 2
    after = pixels // 2
    padded = np.pad(frames.astype(np.float32), ((0, 0), (0, 0), (before, after), (0, 0)), mode="edge")
    width = frames.shape[2]
    mean = sum(padded[:, :, shift : shift + width] for shift in range(pixels)) / pixels
    return _pixels(np.asarray(mean))


def low_light(frames: Frames, light: float, noise: float = 6.0) -> Frames:
    """Dim to a share `light` of the light, with a sensor's noise in the dark (standard deviation in grey levels).

    The noise is the same for stacks of the same shape, so that every model sees the same pictures.
    """
    rng = np.random.default_rng(0)
    dim = frames.astype(np.float32) * light
    return _pixels(dim + rng.normal(0.0, noise, frames.shape).astype(np.float32))


def overexpose(frames: Frames, stops: float) -> Frames:
    """Expose `stops` photographic stops too long: each doubles the light, and what is above white is lost.

    The doubling happens in linear light, as in a camera, with the usual gamma of 2.2.
    """
    linear = (frames.astype(np.float32) / 255.0) ** 2.2 * 2.0**stops
    return _pixels(255.0 * np.minimum(linear, 1.0) ** (1 / 2.2))


def _pixels(values: NDArray[np.float32]) -> Frames:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
