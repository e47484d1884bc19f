"""The `[data]` table of a training config, with the data sets that it names."""

from typing import Any, Literal

from pydantic import Field, model_validator

from glosscast.vocabulary import Vocabulary
from training.config.corrections import Correction, from_leave_out
from training.config.table import Table

Role = Literal["train", "dev", "test"]
Hidden = Literal["face", "lesser_hand"]


class SetConfig(Table):
    """One `[[data.sets]]` table: an .npz file of clips."""

    file: str = Field(description="file name inside the data folder")
    role: Role = Field(default="train", description="learned from, scored after each epoch, or for evaluation only")
    fps: float = Field(gt=0, description="frame rate to assume where the file does not say")
    aspect: float = Field(gt=0, description="frame width / height to assume")
    about: str = Field(min_length=1, description="for the model card, Markdown: who was recorded, licence")
    alias: dict[str, str] = Field(default_factory=dict, description="gloss in the file -> its name here")
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
    hands_only: bool = Field(
        default=False,
        description="the file has hands and no body: all clips get shoulders at one place in the frame; for "
        "experiments, no bundle is made of a model that has learned from it",
    )
    share: float = Field(default=1.0, gt=0, description="how often a clip of this set is drawn, relative to others")


class DataConfig(Table):
    """The `[data]` table."""

    vocabulary: tuple[str, ...] = Field(min_length=2, description="the glosses that the bundle will know, in order")
    no_sign: str | None = Field(default=None, description="the vocabulary's class for hands that sign nothing, if any")
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
    clips_per_signer_gloss: int | None = Field(
        default=None, gt=0, description="most clips of one signer's gloss that are learned from; absent: all of them"
    )
    hide: tuple[Hidden, ...] = Field(
        default=(),
        description="what is taken out of all clips, also of those that are scored: the `face`, with the body model's "
        "points of the head, and the `lesser_hand`, the one that moves less in the clip; for experiments, no bundle is "
        "made of such a model",
    )
    shared_signers: bool = Field(default=False, description="signers may occur both in training and in dev or test")
    corrections: tuple[Correction, ...] = Field(
        default=(), description="labels that are wrong; in TOML the name of a file, or a list of them"
    )
    sets: tuple[SetConfig, ...] = Field(min_length=1, description="the data sets, one table each")

    @property
    def no_sign_id(self) -> int | None:
        """The vocabulary's class for hands that sign nothing; None where there is none."""
        return Vocabulary(self.vocabulary, self.no_sign).no_sign_id

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
