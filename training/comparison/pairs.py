"""Confusable pairs of glosses: their choice, the share that is confused, and its change by a variant."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from training.comparison.plan import Plan, RunKey
from training.comparison.predictions import Predictions

MOST = 10  # pairs that are shown of those that got better, and of those that got worse
RATE = 0.05  # how often the baseline must confuse two glosses, mean of both directions


def confusion_counts(runs: Sequence[Predictions], size: int) -> NDArray[np.int64]:
    """(V, V) clips of the row's gloss read as the column's, over several runs; unread clips count in `totals` alone."""
    counts = np.zeros((size, size), np.int64)
    for run in runs:
        seen = run.predicted >= 0
        np.add.at(counts, (run.truth[seen], run.predicted[seen]), 1)
    return counts


def totals(runs: Sequence[Predictions], size: int) -> NDArray[np.int64]:
    """(V,) clips of each gloss, over several runs."""
    return sum((np.bincount(run.truth, minlength=size) for run in runs), np.zeros(size, np.int64))


def symmetric_rates(runs: Sequence[Predictions], size: int) -> NDArray[np.float64]:
    """(V, V) how often two glosses are taken for each other, the mean of both directions; 0 on the diagonal."""
    rates = confusion_counts(runs, size) / np.maximum(totals(runs, size), 1)[:, None]
    np.fill_diagonal(rates, 0.0)
    return np.asarray((rates + rates.T) / 2)


def confusable(plan: Plan, everything: Mapping[RunKey, Predictions]) -> dict[tuple[int, int], NDArray[np.bool_]]:
    """For each (seed, fold), the (V, V) mask of pairs of scored glosses that the baseline confuses.

    Counted on the other folds alone, over all seeds, so that chance in the scored clips does not choose the pairs; with
    one fold only, on the other seeds. With one seed as well there are no pairs.
    """
    size = len(plan.config.data.vocabulary)
    scored = np.isin(plan.config.data.vocabulary, plan.glosses)
    masks = {}
    for seed in plan.seeds:
        for fold in range(len(plan.folds)):
            others = [
                found
                for key, found in everything.items()
                if key.variant == plan.baseline and (key.fold != fold if len(plan.folds) > 1 else key.seed != seed)
            ]
            masks[seed, fold] = (symmetric_rates(others, size) >= RATE) & scored & scored[:, None]
    return masks


class PairChange(NamedTuple):
    """The number of confusions of two glosses, by the baseline and by another variant."""

    glosses: tuple[str, str]
    baseline: float
    variant: float

    @property
    def difference(self) -> float:
        """Below 0 where the variant confuses them less."""
        return self.variant - self.baseline


def changes(plan: Plan, everything: Mapping[RunKey, Predictions], variant: str) -> list[PairChange]:
    """All pairs that the baseline or the variant confuses, over all folds and seeds, the most improved first."""
    vocabulary = plan.config.data.vocabulary
    before, after = (
        symmetric_rates([found for key, found in everything.items() if key.variant == v], len(vocabulary))
        for v in (plan.baseline, variant)
    )
    found = [
        PairChange((vocabulary[i], vocabulary[j]), float(before[i, j]), float(after[i, j]))
        for i, j in zip(*np.triu_indices(len(vocabulary), 1), strict=True)
        if before[i, j] > 0 or after[i, j] > 0
    ]
    return sorted(found, key=lambda change: change.difference)


def most_changed(found: Sequence[PairChange]) -> tuple[list[PairChange], list[PairChange]]:
    """Of what `changes` finds, the pairs that improved most and those that got worst, `MOST` of each at most."""
    better = [change for change in found if change.difference < 0][:MOST]
    worse = [change for change in reversed(found) if change.difference > 0][:MOST]
    return better, worse
