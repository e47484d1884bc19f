"""The losses that continuous training is compared with."""

from training.config.losses import ContinuousLossConfig
from training.config.run import Config

ALIGNED = "adaptive-aligned"
LOSSES = ("ctc", "ctc+focal", "ctc+triplet", "adaptive", ALIGNED)


def continuous_variant_of(config: Config, loss: str) -> Config:
    """The config with another of `LOSSES`: `adaptive` is its own loss, `ctc` and the like are parts of that.

    `adaptive-aligned` is its own loss with the separation of confusable glosses limited to the second half of the
    training, and to frames that are aligned with a sign and not read as blank.

    Raises:
        ValueError: unknown loss, or a config of isolated signs.
    """
    if config.continuous is None:
        raise ValueError(f"the config {config.name} has no [continuous] table: it is one of isolated signs")
    changed = continuous_loss(config.continuous.loss, loss)
    if loss == ALIGNED:
        limits = {"skip_blanks": True, "warmup_epochs": config.optimiser.epochs // 2}
        changed = changed.model_copy(update={"adaptive": changed.adaptive.model_copy(update=limits)})
    return config.model_copy(update={"continuous": config.continuous.model_copy(update={"loss": changed})})


def continuous_loss(config: ContinuousLossConfig, loss: str) -> ContinuousLossConfig:
    """The `[continuous.loss]` table with another of `LOSSES`; what takes no part has factor 0.

    Raises:
        ValueError: unknown loss.
    """
    if loss not in LOSSES:
        raise ValueError(f"unknown loss {loss!r}; there are {', '.join(LOSSES)}")
    if loss in ("adaptive", ALIGNED):
        return config
    return config.model_copy(
        update={
            "ctc": config.ctc or 1.0,
            "focal_ctc": (config.focal_ctc or 1.0) if loss == "ctc+focal" else 0.0,
            "triplet": (config.triplet or 1.0) if loss == "ctc+triplet" else 0.0,
            "adaptive": config.adaptive.model_copy(update={"alpha": 1.0}),
        }
    )
