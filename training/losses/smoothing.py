"""Cross-entropy whose target is smoothed by confusability: what it leaves to other classes goes to confusable ones.

NLA-SLR (Zuo et al., "Natural Language-Assisted Sign Language Recognition", CVPR 2023) smooths by the similarity of the
glosses' words. Here similarity is how often the model confuses two classes, so that no text is needed.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from training.config import SmoothingConfig
from training.losses.base import IsolatedLoss
from training.losses.confusion import ConfusionState
from training.losses.cross_entropy import cross_entropy
from training.models.recogniser import Output


def smoothed_targets(labels: Tensor, weights: Tensor, share: float) -> Tensor:
    """Targets (B, C): 1 − share for the label, and share over the classes confusable with it, by their weights.

    A label without a confusable class gives it to all classes alike.

    Args:
        labels: (B,) class ids.
        weights: (C, C), 0 for pairs that are not confusable.
        share: what the label does not get.
    """
    of_label = weights[labels]
    total = of_label.sum(dim=1, keepdim=True)
    others = torch.where(total > 0, of_label / total.clamp(min=1e-12), 1.0 / weights.shape[1])
    own = torch.nn.functional.one_hot(labels, weights.shape[1]).to(weights)
    return (1.0 - share) * own + share * others


class SmoothingLoss(IsolatedLoss):
    """Cross-entropy with such targets, and its checkpointed confusions."""

    confusion: ConfusionState

    def __init__(self, config: SmoothingConfig, classes: Sequence[str]) -> None:
        super().__init__()
        self.config = config
        self.confusion = ConfusionState(config, classes)

    def forward(self, epoch: int, output: Output, labels: Tensor) -> Tensor:
        """Loss of a batch; `labels` are (B,) class ids."""
        if epoch < self.config.warmup_epochs:
            return cross_entropy(output.logits, labels, self.config.share)
        targets = smoothed_targets(labels, self.confusion.weights(), self.config.share)
        return torch.nn.functional.cross_entropy(output.logits.float(), targets)
