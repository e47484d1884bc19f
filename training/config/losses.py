"""The `[loss]` and `[continuous.loss]` tables of a training config, with their sub-tables."""

from typing import Literal

from pydantic import Field, model_validator

from training.config.table import Table


class ConfusionConfig(Table):
    """The rule by which confusions become pairs and weights."""

    momentum: float = Field(default=0.7, ge=0, lt=1, description="momentum of the moving average of confusions")
    kappa: float = Field(
        default=1.0, ge=0, description="added to a class's count, so that rare classes do not dominate"
    )
    threshold: float = Field(default=0.01, ge=0, description="similarity below which a pair is not confusable")
    top_k: int = Field(default=5, gt=0, description="largest number of confusable partners of a class")
    same_form: tuple[tuple[str, str], ...] = Field(
        default=(), description="pairs of glosses with one form, never taken for confusable"
    )
    mining: Literal["clips", "signers", "test"] = Field(
        default="clips",
        description="what confusions are counted on: every tenth clip of a signer's gloss (where nobody has ten, the "
        "clips that are learned from), or all clips of a fifth of the signers, another fifth in each epoch, which the "
        "epoch does not learn from; `test` takes the clips that are scored, which shows the most that better counting "
        "could gain: `compare` alone has them, and no bundle is made of such a model",
    )


class AdaptiveConfig(ConfusionConfig):
    """The `[loss.adaptive]` table."""

    margin: float = Field(gt=0, description="cosine distance asked of every confusable pair")
    margin_growth: float = Field(ge=0, description="how much the margin grows with similarity")
    margin_max: float = Field(gt=0, le=2, description="largest margin of a pair, cosine distance")
    alpha: float = Field(ge=0, le=1, description="weight of cross-entropy once the ramp is over")
    warmup_epochs: int = Field(ge=0, description="epochs of cross-entropy alone")
    ramp_epochs: int = Field(ge=0, description="epochs over which alpha goes from 1 to its value")
    form: Literal["batch", "prototype"] = Field(
        default="batch",
        description="push a clip away from confusable clips of its batch, or from confusable classes' prototypes",
    )
    confusable_share: float = Field(
        default=0.0, ge=0, lt=1, description="share of a batch drawn from classes confusable with the rest (batch form)"
    )
    prototype_momentum: float = Field(
        default=0.9, ge=0, lt=1, description="momentum of the prototypes (prototype form)"
    )

    @model_validator(mode="after")
    def _sampling_is_for_batches(self) -> "AdaptiveConfig":
        if self.confusable_share and self.form == "prototype":
            raise ValueError("confusable_share goes with the batch form")
        return self

    def alpha_at(self, epoch: int) -> float:
        """Weight of cross-entropy in an epoch counted from 0."""
        if epoch < self.warmup_epochs:
            return 1.0
        step = epoch - self.warmup_epochs + 1
        share = min(1.0, step / self.ramp_epochs) if self.ramp_epochs else 1.0
        return 1.0 + share * (self.alpha - 1.0)


class SentenceAdaptiveConfig(AdaptiveConfig):
    """The `[continuous.loss.adaptive]` table: the keys of `[loss.adaptive]`, and one more."""

    skip_blanks: bool = Field(
        default=False,
        description="leave out frames at which the blank is likelier than the sign that they are aligned with; a sign "
        "without any other frame takes no part",
    )


class TripletConfig(Table):
    """The `[loss.triplet]` table."""

    margin: float = Field(
        default=0.2, gt=0, le=2, description="cosine distance by which another class must be farther than the own one"
    )
    weight: float = Field(default=1.0, gt=0, description="weight of the triplet loss beside cross-entropy")


class SmoothingConfig(ConfusionConfig):
    """The `[loss.smoothing]` table."""

    share: float = Field(
        default=0.2, gt=0, lt=1, description="probability that the target gives to the classes confusable with its own"
    )
    warmup_epochs: int = Field(default=3, ge=1, description="epochs in which it goes to all classes alike")


class FocalConfig(Table):
    """The `[loss.focal]` table."""

    gamma: float = Field(default=2.0, ge=0, description="how much easy clips count less; 0 gives cross-entropy")


MetricKind = Literal["normalised_softmax", "supcon", "proxy_anchor", "triplet"]


class MetricConfig(Table):
    """The `[loss.metric]` table: a loss of the embeddings over all glosses, beside that of the classes."""

    kind: MetricKind = Field(description="which one: see `training/losses/metric.py`")
    weight: float = Field(default=1.0, gt=0, description="its weight beside the loss of the classes")
    scale: float = Field(default=16.0, gt=0, description="factor of the cosines; 1 / temperature (not of triplets)")
    margin: float = Field(
        default=0.1, ge=0, le=2, description="margin between cosines (of proxy_anchor and triplet alone)"
    )


class LossConfig(Table):
    """The `[loss]` table: cross-entropy, or the loss of its one sub-table; `metric` may stand beside any."""

    label_smoothing: float = Field(
        default=0.0, ge=0, lt=1, description="probability that the target gives to all classes alike"
    )
    triplet: TripletConfig | None = Field(default=None, description="present where the loss is the triplet loss")
    focal: FocalConfig | None = Field(default=None, description="present where the loss is the focal loss")
    adaptive: AdaptiveConfig | None = Field(default=None, description="present where the loss is the adaptive loss")
    smoothing: SmoothingConfig | None = Field(
        default=None, description="present where the target is smoothed by confusability"
    )
    metric: MetricConfig | None = Field(
        default=None, description="present where the embedding is trained over all glosses as well"
    )

    @model_validator(mode="after")
    def _one_loss(self) -> "LossConfig":
        given = [name for name in ("triplet", "focal", "adaptive", "smoothing") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ValueError(f"more than one loss: {', '.join(given)}")
        if self.smoothing is not None and self.label_smoothing:
            raise ValueError("label_smoothing and smoothing: the target is smoothed in one way only")
        return self

    @property
    def confusion(self) -> ConfusionConfig | None:
        """The rule of confusions, where the loss depends on them."""
        return self.adaptive or self.smoothing


class ContinuousLossConfig(Table):
    """The `[continuous.loss]` table."""

    ctc: float = Field(default=1.0, ge=0, description="factor λ₁ of CTC")
    focal_ctc: float = Field(default=1.0, ge=0, description="factor λ₂ of focal CTC")
    focal_gamma: float = Field(default=2.0, ge=0, description="how much sentences read well already count less")
    triplet: float = Field(default=1.0, ge=0, description="factor λ₃ of the triplet loss")
    triplet_margin: float = Field(default=0.2, gt=0, le=2, description="margin of the triplet loss, cosine distance")
    steps: float = Field(
        default=0.0,
        ge=0,
        description="factor of cross-entropy at each step, where joined streams say what it shows; it is not weighted",
    )
    weighting: Literal["static", "uncertainty", "gradient"] = Field(
        default="gradient", description="how the four losses are weighted against each other, on top of their factors"
    )
    adaptive: SentenceAdaptiveConfig = Field(description="the separation of confusable glosses; alpha 1 turns it off")

    @model_validator(mode="after")
    def _frames_are_taught(self) -> "ContinuousLossConfig":
        if self.ctc == self.focal_ctc == 0.0:
            raise ValueError("ctc and focal_ctc are both 0: nothing would teach the frame-wise logits")
        if self.adaptive.mining != "clips":
            raise ValueError(f"adaptive: confusions of sentences are counted on clips, not on {self.adaptive.mining}")
        return self
