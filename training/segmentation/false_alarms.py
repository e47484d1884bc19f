"""How often the whole decoder reports a gloss while nothing is signed, and how often it misses a sign."""

import math
from collections.abc import Iterable, Sequence

from pydantic import BaseModel, ConfigDict

from glosscast.decoding import Pipeline
from glosscast.sentences.decoder import SentencePipeline
from training.data.sentences import Sentence
from training.segmentation.score import find_signs

TOLERANCE_MS = 500.0  # how far a reported sign may lie from the one that was signed, at either end
HOUR_MS = 3_600_000.0


class FalseAlarms(BaseModel):
    """The glosses that were reported in streams without a sign.

    Attributes:
        hours: how long they are together.
        told: how many glosses were reported, "no sign" left out.
        glosses: how often each of them was reported.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    hours: float
    told: int
    glosses: dict[str, int]

    @property
    def per_hour(self) -> float:
        """False alarms an hour."""
        return self.told / self.hours

    @property
    def bounds(self) -> tuple[float, float]:
        """The exact 95 % confidence interval of the rate, if false alarms come independently (Garwood, 1936)."""
        return poisson_bounds(self.told)[0] / self.hours, poisson_bounds(self.told)[1] / self.hours


class DetectionCounts(BaseModel):
    """Counts over streams of signs, where each reported gloss is matched with the sign that it overlaps most.

    Attributes:
        signs: how many were signed.
        right: reported exactly once, and rightly.
        missed: not reported at all.
        wrong: reported as another gloss, once or more often.
        repeated: reported rightly, but more than once.
        stray: glosses reported where nothing was signed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    signs: int
    right: int
    missed: int
    wrong: int
    repeated: int
    stray: int


def count_false_alarms(
    streams: Iterable[Sentence], pipeline: Pipeline | SentencePipeline, vocabulary: Sequence[str], no_sign: str | None
) -> FalseAlarms:
    """Read streams without a sign with a new decoder each."""
    length_ms = 0.0
    glosses = dict[str, int]()
    for stream in streams:
        length_ms += stream.clip.duration_ms
        for found in find_signs(stream, pipeline.decoder(interim=False), vocabulary):
            if found.gloss is not None and found.gloss != no_sign:
                glosses[found.gloss] = glosses.get(found.gloss, 0) + 1
    return FalseAlarms(hours=length_ms / HOUR_MS, told=sum(glosses.values()), glosses=glosses)


def count_detections(
    streams: Iterable[Sentence], pipeline: Pipeline | SentencePipeline, vocabulary: Sequence[str], no_sign: str | None
) -> DetectionCounts:
    """Read streams of signs with a new decoder each."""
    signs = right = missed = wrong = repeated = stray = 0
    for stream in streams:
        reported: list[list[str]] = [[] for _ in stream.signs]
        for found in find_signs(stream, pipeline.decoder(interim=False), vocabulary):
            if found.gloss is None or found.gloss == no_sign:
                continue
            shared = [min(s.end_ms, found.end_ms) - max(s.start_ms, found.start_ms) for s in stream.signs]
            nearest = max(range(len(shared)), key=shared.__getitem__, default=None)
            if nearest is None or shared[nearest] < -TOLERANCE_MS:
                stray += 1
            else:
                reported[nearest].append(found.gloss)
        for sign, glosses in zip(stream.signs, reported, strict=True):
            signs += 1
            missed += not glosses
            wrong += any(gloss != sign.gloss for gloss in glosses)
            right += glosses == [sign.gloss]
            repeated += len(glosses) > 1 and set(glosses) == {sign.gloss}
    return DetectionCounts(signs=signs, right=right, missed=missed, wrong=wrong, repeated=repeated, stray=stray)


def poisson_bounds(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact confidence interval of the mean of a Poisson distribution of which `count` was drawn."""
    tail = (1.0 - confidence) / 2
    low = 0.0 if count == 0 else _mean_with(count - 1, 1.0 - tail)
    return low, _mean_with(count, tail)


def _mean_with(count: int, chance: float) -> float:
    """The mean of the Poisson distribution that gives at most `count` with this chance, by bisection."""
    low, high = 0.0, 2.0 * count + 20.0
    while high - low > 1e-9 * high:
        mean = (low + high) / 2
        terms = (math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count + 1))
        low, high = (mean, high) if sum(terms) > chance else (low, mean)
    return (low + high) / 2
