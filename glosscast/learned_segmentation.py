"""The learned segmenter: a small network, trained on joined clips, finds where signs start and end.

The same interface as the rule in `glosscast.segmentation`, and the same limits: a longest sign, and none across a
pause. Other than the rule it tells signs apart that follow each other with the hands up. Hands that the rule calls
lowered end a sign here too and begin none, since the network has seen few of the many ways in which hands can rest.
"""

from dataclasses import dataclass
from math import inf

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from glosscast.activity import ActivityMeter, RestWatch
from glosscast.segmentation import Segment, SegmenterSettings
from glosscast.tagger import BEGIN, OUTSIDE, PAUSE_MS, Tagged, Tagger, Weights


class TaggerSettings(BaseModel):
    """The thresholds by which tags become segments; part of the bundle manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    enter: float = Field(gt=0, lt=1, description="probability of being in a sign from which one starts")
    leave: float = Field(gt=0, lt=1, description="probability of being in a sign below which it ends; at most enter")
    begin: float = Field(gt=0, lt=1, description="probability of a sign's start that splits a running one")
    min_ms: float = Field(ge=0, description="a sign that ends or is split is at least this long")
    repeat_ms: float = Field(ge=0, description="raised hands that are in no sign for this long have rested")

    @model_validator(mode="after")
    def _hysteresis(self) -> "TaggerSettings":
        if self.leave > self.enter:
            raise ValueError(f"leave {self.leave} is more than enter {self.enter}")
        return self


@dataclass(frozen=True, eq=False)
class Tagging:
    """The tagger of a bundle."""

    settings: TaggerSettings
    weights: Weights


class LearnedSegmenter:
    """Push frames in order of time; learn of a segment when it starts, as it grows and when it closes.

    Args:
        settings: the limits that it shares with the rule.
        tagging: the network, and how its tags become segments.
    """

    def __init__(self, settings: SegmenterSettings, tagging: Tagging) -> None:
        self.settings = settings
        self.tagging = tagging.settings
        self._tagger = Tagger(tagging.weights, settings.follow_ms, settings.visible)
        self._activity = ActivityMeter(settings.follow_ms, settings.visible)
        self._up_ms = -inf  # when a hand was last up
        self._index = 0
        self._now_ms = 0.0
        self._start_ms: float | None = None
        self._end_ms = 0.0  # of the current segment, or of the last one
        self._rest = RestWatch(settings.enter_height, settings.leave_height, settings.leave_ms)
        self._after_rest = True  # whether the current segment began after a rest
        self._waiting: list[Tagged] = []

    def push(self, t_ms: float, keypoints: NDArray[np.float32]) -> Segment | None:
        """Take one frame (171, 4), x already in units of frame height.

        Returns:
            The current segment, open or just closed, or None where nobody is signing.
        """
        paused = t_ms - self._now_ms > PAUSE_MS
        self._now_ms = t_ms
        self._waiting += self._tagger.push(t_ms, keypoints)
        height = self._activity.measure(t_ms, keypoints).height
        self._rest.push(t_ms, height, signing=self._start_ms is not None)
        if height < self.settings.leave_height:
            self._up_ms = t_ms
        if t_ms - self._up_ms >= self.settings.leave_ms:
            self._waiting.clear()
            return None if self._start_ms is None else self._close()
        if paused and self._start_ms is not None:
            self._waiting.clear()
            return self._close()
        while self._waiting:
            if self._start_ms is None:
                self._perhaps_begin(self._waiting.pop(0))
            elif (closed := self._perhaps_end()) is not None:
                return closed  # waiting tags are read with the next frame, since a call returns one segment
        return None if self._start_ms is None else self._segment(self._start_ms, closed=False)

    def finish(self) -> Segment | None:
        """Close the open segment: the stream has ended, or the client asks for it."""
        self._waiting.clear()
        return None if self._start_ms is None else self._close()

    def _perhaps_begin(self, tagged: Tagged) -> None:
        if self._up_ms == self._now_ms and 1.0 - tagged.probabilities[OUTSIDE] >= self.tagging.enter:
            self._after_rest = self._rest.take() or tagged.t_ms - self._end_ms >= self.tagging.repeat_ms
            self._start_ms = self._end_ms = tagged.t_ms

    def _perhaps_end(self) -> Segment | None:
        """The open segment closed, if the next tag ends it; a tag that begins the next sign stays waiting."""
        assert self._start_ms is not None
        tagged = self._waiting[0]
        length = tagged.t_ms - self._start_ms
        if tagged.probabilities[BEGIN] >= self.tagging.begin and length >= self.tagging.min_ms:
            return self._close()
        self._waiting.pop(0)
        inside = 1.0 - tagged.probabilities[OUTSIDE]
        if length >= self.settings.max_ms or (inside < self.tagging.leave and length >= self.tagging.min_ms):
            return self._close()
        if inside >= self.tagging.leave:
            self._end_ms = tagged.t_ms
        return None

    def _segment(self, start_ms: float, closed: bool) -> Segment:
        return Segment(self._index, start_ms, self._end_ms, closed, self._after_rest)

    def _close(self) -> Segment:
        assert self._start_ms is not None
        self._end_ms = max(min(self._end_ms, self._up_ms), self._start_ms)
        segment = self._segment(self._start_ms, closed=True)
        self._start_ms = None
        self._index += 1
        return segment
