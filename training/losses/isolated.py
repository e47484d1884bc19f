"""The loss of isolated training that a `[loss]` table asks for: the one place that tells kinds of loss apart."""

from collections.abc import Sequence

from torch import Tensor, nn

from training.config import LossConfig
from training.losses.adaptive import AdaptiveLoss
from training.losses.base import IsolatedLoss
from training.losses.confusion import ConfusionState
from training.losses.cross_entropy import CrossEntropyLoss
from training.losses.focal import FocalLoss
from training.losses.smoothing import SmoothingLoss
from training.losses.triplet import TripletLoss
from training.models.recogniser import Output


class IsolatedCriterion(nn.Module):
    """The loss of the classes and, where the config asks for it, of the embeddings over all glosses.

    Args:
        config: the `[loss]` table.
        classes: those of the logits.
        glosses: how many glosses the training clips have.
        embedding: the size of an embedding.
    """

    def __init__(self, config: LossConfig, classes: Sequence[str], glosses: int, embedding: int) -> None:
        super().__init__()
        self.classification = isolated_loss(config, classes, embedding)
        self.metric = None
        if config.metric is not None:
            from training.losses.metric import MetricLoss  # needs a package that no other loss needs

            self.metric = MetricLoss(config.metric, glosses, embedding)

    @property
    def confusion(self) -> ConfusionState | None:
        """See `IsolatedLoss`."""
        return self.classification.confusion

    def forward(self, epoch: int, output: Output, labels: Tensor, glosses: Tensor) -> Tensor:
        """Loss of a batch; `labels` (B,) are class ids, `glosses` (B,) gloss ids, and epochs are counted from 0."""
        loss: Tensor = self.classification(epoch, output, labels)
        return loss if self.metric is None else loss + self.metric(output.embedding, glosses)


def isolated_loss(config: LossConfig, classes: Sequence[str], embedding: int) -> IsolatedLoss:
    """The loss of the classes that the config asks for; `embedding` is the size of the model's embedding."""
    if config.triplet is not None:
        return TripletLoss(config.triplet, config.label_smoothing)
    if config.focal is not None:
        return FocalLoss(config.focal, config.label_smoothing)
    if config.adaptive is not None:
        return AdaptiveLoss(config.adaptive, classes, embedding, config.label_smoothing)
    if config.smoothing is not None:
        return SmoothingLoss(config.smoothing, classes)
    return CrossEntropyLoss(config.label_smoothing)
