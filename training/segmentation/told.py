"""What the whole decoder tells of left-out signers: of their signs, of other signs, and of idle hands."""

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from glosscast.clip import Window
from glosscast.decoding import Classify, Decoder
from glosscast.learned_segmentation import Tagging
from training.calibration import Calibration, scaled
from training.checkpoint import Checkpoint
from training.data import Example
from training.evaluate import TorchClassifier
from training.segmentation.false_alarms import FalseAlarms, Told, count_false_alarms, count_told
from training.segmentation.idle import KINDS, draw_idle, outside
from training.segmentation.streams import StreamConfig, draw_streams

STREAMS, SEED = 400, 3  # streams of each fold, of known and of other signs
ALONE = StreamConfig(signs=(1, 1), direct=0.0)  # rest, one sign, rest


class FoldTold(BaseModel):
    """What was told in one fold.

    Attributes:
        known: of streams of one sign of the vocabulary each, with rests before and after.
        unknown: of such streams of other signs, where telling anything is wrong.
        idle: by kind, of streams without a sign; kinds that no left-out signer has clips for are absent.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    known: Told
    unknown: Told
    idle: dict[str, FalseAlarms]


class CalibratedClassifier:
    """A classifier whose probabilities are changed as an exported graph changes them."""

    def __init__(self, classify: Classify, calibration: Calibration, no_sign: int | None) -> None:
        self._classify, self._temperature = classify, calibration.temperature
        self._background, self._no_sign = calibration.background, no_sign

    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """See `Classify`."""
        cooled = scaled(self._classify(windows).astype(np.float64), self._temperature)
        if self._no_sign is not None:
            cooled[:, self._no_sign] *= np.exp(self._background)
        return np.asarray(cooled / cooled.sum(axis=1, keepdims=True), np.float32)


def count_fold(
    checkpoint: Checkpoint,
    calibration: Calibration,
    tagging: Tagging,
    examples: Sequence[Example],
    hours: float,
    number: int,
) -> FoldTold:
    """Read streams made of left-out signers' clips.

    Args:
        checkpoint: a recogniser that has not seen them.
        calibration: found on other signers.
        tagging: a segmenter that has not seen them either.
        examples: their clips, of the vocabulary, of "no sign" and of other signs.
        hours: how long the idle streams are together, every kind alike.
        number: of the fold, so that folds draw differently.

    Raises:
        DataError: there is no clip of the vocabulary, or none of other signs.
    """
    config = checkpoint.config
    vocabulary, none = config.data.vocabulary, config.data.no_sign
    no_sign = None if none is None else vocabulary.index(none)
    classify = CalibratedClassifier(TorchClassifier(checkpoint.build(), len(vocabulary)), calibration, no_sign)
    settings = config.decoder.model_copy(update={"reject": calibration.reject})
    decoder = partial(Decoder, config.clip, config.segmenter, settings, classify, interim=False, tagging=tagging)
    told = partial(count_told, decoder=decoder, vocabulary=vocabulary, no_sign=none)
    glosses = {e.gloss for e in examples} - {none}
    draw = partial(draw_streams, examples, no_sign=[], config=ALONE, count=STREAMS, seed=SEED + number)
    unread = outside(examples, vocabulary, none)
    idle = {}
    kinds = [kind for kind in KINDS if kind != "recorded" or any(e.gloss == none for e in examples)]
    for kind in kinds:
        streams = draw_idle(unread, [none or ""], kind, hours / len(kinds), SEED + number)
        idle[kind] = count_false_alarms(streams, decoder, vocabulary, none)
    return FoldTold(
        known=told(draw(glosses=sorted(glosses & set(vocabulary)))),
        unknown=told(draw(glosses=sorted(glosses - set(vocabulary)))),
        idle=idle,
    )


def table(folds: Sequence[FoldTold]) -> str:
    """Markdown: shares of the known and of the other signs, and false alarms an hour by kind, over all folds."""
    known, unknown = ([getattr(fold, part) for fold in folds] for part in ("known", "unknown"))
    signs, others = sum(t.signs for t in known), sum(t.signs for t in unknown)
    lines = ["| of signs with rests around them | share |", "|---|---|"]
    for name, about in (
        ("right", "told once and rightly"),
        ("repeated", "told rightly, but more than once"),
        ("wrong", "told as another gloss"),
        ("missed", "not told"),
    ):
        lines.append(
            f"| {signs} of the vocabulary: {about} | {100 * sum(getattr(t, name) for t in known) / signs:.1f} % |"
        )
    lines.append(f"| {others} outside it: told | {100 * (1 - sum(t.missed for t in unknown) / others):.1f} % |")
    lines += ["", "| idle hands | hours | told | an hour (95 % interval) | glosses |", "|---|---|---|---|---|"]
    kinds = [kind for kind in KINDS if any(kind in fold.idle for fold in folds)]
    for kind, of in [
        *((k, [f.idle[k] for f in folds if k in f.idle]) for k in kinds),
        ("all", [a for f in folds for a in f.idle.values()]),
    ]:
        glosses: dict[str, int] = {}
        for alarms in of:
            for gloss, count in alarms.glosses.items():
                glosses[gloss] = glosses.get(gloss, 0) + count
        every = FalseAlarms(hours=sum(a.hours for a in of), told=sum(a.told for a in of), glosses=glosses)
        low, high = every.bounds
        named = ", ".join(f"{gloss} {count}" for gloss, count in sorted(glosses.items(), key=lambda pair: -pair[1]))
        rate = f"{every.per_hour:.2f} ({low:.2f} to {high:.2f})"
        lines.append(f"| {kind} | {every.hours:.2f} | {every.told} | {rate} | {named or '–'} |")
    return "\n".join(lines)
