"""The `[optimiser]` table of a training config."""

from pydantic import Field, model_validator

from training.config.table import Table


class OptimiserConfig(Table):
    """The `[optimiser]` table."""

    epochs: int = Field(gt=0, description="number of epochs")
    clips_per_epoch: int = Field(gt=0, description="clips drawn an epoch, balanced over gloss and signer")
    batch: int = Field(gt=1, description="clips in a batch, of all processes together")
    lr: float = Field(
        gt=0, description="learning rate of AdamW after warm-up; it then falls as a cosine to a hundredth of this"
    )
    weight_decay: float = Field(ge=0, description="weight decay of AdamW")
    warmup_epochs: float = Field(ge=0, description="epochs over which the learning rate rises from 0")
    ema: float = Field(
        ge=0, lt=1, description="decay per step of the averaged weights, which are kept; 0 keeps the last weights"
    )
    bf16: bool = Field(description="autocast to bfloat16: twice as fast on CPUs that have it")
    fp16: bool = Field(
        default=False, description="autocast to float16, the loss scaled: for CUDA GPUs without bfloat16"
    )
    accumulate: int = Field(default=1, gt=0, description="batches whose gradients make one step")
    patience: int = Field(
        default=0, ge=0, description="stop after so many epochs without a better dev score, and keep the best; 0: never"
    )

    @model_validator(mode="after")
    def _one_precision(self) -> "OptimiserConfig":
        if self.bf16 and self.fp16:
            raise ValueError("both bf16 and fp16 are on")
        return self

    @model_validator(mode="after")
    def _an_epoch_has_a_batch(self) -> "OptimiserConfig":
        if self.clips_per_epoch < self.batch:
            raise ValueError(f"clips_per_epoch {self.clips_per_epoch} is less than one batch of {self.batch}")
        return self
