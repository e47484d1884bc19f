"""The `[loss]` table, and the loss of isolated training that it asks for."""

from collections.abc import Sequence

from pydantic import BaseModel, ConfigDict, Field, model_validator

from training.losses.adaptive import AdaptiveConfig, AdaptiveLoss
from training.losses.cross_entropy import CrossEntropyLoss
from training.losses.focal import FocalConfig, FocalLoss
from training.losses.triplet import TripletConfig, TripletLoss

# Called with the epoch, the model's output and labels (B,); gives a scalar.
IsolatedLoss = CrossEntropyLoss | TripletLoss | FocalLoss | AdaptiveLoss


class LossConfig(BaseModel):
    """The `[loss]` table: cross-entropy, or the loss of its one sub-table."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    label_smoothing: float = Field(default=0.0, ge=0, lt=1)
    triplet: TripletConfig | None = None
    focal: FocalConfig | None = None
    adaptive: AdaptiveConfig | None = None

    @model_validator(mode="after")
    def _one_loss(self) -> "LossConfig":
        given = [name for name in ("triplet", "focal", "adaptive") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"more than one loss: {', '.join(given)}")
        return self


def isolated_loss(config: LossConfig, classes: Sequence[str], embedding: int) -> IsolatedLoss:
    """The loss that the config asks for; `embedding` is the size of the model's embedding."""
    if config.triplet is not None:
        return TripletLoss(config.triplet, config.label_smoothing)
    if config.focal is not None:
        return FocalLoss(config.focal, config.label_smoothing)
    if config.adaptive is not None:
        return AdaptiveLoss(config.adaptive, classes, embedding, config.label_smoothing)
    return CrossEntropyLoss(config.label_smoothing)
