"""The `[continuous]` table of a training config."""

from pydantic import Field, model_validator

from training.config.losses import ContinuousLossConfig
from training.config.streams import ChunkConfig
from training.config.table import Table


class SentenceConfig(Table):
    """The drawing of sentences; both ends of a range are included."""

    fps: float = Field(gt=0, description="frame rate of the sentences")
    signs: tuple[int, int] = Field(description="range of the number of signs")
    transition_ms: tuple[float, float] = Field(
        description="range of the time from a sign's last frame to the next one's first"
    )

    @model_validator(mode="after")
    def _ranges(self) -> "SentenceConfig":
        if not 1 <= self.signs[0] <= self.signs[1]:
            raise ValueError(f"signs {self.signs} must be a range from 1 up")
        if not 0 <= self.transition_ms[0] <= self.transition_ms[1]:
            raise ValueError(f"transition_ms {self.transition_ms} must be a range from 0 up")
        return self


class ContinuousConfig(Table):
    """The `[continuous]` table: its presence makes a training one of sentences."""

    stride: int = Field(gt=0, description="frames of the fast pathway that become one step of the logits")
    blocks: int = Field(gt=0, description="number of temporal blocks over the steps")
    kernel: int = Field(gt=0, description="number of steps that a temporal block looks at, odd")
    ahead: int | None = Field(
        default=None,
        ge=0,
        description="number of those steps that come after the one in question; absent: as many as before it",
    )
    sentences: SentenceConfig | None = Field(
        default=None,
        description="how clips are joined to sentences without rests; absent where streams are joined or the sets hold "
        "recorded sentences",
    )
    streams: ChunkConfig | None = Field(
        default=None,
        description="how clips are joined to streams with rests instead, and which parts of them are learned from",
    )
    taught_signs: tuple[int, int] | None = Field(
        default=None, description="range of the number of signs in training, if not that of the sentences"
    )
    loss: ContinuousLossConfig = Field(description="factors of the losses, and how they are weighted")

    @property
    def taught(self) -> SentenceConfig | None:
        """The drawing of sentences in training. With short ones, CTC stops predicting only blanks much sooner."""
        if self.sentences is None or self.taught_signs is None:
            return self.sentences
        return self.sentences.model_copy(update={"signs": self.taught_signs})

    @property
    def joins_clips(self) -> bool:
        """Whether sentences are made of clips of one sign; else the sets hold recorded ones."""
        return self.sentences is not None or self.streams is not None

    @model_validator(mode="after")
    def _one_way_to_join(self) -> "ContinuousConfig":
        if self.sentences is not None and self.streams is not None:
            raise ValueError("clips are joined by a sentences table or by a streams table, not by both")
        return self

    @model_validator(mode="after")
    def _times_are_known(self) -> "ContinuousConfig":
        if self.loss.steps and self.streams is None:
            raise ValueError("loss.steps: where signs begin and end is known of joined streams alone")
        return self

    @model_validator(mode="after")
    def _signs_are_of_sentences(self) -> "ContinuousConfig":
        if self.taught_signs is not None:
            if self.sentences is None:
                raise ValueError("taught_signs is of sentences made of clips, and there is no sentences table")
            if not 1 <= self.taught_signs[0] <= self.taught_signs[1]:
                raise ValueError(f"taught_signs {self.taught_signs} must be a range from 1 up")
        return self

    @model_validator(mode="after")
    def _kernels_have_a_middle(self) -> "ContinuousConfig":
        if self.kernel % 2 == 0:
            raise ValueError(f"kernel {self.kernel} must be odd: a step looks as far back as ahead")
        if self.ahead is not None and self.ahead > self.kernel // 2:
            raise ValueError(f"ahead {self.ahead} is more than half of the kernel, {self.kernel // 2}")
        return self
