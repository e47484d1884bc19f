"""The loss of isolated training that a `[loss]` table asks for: the one place that tells kinds of loss apart."""

from collections.abc import Sequence

from training.config import LossConfig
from training.losses.adaptive import AdaptiveLoss
from training.losses.base import IsolatedLoss
from training.losses.cross_entropy import CrossEntropyLoss
from training.losses.focal import FocalLoss
from training.losses.triplet import TripletLoss


def isolated_loss(config: LossConfig, classes: Sequence[str], embedding: int) -> IsolatedLoss:
    """The loss that the config asks for; `embedding` is the size of the model's embedding."""
    if config.triplet is not None:
        return TripletLoss(config.triplet, config.label_smoothing)
    if config.focal is not None:
        return FocalLoss(config.focal, config.label_smoothing)
    if config.adaptive is not None:
        return AdaptiveLoss(config.adaptive, classes, embedding, config.label_smoothing)
    return CrossEntropyLoss(config.label_smoothing)
