"""The `[model]` table of a training config."""

from typing import Literal

from pydantic import Field, model_validator

from training.config.table import Table

Stream = Literal["rgb", "pose", "keypoints"]
Visual = Literal["slowfast_tiny", "slowfast_8x8_r50", "slowfast_8x8_r101"]


class ModelConfig(Table):
    """The `[model]` table."""

    streams: tuple[Stream, ...] = Field(min_length=1, description="which encoders the model has")
    embedding: int = Field(gt=0, description="size of the embedding")
    dropout: float = Field(ge=0, lt=1, description="share of the features that dropout sets to 0")
    modality_dropout: float = Field(ge=0, lt=0.5, description="chance that one stream is left out, for each stream")
    heatmap_size: int = Field(gt=0, description="side of the heatmaps, pixels")
    heatmap_sigma: float = Field(gt=0, description="standard deviation of a heatmap's Gaussians, shoulder widths")
    visual: Visual = Field(default="slowfast_tiny", description="the SlowFast of the rgb stream")
    rgb_size: int = Field(default=112, gt=0, description="side of the pictures of the rgb stream, pixels")
    face: bool = Field(default=True, description="whether the model sees the 96 points of the face mesh")

    @model_validator(mode="after")
    def _one_stream_at_most_is_left_out(self) -> "ModelConfig":
        streams = len(set(self.streams))
        if streams > 1 and self.modality_dropout * streams > 1:
            raise ValueError(f"modality_dropout {self.modality_dropout} is more than 1 / {streams}, for each stream")
        return self

    @property
    def frame_size(self) -> int | None:
        """Pixels a side of the frames that the model looks at; None where it looks at keypoints alone."""
        return self.rgb_size if "rgb" in self.streams else None

    @property
    def needs_signer(self) -> bool:
        """Whether a stream works on keypoints."""
        return set(self.streams) != {"rgb"}
