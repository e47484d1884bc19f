"""The learned segmenter against the rule, on streams of signers that neither it nor the recogniser has seen."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict

from glosscast.learned_segmentation import Tagging
from training.config import Config, StreamConfig
from training.data import Example
from training.data.idle import Kind, draw_idle, outside
from training.data.streams import draw_streams
from training.evaluation.scores import TorchClassifier
from training.models.checkpoint import Checkpoint
from training.segmentation.learn import TAGGING, learn
from training.segmentation.score import SegmentScores, score

TAUGHT, TAUGHT_SEED = 1000, 1  # streams that are learned from
TESTED, TESTED_SEED = 60, 2  # streams of each fold that are read
LEARNED = StreamConfig(speed=(0.6, 1.6), held=0.2)
IDLE_HOURS: dict[Kind, float] = {
    "resting": 0.4,
    "pausing": 1.6,
    "fidgeting": 1.6,
}  # of streams without a sign that are learned from
RESTS = {"direct and with rests": 0.5, "direct": 1.0, "with rests": 0.0}  # share of direct transitions


class FoldScores(BaseModel):
    """Scores of one segmenter on one kind of streams of one fold's signers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    held_out: tuple[str, ...]
    streams: str
    segmenter: str
    scores: SegmentScores


def no_signs(config: Config) -> set[str]:
    """What the clips in which nothing is signed are called, after renaming."""
    return set() if config.data.no_sign is None else {config.data.no_sign}


def train_segmenter(config: Config, examples: Sequence[Example], seed: int = TAUGHT_SEED) -> Tagging:
    """A segmenter learned from all signs of these clips, those of other vocabularies too.

    Where the recogniser learns from made-up idle hands, the segmenter does too: hands that touch a face or stop on the
    way are in no sign.

    Raises:
        DataError: no clip can be used.
    """
    none = no_signs(config)
    glosses = sorted({e.gloss for e in examples if not e.sentence} - none)
    streams = draw_streams(examples, glosses, sorted(none), LEARNED, TAUGHT, seed)
    if config.data.idle_clips:
        unread = outside(examples, config.data.vocabulary, config.data.no_sign)
        for kind, hours in IDLE_HOURS.items():
            streams += draw_idle(unread, sorted(none), kind, hours, seed)
    return Tagging(TAGGING, learn(streams, config.segmenter, seed).weights())


def score_fold(
    checkpoint: Checkpoint, tagging: Tagging, held_out: Sequence[str], examples: Sequence[Example]
) -> list[FoldScores]:
    """Both segmenters on all kinds of streams of these signers' clips."""
    config = checkpoint.config
    vocabulary = config.data.vocabulary
    none = no_signs(config)
    classify = TorchClassifier(checkpoint.build(), len(vocabulary))
    glosses = [gloss for gloss in vocabulary if gloss not in none]
    result = []
    for kind, direct in RESTS.items():
        streams = draw_streams(examples, glosses, sorted(none), StreamConfig(direct=direct), TESTED, TESTED_SEED)
        for name, learned in (("rule", None), ("learned", tagging)):
            scores = score(streams, config.pipeline(classify, learned), vocabulary, config.data.no_sign)
            result.append(FoldScores(held_out=tuple(held_out), streams=kind, segmenter=name, scores=scores))
    return result


def table(folds: Sequence[FoldScores]) -> str:
    """Markdown: one line for each kind of streams and segmenter, mean over folds; glosses are counted over all."""
    lines = [
        "| streams | segmenter | F1 | precision | recall | gloss error | subst. | del. | ins. | end to final (p95) |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for kind in dict.fromkeys(f.streams for f in folds):
        for name in dict.fromkeys(f.segmenter for f in folds):
            of = [f.scores for f in folds if (f.streams, f.segmenter) == (kind, name)]
            tokens = sum(s.rate.tokens for s in of)
            parts = [
                sum(getattr(s.rate, part) for s in of) / tokens for part in ("substitutions", "deletions", "insertions")
            ]
            mean = [
                sum(v) / len(of) for v in zip(*((s.f1, s.precision, s.recall, *s.delay_ms) for s in of), strict=True)
            ]
            figures = " | ".join(f"{value:.3f}" for value in mean[:3])
            shares = " | ".join(f"{100 * value:.1f} %" for value in (sum(parts), *parts))
            lines.append(f"| {kind} | {name} | {figures} | {shares} | {mean[3]:.0f} ms ({mean[4]:.0f}) |")
    return "\n".join(lines)
