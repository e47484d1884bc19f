"""The rule-based segmenter: a causal state machine finds where signs start and end in a stream of keypoints.

A sign lasts from the moment a hand is raised to the moment both have been lowered for a while. Two thresholds of height
(hysteresis) keep a hand near the line from starting and ending signs at every frame. Hands that stay up yet do not move
end a sign too; the next one then starts with motion.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from glosscast.activity import ActivityMeter, RestWatch


class SegmenterSettings(BaseModel):
    """Thresholds; part of the bundle manifest. Heights in shoulder widths below the shoulders."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enter_height: float = Field(description="a wrist above this is raised")
    leave_height: float = Field(description="a wrist below this is lowered; at least enter_height")
    enter_ms: float = Field(ge=0, description="a hand must be raised this long to start a sign")
    leave_ms: float = Field(ge=0, description="hands must be lowered this long to end one")
    still_speed: float = Field(ge=0, description="wrist speed, shoulder widths per second, under which a hand is still")
    still_ms: float = Field(gt=0, description="raised hands still for this long, or a pause in the stream, end a sign")
    max_ms: float = Field(gt=0, description="a longer sign is ended and another begun")
    follow_ms: float = Field(gt=0, description="time constant with which the shoulder line is followed")
    visible: float = Field(ge=0, le=1, description="pose visibility from which a wrist without a hand counts as seen")

    @model_validator(mode="after")
    def _hysteresis(self) -> "SegmenterSettings":
        if self.leave_height < self.enter_height:
            raise ValueError(f"leave_height {self.leave_height} is less than enter_height {self.enter_height}")
        return self


@dataclass(frozen=True)
class Segment:
    """A stretch of signing.

    Attributes:
        index: 0, 1, 2 … within the stream.
        start_ms: time of the first frame with a raised hand.
        end_ms: time of the last one so far.
        closed: whether the sign has ended.
        rested: whether the hands were at rest between the segment before and this one.
    """

    index: int
    start_ms: float
    end_ms: float
    closed: bool
    rested: bool


class _State(Enum):
    IDLE = "idle"
    RAISED = "raised"  # a hand is up, not yet long enough
    SIGNING = "signing"
    HELD = "held"  # a sign ended with hands still up; waits for motion or for lowering


class Segmenter:
    """Push frames in order of time; learn of a segment when it starts, as it grows and when it closes."""

    def __init__(self, settings: SegmenterSettings) -> None:
        self.settings = settings
        self._activity = ActivityMeter(settings.follow_ms, settings.visible)
        self._state = _State.IDLE
        self._index = 0
        self._now = self._start = self._last_up = self._last_moving = 0.0
        self._rest = RestWatch(settings.enter_height, settings.leave_height, settings.leave_ms)
        self._after_rest = True  # whether the current segment began after a rest

    def push(self, t_ms: float, keypoints: NDArray[np.float32]) -> Segment | None:
        """Take one frame (171, 4), x already in units of frame height.

        Returns:
            The current segment, open or just closed, or None where nobody is signing.
        """
        activity = self._activity.measure(t_ms, keypoints)
        line = self.settings.enter_height if self._state is _State.IDLE else self.settings.leave_height
        up = activity.height < line
        moving = activity.speed >= self.settings.still_speed
        lowered = not up and t_ms - self._last_up >= self.settings.leave_ms
        paused = t_ms - self._now >= self.settings.still_ms  # the camera stopped; the next frames are of another sign
        self._now = t_ms
        self._rest.push(t_ms, activity.height, signing=self._state is _State.SIGNING)
        if paused:
            self._rest.lose()
            if self._state is _State.SIGNING:
                return self._close(_State.IDLE)
            self._state = _State.IDLE
        if up:
            self._last_up = t_ms
        if moving:
            self._last_moving = t_ms
        if self._state is _State.SIGNING:
            return self._while_signing(t_ms, lowered)
        if not self._begins(t_ms, up, moving, lowered):
            return None
        self._after_rest = self._rest.take()
        return self._segment(closed=False)

    def _begins(self, t_ms: float, up: bool, moving: bool, lowered: bool) -> bool:
        """Whether a sign begins: a hand has been up for long enough, and was not just held still after another sign."""
        if self._state is _State.RAISED:
            if not up:
                self._state = _State.IDLE
            elif t_ms - self._start >= self.settings.enter_ms:
                self._state = _State.SIGNING
                return True
        elif up and (self._state is _State.IDLE or moving):
            self._state = _State.RAISED
            self._start = t_ms
            self._last_moving = t_ms
        elif lowered:
            self._state = _State.IDLE
        return False

    def _while_signing(self, t_ms: float, lowered: bool) -> Segment:
        """The open segment, or the same one closed."""
        if lowered or t_ms - self._start >= self.settings.max_ms:
            return self._close(_State.IDLE)
        if t_ms - self._last_moving >= self.settings.still_ms:
            return self._close(_State.HELD)
        return self._segment(closed=False)

    def finish(self) -> Segment | None:
        """Close the open segment: the stream has ended, or the client asks for it."""
        if self._state is not _State.SIGNING:
            return None
        return self._close(_State.HELD)

    def _segment(self, closed: bool) -> Segment:
        return Segment(self._index, self._start, self._last_up, closed, self._after_rest)

    def _close(self, state: _State) -> Segment:
        segment = self._segment(closed=True)
        self._state = state
        self._index += 1
        return segment
