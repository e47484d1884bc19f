"""Paired bootstrap over signers and seeds: how sure a difference between two variants is.

Each draw takes the signers of every fold with replacement, with all their clips, and the seeds with replacement; both
variants get the same draw, so what makes a signer or a seed hard for both cancels out. Clips of one signer are too much
alike to be drawn one by one: intervals over clips say nothing about other people. Figures are means over folds, then
over seeds, as in the tables.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from training.comparison.unknown import OpenOutcome, open_figures

FIGURES = ("accuracy", "macro_f1", "pair_error", "auroc", "one_shot")
FEWEST_SEEDS = 3  # of fewer, draws say nothing
FEWEST_SIGNERS = 2  # in a fold, likewise
DRAWS = 2000
LEVEL = 0.05  # of the chance that a difference is called certain which is none

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class FoldOutcome:
    """One variant on the clips of one fold, by all S seeds.

    Attributes:
        truth: (N,) index of each clip's gloss.
        signers: (N,) index of who signs it.
        predicted: (S, N) index of the gloss that it is read as, -1 for none.
        pairs: (S, V, V) mask of the confusable pairs.
        open: the same models on M clips of signs that they were never taught, if there are any.
    """

    truth: NDArray[np.int64]
    signers: NDArray[np.int64]
    predicted: NDArray[np.int64]
    pairs: NDArray[np.bool_]
    open: OpenOutcome | None = None

    @property
    def every_signer(self) -> NDArray[np.int64]:
        """(N + M,) index of who signs, unknown signs last."""
        return self.signers if self.open is None else np.concatenate([self.signers, self.open.signers])


@dataclass(frozen=True)
class Difference:
    """Variant less baseline, the 95 % interval, and the same relative to the baseline; None where it is not known.

    Draws in which the baseline has none of an error take no part in the relative interval. `p` is the two-sided chance
    of such a difference where there is none.
    """

    value: float | None
    interval: tuple[float, float] | None
    relative: float | None
    relative_interval: tuple[float, float] | None
    p: float | None = None

    @property
    def certain(self) -> bool:
        """Whether it is hardly chance."""
        return self.p is not None and self.p < LEVEL


def corrected(differences: Mapping[str, Mapping[str, Difference]]) -> dict[str, dict[str, Difference]]:
    """The differences of several variants, with each figure's `p` corrected for their number (Holm, 1979)."""
    out = {variant: dict(of) for variant, of in differences.items()}
    for name in FIGURES:
        for variant, p in holm({variant: of[name].p for variant, of in out.items()}).items():
            out[variant][name] = replace(out[variant][name], p=p)
    return out


def holm(chances: Mapping[str, float | None]) -> dict[str, float]:
    """Chances by name, corrected for how many there are; those that are not known are left out."""
    known = sorted((p, name) for name, p in chances.items() if p is not None)
    out: dict[str, float] = {}
    least = 0.0
    for place, (p, name) in enumerate(known):
        least = out[name] = max(least, min(1.0, p * (len(known) - place)))
    return out


def fold_figures(fold: FoldOutcome, weights: Floats) -> dict[str, Floats]:
    """Each figure (S, B) of a fold under weights (B, N + M) of its clips; NaN where no clip says anything of it."""
    of_unknown = open_figures(fold.open, weights, len(fold.predicted))
    weights = weights[:, : len(fold.truth)]
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
        return {
            "accuracy": hits.sum(axis=2) / weights.sum(axis=1),
            "macro_f1": (f1 * (clips > 0)).sum(axis=2) / (clips > 0).sum(axis=1),
            "pair_error": np.where(among > 0, taken / among, np.nan),
            **of_unknown,
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
    return {name: of[:, 0] for name, of in figures(folds, [np.ones((1, len(f.every_signer))) for f in folds]).items()}


def paired(
    variant: Sequence[FoldOutcome], baseline: Sequence[FoldOutcome], draws: int = DRAWS, seed: int = 0
) -> Mapping[str, Difference]:
    """Differences of a variant and its baseline, fold by fold on the same clips and seed by seed.

    With fewer than `FEWEST_SEEDS` seeds, or `FEWEST_SIGNERS` signers in a fold, there are no intervals.
    """
    seeds = len(baseline[0].predicted)
    rng = np.random.default_rng(seed)
    clips = [draw_signers(f.every_signer, draws, rng) for f in baseline]
    drawn_seeds = rng.multinomial(seeds, np.full(seeds, 1 / seeds), draws) / seeds  # (B, S)
    new, old = point_figures(variant), point_figures(baseline)
    drawn = [figures(folds, clips) for folds in (variant, baseline)] if says_something(baseline) else None
    out = {}
    for name in FIGURES:
        ours, theirs = float(_mean(new[name])), float(_mean(old[name]))
        known = not np.isnan(ours - theirs)
        interval = relative_interval = p = None
        if drawn is not None and known:
            a, b = (_weighted(of[name], drawn_seeds) for of in drawn)
            interval = _middle(np.asarray(a - b))
            p = chance(np.asarray(a - b))
            relative_interval = _middle(np.asarray(a[b > 0] / b[b > 0] - 1)) if (b > 0).any() else None
        relative = ours / theirs - 1 if known and theirs > 0 else None
        out[name] = Difference(ours - theirs if known else None, interval, relative, relative_interval, p)
    return out


def says_something(folds: Sequence[FoldOutcome]) -> bool:
    """Whether there are seeds and signers enough for an interval."""
    return enough(len(folds[0].predicted), [fold.signers for fold in folds])


def enough(seeds: int, signers: Sequence[NDArray[np.int64]]) -> bool:
    """Whether seeds, and signers of the clips (N,) of each fold, are enough for an interval."""
    return seeds >= FEWEST_SEEDS and min(len(np.unique(of_fold)) for of_fold in signers) >= FEWEST_SIGNERS


def draw_signers(signers: NDArray[np.int64], draws: int, rng: np.random.Generator) -> Floats:
    """(B, N) how often each clip comes in each draw of as many signers as there are, with replacement."""
    found, who = np.unique(signers, return_inverse=True)
    drawn = rng.multinomial(len(found), np.full(len(found), 1 / len(found)), draws)
    return np.asarray(drawn[:, who], float)


def chance(values: Floats) -> float:
    """Twice the share of draws (B,) on the rarer side of 0, one more counted so that it is never 0."""
    known = values[~np.isnan(values)]
    rarer = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, 2 * (rarer + 1) / (len(known) + 1)))


def _weighted(values: Floats, weights: Floats) -> Floats:
    """(B,) mean over seeds of values (S, B) by weights (B, S); seeds without a number are left out."""
    known = ~np.isnan(values).T
    with np.errstate(invalid="ignore"):
        return np.asarray((np.nan_to_num(values).T * weights).sum(axis=1) / (known * weights).sum(axis=1))


def _middle(values: Floats) -> tuple[float, float]:
    """The middle 95 % of the values, NaN left out."""
    low, high = np.nanpercentile(values, (2.5, 97.5))
    return float(low), float(high)
