"""Variants of a config: the changes that a comparison or an ablation makes to a run, and no others.

A variant is named `STREAMS` or `STREAMS+LOSS`; without a loss it has the config's own. `:KEY=VALUE`, once or more often
after the loss, changes settings of that loss, so that a comparison can also choose settings. Where sentences are
learned, the losses are those of `training.config.continuous_variants`, and have no settings.
"""

from collections.abc import Sequence

from pydantic import ValidationError

from glosscast.faults import first_fault
from training.config.continuous_variants import LOSSES as SENTENCE_LOSSES
from training.config.continuous_variants import continuous_variant_of
from training.config.losses import FocalConfig, LossConfig, MetricConfig, SmoothingConfig, TripletConfig
from training.config.model import ModelConfig
from training.config.run import Config
from training.config.settings import read_setting

# The changes of each name to the `[model]` table.
STREAMS: dict[str, dict[str, object]] = {
    "fusion": {"streams": ("pose", "keypoints")},
    "keypoints": {"streams": ("keypoints",)},
    "pose": {"streams": ("pose",)},
    "rgb": {"streams": ("rgb",)},
    "fusion-noface": {"streams": ("pose", "keypoints"), "face": False},
    "keypoints-noface": {"streams": ("keypoints",), "face": False},
}
LOSSES = (
    "adaptive",
    "adaptive-signers",
    "prototype",
    "prototype-signers",
    "triplet",
    "focal",
    "smoothing",
    "supcon",
    "ce",
)
LSTM = "lstm+ce"  # the reference model of `training/models/lstm.py`, which has a model of its own


def variant_of(config: Config, variant: str, seed: int) -> Config:
    """The config of a variant: its streams and its loss.

    `adaptive` is the config's own table, `prototype` the same in the prototype form, and with `-signers` their
    confusions are counted on signers. `triplet`, `focal`, `smoothing` and `supcon` (cross-entropy with the metric loss
    of that kind) are the config's own where it has them, and have their default settings where not. Settings are keys
    of the loss's own table, or of `[loss]` for cross-entropy.

    Raises:
        ValueError: no such variant, a setting that its loss does not have, or the adaptive loss asked of a config
            without `[loss.adaptive]`.
    """
    name, colon, settings = variant.partition(":")
    streams, plus, loss = name.partition("+")
    if colon and (config.continuous is not None or not plus or name == LSTM):
        raise ValueError(f"variant {variant!r}: settings are of a named loss of isolated signs")
    if variant == LSTM and config.continuous is None:
        return config.model_copy(update={"loss": loss_variant(config.loss, loss), "seed": seed})
    losses = LOSSES if config.continuous is None else SENTENCE_LOSSES
    if streams not in STREAMS or (plus and loss not in losses):
        raise ValueError(
            f"unknown variant {variant!r}: must be STREAMS or STREAMS+LOSS, STREAMS one of {', '.join(STREAMS)} and "
            f"LOSS one of {', '.join(losses)}" + (f"; or {LSTM}" if config.continuous is None else "")
        )
    model = ModelConfig.model_validate({**config.model.model_dump(), **STREAMS[streams]})
    if config.continuous is not None:
        config = config.model_copy(update={"model": model, "seed": seed})
        return continuous_variant_of(config, loss) if plus else config
    found = loss_variant(config.loss, loss) if plus else config.loss
    found = with_settings(found, loss, settings.split(":")) if colon else found
    return config.model_copy(update={"model": model, "loss": found, "seed": seed})


def with_settings(config: LossConfig, loss: str, settings: Sequence[str]) -> LossConfig:
    """The `[loss]` table of one of `LOSSES` with other settings, each `KEY=VALUE` as in TOML; quotes may be left out.

    Raises:
        ValueError: not of that form, or the loss has no such key or value.
    """
    content = config.model_dump()
    own = "adaptive" if loss.startswith("prototype") else {"supcon": "metric"}.get(loss, loss.partition("-")[0])
    table, known = (content, {"label_smoothing"}) if loss == "ce" else (content[own], set(content[own]))
    for setting in settings:
        key, value = read_setting(setting)
        if key not in known:
            raise ValueError(f"setting {setting!r}: KEY must be one of {', '.join(sorted(known))}")
        table[key] = value
    try:
        return LossConfig.model_validate(content)
    except ValidationError as error:
        raise ValueError(f"settings {':'.join(settings)}: {first_fault(error)}") from error


def variant_name(config: Config) -> str:
    """The variant that changes nothing about a config of isolated signs."""
    for streams in STREAMS:
        for loss in LOSSES:
            name = f"{streams}+{loss}"
            known = config.loss.adaptive or not loss.startswith(("adaptive", "prototype"))
            if known and variant_of(config, name, config.seed) == config:
                return name
    raise ValueError("no variant has these streams and this loss")


def loss_variant(config: LossConfig, loss: str) -> LossConfig:
    """The `[loss]` table with another of `LOSSES`."""
    plain = LossConfig(label_smoothing=config.label_smoothing, metric=config.metric)
    if loss == "ce":
        return plain
    if loss == "triplet":
        return plain.model_copy(update={"triplet": config.triplet or TripletConfig()})
    if loss == "focal":
        return plain.model_copy(update={"focal": config.focal or FocalConfig()})
    if loss == "smoothing":
        return plain.model_copy(update={"label_smoothing": 0.0, "smoothing": config.smoothing or SmoothingConfig()})
    if loss == "supcon":
        own = config.metric is not None and config.metric.kind == "supcon"
        return plain.model_copy(update={"metric": config.metric if own else MetricConfig(kind="supcon")})
    if config.adaptive is None:
        raise ValueError(f"the variant {loss!r} needs a [loss.adaptive] table")
    form, minus, _ = loss.partition("-")
    changes: dict[str, object] = {"mining": "signers"} if minus else {}
    if form == "prototype":
        changes |= {"form": "prototype", "confusable_share": 0.0}
    return config.model_copy(update={"adaptive": config.adaptive.model_copy(update=changes)})


def has_plain_loss(config: Config, variant: str) -> bool:
    """Whether a variant is trained with cross-entropy alone, or on sentences with CTC alone."""
    changed = variant_of(config, variant, config.seed)
    if changed.continuous is not None:
        sentences = changed.continuous.loss
        return sentences.focal_ctc == sentences.triplet == 0.0 and sentences.adaptive.alpha == 1.0
    loss = changed.loss
    return (loss.triplet, loss.focal, loss.confusion) == (None, None, None) and loss.metric == config.loss.metric
