"""Cross-entropy and the adaptive loss in its batch form.

Adaptive loss: L = alpha * L_CE + (1 - alpha) * L_CS, L_CS = sum w [delta - d]_+ / (sum w + eps) over in-batch pairs of
confusable classes (Alishzade et al., "Resolving Interclass Similarities in Sign Language Using Adaptive Loss
Function"). The paper leaves open which pairs the sum runs over; `docs/architecture.md` gives the reading used here.
"""

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor

EPSILON = 1e-6


class AdaptiveConfig(BaseModel):
    """The `[loss.adaptive]` table."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    alpha: float = Field(ge=0, le=1, description="weight of cross-entropy once the ramp is over")
    warmup_epochs: int = Field(ge=0, description="epochs of cross-entropy alone")
    ramp_epochs: int = Field(ge=0, description="epochs over which alpha goes from 1 to its value")
    momentum: float = Field(ge=0, lt=1, description="of the confusion average")
    kappa: float = Field(ge=0, description="added to a class's count, so that rare classes do not dominate")
    threshold: float = Field(ge=0, description="similarity below which a pair is not confusable")
    top_k: int = Field(gt=0, description="most confusable partners per class")
    margin: float = Field(gt=0, description="cosine distance asked of every confusable pair")
    margin_growth: float = Field(ge=0, description="how much the margin grows with similarity")
    margin_max: float = Field(gt=0, le=2)
    same_form: tuple[tuple[str, str], ...] = Field(
        default=(), description="pairs of glosses with one form, never pushed apart"
    )

    def alpha_at(self, epoch: int) -> float:
        """Weight of cross-entropy in an epoch counted from 0."""
        if epoch < self.warmup_epochs:
            return 1.0
        step = epoch - self.warmup_epochs + 1
        share = min(1.0, step / self.ramp_epochs) if self.ramp_epochs else 1.0
        return 1.0 + share * (self.alpha - 1.0)


def confusable_separation(embeddings: Tensor, labels: Tensor, weights: Tensor, margins: Tensor) -> Tensor:
    """L_CS: push embeddings of confusable classes to at least their margin apart.

    Args:
        embeddings: (B, D), L2-normalised.
        labels: (B,) class ids.
        weights: (C, C) symmetric, 0 for pairs that are not confusable.
        margins: (C, C) cosine distance wanted of each pair.

    Returns:
        A scalar in float32; exactly 0, yet attached to the graph, where the batch holds no confusable pair.
    """
    z = embeddings.float()
    distance = 1.0 - z @ z.T
    weight = weights[labels][:, labels].triu(diagonal=1)
    margin = margins[labels][:, labels]
    return (weight * torch.relu(margin - distance)).sum() / (weight.sum() + EPSILON)


def adaptive_loss(
    logits: Tensor,
    embeddings: Tensor,
    labels: Tensor,
    *,
    weights: Tensor,
    margins: Tensor,
    alpha: float,
    label_smoothing: float,
) -> Tensor:
    """The whole loss; with `alpha` 1 it is cross-entropy, bit for bit."""
    entropy = torch.nn.functional.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)
    if alpha == 1.0:
        return entropy
    return alpha * entropy + (1.0 - alpha) * confusable_separation(embeddings, labels, weights, margins)
