"""The training config: one TOML file, every key checked, unknown keys refused."""

import tomllib
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glosscast.clip import ClipSpec
from glosscast.decoding import DecoderSettings
from glosscast.faults import first_fault
from glosscast.segmentation import SegmenterSettings
from glosscast.vocabulary import Vocabulary
from training.augmentation import AugmentationConfig
from training.continuous.config import ContinuousConfig
from training.corrections import Correction, from_leave_out, include_corrections
from training.losses.isolated import LossConfig
from training.model import ModelConfig

Role = Literal["train", "dev", "test"]


class ConfigError(ValueError):
    """A config file cannot be used; the message names the file and the key."""


class _Table(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SetConfig(_Table):
    """One `[[data.sets]]` table: an .npz file of clips."""

    file: str = Field(description="file name inside the data folder")
    role: Role = Field(default="train", description="learned from, scored after each epoch, or for evaluation only")
    fps: float = Field(gt=0, description="frame rate to assume where the file does not say")
    aspect: float = Field(gt=0, description="frame width / height to assume")
    about: str = Field(min_length=1, description="for the model card, Markdown: who was recorded, licence")
    alias: dict[str, str] = Field(default_factory=dict, description="gloss in the file -> what it is called here")
    prefix: str = Field(
        default="", description="put before every gloss without an alias, to keep another language's words apart"
    )
    language: str = Field(
        default="", description="whose glosses stand as they are; those of another language get its name before them"
    )
    licences: tuple[str, ...] = Field(
        default=(), description="only clips whose licence begins with one of these; none: whatever it is"
    )
    sentences: bool = Field(
        default=False, description="the clips are recorded sentences; a gloss text is glosses with spaces between them"
    )
    share: float = Field(default=1.0, gt=0, description="how often a clip of this set is drawn, relative to others")


class DataConfig(_Table):
    """The `[data]` table."""

    vocabulary: tuple[str, ...] = Field(min_length=2, description="the glosses that the bundle will know, in order")
    no_sign: str | None = Field(default=None, description="the vocabulary's class for hands that say nothing, if any")
    distractors: bool = Field(description="also learn glosses outside the vocabulary, as classes that are not exported")
    background: bool = Field(
        default=False, description="learn the distractors as no_sign instead of as classes of their own"
    )
    vocabulary_share: float | None = Field(
        default=None,
        gt=0,
        lt=1,
        description="share of the drawn clips that show a gloss of the vocabulary other than no_sign",
    )
    idle_clips: int = Field(default=0, ge=0, description="made-up clips of resting and fidgeting hands, as no_sign")
    idle_share: float = Field(default=1.0, gt=0, description="how often one of them is drawn, against a recorded one")
    held_out: tuple[str, ...] = Field(default=(), description="signers never trained on")
    held_out_glosses: tuple[str, ...] = Field(default=(), description="glosses never trained on, whoever signs them")
    dev_signers: tuple[str, ...] = Field(default=(), description="signers of the training sets kept for the dev score")
    shared_signers: bool = Field(default=False, description="signers may occur both in training and in dev or test")
    corrections: tuple[Correction, ...] = Field(default=(), description="labels that are wrong; in TOML a file's name")
    sets: tuple[SetConfig, ...] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _is_of_before_corrections(cls, values: Any) -> Any:
        return from_leave_out(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _is_a_vocabulary(self) -> "DataConfig":
        Vocabulary(self.vocabulary, self.no_sign)
        return self

    @model_validator(mode="after")
    def _has_something_to_learn_from(self) -> "DataConfig":
        if all(source.role != "train" for source in self.sets):
            raise ValueError("no set has the role train")
        twice = sorted(set(self.held_out) & set(self.dev_signers))
        if twice:
            raise ValueError(f"{', '.join(twice)}: both in held_out and in dev_signers")
        twice = sorted(set(self.held_out_glosses) & set(self.vocabulary))
        if twice:
            raise ValueError(f"{', '.join(twice)}: both in held_out_glosses and in the vocabulary")
        if (self.background or self.idle_clips) and self.no_sign is None:
            raise ValueError("background and idle_clips need a no_sign")
        if self.background and not self.distractors:
            raise ValueError("background says how distractors are learned: there are none")
        if self.held_out_glosses and not self.distractors:
            raise ValueError("held_out_glosses: without distractors no gloss outside the vocabulary is learned anyway")
        return self

    @model_validator(mode="after")
    def _corrects_its_own_sets(self) -> "DataConfig":
        unknown = {correction.file for correction in self.corrections} - {source.file for source in self.sets}
        if unknown:
            raise ValueError(f"corrections of files that are no sets: {', '.join(sorted(unknown))}")
        return self


class OptimiserConfig(_Table):
    """The `[optimiser]` table."""

    epochs: int = Field(gt=0)
    clips_per_epoch: int = Field(gt=0, description="clips drawn an epoch, balanced over gloss and signer")
    batch: int = Field(gt=1)
    lr: float = Field(gt=0)
    weight_decay: float = Field(ge=0)
    warmup_epochs: float = Field(ge=0)
    ema: float = Field(ge=0, lt=1, description="decay per step of the averaged weights that are kept; 0 for none")
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


class CardConfig(_Table):
    """The `[card]` table: what the model card cannot know from the rest."""

    language: str = Field(min_length=1, description="the sign language")
    seen: str = Field(min_length=1, description="whom the clips show, as in 'It has seen ...'")


class Config(_Table):
    """A whole training run."""

    name: str = Field(min_length=1)
    version: str = Field(min_length=1)
    seed: int = Field(ge=0)
    card: CardConfig
    clip: ClipSpec
    segmenter: SegmenterSettings
    decoder: DecoderSettings
    data: DataConfig
    model: ModelConfig
    augmentation: AugmentationConfig
    optimiser: OptimiserConfig
    loss: LossConfig = LossConfig()
    continuous: ContinuousConfig | None = Field(default=None, description="present where sentences are learned")

    @model_validator(mode="after")
    def _one_task(self) -> "Config":
        if self.continuous is None:
            if "loss" not in self.model_fields_set:
                raise ValueError("there must be a [loss] table, or a [continuous] one for sentences")
            if any(source.sentences for source in self.data.sets):
                raise ValueError("data sets of sentences need a [continuous] table")
            return self
        if self.loss != LossConfig():
            raise ValueError("[loss] is for isolated signs: sentences have [continuous.loss]")
        if self.model.frame_size is not None or not self.model.face:
            raise ValueError("sentences are read from the pose and keypoints streams, face included")
        recorded = {source.sentences for source in self.data.sets if source.role == "train"}
        if len(recorded) > 1:
            raise ValueError("the training sets are in part sentences, in part clips of one sign")
        if (True in recorded) != (self.continuous.sentences is None):
            raise ValueError("[continuous.sentences] says how clips of one sign are joined, and goes with those only")
        if self.clip.alpha % self.continuous.stride:
            raise ValueError(
                f"stride {self.continuous.stride} does not divide alpha {self.clip.alpha}: a slow frame would be torn"
            )
        return self


def load_config(path: Path) -> Config:
    """Read and check a TOML config, with the correction file beside it that it may name.

    Raises:
        ConfigError: not TOML, or a key is unknown, missing or out of range; names the file and the key.
        OSError: a file cannot be read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        include_corrections(content, path)
        return Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_fault(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
