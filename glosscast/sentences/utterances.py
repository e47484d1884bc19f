"""Where utterances begin and end: from a raised hand to a rest of both."""

import numpy as np
from numpy.typing import NDArray

from glosscast.activity import ActivityMeter
from glosscast.segmentation import SegmenterSettings


class UtteranceWatch:
    """Push frames in order of time; learn whether somebody is signing.

    Args:
        settings: how high a raised hand is, and for how long it must be raised.
        pause_ms: hands that rest or are not seen for this long end an utterance.
    """

    def __init__(self, settings: SegmenterSettings, pause_ms: float) -> None:
        self._settings = settings
        self._pause_ms = pause_ms
        self._activity = ActivityMeter(settings.follow_ms, settings.visible)
        self._up_ms = 0.0  # when a hand was last raised
        self._signing = False
        self.raised_ms: float | None = None  # since when a hand has been raised, or when the utterance began

    def push(self, t_ms: float, keypoints: NDArray[np.float32]) -> bool:
        """Take one frame (171, 4), x in units of frame height; whether an utterance is under way with it."""
        height = self._activity.measure(t_ms, keypoints).height
        if height < (self._settings.leave_height if self._signing else self._settings.enter_height):
            self._up_ms = t_ms
            if self.raised_ms is None:
                self.raised_ms = t_ms
            self._signing |= t_ms - self.raised_ms >= self._settings.enter_ms
        elif not self._signing or t_ms - self._up_ms >= self._pause_ms:
            self.end()
        return self._signing

    def end(self) -> None:
        """The utterance is over; another begins when a hand is seen raised for long enough from here on."""
        self._signing = False
        self.raised_ms = None
