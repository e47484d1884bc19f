"""Every clip read by a model that has not seen its signer."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import cut_window
from training.config import Config, Role
from training.config.variants import variant_of
from training.data import DataError, Example, load_sets
from training.evaluation.scores import TorchClassifier
from training.labels.groups import group_signers, judged_glosses
from training.models.checkpoint import Checkpoint, load_checkpoint
from training.tasks.train import fit

BATCH = 256  # windows at a time


@dataclass(frozen=True)
class AuditPlan:
    """The groups of signers that are left out together, and the glosses that the models read.

    Attributes:
        config: the run that the models' recipe is derived from.
        groups: all signers.
        glosses: the glosses that can be judged, in the order of the models' classes.
        unjudged: the other ones, with the reason.
    """

    config: Config
    groups: tuple[tuple[str, ...], ...]
    glosses: tuple[str, ...]
    unjudged: dict[str, str]

    def config_of(self, group: int) -> Config:
        """The config of the model that has not seen a group: keypoints and cross-entropy, every gloss a class."""
        plain = variant_of(self.config, "keypoints+ce", self.config.seed)
        changes = {
            "vocabulary": self.glosses,
            "no_sign": None,
            "distractors": True,
            "background": False,
            "idle_clips": 0,
            "held_out": self.groups[group],
            "held_out_glosses": (),
            "dev_signers": (),
        }
        return plain.model_copy(update={"data": plain.data.model_copy(update=changes)})


def load_everybody(config: Config, data: Path) -> list[Example]:
    """All clips of a config's sets, whatever their role.

    Raises:
        DataError: a file cannot be used, or a gloss of the vocabulary has no clip.
        ValueError: the config is of sentences.
    """
    if config.kind != "isolated":
        raise ValueError("labels are audited of clips that show one sign each: the config is of sentences")
    examples = [e for role in get_args(Role) for e in load_sets(config.data, data, None, role)]
    if empty := set(config.data.vocabulary) - {e.gloss for e in examples}:
        raise DataError(f"empty class: no clip of {', '.join(sorted(empty))} in the data")
    return examples


def plan_audit(config: Config, examples: Sequence[Example], groups: int) -> AuditPlan:
    """Group the signers of all clips.

    Raises:
        DataError: there are too few signers, or fewer than two glosses can be judged.
    """
    pairs = [(e.gloss, e.signer) for e in examples]
    grouped = group_signers(pairs, groups)
    glosses, unjudged = judged_glosses(pairs, grouped)
    if len(glosses) < 2:
        raise DataError("labels are judged against each other: fewer than two glosses have two signers or more")
    return AuditPlan(config, grouped, glosses, unjudged)


def read_everybody(plan: AuditPlan, examples: Sequence[Example], folder: Path) -> NDArray[np.float32]:
    """Train a model for each group, where `folder` does not hold it yet, and read the group's clips with it.

    Args:
        plan: the groups.
        examples: N clips of glosses that can be judged, and others to learn from.
        folder: where the models are kept.

    Returns:
        (N, C) probabilities over the plan's glosses; NaN for clips of glosses that cannot be judged.

    Raises:
        CheckpointError: a model's file is damaged.
        ValueError: a model was made with another config, or a training fails.
    """
    probabilities = np.full((len(examples), len(plan.glosses)), np.nan, np.float32)
    for number, group in enumerate(plan.groups):
        mine = [i for i, e in enumerate(examples) if e.signer in group and e.gloss in plan.glosses]
        path = folder / f"group{number}.pt"
        checkpoint = _model(plan.config_of(number), [e for e in examples if e.signer not in group], path)
        if mine:
            probabilities[mine] = read(checkpoint, [examples[i] for i in mine])
        print(f"group {number + 1} of {len(plan.groups)}: {len(mine)} clips read", file=sys.stderr)
    return probabilities


def _model(config: Config, examples: Sequence[Example], path: Path) -> Checkpoint:
    if not path.exists():
        fit(config, examples, progress=False).save(path)
    checkpoint = load_checkpoint(path)
    if checkpoint.config != config:
        raise ValueError(f"{path}: made with another config or of other data; take another folder")
    return checkpoint


def read(checkpoint: Checkpoint, examples: Sequence[Example]) -> NDArray[np.float32]:
    """Probabilities (N, V) over a model's vocabulary, each clip being one window from its first frame on."""
    spec = checkpoint.config.clip
    classify = TorchClassifier(checkpoint.build(), len(checkpoint.config.data.vocabulary))
    batches = (examples[start : start + BATCH] for start in range(0, len(examples), BATCH))
    return np.concatenate([classify([cut_window(e.clip, float(e.clip.t_ms[0]), spec) for e in b]) for b in batches])
