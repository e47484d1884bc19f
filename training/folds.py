"""Signer-independent evaluation: folds of left-out signers, several seeds, and the variants to compare.

Each run trains from nothing on all other signers and is scored on the left-out ones, with the whole vocabulary in play.
Finished runs are kept in the output file, so an interrupted evaluation goes on where it stopped.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationError

from glosscast.faults import first_fault
from training.config import Config
from training.data import Example, load_sets, split_by_signer
from training.evaluate import Scores, TorchClassifier, score
from training.losses.focal import FocalConfig
from training.losses.isolated import LossConfig
from training.losses.triplet import TripletConfig
from training.model import Stream

STREAMS: dict[str, tuple[Stream, ...]] = {
    "fusion": ("pose", "keypoints"),
    "keypoints": ("keypoints",),
    "pose": ("pose",),
}
LOSSES = ("adaptive", "prototype", "triplet", "focal", "ce")
VARIANTS = tuple(f"{streams}+{loss}" for streams in STREAMS for loss in LOSSES)
MAIN_VARIANT = "fusion+adaptive"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Run(_Part):
    """One trained and scored model."""

    variant: str
    seed: int
    held_out: tuple[str, ...]
    scores: Scores


class GlossFigure(_Part):
    """Clips of a gloss in the folds of the main variant, and the share recognised over all seeds."""

    n: int
    accuracy: float


class FoldReport(_Part):
    """All runs of an evaluation, and the config they share but for seed, held-out signers and variant."""

    config: Config
    glosses: tuple[str, ...]
    runs: tuple[Run, ...]

    def of(self, variant: str) -> list[Run]:
        """The runs of one variant."""
        return [run for run in self.runs if run.variant == variant]

    def by_seed(self, variant: str) -> dict[int, float]:
        """For each seed, the accuracy averaged over folds."""
        runs = self.of(variant)
        seeds = sorted({run.seed for run in runs})
        return {s: float(np.mean([r.scores.accuracy for r in runs if r.seed == s])) for s in seeds}

    @property
    def per_gloss(self) -> dict[str, GlossFigure]:
        """Figures of the main variant, over all its seeds; n counts each clip once."""
        figures = {}
        for gloss in self.glosses:
            runs = [r for r in self.of(MAIN_VARIANT) if gloss in r.scores.per_gloss]
            n = sum({r.held_out: r.scores.per_gloss[gloss].n for r in runs}.values())
            if n:
                scores = [r.scores.per_gloss[gloss] for r in runs]
                total = sum(s.n for s in scores)
                figures[gloss] = GlossFigure(n=n, accuracy=sum(s.n * s.accuracy for s in scores) / total)
        return figures

    @property
    def metrics(self) -> dict[str, float]:
        """Means of the main variant over folds and seeds, and the spread over seeds."""
        runs = self.of(MAIN_VARIANT)
        seeds = list(self.by_seed(MAIN_VARIANT).values())
        return {
            "left_out_signers_accuracy": float(np.mean([r.scores.accuracy for r in runs])),
            "left_out_signers_accuracy_seed_std": float(np.std(seeds)),
            "left_out_signers_macro_f1": float(np.mean([r.scores.macro_f1 for r in runs])),
            "left_out_signers_top5": float(np.mean([r.scores.top5 for r in runs])),
        }

    def similarity(self, vocabulary: Sequence[str]) -> NDArray[np.float64]:
        """(C, C) symmetric: how often two glosses were taken for each other on left-out signers."""
        counts = np.zeros((len(vocabulary), len(vocabulary)))
        totals = np.zeros(len(vocabulary))
        for run in self.of(MAIN_VARIANT):
            for gloss, figure in run.scores.per_gloss.items():
                totals[vocabulary.index(gloss)] += figure.n
            for c in run.scores.confusions:
                if c.predicted in vocabulary:
                    counts[vocabulary.index(c.gloss), vocabulary.index(c.predicted)] += c.count
        rates = counts / np.maximum(totals, 1.0)[:, None]
        return np.asarray((rates + rates.T) / 2)


def run_folds(
    config: Config,
    data: Path,
    out: Path,
    folds: Sequence[Sequence[str]],
    seeds: Sequence[int],
    glosses: Sequence[str],
    variants: Sequence[str],
) -> FoldReport:
    """Train and score every combination that `out` does not hold yet; writes `out` after each.

    Args:
        config: the run that the main variant repeats; its held-out signers are replaced.
        data: the data folder.
        out: JSON file of the report.
        folds: signers to leave out, fold by fold.
        seeds: seeds of each combination.
        glosses: what is scored; the whole vocabulary stays in play.
        variants: names from `VARIANTS`.

    Raises:
        DataError: the data cannot be used, or nobody of a fold is in them.
        ValueError: an unknown gloss, a variant that is unknown or that the config cannot give, or `out` was made with
            another config.
        Nothing has been trained by then.
    """
    examples = load_sets(config.data, data)
    plan = [
        (variant_of(config, variant, seed), variant, tuple(fold))
        for variant in variants
        for seed in seeds
        for fold in folds
    ]
    for fold in folds:
        split_by_signer(examples, fold)
    unknown = set(glosses) - set(config.data.vocabulary)
    if unknown:
        raise ValueError(f"not in the vocabulary: {', '.join(sorted(unknown))}")
    report = FoldReport(config=without_seed(config), glosses=tuple(glosses), runs=())
    if out.exists():
        report = load_report(out)
        if (report.config, report.glosses) != (without_seed(config), tuple(glosses)):
            raise ValueError(f"{out}: made with another config or other glosses; take another file")
    save(report, out)
    for planned, variant, fold in plan:
        done = {(r.variant, r.seed, r.held_out) for r in report.runs}
        if (variant, planned.seed, fold) in done:
            continue
        run = run_one(planned, variant, examples, fold, glosses)
        report = FoldReport(config=report.config, glosses=report.glosses, runs=(*report.runs, run))
        save(report, out)
        print(f"{variant} seed {planned.seed} without {', '.join(fold)}: {run.scores.accuracy:.3f}", flush=True)
    return report


def without_seed(config: Config) -> Config:
    """The config without what a fold evaluation varies."""
    data = config.data.model_copy(update={"held_out": ()})
    return config.model_copy(update={"seed": 0, "data": data})


def load_report(path: Path) -> FoldReport:
    """Read a report.

    Raises:
        ValueError: not one; names the file.
    """
    try:
        return FoldReport.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        raise ValueError(f"{path}: {first_fault(error)}") from error


def save(report: FoldReport, path: Path) -> None:
    """Write a report, whole or not at all."""
    partial = path.with_suffix(".partial")
    partial.write_text(report.model_dump_json(indent=1), encoding="utf-8")
    partial.replace(path)


def run_one(
    config: Config, variant: str, examples: Sequence[Example], held_out: tuple[str, ...], glosses: Sequence[str]
) -> Run:
    """Train without some signers and score on them."""
    from training.train import fit  # here, since an export reads reports and has no need of Lightning

    seen, unseen = split_by_signer(examples, held_out)
    checkpoint = fit(config, seen)
    scores = score(
        [e for e in unseen if e.gloss in glosses],
        config.data.vocabulary,
        config.clip,
        config.segmenter,
        config.decoder,
        TorchClassifier(checkpoint.build(), len(config.data.vocabulary)),
    )
    return Run(variant=variant, seed=config.seed, held_out=held_out, scores=scores)


def variant_of(config: Config, variant: str, seed: int) -> Config:
    """The config of a variant: its streams and its loss.

    `adaptive` is the config's own table, `prototype` the same in the prototype form; `triplet` and `focal` are the
    config's own where it has them, and have their default settings where not.

    Raises:
        ValueError: not one of `VARIANTS`, or the adaptive loss asked of a config without `[loss.adaptive]`.
    """
    if variant not in VARIANTS:
        raise ValueError(f"unknown variant {variant!r}; there are {', '.join(VARIANTS)}")
    streams, loss = variant.split("+")
    model = config.model.model_copy(update={"streams": STREAMS[streams]})
    return config.model_copy(update={"model": model, "loss": loss_variant(config.loss, loss), "seed": seed})


def loss_variant(config: LossConfig, loss: str) -> LossConfig:
    """The `[loss]` table with another of `LOSSES`."""
    plain = LossConfig(label_smoothing=config.label_smoothing)
    if loss == "ce":
        return plain
    if loss == "triplet":
        return plain.model_copy(update={"triplet": config.triplet or TripletConfig()})
    if loss == "focal":
        return plain.model_copy(update={"focal": config.focal or FocalConfig()})
    if config.adaptive is None:
        raise ValueError(f"the variant {loss!r} needs a [loss.adaptive] table")
    if loss == "adaptive":
        return config
    prototype = config.adaptive.model_copy(update={"form": "prototype", "confusable_share": 0.0})
    return plain.model_copy(update={"adaptive": prototype})
