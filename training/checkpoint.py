"""What a training run leaves behind: weights, config and what the model card must say about the data."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from glosscast.holistic import BOTH, UNSTATED
from glosscast.keypoints import UNSEEN
from training.config import Config
from training.continuous.model import ContinuousRecogniser, recogniser_of
from training.data import Example
from training.model import Recogniser, rows
from training.writing import whole_file

Kind = Literal["isolated", "continuous"]


class CheckpointError(ValueError):
    """A checkpoint file is not one of ours; the message names the file."""


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """A trained model.

    Attributes:
        config: the run's config.
        classes: the vocabulary, then distractors; one per output of the trained head, but for a blank.
        state: the model's weights.
        confusion: (C, C) class similarity of the adaptive loss, of signs or sentences, at the end of training, or None.
        signers: for each vocabulary gloss, the number of signers it was learned from.
        extractor: what found the keypoints that it was learned from, for the manifest.
    """

    config: Config
    classes: tuple[str, ...]
    state: dict[str, Tensor]
    confusion: Tensor | None
    signers: dict[str, int]
    extractor: str = UNSTATED

    @property
    def kind(self) -> Kind:
        """What the model reads: isolated signs or sentences."""
        return "continuous" if self.config.continuous else "isolated"

    def build(self) -> Recogniser:
        """The model of isolated signs, in eval mode.

        Raises:
            CheckpointError: it is one of sentences.
        """
        if self.kind != "isolated":
            raise CheckpointError(f"the checkpoint of {self.config.name} is of sentences, not of isolated signs")
        model = Recogniser(self.config.model, len(self.classes), self.config.clip.alpha)
        model.load_state_dict(self.state)
        return model.eval()

    def build_calibrated(self, temperature: float = 1.0, background: float = 0.0) -> Recogniser:
        """The same with the vocabulary as its only classes, as a bundle has it.

        Args:
            temperature: what logits are divided by.
            background: what is then added to the logit of "no sign", if there is such a class.

        Raises:
            CheckpointError: it is one of sentences.
        """
        model, data = self.build(), self.config.data
        model.classify = rows(model.classify, range(len(data.vocabulary)), temperature)
        if data.no_sign is not None:
            with torch.no_grad():
                model.classify.bias[data.vocabulary.index(data.no_sign)] += background
        return model

    def build_continuous(self) -> ContinuousRecogniser:
        """The model of sentences, in eval mode.

        Raises:
            CheckpointError: it is one of isolated signs.
        """
        if self.kind != "continuous":
            raise CheckpointError(f"the checkpoint of {self.config.name} is of isolated signs, not of sentences")
        model = recogniser_of(self.config, len(self.classes))
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
        write_whole(content, path)


def write_whole(content: object, path: Path) -> None:
    """`torch.save` to `path`, whole or not at all: a file of that name that was there stays until the new one is safe.

    Raises:
        OSError: it cannot be written, for one because the disk is full; names the file.
    """
    buffer = BytesIO()  # torch's own writer tells of a full disk by a RuntimeError without a reason
    torch.save(content, buffer)
    with whole_file(path) as file:
        file.write(buffer.getbuffer())


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
        if checkpoint.kind == "continuous":
            checkpoint.build_continuous()
        else:
            checkpoint.build()
        return checkpoint
    except Exception as error:
        raise CheckpointError(f"{path}: not a Glosscast checkpoint") from error


def count_signers(examples: Sequence[Example], vocabulary: Sequence[str]) -> dict[str, int]:
    """How many signers each gloss of the vocabulary was seen from."""
    return {gloss: len({e.signer for e in examples if gloss in e.glosses}) for gloss in vocabulary}


def extractors_of(examples: Sequence[Example]) -> str:
    """What found the keypoints of these clips, as a manifest says it."""
    return BOTH.join(sorted({e.extractor for e in examples} - {UNSEEN})) or UNSEEN
