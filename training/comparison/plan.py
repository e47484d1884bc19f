"""The plan of a comparison: variants, seeds and folds, and the files of each run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from training.config import Config, Role
from training.config.variants import LSTM, has_plain_loss, variant_of
from training.data import Example, Split, load_sets, load_split, split_by_signer
from training.data.sampling import thinned
from training.evaluation.fold_report import FoldReport, load_report, save, without_seed

MOST = 12  # clips of an unknown sign that one signer's model is asked with
NAMED = 5  # signers of a fold; of more than these, tables and charts name the first and the last


class RunKey(NamedTuple):
    """One run: a variant, a seed and the number of its fold."""

    variant: str
    seed: int
    fold: int

    @property
    def name(self) -> str:
        """The name of its files."""
        return f"{self.variant}.seed{self.seed}.fold{self.fold}"


@dataclass(frozen=True)
class Plan:
    """All runs of a comparison.

    Attributes:
        config: the run that every variant changes; its held-out signers are replaced.
        out: the report folder.
        folds: signers left out together; one fold of nobody stands for the sets with the role test.
        unlearned: for each fold, the glosses outside the vocabulary that it leaves out as well.
        glosses: those that are scored; the whole vocabulary stays in play.
        baseline: the variant that the others are held against.
        perturbed: whether the clips are also read made worse.
        temperature, background: of a calibration that all recognisers are read with, as in a manifest.
    """

    config: Config
    out: Path
    folds: tuple[tuple[str, ...], ...]
    unlearned: tuple[tuple[str, ...], ...]
    seeds: tuple[int, ...]
    glosses: tuple[str, ...]
    variants: tuple[str, ...]
    baseline: str
    perturbed: bool = True
    temperature: float = 1.0
    background: float = 0.0

    @property
    def keys(self) -> list[RunKey]:
        """Every run; one seed is complete before the next begins."""
        folds = range(len(self.folds))
        return [RunKey(v, seed, fold) for seed in self.seeds for fold in folds for v in self.variants]

    @property
    def rivals(self) -> list[str]:
        """The variants that are held against the baseline."""
        return [variant for variant in self.variants if variant != self.baseline]

    def config_of(self, key: RunKey) -> Config:
        """The config of one run."""
        config = variant_of(self.config, key.variant, key.seed)
        held_out = self.folds[key.fold] or config.data.held_out
        data = config.data.model_copy(update={"held_out": held_out, "held_out_glosses": self.unlearned[key.fold]})
        return config.model_copy(update={"data": data})

    def fold_name(self, fold: int) -> str:
        """The name of a fold in tables."""
        signers = self.folds[fold]
        if len(signers) > NAMED:
            return f"{len(signers)} signers, {signers[0]} to {signers[-1]}"
        return ", ".join(signers) or "test sets"

    def checkpoint(self, key: RunKey) -> Path:
        """The path of a run's model."""
        return self.out / "checkpoints" / f"{key.name}.pt"

    def predictions(self, key: RunKey) -> Path:
        """The path of its predictions."""
        return self.out / "predictions" / f"{key.name}.npz"


def make_plan(
    config: Config,
    out: Path,
    folds: Sequence[Sequence[str]],
    seeds: Sequence[int],
    variants: Sequence[str],
    glosses: Sequence[str] | None = None,
    baseline: str | None = None,
    unlearned: Sequence[Sequence[str]] = (),
) -> Plan:
    """Check and complete a plan.

    Args:
        config: see `Plan`.
        out: see `Plan`.
        folds: signers left out together; none for the sets with the role test.
        seeds: seeds of each variant and fold.
        variants: names as in `training.config.variants`.
        glosses: None for the vocabulary without its "no sign".
        baseline: None for the first variant with cross-entropy, or the first one where none has it.
        unlearned: see `Plan`; nothing for none.

    Raises:
        ValueError: something is unknown, said twice or missing.
    """
    if not folds and all(source.role != "test" for source in config.data.sets):
        raise ValueError('nothing to test on: give --fold, or a set of the config the role "test"')
    if glosses is None:
        glosses = [gloss for gloss in config.data.vocabulary if gloss != config.data.no_sign]
    unknown = set(glosses) - set(config.data.vocabulary)
    if unknown:
        raise ValueError(f"not in the vocabulary: {', '.join(sorted(unknown))}")
    signers = [signer for fold in folds for signer in fold]
    for what, values in (("variant", variants), ("seed", seeds), ("gloss", glosses), ("signer in folds", signers)):
        twice = [str(value) for value in dict.fromkeys(values) if list(values).count(value) > 1]
        if twice:
            raise ValueError(f"{what} given twice: {', '.join(twice)}")
    plain = [v for v in variants if v != LSTM and has_plain_loss(config, v)]
    baseline = baseline or (plain or list(variants))[0]
    if baseline not in variants:
        raise ValueError(f"the baseline {baseline!r} is not among the variants")
    left_out = tuple(map(tuple, folds or [()]))
    without = tuple(map(tuple, unlearned or [()] * len(left_out)))
    plan = Plan(config, out, left_out, without, tuple(seeds), tuple(glosses), tuple(variants), baseline)
    if config.model.frame_size is None and any(plan.config_of(key).model.frame_size for key in plan.keys):
        raise ValueError("variants with an rgb stream need a config with one: its clips come with pictures")
    return plan


def open_folder(plan: Plan) -> None:
    """Make the report folder, or find that it is this comparison's.

    Raises:
        ValueError: it holds runs of another config or of other glosses.
        OSError: it cannot be made.
    """
    for folder in ("checkpoints", "predictions"):
        (plan.out / folder).mkdir(parents=True, exist_ok=True)
    path = plan.out / "runs.json"
    fresh = FoldReport(config=without_seed(plan.config), glosses=plan.glosses, runs=())
    if not path.exists():
        save(fresh, path)
    kept = load_report(path)
    if (kept.config, kept.glosses) != (fresh.config, fresh.glosses):
        raise ValueError(f"{path}: made with another config or other glosses; take another folder")


class Clips:
    """The clips of a comparison: which ones each fold trains and tests on.

    Raises:
        DataError: the data cannot be used, or a signer of a fold is not in them.
        ValueError: a fold has no clip to score.
    """

    def __init__(self, plan: Plan, data: Path) -> None:
        self.plan = plan
        self._data = data
        role: Role = "train" if any(plan.folds) else "test"
        examples = load_sets(plan.config.data, data, plan.config.model, role)
        self._test = [self._chosen(fold, examples) for fold in range(len(plan.folds))]
        self._unknown = [self._outside(fold, examples) for fold in range(len(plan.folds))]
        self._split: tuple[int, Split] | None = None

    def _chosen(self, fold: int, examples: Sequence[Example]) -> dict[int, Example]:
        held_out = self.plan.folds[fold]
        split_by_signer(examples, held_out)
        scored = {i: e for i, e in enumerate(examples) if e.gloss in self.plan.glosses}
        chosen = {i: e for i, e in scored.items() if not held_out or e.signer in held_out}
        if not chosen:
            raise ValueError(f"no clip of {self.plan.fold_name(fold)} has a gloss that is scored")
        return chosen

    def _outside(self, fold: int, examples: Sequence[Example]) -> dict[int, Example]:
        glosses, held_out = self.plan.unlearned[fold], self.plan.folds[fold]
        kept = thinned([e for e in examples if e.gloss in glosses and e.signer in held_out], MOST)
        return dict(enumerate(kept))

    def split(self, fold: int) -> Split:
        """Clips to learn from, and clips to watch; those of one fold are held at a time.

        Raises:
            DataError: nothing is left to learn from.
        """
        if self._split is None or self._split[0] != fold:
            config = self.plan.config_of(RunKey(self.plan.baseline, self.plan.seeds[0], fold))
            self._split = fold, load_split(config.data, self._data, self.plan.config.model)
        return self._split[1]

    def test(self, fold: int) -> dict[int, Example]:
        """Clips to score, by their number among all clips of their role."""
        return self._test[fold]

    def unknown(self, fold: int) -> dict[int, Example]:
        """Clips of the fold's signers whose glosses it leaves out, numbered; at most `MOST` of a signer's gloss."""
        return self._unknown[fold]
