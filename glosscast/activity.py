"""Measures of signing in a frame: the wrists' height against the shoulders, and their speed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import HAND_WRIST, LEFT_HAND, PRESENCE, RIGHT_HAND, SHOULDERS, Pose


@dataclass(frozen=True)
class Activity:
    """Signing in one frame: the height of the higher wrist (inf: no hand seen) and the speed of the faster one."""

    height: float
    speed: float


class RestWatch:
    """Whether the hands have been at rest since a sign: unseen, or no longer raised, for a while.

    Args:
        enter_height: a wrist above this is raised while nobody signs; in shoulder widths below the shoulders.
        leave_height: a wrist above this is raised while somebody signs.
        rest_ms: how long a rest takes.
    """

    def __init__(self, enter_height: float, leave_height: float, rest_ms: float) -> None:
        self._enter_height = enter_height
        self._leave_height = leave_height
        self._rest_ms = rest_ms
        self._raised_ms = -np.inf
        self._rested = True

    def push(self, t_ms: float, height: float, signing: bool) -> None:
        """Take one frame's time, the height of the higher wrist, and whether a sign is under way."""
        if height < (self._leave_height if signing else self._enter_height):
            self._raised_ms = t_ms
        self._rested |= t_ms - self._raised_ms >= self._rest_ms

    def lose(self) -> None:
        """Count a long pause of the stream as a rest, since the hands were not seen meanwhile."""
        self._rested = True

    def take(self) -> bool:
        """Whether the hands have rested since the last sign began; call it where a sign begins."""
        rested = self._rested
        self._rested = False
        return rested


class ShoulderLine:
    """Mid-shoulder point and shoulder width of a signer, followed slowly.

    Args:
        follow_ms: time constant; a glitch of one frame moves nothing far.
    """

    def __init__(self, follow_ms: float) -> None:
        self._follow_ms = follow_ms
        self._followed_ms = 0.0
        self._middle: NDArray[np.float64] | None = None
        self._width = 0.0

    def place(self, t_ms: float, keypoints: NDArray[np.float32]) -> tuple[NDArray[np.float64], float] | None:
        """The line's middle (2,) and width after one frame (171, 4), x in units of frame height.

        Returns:
            None as long as no shoulders have been seen.
        """
        shoulders = keypoints[SHOULDERS].astype(np.float64)
        if (shoulders[:, PRESENCE] > 0).all():
            self._follow(t_ms, shoulders[:, :2])
        return None if self._middle is None or self._width < 1e-4 else (self._middle, self._width)

    def _follow(self, t_ms: float, shoulders: NDArray[np.float64]) -> None:
        """Move the line by the time that has passed, so that it keeps up alike at 10 and at 60 frames a second."""
        middle = shoulders.mean(0)
        width = float(np.linalg.norm(shoulders[0] - shoulders[1]))
        if self._middle is None:
            self._middle = middle
            self._width = width
        else:
            share = 1.0 - np.exp(-(t_ms - self._followed_ms) / self._follow_ms)
            self._middle = self._middle + share * (middle - self._middle)
            self._width += share * (width - self._width)
        self._followed_ms = t_ms


class ActivityMeter:
    """Wrist height and speed against a slowly following shoulder line."""

    def __init__(self, follow_ms: float, visible: float) -> None:
        self._line = ShoulderLine(follow_ms)
        self._visible = visible
        self._wrists: dict[int, tuple[float, NDArray[np.float64]]] = {}

    def measure(self, t_ms: float, keypoints: NDArray[np.float32]) -> Activity:
        """Activity of one frame (171, 4), x in units of frame height."""
        line = self._line.place(t_ms, keypoints)
        if line is None:
            return Activity(np.inf, 0.0)
        middle, shoulder_width = line
        height = np.inf
        speed = 0.0
        for side, hand in ((Pose.LEFT_WRIST, LEFT_HAND), (Pose.RIGHT_WRIST, RIGHT_HAND)):
            wrist = self._wrist(keypoints, side, hand)
            if wrist is None:
                self._wrists.pop(side, None)
                continue
            place = (wrist - middle) / shoulder_width
            height = min(height, float(place[1]))
            if side in self._wrists:
                before_ms, before = self._wrists[side]
                moved = float(np.linalg.norm(place - before))
                speed = max(speed, moved / max((t_ms - before_ms) / 1000.0, 1e-3))
            self._wrists[side] = (t_ms, place)
        return Activity(height, speed)

    def _wrist(self, keypoints: NDArray[np.float32], side: Pose, hand: slice) -> NDArray[np.float64] | None:
        """(x, y) of a wrist from the hand model where it saw a hand, else from the pose where it is sure."""
        points = keypoints[hand]
        if points[HAND_WRIST, PRESENCE] > 0:
            return points[HAND_WRIST, :2].astype(np.float64)
        if keypoints[side, PRESENCE] >= self._visible:
            return keypoints[side, :2].astype(np.float64)
        return None
