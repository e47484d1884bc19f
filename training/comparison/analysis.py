"""Everything that a report says, computed from predictions alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from training.comparison.bootstrap import Difference, FoldOutcome, corrected, paired, point_figures
from training.comparison.overlap import Overlap, overlap
from training.comparison.pairs import PairChange, changes, confusable, confusion_counts, totals
from training.comparison.plan import Plan, RunKey
from training.comparison.predictions import Predictions
from training.comparison.robustness import CONDITIONS
from training.comparison.unknown import OpenOutcome, UnknownSigns, likeliest, one_shot
from training.evaluation.fold_report import FoldReport, Run, without_seed, worst_share


@dataclass(frozen=True, eq=False)
class Analysis:
    """The figures of a comparison; `everything` holds the predictions of each run of the plan."""

    plan: Plan
    everything: Mapping[RunKey, Predictions]

    @cached_property
    def report(self) -> FoldReport:
        """The scores of all runs."""
        runs = [
            Run(variant=key.variant, seed=key.seed, held_out=found.held_out, scores=found.scores, wer=found.wer)
            for key, found in self.everything.items()
        ]
        return FoldReport(config=without_seed(self.plan.config), glosses=self.plan.glosses, runs=tuple(runs))

    @cached_property
    def masks(self) -> dict[tuple[int, int], NDArray[np.bool_]]:
        """Confusable pairs by (seed, fold)."""
        return confusable(self.plan, self.everything)

    @property
    def has_unknown(self) -> bool:
        """Whether there are clips of unknown signs."""
        return any(run.unknown is not None for run in self.everything.values())

    def of(self, variant: str) -> dict[RunKey, Predictions]:
        """The runs of one variant."""
        return {key: found for key, found in self.everything.items() if key.variant == variant}

    def outcomes(self, variant: str) -> list[FoldOutcome]:
        """One variant's runs, fold by fold."""
        out = []
        for fold in range(len(self.plan.folds)):
            runs = [self.everything[RunKey(variant, seed, fold)] for seed in self.plan.seeds]
            pairs = np.stack([self.masks[seed, fold] for seed in self.plan.seeds])
            people = {name: place for place, name in enumerate(np.unique(_everybody(runs[0])))}
            signers = np.array([people[name] for name in runs[0].signers])
            predicted = np.stack([run.predicted for run in runs])
            out.append(FoldOutcome(runs[0].truth, signers, predicted, pairs, self._open(runs, people)))
        return out

    def _open(self, runs: Sequence[Predictions], people: Mapping[str, int]) -> OpenOutcome | None:
        """One variant's runs of a fold on unknown signs, if the fold has any."""
        unknown = [run.unknown for run in runs if run.unknown is not None and len(run.unknown.glosses)]
        if len(unknown) < len(runs):
            return None
        no_sign = self.plan.config.data.no_sign_id
        return OpenOutcome(
            known=np.stack([likeliest(run.probabilities, no_sign) for run in runs]),
            unknown=np.stack([likeliest(signs.probabilities, no_sign) for signs in unknown]),
            signers=np.array([people[name] for name in unknown[0].signers]),
            one_shot=np.stack([one_shot(signs, seed=0) for signs in unknown]),
        )

    @cached_property
    def figures(self) -> dict[str, dict[str, NDArray[np.float64]]]:
        """For each variant the figures by seed (S,).

        Means over folds: those of the bootstrap, and `top5`. Over the signers of all folds: `signers`, the mean, and
        `worst`, that of the worst tenth.
        """
        out = {}
        for variant in self.plan.variants:
            runs = self.report.of(variant)
            top5 = [np.mean([r.scores.top5 for r in runs if r.seed == seed]) for seed in self.plan.seeds]
            signers = [self.report.per_signer(variant, seed) for seed in self.plan.seeds]
            out[variant] = {
                **point_figures(self.outcomes(variant)),
                "top5": np.array(top5),
                "signers": np.array([np.mean(s) for s in signers]),
                "worst": np.array([worst_share(s) for s in signers]),
            }
        return out

    @cached_property
    def differences(self) -> Mapping[str, Mapping[str, Difference]]:
        """Each rival against the baseline, with chances corrected for the number of rivals."""
        baseline = self.outcomes(self.plan.baseline)
        return corrected({variant: paired(self.outcomes(variant), baseline) for variant in self.plan.rivals})

    @cached_property
    def changes(self) -> dict[str, list[PairChange]]:
        """For each rival the pairs that it confuses less or more than the baseline."""
        return {variant: changes(self.plan, self.everything, variant) for variant in self.plan.rivals}

    @cached_property
    def overlaps(self) -> dict[str, Overlap]:
        """For each variant the mean over its runs; a fold that has no figure is left out."""
        return {variant: mean_overlap(list(self.of(variant).values())) for variant in self.plan.variants}

    @cached_property
    def unknown_overlaps(self) -> dict[str, Overlap]:
        """The same of unknown signs; empty where there are none."""
        found = {v: [r.unknown for r in self.of(v).values() if r.unknown is not None] for v in self.plan.variants}
        return {variant: mean_overlap(signs) for variant, signs in found.items() if signs}

    @cached_property
    def robustness(self) -> dict[str, dict[str, float]]:
        """For each variant the accuracy under each condition, mean over runs; "" is the clips as they are."""
        out: dict[str, dict[str, float]] = {}
        for variant in self.plan.variants:
            runs = list(self.of(variant).values())
            read = {"": [run.predicted for run in runs]}
            for condition in CONDITIONS:
                if all(condition.name in run.perturbed for run in runs):
                    read[condition.name] = [run.perturbed[condition.name] for run in runs]
            out[variant] = {
                name: float(np.mean([(p == run.truth).mean() for p, run in zip(predicted, runs, strict=True)]))
                for name, predicted in read.items()
            }
        return out

    @cached_property
    def signers(self) -> dict[str, dict[str, float]]:
        """For each variant the accuracy on each signer, mean over seeds."""
        out = {}
        for variant in self.plan.variants:
            scores = [run.scores.per_signer for run in self.report.of(variant)]
            names = sorted({name for of_run in scores for name in of_run})
            out[variant] = {n: float(np.mean([s[n].accuracy for s in scores if n in s])) for n in names}
        return out

    def confusion_rates(self, variant: str) -> NDArray[np.float64]:
        """(V, V) share of the row's clips that are read as the column's gloss, over all folds and seeds."""
        runs = list(self.of(variant).values())
        size = len(self.plan.config.data.vocabulary)
        return np.asarray(confusion_counts(runs, size) / np.maximum(totals(runs, size), 1)[:, None])


def mean_overlap(runs: Sequence[Predictions] | Sequence[UnknownSigns]) -> Overlap:
    """The mean of each measure over runs; those that have none are left out, NaN where none has."""
    found = [overlap(r.embeddings, r.glosses, r.signers) for r in runs]
    return Overlap(*(_known_mean(column) for column in zip(*found, strict=True)))


def _everybody(run: Predictions) -> NDArray[np.str_]:
    """Who signs in a run's clips, unknown signs included."""
    return run.signers if run.unknown is None else np.concatenate([run.signers, run.unknown.signers])


def _known_mean(values: tuple[float, ...]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")
