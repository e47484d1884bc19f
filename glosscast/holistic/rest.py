"""Whether the hands of the signer rest."""

import numpy as np

from glosscast.holistic.hands import SIDES, WRISTS, Hands
from glosscast.holistic.movement import shoulders
from glosscast.holistic.region import Points

# Half a second at 16 frames a second; shorter rests belong to the sign, and after longer ones little more is saved.
REST_FRAMES = 8
LOWERED = 1.2  # shoulder widths below the shoulders, as of the embedded bundle's rule of where signs end
SLOW = 0.06  # shoulder widths a frame, about one a second; below it the pose of a resting hand trembles


class HandRest:
    """Counts the frames for which both hands have been lowered and slow."""

    def __init__(self) -> None:
        self._frames = 0
        self._wrists: Points | None = None

    @property
    def lasts(self) -> bool:
        """Whether the hands have been at rest for half a second."""
        return self._frames >= REST_FRAMES

    def push(self, pose: Points, hands: Hands, frames: int) -> bool:
        """Take a frame that was looked at.

        Args:
            pose: (33, 3), pixels.
            hands: as far as they are seen.
            frames: 1, or more where frames before it were not looked at.

        Returns:
            Whether the hands are at rest in this frame.
        """
        _, width = shoulders(pose)
        before, self._wrists = self._wrists, pose[WRISTS, :2]
        slow = before is not None and np.linalg.norm(self._wrists - before, axis=1).max() <= SLOW * width * frames
        rests = bool(slow) and _lowered(pose, hands)
        self._frames = self._frames + frames if rests else 0
        return rests


def _lowered(pose: Points, hands: Hands) -> bool:
    """Whether both wrists are well below the shoulders, by the pose (33, 3) and by the hands that are seen."""
    middle, width = shoulders(pose)
    wrists = [pose[WRISTS[side]] for side in SIDES]
    wrists += [hand.points[0] for hand in hands if hand is not None]
    return bool(min(wrist[1] for wrist in wrists) > middle[1] + LOWERED * width)
