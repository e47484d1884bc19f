"""The checkpoint of a training run: weights, config and the facts about the data that the model card needs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from glosscast.holistic import BOTH, UNSTATED
from glosscast.keypoints import UNSEEN
from training.config import Config, Kind
from training.data import Example
from training.models.continuous import ContinuousRecogniser, continuous_recogniser
from training.models.recogniser import IsolatedRecogniser, isolated_recogniser, rows
from training.runtime.checkpoint_file import CheckpointError, write_checkpoint


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model.

    Attributes:
        config: the run's config.
        classes: the vocabulary, then distractors; one per output of the trained head, but for a blank.
        state: the model's weights.
        confusion: (C, C) class similarity of the adaptive loss, of signs or sentences, at the end of training, or None.
        signers: for each vocabulary gloss, the number of signers it was learned from.
        extractor: the extractor of the training keypoints, for the manifest.
    """

    config: Config
    classes: tuple[str, ...]
    state: dict[str, Tensor]
    confusion: Tensor | None
    signers: dict[str, int]
    extractor: str = UNSTATED

    @property
    def kind(self) -> Kind:
        """The kind of the model: isolated signs or sentences."""
        return self.config.kind

    def build(self) -> IsolatedRecogniser:
        """The model of isolated signs, in eval mode.

        Raises:
            CheckpointError: it is one of sentences.
        """
        if self.kind != "isolated":
            raise CheckpointError(f"the checkpoint of {self.config.name} is of sentences, not of isolated signs")
        model = isolated_recogniser(self.config, len(self.classes))
        model.load_state_dict(self.state)
        return model.eval()

    def build_calibrated(self, temperature: float = 1.0, background: float = 0.0) -> IsolatedRecogniser:
        """The same with the vocabulary as its only classes, as a bundle has it.

        Args:
            temperature: logits are divided by it.
            background: added to the logit of "no sign" after that, if there is such a class.

        Raises:
            CheckpointError: it is one of sentences.
        """
        model = self.build()
        data = self.config.data
        model.classify = rows(model.classify, range(len(data.vocabulary)), temperature)
        if data.no_sign_id is not None:
            with torch.no_grad():
                model.classify.bias[data.no_sign_id] += background
        return model

    def build_continuous(self) -> ContinuousRecogniser:
        """The model of sentences, in eval mode.

        Raises:
            CheckpointError: it is one of isolated signs.
        """
        if self.kind != "continuous":
            raise CheckpointError(f"the checkpoint of {self.config.name} is of isolated signs, not of sentences")
        model = continuous_recogniser(self.config, len(self.classes))
        model.load_state_dict(self.state)
        return model.eval()

    def save(self, path: Path) -> None:
        """Write to `path`, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        content = {
            "kind": self.kind,
            "config": self.config.model_dump(mode="json"),
            "classes": list(self.classes),
            "state": self.state,
            "confusion": self.confusion,
            "signers": self.signers,
            "extractor": self.extractor,
        }
        write_checkpoint(content, path)


# Makers of the model of each kind of task.
BUILDERS: dict[Kind, Callable[[Checkpoint], nn.Module]] = {
    "isolated": Checkpoint.build,
    "continuous": Checkpoint.build_continuous,
}


def load_checkpoint(path: Path) -> Checkpoint:
    """Read a checkpoint; holds tensors and plain values only, so nothing in the file is executed.

    Raises:
        CheckpointError: missing, unreadable, of another layout, or its weights are not those of its config.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        checkpoint = Checkpoint(
            config=Config.model_validate(content["config"]),
            classes=tuple(content["classes"]),
            state=content["state"],
            confusion=content["confusion"],
            signers=content["signers"],
            extractor=content.get("extractor", UNSTATED),  # not in files of before it was kept
        )
        BUILDERS[checkpoint.kind](checkpoint)
        return checkpoint
    except Exception as error:
        raise CheckpointError(f"{path}: not a Glosscast checkpoint") from error


def count_signers(examples: Sequence[Example], vocabulary: Sequence[str]) -> dict[str, int]:
    """The number of signers of each gloss of the vocabulary."""
    return {gloss: len({e.signer for e in examples if gloss in e.glosses}) for gloss in vocabulary}


def extractors_of(examples: Sequence[Example]) -> str:
    """The extractors of these clips' keypoints, in the notation of a manifest."""
    return BOTH.join(sorted({e.extractor for e in examples} - {UNSEEN})) or UNSEEN
