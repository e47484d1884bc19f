"""How sure a model may claim to be, and from which confidence on it speaks at all.

Temperature scaling is that of Guo et al. (ICML 2017). Both are found on signers that the models have not
seen: on those it was trained on, every model is sure and right.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from glosscast.decoding import NoSignerError, classify_clip
from glosscast.faults import first_fault
from training.checkpoint import Checkpoint
from training.data import DataError, Example
from training.evaluate import TorchClassifier, watching

Floats = NDArray[np.float64]

TEMPERATURES = np.geomspace(0.25, 4.0, 241)
BINS = 15  # of the expected calibration error
KEPT = 0.95  # share of the rightly read clips that must stay above the threshold


class ClipReadings(NamedTuple):
    """What a model made of the clips of unseen signers.

    Attributes:
        known: (N, V) probabilities of clips whose gloss is in the vocabulary.
        labels: (N,) their glosses.
        unknown: (M, V) probabilities of other signs.
    """

    known: Floats
    labels: NDArray[np.intp]
    unknown: Floats


class Calibration(BaseModel):
    """`calibration.json`.

    Attributes:
        temperature: what logits are divided by.
        reject: confidence, after that, below which a final is not reported.
        ece: expected calibration error before and after, see `crossed_error`.
        kept: share of the rightly read clips that is reported still.
        wrong_rejected: share of the wrongly read clips that is not.
        unknown_rejected: share of the clips of other signs that is not, or None where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(gt=0)
    reject: float = Field(ge=0, lt=1)
    clips: int
    unknown_clips: int
    ece: tuple[float, float]
    kept: float
    wrong_rejected: float | None
    unknown_rejected: float | None

    @property
    def metrics(self) -> dict[str, float]:
        """What a bundle's report says about it."""
        before, after = self.ece
        return {"calibration_error_before": before, "calibration_error": after, "kept_by_threshold": self.kept}

    def describe(self) -> str:
        """In words."""

        def share(value: float | None) -> str:
            return "none there" if value is None else f"{100 * value:.1f} %"

        return (
            f"temperature {self.temperature:.3f}, calibration error {self.ece[0]:.3f} -> {self.ece[1]:.3f}\n"
            f"reject below {self.reject:.3f}: keeps {share(self.kept)} of what is read rightly, rejects "
            f"{share(self.wrong_rejected)} of what is not ({self.clips} clips),\n"
            f"and {share(self.unknown_rejected)} of other signs ({self.unknown_clips} clips)"
        )


def load_calibration(path: Path) -> Calibration:
    """Read `calibration.json`.

    Raises:
        ValueError: not one; names the file.
        OSError: it cannot be read.
    """
    try:
        return Calibration.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}") from error


def read_clips(checkpoint: Checkpoint, examples: Sequence[Example]) -> ClipReadings:
    """Read clips through the decoder; those in which nobody is seen are left out.

    Raises:
        DataError: no clip has a gloss of the vocabulary.
    """
    config = checkpoint.config
    vocabulary = config.data.vocabulary
    classify = TorchClassifier(checkpoint.build(), len(vocabulary))
    known: list[Floats] = []
    unknown: list[Floats] = []
    labels: list[int] = []
    for example in examples:
        try:
            found = classify_clip(
                example.clip,
                config.clip,
                config.segmenter,
                config.decoder,
                watching(classify, example, config.clip),
                classify.needs_signer,
            ).astype(np.float64)
        except NoSignerError:
            continue
        if example.gloss in vocabulary:
            known.append(found)
            labels.append(vocabulary.index(example.gloss))
        else:
            unknown.append(found)
    if not known:
        raise DataError("no clip has a gloss of the vocabulary")
    return ClipReadings(np.stack(known), np.array(labels), np.array(unknown).reshape(-1, len(vocabulary)))


def calibrate(folds: Sequence[ClipReadings]) -> Calibration:
    """The temperature with the least cross-entropy over all folds, and the threshold that goes with it.

    The temperature stays 1 where one found on the other folds' signers does not bring confidence nearer to the truth.

    Raises:
        DataError: not one clip is read rightly.
    """
    known, labels, unknown = (np.concatenate(part) for part in zip(*folds, strict=True))
    before, after = calibration_error(known, labels), crossed_error(folds)
    temperature = best_temperature(known, labels) if after < before else 1.0
    cooled = scaled(known, temperature)
    sure, right = cooled.max(axis=1), cooled.argmax(axis=1) == labels
    if not right.any():
        raise DataError("not one clip is read rightly: there is nothing to calibrate")
    reject = float(np.quantile(sure[right], 1 - KEPT))
    return Calibration(
        temperature=temperature,
        reject=reject,
        clips=len(known),
        unknown_clips=len(unknown),
        ece=(before, min(before, after)),
        kept=float((sure[right] >= reject).mean()),
        wrong_rejected=None if right.all() else float((sure[~right] < reject).mean()),
        unknown_rejected=float((scaled(unknown, temperature).max(axis=1) < reject).mean()) if len(unknown) else None,
    )


def crossed_error(folds: Sequence[ClipReadings]) -> float:
    """Calibration error with each fold's temperature found on the others; of a single fold, on itself."""
    cooled = []
    for fold in folds:
        others = [other for other in folds if other is not fold] or [fold]
        known, labels, _ = (np.concatenate(part) for part in zip(*others, strict=True))
        cooled.append(scaled(fold.known, best_temperature(known, labels)))
    return calibration_error(np.concatenate(cooled), np.concatenate([fold.labels for fold in folds]))


def scaled(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities (N, V) of logits divided by a temperature."""
    logits = np.log(np.maximum(probabilities, 1e-12)) / temperature
    exponent = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(exponent / exponent.sum(axis=1, keepdims=True))


def best_temperature(probabilities: Floats, labels: NDArray[np.intp]) -> float:
    """The one of `TEMPERATURES` with the least cross-entropy."""
    rows = np.arange(len(labels))
    losses = [-np.log(scaled(probabilities, t)[rows, labels]).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def calibration_error(probabilities: Floats, labels: NDArray[np.intp]) -> float:
    """Expected calibration error: mean distance between confidence and accuracy over bins of confidence."""
    sure, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(sure[bins == b].sum() - right[bins == b].sum()) for b in np.unique(bins)]
    return float(np.sum(gaps) / len(labels))
