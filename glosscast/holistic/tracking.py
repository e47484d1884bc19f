"""The tracker: it follows a signer from frame to frame. Each stream has its own, of whichever extractor.

A tracker belongs to one stream at a time and forgets everything before the next. Its smoothing takes every frame to be
33 ms after the one before, whatever the camera's rate.
"""

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from glosscast.video import MIN_SIDE_PX, RGB


class Tracker(Protocol):
    """Follows one signer through the frames of one stream. Not for two threads at once.

    Attributes:
        broken: something failed or the tracker was closed; nothing more comes from it.
        people: in view of the last frame, as far as they were counted: not in every frame, and an extractor that cannot
            tell says 1 at most.
    """

    broken: bool
    people: int

    def track(self, rgb: RGB) -> NDArray[np.float32]:
        """Keypoints of the stream's next frame.

        Args:
            rgb: (H, W, 3) uint8, at least 16 px a side.

        Returns:
            (171, 4) float32 in image coordinates 0..1, see `glosscast.keypoints`; zeros with nobody in view.

        Raises:
            ValueError: `rgb` is no such array. The tracker stays as it was.
            RuntimeError: the tracker is broken, now or before.
        """
        ...

    def reset(self) -> None:
        """Forget the stream: the next frame is treated as a new tracker would treat it, bit for bit."""
        ...

    def close(self) -> None:
        """Let go of everything. A second call does nothing."""
        ...


def checked(rgb: RGB) -> RGB:
    """A frame that a tracker can work on, contiguous.

    Raises:
        ValueError: it is not (H, W, 3) uint8, 16 px or more a side.
    """
    if rgb.ndim != 3 or rgb.shape[2] != 3 or rgb.dtype != np.uint8 or min(rgb.shape[:2]) < MIN_SIDE_PX:
        raise ValueError(f"a frame is (H, W, 3) uint8, 16 px or more a side; got {rgb.shape} {rgb.dtype}")
    return np.ascontiguousarray(rgb)
