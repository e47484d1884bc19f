"""How well a segmenter finds signs in streams, and what is then read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from glosscast.clip import ClipSpec
from glosscast.decoding import Classify, Decoder
from training.sentences import Sentence, Sign
from training.wer import ErrorRate, error_rate

IOU = 0.5


@dataclass(frozen=True)
class Found:
    """A sign that was found: its times, the time of the frame with which its final came, and what it was read as."""

    start_ms: float
    end_ms: float
    told_ms: float
    gloss: str


class SegmentScores(BaseModel):
    """Figures over streams.

    Attributes:
        precision, recall, f1: of segments that share at least half of their union with a sign, one to one.
        rate: gloss error with its three parts, finals of "no sign" left out.
        delay_ms: from the end of a found sign to its final, by the stream's clock: median and 95th percentile.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    streams: int
    signs: int
    precision: float
    recall: float
    f1: float
    rate: ErrorRate
    delay_ms: tuple[float, float]


def overlap(sign: Sign, found: Found) -> float:
    """Intersection over union of two stretches of time."""
    shared = min(sign.end_ms, found.end_ms) - max(sign.start_ms, found.start_ms)
    union = max(sign.end_ms, found.end_ms) - min(sign.start_ms, found.start_ms)
    return max(shared, 0.0) / union if union > 0 else 0.0


def matched(signs: Sequence[Sign], found: Sequence[Found]) -> list[tuple[Sign, Found]]:
    """Pairs with an overlap of at least `IOU`, one to one; above a half no other assignment is possible."""
    pairs = []
    free = list(found)
    for sign in signs:
        best = max(free, key=lambda f: overlap(sign, f), default=None)
        if best is not None and overlap(sign, best) >= IOU:
            free.remove(best)
            pairs.append((sign, best))
    return pairs


def watch(stream: Sentence, decoder: Decoder, vocabulary: Sequence[str]) -> list[Found]:
    """All finals of a stream, each with the time of the frame that brought it."""
    found = []
    clip = stream.clip
    for t_ms, keypoints in zip(clip.t_ms, clip.keypoints, strict=True):
        events = decoder.push(float(t_ms), keypoints, clip.aspect)
        found += [_found(e.start_ms, e.end_ms, float(t_ms), e.probabilities, vocabulary) for e in events if e.kind == "final"]
    last = float(clip.t_ms[-1])
    found += [_found(e.start_ms, e.end_ms, last, e.probabilities, vocabulary) for e in decoder.finish() if e.kind == "final"]
    return found


def _found(start: float, end: float, told: float, probabilities: object, vocabulary: Sequence[str]) -> Found:
    return Found(start, end, told, vocabulary[int(np.argmax(probabilities))])  # type: ignore[call-overload]
