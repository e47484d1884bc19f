"""The adaptive loss: L = α·L_CE + (1 − α)·L_CS, where L_CS separates the classes that the model confuses.

Source: Alishzade et al., "Resolving Interclass Similarities in Sign Language Using Adaptive Loss Function". Its
L_CS = Σ w·max(0, δ − d(f_i, f_j)) leaves open what the sum runs over; decision record 0023 in docs/decisions has both
forms: pairs within a batch (here), and embeddings against class prototypes (`prototype.py`).
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from training.config import AdaptiveConfig
from training.data.partner_sampler import Partners
from training.losses.base import IsolatedLoss
from training.losses.confusion import ConfusionState
from training.losses.cross_entropy import cross_entropy
from training.losses.distance import cosine_distance
from training.losses.prototype import PrototypeSeparation
from training.models.recogniser import Output

EPSILON = 1e-6

# Embeddings (N, D), labels (N,), weights (C, C) and margins (C, C) to L_CS.
Separation = Callable[[Tensor, Tensor, Tensor, Tensor], Tensor]


def batch_separation(embeddings: Tensor, labels: Tensor, weights: Tensor, margins: Tensor) -> Tensor:
    """L_CS in its batch form, Σ w·[δ − d]₊ / (Σ w + ε) over pairs of the batch.

    Args:
        embeddings: (N, D), L2-normalised.
        labels: (N,) class ids.
        weights: (C, C) symmetric, 0 for pairs that are not confusable.
        margins: (C, C) cosine distance wanted of each pair.

    Returns:
        A scalar; exactly 0, yet attached to the graph, where the batch holds no confusable pair.
    """
    weight = weights[labels][:, labels].triu(diagonal=1)
    margin = margins[labels][:, labels]
    distance = cosine_distance(embeddings)
    return (weight * torch.relu(margin - distance)).sum() / (weight.sum() + EPSILON)


def separation_of(config: AdaptiveConfig, classes: int, embedding: int) -> Separation:
    """L_CS in the form that the config asks for; `embedding` is the size of one."""
    if config.form == "batch":
        return batch_separation
    return PrototypeSeparation(classes, embedding, config.prototype_momentum)


def weights_and_margins(config: AdaptiveConfig, confusion: ConfusionState) -> tuple[Tensor, Tensor]:
    """Weights w (C, C), 0 off the pairs, and margins δ (C, C), larger for more similar classes."""
    margins = config.margin * (1.0 + config.margin_growth * confusion.scaled())
    return confusion.weights(), margins.clamp(0.0, config.margin_max)


class AdaptiveLoss(IsolatedLoss):
    """The adaptive loss and its checkpointed state: confusions and, in the prototype form, prototypes.

    Whoever trains calls `confusion.update` after each epoch.
    """

    confusion: ConfusionState

    def __init__(self, config: AdaptiveConfig, classes: Sequence[str], embedding: int, label_smoothing: float) -> None:
        super().__init__()
        self.config = config
        self.label_smoothing = label_smoothing
        self.confusion = ConfusionState(config, classes)
        self.separation = separation_of(config, len(classes), embedding)

    def forward(self, epoch: int, output: Output, labels: Tensor) -> Tensor:
        """Loss of a batch; `labels` are (B,) class ids. With α = 1 it is cross-entropy, bit for bit."""
        entropy = cross_entropy(output.logits, labels, self.label_smoothing)
        alpha = self.config.alpha_at(epoch)
        if alpha == 1.0:
            return entropy
        separation = self.separation(output.embedding, labels, *weights_and_margins(self.config, self.confusion))
        return alpha * entropy + (1.0 - alpha) * separation

    def partners(self, epoch: int) -> Partners | None:
        """The clips to mix into the batches of an epoch; None while L_CS takes no part or the config asks for none."""
        if self.config.confusable_share == 0.0 or self.config.alpha_at(epoch) == 1.0:
            return None
        return Partners(self.confusion.weights().cpu().numpy(), self.config.confusable_share)
