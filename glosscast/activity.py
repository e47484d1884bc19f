"""Measures of signing in a frame: the wrists' height against the shoulders, and their speed.

They are computed for every frame of every stream, in plain numbers: for so few, numpy's calls take five times as long.
"""

from dataclasses import dataclass
from math import exp, hypot, inf
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import HAND_WRIST, LEFT_HAND, RIGHT_HAND, SHOULDERS, Pose


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
        self._raised_ms = -inf
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


class Place(NamedTuple):
    """Where a signer is: the middle (x, y) between the shoulders and the shoulder width, in units of frame height."""

    x: float
    y: float
    width: float

    def of(self, x: float, y: float) -> tuple[float, float]:
        """A point, in shoulder widths from the middle."""
        return (x - self.x) / self.width, (y - self.y) / self.width


class ShoulderLine:
    """Mid-shoulder point and shoulder width of a signer, followed slowly.

    Args:
        follow_ms: time constant; a glitch of one frame moves nothing far.
    """

    def __init__(self, follow_ms: float) -> None:
        self._follow_ms = follow_ms
        self._followed_ms = 0.0
        self._place: Place | None = None

    def place(self, t_ms: float, keypoints: NDArray[np.float32]) -> Place | None:
        """The line after a frame (171, 4), x in units of frame height; None as long as no shoulders have been seen."""
        (left_x, left_y, _, left), (right_x, right_y, _, right) = keypoints[SHOULDERS].tolist()
        if left > 0 and right > 0:
            width = hypot(left_x - right_x, left_y - right_y)
            self._follow(t_ms, Place((left_x + right_x) / 2, (left_y + right_y) / 2, width))
        return None if self._place is None or self._place.width < 1e-4 else self._place

    def _follow(self, t_ms: float, now: Place) -> None:
        """Move the line by the time that has passed, so that it keeps up alike at 10 and at 60 frames a second."""
        before = self._place
        if before is None:
            self._place = now
        else:
            share = 1.0 - exp(-(t_ms - self._followed_ms) / self._follow_ms)
            self._place = Place(*(old + share * (new - old) for old, new in zip(before, now, strict=True)))
        self._followed_ms = t_ms


class ActivityMeter:
    """Wrist height and speed against a slowly following shoulder line."""

    def __init__(self, follow_ms: float, visible: float) -> None:
        self._line = ShoulderLine(follow_ms)
        self._visible = visible
        self._wrists: dict[int, tuple[float, float, float]] = {}

    def measure(self, t_ms: float, keypoints: NDArray[np.float32]) -> Activity:
        """Activity of one frame (171, 4), x in units of frame height."""
        line = self._line.place(t_ms, keypoints)
        if line is None:
            return Activity(inf, 0.0)
        height = inf
        speed = 0.0
        for side, hand in ((Pose.LEFT_WRIST, LEFT_HAND), (Pose.RIGHT_WRIST, RIGHT_HAND)):
            wrist = self._wrist(keypoints, side, hand)
            if wrist is None:
                self._wrists.pop(side, None)
                continue
            x, y = line.of(*wrist)
            height = min(height, y)
            if side in self._wrists:
                before_ms, before_x, before_y = self._wrists[side]
                speed = max(speed, hypot(x - before_x, y - before_y) / max((t_ms - before_ms) / 1000.0, 1e-3))
            self._wrists[side] = (t_ms, x, y)
        return Activity(height, speed)

    def _wrist(self, keypoints: NDArray[np.float32], side: Pose, hand: slice) -> tuple[float, float] | None:
        """(x, y) of a wrist from the hand model where it saw a hand, else from the pose where it is sure."""
        x, y, _, presence = keypoints[hand.start + HAND_WRIST].tolist()
        if presence > 0:
            return x, y
        x, y, _, visibility = keypoints[side].tolist()
        return (x, y) if visibility >= self._visible else None
