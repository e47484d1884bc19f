"""The training config: one TOML file, every key checked, unknown keys refused."""

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from glosscast.clip import ClipSpec
from glosscast.decoding import Classify, DecoderSettings, Pipeline
from glosscast.faults import first_fault
from glosscast.learned_segmentation import Tagging
from glosscast.segmentation import SegmenterSettings
from glosscast.sentences.decoder import SentencePipeline
from glosscast.sentences.settings import ChunkReader, ReaderSettings, WindowReader
from training.config.augmentation import AugmentationConfig
from training.config.continuous import ContinuousConfig
from training.config.corrections import include_corrections
from training.config.data import DataConfig
from training.config.errors import ConfigError
from training.config.losses import LossConfig
from training.config.model import ModelConfig
from training.config.optimiser import OptimiserConfig
from training.config.settings import change
from training.config.streams import CropConfig
from training.config.table import Table

# A model is trained to read clips of one sign each, or sentences.
Kind = Literal["isolated", "continuous"]


class CardConfig(Table):
    """The `[card]` table: facts for the model card that are nowhere else in the config."""

    language: str = Field(min_length=1, description="the sign language")
    seen: str = Field(min_length=1, description="whom the clips show, as in 'It has seen ...'")


class Config(Table):
    """A whole training run."""

    name: str = Field(min_length=1, description="name of the bundle")
    version: str = Field(min_length=1, description="version of the bundle")
    seed: int = Field(ge=0, description="seed of all random draws")
    card: CardConfig = Field(description="facts for the model card")
    clip: ClipSpec = Field(description="timing of a window")
    segmenter: SegmenterSettings = Field(description="limits of the segmenter")
    decoder: DecoderSettings = Field(description="how segments are read")
    data: DataConfig = Field(description="vocabulary and data sets")
    model: ModelConfig = Field(description="streams and sizes of the model")
    augmentation: AugmentationConfig = Field(description="how clips are varied in training")
    optimiser: OptimiserConfig = Field(description="length of the training, batches and learning rate")
    loss: LossConfig = Field(default=LossConfig(), description="loss of isolated signs")
    continuous: ContinuousConfig | None = Field(default=None, description="present where sentences are learned")
    crops: CropConfig | None = Field(
        default=None,
        description="isolated signs are learned from short windows of joined streams, for `windows` to be read",
    )
    reader: ReaderSettings | None = Field(
        default=None,
        description="how a bundle reads sentences: in `chunks`, with a model of sentences, or in short `windows`, with "
        "one of isolated signs",
    )

    @property
    def kind(self) -> Kind:
        """The kind of task; code that treats the kinds differently chooses by it from a table."""
        return "isolated" if self.continuous is None else "continuous"

    @property
    def experiment(self) -> str | None:
        """What a model of this config must not be used for recognition for; None where nothing is against it."""
        if self.loss.confusion is not None and self.loss.confusion.mining == "test":
            return 'mining = "test": its confusions are counted on the clips that it is scored on'
        if self.data.hide:
            return f"hide: it has learned without {', '.join(self.data.hide)}, which a live stream shows"
        made_up = [source.file for source in self.data.sets if source.hands_only]
        if made_up:
            return f"hands_only: the shoulders of {', '.join(made_up)} are made up, and a live stream has its own"
        return None

    def pipeline(self, classify: Classify, tagging: Tagging | None = None) -> Pipeline:
        """The pipeline of a model of this config; `classify` is the model, `tagging` the learned segmenter, if any."""
        return Pipeline(
            self.clip,
            self.segmenter,
            self.decoder,
            classify,
            tagging=tagging,
            no_sign=self.data.no_sign_id,
            needs_signer=self.model.needs_signer,
        )

    @property
    def sentence_reader(self) -> ReaderSettings | None:
        """How a bundle reads sentences, by its defaults where the config does not say; None where it reads signs."""
        return self.reader or (None if self.continuous is None else ChunkReader(kind="chunks"))

    def sentence_pipeline(self, classify: Classify) -> SentencePipeline:
        """The pipeline of a model of this config that reads sentences; `classify` is the model.

        Raises:
            ValueError: it reads single signs.
        """
        reader = self.sentence_reader
        if reader is None:
            raise ValueError(f"the config {self.name} has no [reader] table: it is one of single signs")
        known = len(self.data.vocabulary)
        return SentencePipeline(
            self.clip,
            self.segmenter,
            self.decoder,
            reader,
            classify,
            lambda readout: readout[:known],
            known,
            stride=0 if self.continuous is None else self.continuous.stride,
            no_sign=self.data.no_sign_id,
            needs_signer=self.model.needs_signer,
        )

    @model_validator(mode="after")
    def _reader_fits(self) -> "Config":
        if self.reader is not None and isinstance(self.reader, WindowReader) != (self.continuous is None):
            raise ValueError("reader: chunks go with a [continuous] table, windows with a model of isolated signs")
        return self

    @model_validator(mode="after")
    def _pictures_hide_nothing(self) -> "Config":
        if self.data.hide and self.model.frame_size is not None:
            raise ValueError("data.hide takes keypoints out, and the pictures of an rgb stream would show them still")
        return self

    @model_validator(mode="after")
    def _crops_have_a_background(self) -> "Config":
        if self.crops is not None:
            if self.continuous is not None or self.model.frame_size is not None:
                raise ValueError("[crops] is for isolated signs that are read from keypoints alone")
            if self.loss.confusion is not None:
                raise ValueError("[crops]: no confusions are counted on windows of streams; take another loss")
            if self.data.no_sign is None:
                raise ValueError("[crops] cuts windows without a sign too, and the data have no no_sign")
        return self

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
        if self.model.frame_size is not None:
            raise ValueError("sentences are read from the pose and keypoints streams")
        recorded = {source.sentences for source in self.data.sets if source.role == "train"}
        if len(recorded) > 1:
            raise ValueError("the training sets are in part sentences, in part clips of one sign")
        if (True in recorded) == self.continuous.joins_clips:
            raise ValueError(
                "[continuous.sentences] or [continuous.streams] says how clips of one sign are joined, and goes with "
                "those only"
            )
        if self.clip.alpha % self.continuous.stride:
            raise ValueError(
                f"stride {self.continuous.stride} does not divide alpha {self.clip.alpha}: a slow frame would be torn"
            )
        return self


def load_config(path: Path, settings: Sequence[str] = ()) -> Config:
    """Read and check a TOML config, with the correction file beside it that it may name.

    Args:
        path: the file.
        settings: `TABLE.KEY=VALUE`, in place of what the file has.

    Raises:
        ConfigError: not TOML, or a key is unknown, missing or out of range; names the file and the key.
        OSError: a file cannot be read.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
        change(content, settings)
        include_corrections(content, path)
        return Config.model_validate(content)
    except ValidationError as error:
        raise ConfigError(f"{path}: {first_fault(error)}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {error}") from error
    except ValueError as error:
        raise ConfigError(str(error)) from error
