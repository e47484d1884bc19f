"""The separation of the vocabulary's signs from other signs, on left-out signers and glosses.

Four scores are compared, each higher for a clip that is more likely a sign of the vocabulary:

- `background`: the probability of the likeliest gloss, where "no sign" is a class that was learned from other signs;
- `closed`: the same among the glosses alone (Hendrycks and Gimpel, ICLR 2017);
- `energy`: log Σ exp of the glosses' logits (Liu et al., NeurIPS 2020);
- `prototypes`: the cosine similarity to the nearest gloss's mean embedding (Snell et al., NeurIPS 2017).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from training.config import Config
from training.data import DataError, Example
from training.data.sampling import thinned
from training.evaluation.reading import RecogniserReader, window_clips
from training.evaluation.seeds import mean_and_std
from training.models.checkpoint import Checkpoint
from training.runtime.files import read_json

Floats = NDArray[np.float64]

KEPT = 0.95  # share of the known clips that are accepted where the false positive rate is read
SERVED = "background"  # the score that a bundle's confidence is
OUTSIDE = -1  # label of a clip whose gloss is not in the vocabulary
MOST = 12  # clips that are read of each signer's gloss


class OpenSet(NamedTuple):
    """Clips as a model read them.

    Attributes:
        logits: (N, V), "no sign" included where the vocabulary has one.
        embeddings: (N, D) of unit length.
        labels: (N,) index in the vocabulary, or `OUTSIDE`.
    """

    logits: Floats
    embeddings: Floats
    labels: NDArray[np.intp]


class RejectionScores(BaseModel):
    """Figures of one score on one fold.

    Attributes:
        auroc: chance that a known clip scores above an unknown one.
        fpr95: share of the unknown clips accepted where 95 % of the known ones are.
        oscr: area under the share of known clips accepted and read rightly, over the share of unknown clips accepted
            (Dhamija et al., NeurIPS 2018).
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    auroc: float
    fpr95: float
    oscr: float


class Rejection(BaseModel):
    """The output of `evaluate-rejection --json`.

    Attributes:
        config: the config of the models, without seed and held-out signers.
        seeds: for each seed and fold the figures of each score.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    config: Config
    seeds: tuple[tuple[dict[str, RejectionScores], ...], ...] = Field(min_length=1)

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics of a bundle's report: figures of `SERVED`, mean over folds and seeds."""
        mean = mean_scores([fold[SERVED] for folds in self.seeds for fold in folds])
        return {"unknown_auroc": mean.auroc, "unknown_fpr95": mean.fpr95, "oscr": mean.oscr}


def read_open_set(checkpoint: Checkpoint, examples: Sequence[Example]) -> OpenSet:
    """Read clips of known and of other signs, at most `MOST` of each signer's gloss.

    Those of "no sign" and those without anybody in view are left out.
    """
    data = checkpoint.config.data
    signs = thinned([e for e in examples if e.gloss != data.no_sign], MOST)
    windowed = window_clips(signs, checkpoint.config)
    reading = RecogniserReader(checkpoint)(windowed)
    seen = windowed.weights.any(axis=1)
    labels = np.array([data.vocabulary.index(e.gloss) if e.gloss in data.vocabulary else OUTSIDE for e in signs])
    return OpenSet(reading.logits[seen].astype(float), reading.embeddings[seen].astype(float), labels[seen])


def prototypes_of(checkpoint: Checkpoint, examples: Sequence[Example]) -> Floats:
    """(glosses, D) mean embedding of each gloss over training clips, without "no sign"; signers count alike."""
    found = read_open_set(checkpoint, [e for e in examples if e.gloss in checkpoint.config.data.vocabulary])
    means = np.stack([found.embeddings[found.labels == label].mean(axis=0) for label in np.unique(found.labels)])
    return np.asarray(means / np.linalg.norm(means, axis=1, keepdims=True))


def scores_of(found: OpenSet, prototypes: Floats, no_sign: int) -> dict[str, Floats]:
    """(N,) of each score; `no_sign` is the index of that class."""
    glosses = np.delete(found.logits, no_sign, axis=1)
    best = glosses.max(axis=1)
    return {
        "background": np.exp(best - _log_sum(found.logits)),
        "closed": np.exp(best - _log_sum(glosses)),
        "energy": _log_sum(glosses),
        "prototypes": (found.embeddings @ prototypes.T).max(axis=1),
    }


def _log_sum(logits: Floats) -> Floats:
    top = logits.max(axis=1)
    return np.asarray(top + np.log(np.exp(logits - top[:, None]).sum(axis=1)))


def measure(found: OpenSet, scores: Mapping[str, Floats], no_sign: int) -> dict[str, RejectionScores]:
    """Figures of each score.

    Raises:
        DataError: there are no known clips, or no unknown ones.
    """
    known = found.labels != OUTSIDE
    if known.all() or not known.any():
        raise DataError(
            "rejection is measured on clips of the vocabulary and on clips of other signs: one kind is missing"
        )
    glosses = np.delete(np.arange(found.logits.shape[1]), no_sign)
    right = glosses[found.logits[:, glosses].argmax(axis=1)] == found.labels
    return {
        name: RejectionScores(
            auroc=auroc(score[known], score[~known]),
            fpr95=float((score[~known] >= np.quantile(score[known], 1 - KEPT)).mean()),
            oscr=oscr(score[known], right[known], score[~known]),
        )
        for name, score in scores.items()
    }


def auroc(known: Floats, unknown: Floats) -> float:
    """Chance that a known clip scores above an unknown one; a tie counts half."""
    order = np.sort(unknown)
    below, upto = np.searchsorted(order, known, "left"), np.searchsorted(order, known, "right")
    return float(((below + upto) / 2).mean() / len(unknown))


def oscr(known: Floats, right: NDArray[np.bool_], unknown: Floats) -> float:
    """Open-set classification rate: share of known clips above and right, mean over the unknown clips' scores."""
    order = np.sort(known[right])
    above = len(order) - (np.searchsorted(order, unknown, "left") + np.searchsorted(order, unknown, "right")) / 2
    return float(above.mean() / len(known))


def table(seeds: Sequence[Sequence[Mapping[str, RejectionScores]]]) -> str:
    """Markdown: one line for each score, mean over folds, and that over seeds."""
    lines = ["| score | AUROC | FPR at 95 % TPR | OSCR |", "|---|---|---|---|"]
    for name in seeds[0][0]:
        means = [mean_scores([fold[name] for fold in folds]) for folds in seeds]
        figures = [
            mean_and_std([getattr(mean, figure) for mean in means], 3) for figure in RejectionScores.model_fields
        ]
        lines.append(f"| {name} | " + " | ".join(figures) + " |")
    return "\n".join(lines)


def mean_scores(scores: Sequence[RejectionScores]) -> RejectionScores:
    """The mean of each figure."""
    return RejectionScores(
        **{name: float(np.mean([getattr(s, name) for s in scores])) for name in RejectionScores.model_fields}
    )


def load_rejection(path: Path) -> Rejection:
    """Read the output of `evaluate-rejection --json`.

    Raises:
        ValueError: not that; names the file.
        OSError: it cannot be read.
    """
    return read_json(Rejection, path)
