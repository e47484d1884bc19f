"""Ways to read connected signing that reject alike: each with the threshold at which it tells as many other signs.

A way that names more of what it sees reads more signs, and more of what is none. Only at the same share of other signs
that are told does the gloss error say which way reads better.
"""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from glosscast.decoding import Pipeline
from glosscast.sentences.decoder import SentencePipeline
from training.config import Config
from training.data import Example
from training.evaluation.calibration import MAX_UNKNOWN
from training.evaluation.seeds import mean_and_std
from training.evaluation.wer import ErrorRate, error_rate
from training.segmentation.detections import FoldDetections, count_fold, other_signs, rejecting
from training.segmentation.readers import KINDS, read_stream, tested_streams

SIGNS, HOURS = 200, 0.6  # streams of known and of other signs each, and hours of idle hands, for each model
NUMBER = 0  # of the fold: all models read the same streams


class AlikeScores(BaseModel):
    """Figures of one way to read, with one model, at the threshold at which `MAX_UNKNOWN` of the other signs are told.

    The threshold is found on the streams that are scored: the figures compare ways, and do not say what one threshold
    does with other people.

    Attributes:
        held_out: the signers.
        seed: 0, 1, … of the model.
        reader: the way to read.
        reject: confidence below which a final is not told.
        told: what is told of single signs with rests around them, and of idle hands.
        rates: gloss error by kind of streams.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    held_out: tuple[str, ...]
    seed: int
    reader: str
    reject: float
    told: FoldDetections
    rates: dict[str, ErrorRate]


def score_alike(
    name: str,
    pipeline: Pipeline | SentencePipeline,
    config: Config,
    held_out: Sequence[str],
    seed: int,
    examples: Sequence[Example],
) -> AlikeScores:
    """Find the threshold of one way to read, and read with it.

    Args:
        name: of the way.
        pipeline: of models that have not seen these signers.
        config: of the model.
        held_out: the signers.
        seed: 0, 1, … of the model.
        examples: the signers' clips, of the vocabulary and of other signs.

    Raises:
        DataError: there is no clip of the vocabulary, or none of other signs.
    """
    reject = _threshold(rejecting(pipeline, 0.0), config, examples)
    strict = rejecting(pipeline, reject)
    rates = {
        kind: error_rate((s.glosses, list(read_stream(s, strict, config).values())) for s in streams)
        for kind, streams in tested_streams(examples, config).items()
    }
    told = count_fold(strict, config.data, examples, HOURS, NUMBER, SIGNS, SIGNS)
    return AlikeScores(held_out=tuple(held_out), seed=seed, reader=name, reject=reject, told=told, rates=rates)


def _threshold(pipeline: Pipeline | SentencePipeline, config: Config, examples: Sequence[Example]) -> float:
    """The least confidence at which no more than `MAX_UNKNOWN` of the other signs are told."""
    streams = other_signs(examples, config.data, SIGNS, NUMBER)
    surest = [max((f.confidence for f in read_stream(s, pipeline, config)), default=0.0) for s in streams]
    told = int(MAX_UNKNOWN * len(surest))
    return float(np.nextafter(sorted(surest, reverse=True)[told], 1.0))


def alike_table(scores: Sequence[AlikeScores]) -> str:
    """Markdown: a line for each way to read, mean ± standard deviation over seeds; folds are counted together."""
    kinds = list(KINDS)
    lines = [
        "| read by | threshold | known signs: right, % | wrong, % | not told, % | other signs told, % "
        "| idle hands told an hour | " + " | ".join(f"gloss error, %: {kind}" for kind in kinds) + " |",
        "|---" * (7 + len(kinds)) + "|",
    ]
    for reader in dict.fromkeys(s.reader for s in scores):
        seeds: dict[int, list[AlikeScores]] = {}
        for s in scores:
            if s.reader == reader:
                seeds.setdefault(s.seed, []).append(s)
        figures = [_figures(of, kinds) for of in seeds.values()]
        cells = " | ".join(mean_and_std(column, 1) for column in zip(*figures, strict=True))
        reject = np.mean([s.reject for of in seeds.values() for s in of])
        lines.append(f"| {reader} | {reject:.2f} | {cells} |")
    return "\n".join(lines)


def _figures(of: Sequence[AlikeScores], kinds: Sequence[str]) -> list[float]:
    """The columns of one seed."""
    counts = Counter[str]()
    for s in of:
        for part in ("signs", "right", "wrong", "missed"):
            counts[part] += getattr(s.told.known, part)
        counts["others"] += s.told.unknown.signs
        counts["others told"] += s.told.unknown.signs - s.told.unknown.missed
    known = [100.0 * counts[part] / counts["signs"] for part in ("right", "wrong", "missed")]
    idle = [alarms for s in of for alarms in s.told.idle.values()]
    per_hour = sum(a.told for a in idle) / sum(a.hours for a in idle)
    errors = []
    for kind in kinds:
        rates = [s.rates[kind] for s in of]
        wrong = sum(r.substitutions + r.deletions + r.insertions for r in rates)
        errors.append(100.0 * wrong / sum(r.tokens for r in rates))
    return [*known, 100.0 * counts["others told"] / counts["others"], per_hour, *errors]
