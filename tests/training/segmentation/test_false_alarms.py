"""Reported signs are counted with a decoder that follows a script."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from glosscast.clip import Clip
from glosscast.decoding import SignEvent
from glosscast.keypoints import CHANNELS, POINTS
from training.data.sentences import Sentence, Sign
from training.segmentation.false_alarms import FalseAlarms, count_detections, count_false_alarms, poisson_bounds

VOCABULARY = ("hello", "thanks", "no sign")


@dataclass
class Script:
    """Stands in for a decoder: reports (gloss, from, to) once the stream has come that far."""

    lines: list[tuple[str, float, float]]
    suppressed: bool = False
    reported: list[int] = field(default_factory=list)

    def push(self, t_ms: float, keypoints: object, aspect: float) -> list[SignEvent]:
        due = [i for i, line in enumerate(self.lines) if line[2] <= t_ms and i not in self.reported]
        self.reported += due
        return [self.event(i) for i in due]

    def finish(self) -> list[SignEvent]:
        return []

    def event(self, number: int) -> SignEvent:
        gloss, start, end = self.lines[number]
        probabilities = np.eye(3, dtype=np.float32)[VOCABULARY.index(gloss)]
        return SignEvent(
            "final", number, start, end, probabilities=probabilities, reason="unsure" if self.suppressed else None
        )


@dataclass
class Scripted:
    """Stands in for a pipeline."""

    lines: list[tuple[str, float, float]]
    suppressed: bool = False

    def decoder(self, interim: bool) -> Script:
        return Script(self.lines, self.suppressed)


def stream(*signs: Sign, seconds: float = 10.0) -> Sentence:
    t_ms = np.arange(int(seconds * 16) + 1) * 62.5
    return Sentence(Clip(t_ms, np.zeros((len(t_ms), POINTS, CHANNELS), np.float32), 1.0), signs, "ann")


@pytest.mark.parametrize(
    ("lines", "counted"),
    [
        ([("hello", 1000, 2000)], "right"),
        ([("hello", 1000, 1500), ("no sign", 1500, 2000)], "right"),
        ([("hello", 1000, 1500), ("hello", 1500, 2000)], "repeated"),
        ([("thanks", 1000, 2000)], "wrong"),
        ([("hello", 1000, 1500), ("thanks", 1500, 2000)], "wrong"),
        ([("no sign", 1000, 2000)], "missed"),
        ([], "missed"),
        ([("hello", 1000, 2000), ("thanks", 6000, 7000)], "stray"),
    ],
)
def test_reports_of_one_sign_are_counted(lines: list[tuple[str, float, float]], counted: str) -> None:
    signed = stream(Sign("hello", 1000.0, 2000.0))
    counts = count_detections([signed], Scripted(lines), VOCABULARY, "no sign")  # type: ignore[arg-type]
    wanted = {"right": 0, "missed": 0, "wrong": 0, "repeated": 0, "stray": 0}
    wanted[counted] = 1
    if counted == "stray":
        wanted["right"] = 1
    assert counts.model_dump() == {"signs": 1, **wanted}


def test_false_alarms_are_glosses_that_are_reported() -> None:
    def alarms(suppressed: bool) -> FalseAlarms:
        lines = [("hello", 1000.0, 2000.0), ("no sign", 3000.0, 4000.0)]
        pipeline = Scripted(lines, suppressed)
        return count_false_alarms([stream(), stream()], pipeline, VOCABULARY, "no sign")  # type: ignore[arg-type]

    assert alarms(suppressed=False).glosses == {"hello": 2}
    assert alarms(suppressed=False).per_hour == pytest.approx(2 / (20 / 3600))
    assert alarms(suppressed=True).told == 0


def test_bounds_are_those_of_the_tables() -> None:
    """Garwood's 95 % interval, as tables of the Poisson distribution give it."""
    for count, low, high in ((0, 0.0, 3.689), (1, 0.0253, 5.572), (3, 0.619, 8.767), (10, 4.795, 18.390)):
        assert poisson_bounds(count) == pytest.approx((low, high), abs=1e-3)
    assert FalseAlarms(hours=2.0, told=1, glosses={"hello": 1}).bounds == pytest.approx((0.0127, 2.786), abs=1e-3)
