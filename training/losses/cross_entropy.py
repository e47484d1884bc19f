"""Cross-entropy with label smoothing (Szegedy et al., "Rethinking the Inception Architecture", 2016)."""

from torch import Tensor, nn

from training.losses.base import IsolatedLoss
from training.models.recogniser import Output


def cross_entropy(logits: Tensor, labels: Tensor, label_smoothing: float) -> Tensor:
    """Mean cross-entropy of a batch.

    Args:
        logits: (B, C).
        labels: (B,) class ids.
        label_smoothing: share of the target spread evenly over all classes.
    """
    return nn.functional.cross_entropy(logits.float(), labels, label_smoothing=label_smoothing)


class CrossEntropyLoss(IsolatedLoss):
    """Cross-entropy alone."""

    def __init__(self, label_smoothing: float) -> None:
        super().__init__()
        self.label_smoothing = label_smoothing

    def forward(self, epoch: int, output: Output, labels: Tensor) -> Tensor:
        """Loss of a batch; `labels` are (B,) class ids, and every epoch is alike."""
        return cross_entropy(output.logits, labels, self.label_smoothing)
