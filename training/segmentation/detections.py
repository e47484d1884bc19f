"""Counts of the decoder's reports on left-out signers: for their signs, for other signs, and for idle hands."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from pydantic import BaseModel, ConfigDict

from glosscast.decoding import Pipeline
from glosscast.learned_segmentation import Tagging
from glosscast.sentences.decoder import SentencePipeline
from training.config import DataConfig, StreamConfig
from training.data import Example
from training.data.idle import KINDS, draw_idle, outside
from training.data.sentences import Sentence
from training.data.streams import draw_streams
from training.evaluation.calibration import Calibration
from training.evaluation.scores import TorchClassifier
from training.evaluation.seeds import mean_and_std
from training.models.checkpoint import Checkpoint
from training.segmentation.false_alarms import DetectionCounts, FalseAlarms, count_detections, count_false_alarms

KNOWN, UNKNOWN, SEED = 400, 800, 3  # streams of each fold
ALONE = StreamConfig(signs=(1, 1), direct=0.0)  # rest, one sign, rest


class FoldDetections(BaseModel):
    """The decoder's reports in one fold.

    Attributes:
        known: of streams of one sign of the vocabulary each, with rests before and after; signers are drawn alike.
        unknown: of such streams of other signs, where every reported gloss is wrong; a signer's glosses are drawn
            alike.
        idle: by kind, of streams without a sign; kinds that no left-out signer has clips for are absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    known: DetectionCounts
    unknown: DetectionCounts
    idle: dict[str, FalseAlarms]


def _one_gloss_each(examples: Sequence[Example]) -> list[Example]:
    """The clips as if nobody signed more than one gloss.

    Drawn by signer, one gloss of somebody who gave no other would be as much as all those of somebody else.
    """
    return [replace(e, signer=f"{e.signer} {e.gloss}") for e in examples]


def calibrated_pipeline(
    checkpoint: Checkpoint, calibration: Calibration, tagging: Tagging
) -> Pipeline | SentencePipeline:
    """How a checkpoint of single signs reads a stream, with a segmenter and what `calibrate` found."""
    config = checkpoint.config
    model = checkpoint.build_calibrated(calibration.temperature, calibration.background)
    pipeline = config.pipeline(TorchClassifier(model, len(config.data.vocabulary)), tagging)
    return rejecting(pipeline, calibration.reject)


def rejecting(pipeline: Pipeline | SentencePipeline, reject: float) -> Pipeline | SentencePipeline:
    """The pipeline with another confidence below which a final is not told."""
    return replace(pipeline, settings=pipeline.settings.model_copy(update={"reject": reject}))


def other_signs(examples: Sequence[Example], data: DataConfig, count: int, number: int) -> list[Sentence]:
    """So many streams of one sign outside the vocabulary each, with rests before and after.

    Raises:
        DataError: there is no clip of such a sign.
    """
    glosses = {e.gloss for e in examples} - set(data.vocabulary)
    return draw_streams(_one_gloss_each(examples), sorted(glosses), [], ALONE, count, SEED + number)


def count_fold(
    pipeline: Pipeline | SentencePipeline,
    data: DataConfig,
    examples: Sequence[Example],
    hours: float,
    number: int,
    known: int,
    others: int,
) -> FoldDetections:
    """Read streams made of left-out signers' clips.

    Args:
        pipeline: of models that have not seen them.
        data: what the recogniser learned from.
        examples: their clips, of the vocabulary, of "no sign" and of other signs.
        hours: how long the idle streams are together, every kind alike.
        number: of the fold, so that folds draw differently.
        known: how many streams of signs of the vocabulary.
        others: how many of other signs.

    Raises:
        DataError: there is no clip of the vocabulary, or none of other signs.
    """
    vocabulary, none = data.vocabulary, data.no_sign
    count = partial(count_detections, pipeline=pipeline, vocabulary=vocabulary, no_sign=none)
    glosses = {e.gloss for e in examples} & set(vocabulary) - {none}
    unread = outside(examples, vocabulary, none)
    idle = {}
    kinds = [kind for kind in KINDS if kind != "recorded" or any(e.gloss == none for e in examples)]
    for kind in kinds:
        streams = draw_idle(unread, [none or ""], kind, hours / len(kinds), SEED + number)
        idle[kind] = count_false_alarms(streams, pipeline, vocabulary, none)
    return FoldDetections(
        known=count(draw_streams(examples, sorted(glosses), [], ALONE, known, SEED + number)),
        unknown=count(other_signs(examples, data, others, number)),
        idle=idle,
    )


def table(seeds: Sequence[Sequence[FoldDetections]]) -> str:
    """Markdown: shares of the known and of the other signs over seeds, and false alarms an hour by kind, over all."""
    folds = [fold for of_seed in seeds for fold in of_seed]
    known, unknown = ([getattr(fold, part) for fold in folds] for part in ("known", "unknown"))
    signs, others = sum(t.signs for t in known), sum(t.signs for t in unknown)
    lines = ["| of signs with rests around them | share, % |", "|---|---|"]
    for name, about in (
        ("right", "told once and rightly"),
        ("repeated", "told rightly, but more than once"),
        ("wrong", "told as another gloss"),
        ("missed", "not told"),
    ):
        shares = [_share([f.known for f in of_seed], name) for of_seed in seeds]
        lines.append(f"| {signs} of the vocabulary: {about} | {mean_and_std(shares, 1)} |")
    shares = [100 - _share([f.unknown for f in of_seed], "missed") for of_seed in seeds]
    lines.append(f"| {others} outside it: told | {mean_and_std(shares, 1)} |")
    lines += ["", "| idle hands | hours | told | an hour (95 % interval) | glosses |", "|---|---|---|---|---|"]
    kinds = [kind for kind in KINDS if any(kind in fold.idle for fold in folds)]
    for kind, of in [
        *((k, [f.idle[k] for f in folds if k in f.idle]) for k in kinds),
        ("all", [a for f in folds for a in f.idle.values()]),
    ]:
        glosses: Counter[str] = sum((Counter(alarms.glosses) for alarms in of), Counter())
        every = FalseAlarms(hours=sum(a.hours for a in of), told=sum(a.told for a in of), glosses=glosses)
        low, high = every.bounds
        named = ", ".join(f"{gloss} {count}" for gloss, count in glosses.most_common())
        rate = f"{every.per_hour:.2f} ({low:.2f} to {high:.2f})"
        lines.append(f"| {kind} | {every.hours:.2f} | {every.told} | {rate} | {named or '–'} |")
    return "\n".join(lines)


def _share(counts: Sequence[DetectionCounts], name: str) -> float:
    """Of the signs of several folds, in per cent."""
    return 100 * float(sum(getattr(t, name) for t in counts)) / sum(t.signs for t in counts)
