"""The runs of a signer-independent evaluation: scores of models, each on signers that it never saw.

`python -m training compare` writes them, and `python -m export onnx --folds` publishes them with a bundle.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from training.config import Config
from training.config.variants import variant_name
from training.evaluation.scores import Scores
from training.runtime.files import read_json, write_text

WORST = 0.1  # share of the signers, those read worst, whose mean is reported on its own


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Run(_Part):
    """One trained and scored model; `wer` where it reads sentences."""

    variant: str
    seed: int
    held_out: tuple[str, ...]
    scores: Scores
    wer: float | None = None


class GlossFigure(_Part):
    """Clips of a gloss in the folds of the main variant, and the share recognised over all seeds."""

    n: int
    accuracy: float


class FoldReport(_Part):
    """All runs of an evaluation, and the config they share but for seed, held-out signers and variant."""

    config: Config
    glosses: tuple[str, ...]
    runs: tuple[Run, ...]

    @property
    def main(self) -> str:
        """The variant that is the config itself, and whose figures a bundle publishes."""
        return variant_name(self.config)

    def of(self, variant: str) -> list[Run]:
        """The runs of one variant."""
        return [run for run in self.runs if run.variant == variant]

    def by_seed(self, variant: str) -> dict[int, float]:
        """For each seed, the accuracy averaged over folds."""
        runs = self.of(variant)
        seeds = sorted({run.seed for run in runs})
        return {s: float(np.mean([r.scores.accuracy for r in runs if r.seed == s])) for s in seeds}

    def per_signer(self, variant: str, seed: int | None = None) -> list[float]:
        """For each signer, the accuracy with one seed, or averaged over all of them; the worst first."""
        found: dict[str, list[float]] = {}
        for run in self.of(variant):
            if seed in (None, run.seed):
                for signer, score in run.scores.per_signer.items():
                    found.setdefault(signer, []).append(score.accuracy)
        return sorted(float(np.mean(values)) for values in found.values())

    @property
    def per_gloss(self) -> dict[str, GlossFigure]:
        """Figures of the main variant, over all its seeds; n counts each clip once."""
        figures = {}
        for gloss in self.glosses:
            runs = [r for r in self.of(self.main) if gloss in r.scores.per_gloss]
            n = sum({r.held_out: r.scores.per_gloss[gloss].n for r in runs}.values())
            if n:
                scores = [r.scores.per_gloss[gloss] for r in runs]
                total = sum(s.n for s in scores)
                figures[gloss] = GlossFigure(n=n, accuracy=sum(s.n * s.accuracy for s in scores) / total)
        return figures

    @property
    def metrics(self) -> dict[str, float]:
        """Means of the main variant over folds and seeds, and the spread over seeds."""
        runs = self.of(self.main)
        seeds = list(self.by_seed(self.main).values())
        signers = self.per_signer(self.main)
        return {
            "left_out_signers_accuracy": float(np.mean([r.scores.accuracy for r in runs])),
            "left_out_signers_accuracy_seed_std": float(np.std(seeds)),
            "left_out_signers_macro_f1": float(np.mean([r.scores.macro_f1 for r in runs])),
            "left_out_signers_top5": float(np.mean([r.scores.top5 for r in runs])),
            "left_out_signers_mean": float(np.mean(signers)),
            "left_out_signers_worst_tenth": worst_share(signers),
        }

    def similarity(self, vocabulary: Sequence[str]) -> NDArray[np.float64]:
        """(C, C) symmetric: how often two glosses were taken for each other on left-out signers."""
        counts = np.zeros((len(vocabulary), len(vocabulary)))
        totals = np.zeros(len(vocabulary))
        for run in self.of(self.main):
            for gloss, figure in run.scores.per_gloss.items():
                totals[vocabulary.index(gloss)] += figure.n
            for c in run.scores.confusions:
                if c.predicted in vocabulary:
                    counts[vocabulary.index(c.gloss), vocabulary.index(c.predicted)] += c.count
        rates = counts / np.maximum(totals, 1.0)[:, None]
        return np.asarray((rates + rates.T) / 2)


def worst_share(signers: Sequence[float]) -> float:
    """Mean accuracy of the worst tenth of the signers, at least of one; `signers` are sorted, the worst first."""
    return float(np.mean(signers[: max(1, round(WORST * len(signers)))]))


def without_seed(config: Config) -> Config:
    """The config without the fields that a fold evaluation varies."""
    data = config.data.model_copy(update={"held_out": (), "held_out_glosses": ()})
    return config.model_copy(update={"seed": 0, "data": data})


def load_report(path: Path) -> FoldReport:
    """Read a report.

    Raises:
        ValueError: not one; names the file.
    """
    return read_json(FoldReport, path)


def save(report: FoldReport, path: Path) -> None:
    """Write a report, whole or not at all."""
    write_text(path, report.model_dump_json(indent=1))
