"""How well a segmenter finds signs in streams, and how well they are then read."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict

from glosscast.decoding import Decoder, Pipeline, SignEvent
from glosscast.sentences.decoder import SentenceDecoder
from training.data.sentences import Sentence, Sign
from training.evaluation.wer import ErrorRate, error_rate

IOU = 0.5


@dataclass(frozen=True)
class FoundSign:
    """A sign that was found.

    Attributes:
        start_ms, end_ms: where it lies, in the stream's time.
        reported_ms: time of the frame with which its final came.
        gloss: its gloss; None where it is not reported.
        confidence: of that gloss, 0 to 1.
    """

    start_ms: float
    end_ms: float
    reported_ms: float
    gloss: str | None
    confidence: float


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


def overlap(sign: Sign, found: FoundSign) -> float:
    """Intersection over union of two stretches of time."""
    shared = min(sign.end_ms, found.end_ms) - max(sign.start_ms, found.start_ms)
    union = max(sign.end_ms, found.end_ms) - min(sign.start_ms, found.start_ms)
    return max(shared, 0.0) / union if union > 0 else 0.0


def matched(signs: Sequence[Sign], found: Sequence[FoundSign]) -> list[tuple[Sign, FoundSign]]:
    """Pairs with an overlap of at least `IOU`, one to one; above a half no other assignment is possible."""
    pairs = []
    free = list(found)
    for sign in signs:
        best = max(free, key=lambda f: overlap(sign, f), default=None)
        if best is not None and overlap(sign, best) >= IOU:
            free.remove(best)
            pairs.append((sign, best))
    return pairs


def find_signs(stream: Sentence, decoder: Decoder | SentenceDecoder, vocabulary: Sequence[str]) -> list[FoundSign]:
    """All finals of a stream, each with the time of the frame that brought it."""
    found = []
    clip = stream.clip
    for t_ms, keypoints in zip(clip.t_ms, clip.keypoints, strict=True):
        found += _finals(decoder.push(float(t_ms), keypoints, clip.aspect), float(t_ms), vocabulary)
    return found + _finals(decoder.finish(), float(clip.t_ms[-1]), vocabulary)


def _finals(events: Sequence[SignEvent], reported_ms: float, vocabulary: Sequence[str]) -> list[FoundSign]:
    found = []
    for e in events:
        if e.probabilities is None or e.kind != "final":
            continue
        label = int(e.probabilities.argmax()) if e.label is None else e.label
        gloss = None if e.suppressed else vocabulary[label]
        found.append(FoundSign(e.start_ms, e.end_ms, reported_ms, gloss, float(e.probabilities[label])))
    return found


def score(
    streams: Sequence[Sentence], pipeline: Pipeline, vocabulary: Sequence[str], no_sign: str | None
) -> SegmentScores:
    """Read streams with a new decoder each, and compare the found signs with the true ones.

    A final that is not reported still is a segment that was found; only the gloss error leaves it out.
    """
    signs = found_signs = hits = 0
    delays: list[float] = []
    readings: list[tuple[tuple[str, ...], list[str]]] = []
    for stream in streams:
        found = find_signs(stream, pipeline.decoder(interim=False), vocabulary)
        pairs = matched(stream.signs, found)
        signs = signs + len(stream.signs)
        found_signs = found_signs + len(found)
        hits = hits + len(pairs)
        delays += [f.reported_ms - sign.end_ms for sign, f in pairs]
        readings.append((stream.glosses, [f.gloss for f in found if f.gloss not in (None, no_sign)]))
    median, late = np.percentile(delays or [np.nan], [50, 95])
    return SegmentScores(
        streams=len(streams),
        signs=signs,
        precision=hits / max(found_signs, 1),
        recall=hits / signs,
        f1=2 * hits / (signs + found_signs),
        rate=error_rate(readings),
        delay_ms=(float(median), float(late)),
    )
