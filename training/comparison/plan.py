"""What a comparison is made of: variants, seeds and folds, and the files of each run."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from training.config import Config
from training.data import Example, load_sets, split_by_signer
from training.folds import FoldReport, load_report, save, without_seed
from training.variants import LSTM, variant_of


class Key(NamedTuple):
    """One run: a variant, a seed and the number of its fold."""

    variant: str
    seed: int
    fold: int

    @property
    def name(self) -> str:
        """What its files are called."""
        return f"{self.variant}.seed{self.seed}.fold{self.fold}"


@dataclass(frozen=True)
class Plan:
    """All runs of a comparison.

    Attributes:
        config: the run that every variant changes; its held-out signers are replaced.
        out: the report folder.
        folds: signers left out together.
        glosses: what is scored; the whole vocabulary stays in play.
        baseline: the variant that the others are held against.
    """

    config: Config
    out: Path
    folds: tuple[tuple[str, ...], ...]
    seeds: tuple[int, ...]
    glosses: tuple[str, ...]
    variants: tuple[str, ...]
    baseline: str

    @property
    def keys(self) -> list[Key]:
        """Every run; one seed is complete before the next begins."""
        folds = range(len(self.folds))
        return [Key(v, seed, fold) for seed in self.seeds for v in self.variants for fold in folds]

    @property
    def rivals(self) -> list[str]:
        """The variants that are held against the baseline."""
        return [variant for variant in self.variants if variant != self.baseline]

    def config_of(self, key: Key) -> Config:
        """The config of one run."""
        config = variant_of(self.config, key.variant, key.seed)
        data = config.data.model_copy(update={"held_out": self.folds[key.fold]})
        return config.model_copy(update={"data": data})

    def checkpoint(self, key: Key) -> Path:
        """Where the model of a run is."""
        return self.out / "checkpoints" / f"{key.name}.pt"

    def predictions(self, key: Key) -> Path:
        """Where its predictions are."""
        return self.out / "predictions" / f"{key.name}.npz"


def make_plan(
    config: Config,
    out: Path,
    folds: Sequence[Sequence[str]],
    seeds: Sequence[int],
    variants: Sequence[str],
    glosses: Sequence[str] | None = None,
    baseline: str | None = None,
) -> Plan:
    """Check and complete what was asked for.

    Args:
        config: see `Plan`.
        out: see `Plan`.
        folds: see `Plan`.
        seeds: seeds of each variant and fold.
        variants: names as in `training.variants`.
        glosses: None for the vocabulary without its "no sign".
        baseline: None for the first variant with cross-entropy, or the first one where none has it.

    Raises:
        ValueError: something is unknown, said twice or missing.
    """
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
    plain = [v for v in variants if v != LSTM and _is_plain(config, v)]
    baseline = baseline or (plain or list(variants))[0]
    if baseline not in variants:
        raise ValueError(f"the baseline {baseline!r} is not among the variants")
    plan = Plan(config, out, tuple(map(tuple, folds)), tuple(seeds), tuple(glosses), tuple(variants), baseline)
    for key in plan.keys:
        plan.config_of(key)
    return plan


def _is_plain(config: Config, variant: str) -> bool:
    loss = variant_of(config, variant, config.seed).loss
    return loss.triplet is None and loss.focal is None and loss.adaptive is None


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
    """The clips of a comparison, and which of them each fold trains and tests on.

    Raises:
        DataError: the data cannot be used, or a signer of a fold is not in them.
    """

    def __init__(self, plan: Plan, data: Path) -> None:
        self.plan = plan
        self.examples = load_sets(plan.config.data, data)
        for fold in plan.folds:
            split_by_signer(self.examples, fold)

    def training(self, fold: int) -> list[Example]:
        """Clips to learn from."""
        return split_by_signer(self.examples, self.plan.folds[fold])[0]

    def test(self, fold: int) -> dict[int, Example]:
        """Clips to score, by their number among all clips.

        Raises:
            ValueError: there are none.
        """
        held_out = self.plan.folds[fold]
        chosen = {i: e for i, e in enumerate(self.examples) if e.signer in held_out and e.gloss in self.plan.glosses}
        if not chosen:
            raise ValueError(f"no clip of {', '.join(held_out)} has a gloss that is scored")
        return chosen
