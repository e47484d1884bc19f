"""Focal loss (Lin et al., "Focal Loss for Dense Object Detection", 2017), with label smoothing."""

import torch
from torch import Tensor, nn

from training.config import FocalConfig
from training.losses.base import IsolatedLoss
from training.models.recogniser import Output

EPSILON = 1e-12  # keeps the slope of (1 − p)^γ finite at p = 1 for γ below 1


def focal(logits: Tensor, labels: Tensor, gamma: float, label_smoothing: float) -> Tensor:
    """Mean of −Σ_c q_c (1 − p_c)^γ log p_c, q the smoothed target; without smoothing −(1 − p)^γ log p of the label.

    Args:
        logits: (B, C).
        labels: (B,) class ids.
        gamma: focusing exponent.
        label_smoothing: share of the target spread evenly over all classes.
    """
    log_p = logits.float().log_softmax(dim=1)
    classes = logits.shape[1]
    target = nn.functional.one_hot(labels, classes) * (1.0 - label_smoothing) + label_smoothing / classes
    focus = (-torch.expm1(log_p)).clamp(min=EPSILON) ** gamma
    return -(target * focus * log_p).sum(dim=1).mean()


class FocalLoss(IsolatedLoss):
    """Focal loss in the place of cross-entropy."""

    def __init__(self, config: FocalConfig, label_smoothing: float) -> None:
        super().__init__()
        self.config = config
        self.label_smoothing = label_smoothing

    def forward(self, epoch: int, output: Output, labels: Tensor) -> Tensor:
        """Loss of a batch; `labels` are (B,) class ids, and every epoch is alike."""
        return focal(output.logits, labels, self.config.gamma, self.label_smoothing)
