"""The calibration of a model's confidence, and the confidence from which its glosses are reported.

Temperature scaling is that of Guo et al. (ICML 2017). All is found on signers and, where folds leave them out, on signs
that the models have not seen: on those it was trained on, every model is sure and right.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glosscast.probabilities import softmax
from training.data import DataError, Example
from training.data.sampling import thinned
from training.evaluation.reading import RecogniserReader, window_clips
from training.models.checkpoint import Checkpoint
from training.runtime.files import read_json

Floats = NDArray[np.float64]
Labelled = tuple[Floats, NDArray[np.intp]]  # probabilities (N, V) and labels (N,)

TEMPERATURES = np.geomspace(0.25, 4.0, 241)
BINS = 15  # of the expected calibration error
BACKGROUNDS = np.arange(-4.0, 2.01, 0.25)  # with less than the lowest hardly anything would be "no sign"
WORTH = 0.01  # share of the known clips that a shift of the background may cost
MOST = 12  # clips that are read of each signer's gloss
MAX_UNKNOWN = 0.09  # share of the clips of other signs that may be reported
KEPT = 0.95  # share of the rightly read clips that stay above the threshold, where there are no other signs


class ClipReadings(NamedTuple):
    """A model's readings of the clips of unseen signers.

    Attributes:
        known: (N, V) probabilities of clips whose gloss is in the vocabulary, those of "no sign" left out.
        labels: (N,) their glosses.
        unknown: (M, V) probabilities of other signs.
        no_sign: which class is "no sign", or None.
    """

    known: Floats
    labels: NDArray[np.intp]
    unknown: Floats
    no_sign: int | None


class Calibration(BaseModel):
    """`calibration.json`.

    Attributes:
        temperature: logits are divided by it.
        background: added to the logit of "no sign" after that.
        reject: confidence, after that, below which a final is not reported.
        ece: expected calibration error before and after, see `crossed_error`.
        kept: share of the rightly read clips that is reported still.
        wrong_told: share of all known clips that is reported as another gloss.
        unknown_told: share of the clips of other signs that is reported, or None where there are none.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    temperature: float = Field(gt=0)
    background: float = 0.0
    reject: float = Field(ge=0, lt=1)
    clips: int
    unknown_clips: int
    ece: tuple[float, float]
    kept: float
    wrong_told: float
    unknown_told: float | None

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of a bundle's report."""
        before, after = self.ece
        found = {"calibration_error_before": before, "calibration_error": after, "kept_by_threshold": self.kept}
        return found if self.unknown_told is None else {**found, "unknown_told": self.unknown_told}

    def describe(self) -> str:
        """The figures in words."""

        def share(value: float | None) -> str:
            return "none there" if value is None else f"{100 * value:.1f} %"

        return (
            f"temperature {self.temperature:.3f}, background {self.background:+.2f}, "
            f"calibration error {self.ece[0]:.3f} -> {self.ece[1]:.3f}\n"
            f"reject below {self.reject:.3f}: tells {share(self.kept)} of what is read rightly ({self.clips} clips, "
            f"{share(self.wrong_told)} of them as another gloss)\n"
            f"and {share(self.unknown_told)} of other signs ({self.unknown_clips} clips)"
        )


def load_calibration(path: Path) -> Calibration:
    """Read `calibration.json`.

    Raises:
        ValueError: not one; names the file.
        OSError: it cannot be read.
    """
    return read_json(Calibration, path)


def read_clips(checkpoint: Checkpoint, examples: Sequence[Example]) -> ClipReadings:
    """Read clips through the decoder, at most `MOST` of each signer's gloss.

    Those of "no sign" and those in which nobody is seen are left out.

    Raises:
        DataError: no clip has a gloss of the vocabulary.
    """
    data = checkpoint.config.data
    signs = thinned([e for e in examples if e.gloss != data.no_sign], MOST)
    windowed = window_clips(signs, checkpoint.config)
    found = RecogniserReader(checkpoint)(windowed).probabilities.astype(np.float64)
    seen = windowed.weights.any(axis=1)
    known = seen & np.array([e.gloss in data.vocabulary for e in signs], bool)
    if not known.any():
        raise DataError("no clip has a gloss of the vocabulary")
    labels = np.array([data.vocabulary.index(e.gloss) for e, chosen in zip(signs, known, strict=True) if chosen])
    return ClipReadings(found[known], labels, found[seen & ~known], data.no_sign_id)


def joined(parts: Sequence[ClipReadings]) -> ClipReadings:
    """The readings of models of several seeds or folds."""
    known, labels, unknown = (np.concatenate([part[field] for part in parts]) for field in range(3))
    return ClipReadings(known, labels, unknown, parts[0].no_sign)


def calibrate(folds: Sequence[ClipReadings]) -> Calibration:
    """Find the background, the temperature and the threshold.

    The background is one with which most known clips are reported rightly where `MAX_UNKNOWN` of the
    others are reported.
    The temperature is the one with the least cross-entropy, where other signs should be read as "no sign" if there is
    such a class; it stays 1 where one found on the other folds' signers does not bring confidence nearer to the truth.

    Raises:
        DataError: not one clip is read rightly.
    """
    background = best_background(folds)
    folds = [_shifted(fold, background) for fold in folds]
    judged = [labelled(fold) for fold in folds]
    every = _together(judged)
    before = calibration_error(*every)
    after = crossed_error(judged)
    temperature = best_temperature(*every) if after < before else 1.0
    known, labels, unknown, no_sign = joined(folds)
    cooled = scaled(known, temperature)
    confidence, right = reported(cooled, labels, no_sign)
    if not right.any():
        raise DataError("not one clip is read rightly: there is nothing to calibrate")
    others = reported(scaled(unknown, temperature), None, no_sign)[0]
    reject = float(np.quantile(others, 1 - MAX_UNKNOWN) if len(others) else np.quantile(confidence[right], 1 - KEPT))
    return Calibration(
        temperature=temperature,
        background=background / temperature,
        reject=reject,
        clips=len(known),
        unknown_clips=len(unknown),
        ece=(before, min(before, after)),
        kept=float((confidence[right] >= reject).mean()),
        wrong_told=float((~right & (confidence >= reject)).mean()),
        unknown_told=float(((others >= reject) & (others > 0)).mean()) if len(others) else None,
    )


def best_background(folds: Sequence[ClipReadings]) -> float:
    """The lowest of `BACKGROUNDS` that reports nearly as many known clips rightly as the best (see `WORTH`).

    The lowest, since a clip that is asked about then has its likeliest gloss as the answer, however unsure; what is
    reported in a stream depends on the threshold. It is 0 without "no sign" or other signs.
    """
    if folds[0].no_sign is None or not any(len(fold.unknown) for fold in folds):
        return 0.0
    shares = []
    for background in BACKGROUNDS:
        moved = [_shifted(fold, float(background)) for fold in folds]
        threshold = np.quantile(
            np.concatenate([reported(f.unknown, None, f.no_sign)[0] for f in moved]), 1 - MAX_UNKNOWN
        )
        known = [reported(f.known, f.labels, f.no_sign) for f in moved]
        shares.append(np.concatenate([right & (confidence >= threshold) for confidence, right in known]).mean())
    good = np.flatnonzero(np.array(shares) >= max(shares) - WORTH)
    return float(BACKGROUNDS[good[0]])


def reported(
    probabilities: Floats, labels: NDArray[np.intp] | None, no_sign: int | None
) -> tuple[Floats, NDArray[np.bool_]]:
    """(N,) confidence in the gloss that is reported, 0 where that is "no sign", and whether it is the right one."""
    best = probabilities.argmax(axis=1)
    confidence = (
        np.where(best == no_sign, 0.0, probabilities.max(axis=1)) if no_sign is not None else probabilities.max(axis=1)
    )
    return confidence, np.zeros(len(best), bool) if labels is None else best == labels


def _shifted(fold: ClipReadings, background: float) -> ClipReadings:
    """Readings with the logit of "no sign" shifted."""
    if fold.no_sign is None or not background:
        return fold
    odds = np.ones(fold.known.shape[1])
    odds[fold.no_sign] = np.exp(background)
    known, unknown = (p * odds / (p * odds).sum(axis=1, keepdims=True) for p in (fold.known, fold.unknown))
    return fold._replace(known=known, unknown=unknown)


def labelled(fold: ClipReadings) -> Labelled:
    """All readings that have a right answer: other signs are "no sign", where there is such a class."""
    if fold.no_sign is None:
        return fold.known, fold.labels
    others = np.full(len(fold.unknown), fold.no_sign)
    return np.concatenate([fold.known, fold.unknown]), np.concatenate([fold.labels, others])


def _together(folds: Sequence[Labelled]) -> Labelled:
    return np.concatenate([fold[0] for fold in folds]), np.concatenate([fold[1] for fold in folds])


def crossed_error(folds: Sequence[Labelled]) -> float:
    """Calibration error with each fold's temperature found on the others; of a single fold, on itself."""
    cooled = []
    for fold in folds:
        others = [other for other in folds if other is not fold] or [fold]
        cooled.append((scaled(fold[0], best_temperature(*_together(others))), fold[1]))
    return calibration_error(*_together(cooled))


def scaled(probabilities: Floats, temperature: float) -> Floats:
    """Probabilities (N, V) of logits divided by a temperature."""
    return softmax(np.log(np.maximum(probabilities, 1e-12)) / temperature)


def best_temperature(probabilities: Floats, labels: NDArray[np.intp]) -> float:
    """The one of `TEMPERATURES` with the least cross-entropy."""
    rows = np.arange(len(labels))
    losses = [-np.log(scaled(probabilities, t)[rows, labels]).mean() for t in TEMPERATURES]
    return float(TEMPERATURES[int(np.argmin(losses))])


def calibration_error(probabilities: Floats, labels: NDArray[np.intp]) -> float:
    """Expected calibration error: mean distance between confidence and accuracy over bins of confidence."""
    sure = probabilities.max(axis=1)
    right = probabilities.argmax(axis=1) == labels
    bins = np.minimum((sure * BINS).astype(int), BINS - 1)
    gaps = [abs(sure[bins == b].sum() - right[bins == b].sum()) for b in np.unique(bins)]
    return float(np.sum(gaps) / len(labels))
