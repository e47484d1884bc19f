"""The loss of continuous recognition: λ₁·CTC + λ₂·focal CTC + λ₃·triplet + (1 − α)·L_CS.

Triplets and L_CS work on the embedding of each sign of a sentence, found by forced alignment with the known glosses.
"""

from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn

from training.confusion import ConfusionState
from training.losses.adaptive import AdaptiveConfig, separation_of
from training.losses.alignment import forced_alignment, segment_embeddings
from training.losses.ctc import ctc, focal_ctc, log_probabilities
from training.losses.triplet import hard_triplet
from training.losses.weighting import GradientWeighting, StaticWeighting, UncertaintyWeighting

WEIGHTINGS = {"static": StaticWeighting, "uncertainty": UncertaintyWeighting, "gradient": GradientWeighting}


class ContinuousLossConfig(BaseModel):
    """The `[continuous.loss]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ctc: float = Field(default=1.0, ge=0, description="λ₁")
    focal_ctc: float = Field(default=1.0, ge=0, description="λ₂")
    focal_gamma: float = Field(default=2.0, ge=0, description="how much sentences read well already count less")
    triplet: float = Field(default=1.0, ge=0, description="λ₃")
    triplet_margin: float = Field(default=0.2, gt=0, le=2, description="cosine distance")
    weighting: Literal["static", "uncertainty", "gradient"] = Field(
        default="gradient", description="of the four losses against each other, on top of their factors"
    )
    adaptive: AdaptiveConfig

    @model_validator(mode="after")
    def _frames_are_taught(self) -> "ContinuousLossConfig":
        if self.ctc == self.focal_ctc == 0.0:
            raise ValueError("ctc and focal_ctc are both 0: nothing would teach the frame-wise logits")
        return self


class ContinuousLoss(nn.Module):
    """The continuous loss and its checkpointed state: confusions, prototypes where in use, and the weighting.

    Whoever trains optimises its parameters too, and after each epoch calls `confusion.update` with the counts of
    `count_substitutions`.
    """

    def __init__(self, config: ContinuousLossConfig, classes: Sequence[str], embedding: int) -> None:
        super().__init__()
        self.config = config
        self.confusion = ConfusionState(config.adaptive, classes)
        self.separation = separation_of(config.adaptive, len(classes), embedding)
        self.weighting = WEIGHTINGS[config.weighting](tasks=4)

    def forward(
        self, epoch: int, logits: Tensor, features: Tensor, frames: Tensor, targets: Tensor, lengths: Tensor
    ) -> Tensor:
        """Loss of a batch of sentences.

        Args:
            epoch: counted from 0.
            logits: (B, T, C + 1) frame-wise, blank last, computed from `features`.
            features: (B, T, D), the shared embedding at which gradients are weighed.
            frames: (B,) frames of each sentence, at most T.
            targets: (B, L) class ids, padded with 0.
            lengths: (B,) signs of each sentence.
        """
        c = self.config
        log_p = log_probabilities(logits)
        sequences = ctc(log_p, frames, targets, lengths)
        alignment = forced_alignment(log_p, frames, targets, lengths)
        embeddings, labels = segment_embeddings(features, alignment, targets)
        losses = [
            sequences.mean(),
            focal_ctc(sequences, lengths, c.focal_gamma).mean(),
            hard_triplet(embeddings, labels, c.triplet_margin),
            self.separation(embeddings, labels, *self.confusion.weights_and_margins()),
        ]
        total: Tensor = self.weighting(
            losses, [c.ctc, c.focal_ctc, c.triplet, 1.0 - c.adaptive.alpha_at(epoch)], features
        )
        return total
