"""How a bundle of sentences is read; part of the bundle manifest."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

MAX_WINDOW_MS = 30_000.0  # of the frames that a stream keeps: 40 MB at most


class _Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class UtteranceSettings(_Settings):
    """Where an utterance begins and ends; the thresholds of raised hands are the segmenter's."""

    lead_ms: float = Field(default=250.0, ge=0, description="an utterance begins this long before a hand is raised")
    pause_ms: float = Field(
        default=1000.0, gt=0, description="hands that rest or are not seen for this long end an utterance"
    )


class LanguageModelSettings(_Settings):
    """How much the language model counts."""

    weight: float = Field(
        default=0.5, gt=0, le=10, description="factor of its log probabilities, beside 1 for the recogniser's"
    )


class ChunkReader(UtteranceSettings):
    """CTC read in overlapping windows, by a beam search that commits glosses as it goes."""

    kind: Literal["chunks"] = Field(description="windows of a model with CTC")
    hop: int = Field(default=1, ge=1, description="steps from one window to the next")
    right: int = Field(default=4, ge=0, description="steps that a window must show after a step that is read from it")
    width: int = Field(default=8, ge=1, le=256, description="prefixes that the beam search keeps")
    min_log_probability: float = Field(
        default=-12.0, le=0, description="classes below this natural logarithm are not tried in a step"
    )
    agree: float = Field(
        default=0.95, gt=0.5, le=1, description="share of the beam that must agree on a gloss to commit it"
    )
    delay_ms: float = Field(
        default=2000.0, gt=0, le=60_000, description="a gloss that began so long ago is committed in any case"
    )
    insertion: float = Field(
        default=0.0,
        ge=-20,
        le=20,
        description="natural logarithm by which each gloss is favoured; below 0, fewer are read",
    )
    language_model: LanguageModelSettings | None = Field(
        default=None, description="how much the bundle's language model counts; null where it has none"
    )


class WindowReader(UtteranceSettings):
    """Short windows, each classified as a sign or as background, whose neighbours vote and whose repeats collapse."""

    kind: Literal["windows"] = Field(description="short windows of a model of isolated signs, with a background class")
    stride: int = Field(default=2, ge=1, description="frames from one window to the next")
    neighbours: int = Field(
        default=2, ge=0, le=100, description="windows on each side whose probabilities are averaged"
    )
    min_windows: int = Field(
        default=3, ge=1, le=100, description="windows in a row that make a sign, or the background between two"
    )


ReaderSettings = Annotated[ChunkReader | WindowReader, Field(discriminator="kind")]
