"""Counts a stream's frames and limits its warnings, so that a flood of bad frames is no flood of messages."""

from collections.abc import Callable
from time import monotonic
from typing import Literal

from service.observe.metrics import Metrics
from service.protocol.messages import Error, Input, StreamWarning, Summary, WarningCode
from service.protocol.wire import FrameFault

REPEAT_S = 1.0  # between two warnings, or two errors of one code

DropReason = Literal["too_fast", "queue_full", "rate_lowered"]
WARNINGS: dict[DropReason, WarningCode] = {
    "too_fast": "frames_dropped",
    "queue_full": "frames_dropped",
    "rate_lowered": "rate_lowered",
}


class Tally:
    """Counts the frames of one stream, and makes warnings and errors about those left out.

    Args:
        metrics: counted as well.
        clock: seconds.
    """

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._began_s = clock()
        self._frames = self._dropped = self._faulty = 0
        self._unreported = dict.fromkeys(WARNINGS.values(), 0)
        self._sent_s: dict[str, float] = {}

    @property
    def age_s(self) -> float:
        """Time since the stream began, in s."""
        return self._clock() - self._began_s

    def received(self, kind: Input) -> None:
        """Count a frame."""
        self._frames += 1
        self._metrics.frames_received.labels(kind).inc()

    def dropped(self, reason: DropReason) -> None:
        """Count a frame that was left out because it came faster than it could be read."""
        self._dropped += 1
        self._unreported[WARNINGS[reason]] += 1
        self._metrics.frames_dropped.labels(reason).inc()

    def faulty(self, fault: FrameFault) -> list[Error]:
        """Count a frame that cannot be used; the error to send, if one is due."""
        self._faulty += 1
        self._metrics.frames_dropped.labels("faulty").inc()
        if not self._due(fault.code):
            return []
        return [Error(code=fault.code, message=fault.message, retryable=True)]

    def warning(self, at_once: bool = False) -> list[StreamWarning]:
        """The warnings of frames left out that are due, one for each code; `at_once` where the stream ends."""
        due = [code for code, count in self._unreported.items() if count and (at_once or self._due(code))]
        warnings = [StreamWarning(code=code, count=self._unreported[code]) for code in due]
        self._unreported.update(dict.fromkeys(due, 0))
        return warnings

    def summary(self, signs: int) -> Summary:
        """All counts."""
        return Summary(
            duration_ms=round(self.age_s * 1000),
            frames=self._frames,
            dropped=self._dropped,
            faulty=self._faulty,
            signs=signs,
        )

    def _due(self, code: str) -> bool:
        now_s = self._clock()
        if now_s - self._sent_s.get(code, -REPEAT_S) < REPEAT_S:
            return False
        self._sent_s[code] = now_s
        return True
