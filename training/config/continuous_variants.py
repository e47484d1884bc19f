"""The losses that continuous training is compared with."""

from training.config.losses import ContinuousLossConfig
from training.config.run import Config

LOSSES = ("ctc", "ctc+focal", "ctc+triplet", "adaptive")


def continuous_variant_of(config: Config, loss: str) -> Config:
    """The config with another of `LOSSES`: `adaptive` is its own loss, the others are parts of that.

    Raises:
        ValueError: unknown loss, or a config of isolated signs.
    """
    if config.continuous is None:
        raise ValueError(f"the config {config.name} has no [continuous] table: it is one of isolated signs")
    continuous = config.continuous.model_copy(update={"loss": continuous_loss(config.continuous.loss, loss)})
    return config.model_copy(update={"continuous": continuous})


def continuous_loss(config: ContinuousLossConfig, loss: str) -> ContinuousLossConfig:
    """The `[continuous.loss]` table with another of `LOSSES`; what takes no part has factor 0.

    Raises:
        ValueError: unknown loss.
    """
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}; there are {', '.join(LOSSES)}")
    if loss == "adaptive":
        return config
    return config.model_copy(
        update={
            "ctc": config.ctc or 1.0,
            "focal_ctc": (config.focal_ctc or 1.0) if loss == "ctc+focal" else 0.0,
            "triplet": (config.triplet or 1.0) if loss == "ctc+triplet" else 0.0,
            "adaptive": config.adaptive.model_copy(update={"alpha": 1.0}),
        }
    )
