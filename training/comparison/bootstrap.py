"""Paired bootstrap over clips and seeds: how sure a difference between two variants is.

Each draw takes the test clips of every fold with replacement, and the seeds with replacement; both variants get the
same draw, so what makes a clip or a seed hard for both cancels out. Figures are means over folds, then over seeds, as
in the tables. Signers are not drawn: the intervals say what other clips and seeds would change, not other people.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FIGURES = ("accuracy", "macro_f1", "pair_error")
FEWEST_SEEDS = 3  # of fewer, draws say nothing
DRAWS = 2000

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldOutcome:
    """One variant on the clips of one fold, by all S seeds.

    Attributes:
        truth: (N,) index of each clip's gloss.
        predicted: (S, N) index of the gloss that it is read as, -1 for none.
        pairs: (S, V, V) mask of the confusable pairs.
    """

    truth: NDArray[np.int64]
    predicted: NDArray[np.int64]
    pairs: NDArray[np.bool_]


@dataclass(frozen=True)
class Difference:
    """Variant less baseline, the 95 % interval, and the same relative to the baseline; None where it is not known.

    Draws in which the baseline has none of an error take no part in the relative interval.
    """

    value: float | None
    interval: tuple[float, float] | None
    relative: float | None
    relative_interval: tuple[float, float] | None

    @property
    def certain(self) -> bool:
        """The interval leaves 0 out."""
        return self.interval is not None and not self.interval[0] <= 0.0 <= self.interval[1]


def fold_figures(fold: FoldOutcome, weights: Floats) -> dict[str, Floats]:
    """Each figure (S, B) of a fold under weights (B, N) of its clips; NaN where no clip is in a confusable pair."""
    size = fold.pairs.shape[1]
    truth = np.eye(size)[fold.truth]  # (N, V)
    called = np.eye(size + 1)[fold.predicted][..., :size]  # (S, N, V); -1 is the column that is cut off
    right = fold.predicted == fold.truth
    clips = weights @ truth  # (B, V)
    hits = weights @ (right[..., None] * truth)  # (S, B, V)
    f1 = 2 * hits / np.maximum(clips + weights @ called, 1e-12)
    partner = np.take_along_axis(fold.pairs[:, fold.truth], np.maximum(fold.predicted, 0)[..., None], axis=2)[..., 0]
    taken = (partner & (fold.predicted >= 0)) @ weights.T  # (S, B)
    among = fold.pairs.any(axis=2)[:, fold.truth] @ weights.T
    with np.errstate(invalid="ignore"):
        pair_error = np.where(among > 0, taken / among, np.nan)
    return {
        "accuracy": hits.sum(axis=2) / weights.sum(axis=1),
        "macro_f1": (f1 * (clips > 0)).sum(axis=2) / (clips > 0).sum(axis=1),
        "pair_error": pair_error,
    }


def figures(folds: Sequence[FoldOutcome], weights: Sequence[Floats]) -> dict[str, Floats]:
    """Each figure (S, B), the mean over folds; a fold that has none is left out, NaN where none has."""
    of_folds = [fold_figures(fold, w) for fold, w in zip(folds, weights, strict=True)]
    return {name: _mean(np.stack([found[name] for found in of_folds])) for name in FIGURES}


def _mean(values: Floats) -> Floats:
    """Mean over axis 0, NaN left out."""
    known = ~np.isnan(values)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(known, values, 0.0).sum(axis=0) / known.sum(axis=0))


def point_figures(folds: Sequence[FoldOutcome]) -> dict[str, Floats]:
    """Each figure (S,), by seed, as measured."""
    return {name: of[:, 0] for name, of in figures(folds, [np.ones((1, len(f.truth))) for f in folds]).items()}


def paired(
    variant: Sequence[FoldOutcome], baseline: Sequence[FoldOutcome], draws: int = DRAWS, seed: int = 0
) -> Mapping[str, Difference]:
    """Differences of a variant and its baseline, fold by fold on the same clips and seed by seed.

    With fewer than `FEWEST_SEEDS` seeds there are no intervals.
    """
    seeds = len(baseline[0].predicted)
    rng = np.random.default_rng(seed)
    clips = [
        rng.multinomial(len(f.truth), np.full(len(f.truth), 1 / len(f.truth)), draws).astype(float) for f in baseline
    ]
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds  # (B, S)
    new, old = point_figures(variant), point_figures(baseline)
    drawn = [figures(folds, clips) for folds in (variant, baseline)] if seeds >= FEWEST_SEEDS else None
    out = {}
    for name in FIGURES:
        ours, theirs = float(_mean(new[name])), float(_mean(old[name]))
        known = not np.isnan(ours - theirs)
        interval = relative_interval = None
        if drawn is not None and known:
            a, b = (_weighted(of[name], drawn_seeds) for of in drawn)
            interval = _middle(np.asarray(a - b))
            relative_interval = _middle(np.asarray(a[b > 0] / b[b > 0] - 1)) if (b > 0).any() else None
        relative = ours / theirs - 1 if known and theirs > 0 else None
        out[name] = Difference(ours - theirs if known else None, interval, relative, relative_interval)
    return out


def _weighted(values: Floats, weights: Floats) -> Floats:
    """(B,) mean over seeds of values (S, B) by weights (B, S); seeds without a number are left out."""
    known = ~np.isnan(values).T
    with np.errstate(invalid="ignore"):
        return np.asarray((np.nan_to_num(values).T * weights).sum(axis=1) / (known * weights).sum(axis=1))


def _middle(values: Floats) -> tuple[float, float]:
    """The middle 95 % of the values, NaN left out."""
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)
