"""How streams of signs with rests and transitions are drawn, and what is cut from them in training."""

from pydantic import Field, model_validator

from training.config.table import Table


class StreamConfig(Table):
    """The drawing of streams; both ends of a range are included."""

    signs: tuple[int, int] = Field(default=(4, 8), description="range of the number of signs")
    direct: float = Field(default=0.5, ge=0, le=1, description="share of the transitions that have no rest")
    cut: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="share of the direct transitions that are cuts: the next sign begins with the next frame",
    )
    trim: float = Field(
        default=0.0, ge=0, lt=0.5, description="up to this share of a sign is missing at each of its ends"
    )
    speed: tuple[float, float] = Field(
        default=(1.0, 1.0), description="clips are played this many times as fast, drawn between these two"
    )
    held: float = Field(default=0.0, ge=0, le=1, description="share of the signs in which the hands stop for a while")

    @model_validator(mode="after")
    def _ranges(self) -> "StreamConfig":
        if not 1 <= self.signs[0] <= self.signs[1]:
            raise ValueError(f"signs {self.signs} must be a range from 1 up")
        if not 0 < self.speed[0] <= self.speed[1]:
            raise ValueError(f"speed {self.speed} must be a range above 0")
        return self


class ChunkConfig(StreamConfig):
    """Streams that sentences are cut from, so that a model learns what it reads live: parts of sentences."""

    chunk_ms: tuple[float, float] = Field(
        description="range of the length of a part; a sign counts where its middle is in it"
    )

    @model_validator(mode="after")
    def _chunks(self) -> "ChunkConfig":
        if not 0 < self.chunk_ms[0] <= self.chunk_ms[1]:
            raise ValueError(f"chunk_ms {self.chunk_ms} must be a range above 0")
        return self


class CropConfig(StreamConfig):
    """Streams that the windows of a model of single signs are cut from."""

    crops: int = Field(default=8, ge=1, description="windows cut from each stream")
    background: float = Field(
        default=0.3, ge=0, lt=1, description="share of the windows whose middle is in no sign, where a stream has such"
    )
    middle: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of a sign, about its middle, in which the middles of its windows lie",
    )
