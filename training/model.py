"""The recogniser: SlowFast on pose heatmaps and the keypoint encoder, fused."""

from typing import Literal, NamedTuple

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from training.heatmaps import GROUPS, Heatmaps
from training.keypoint_encoder import KeypointEncoder
from training.slowfast import build

Stream = Literal["pose", "keypoints"]


class ModelConfig(BaseModel):
    """The `[model]` table of a training config."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    streams: tuple[Stream, ...] = Field(min_length=1, description="which encoders the model has")
    embedding: int = Field(gt=0, description="size of the embedding")
    dropout: float = Field(ge=0, lt=1)
    modality_dropout: float = Field(ge=0, lt=0.5, description="chance that one stream is left out, for each stream")
    heatmap_size: int = Field(gt=0, description="pixels a side")
    heatmap_sigma: float = Field(gt=0, description="shoulder widths")


class Output(NamedTuple):
    """logits (B, classes) and the L2-normalised embedding (B, embedding)."""

    logits: Tensor
    embedding: Tensor


class Recogniser(nn.Module):
    """Normalised keypoints (B, T, 171, 4) and mask (B, T) to `Output`."""

    def __init__(self, config: ModelConfig, classes: int, alpha: int) -> None:
        super().__init__()
        self.config = config
        self.encoders = nn.ModuleDict()
        if "pose" in config.streams:
            self.heatmaps = Heatmaps(config.heatmap_size, config.heatmap_sigma)
            self.encoders["pose"] = build("slowfast_tiny", inputs=len(GROUPS), alpha=alpha)
        if "keypoints" in config.streams:
            self.encoders["keypoints"] = KeypointEncoder(dropout=config.dropout)
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(encoder.features, config.embedding), nn.LayerNorm(config.embedding))  # type: ignore[arg-type]
                for name, encoder in self.encoders.items()
            }
        )
        self.fuse = nn.Sequential(
            nn.GELU(),
            nn.Dropout(config.dropout),
            nn.Linear(config.embedding * len(self.encoders), config.embedding),
        )
        self.classify = nn.Linear(config.embedding, classes)

    def forward(self, keypoints: Tensor, mask: Tensor) -> Output:
        """See the class; in training mode one stream may be left out of a sample (modality dropout)."""
        features = []
        for name, encoder in self.encoders.items():
            if name == "pose":
                frames = self.heatmaps(keypoints)
                if not torch.onnx.is_in_onnx_export():  # a layout is torch's own affair, and 1.5 times faster here
                    frames = frames.contiguous(memory_format=torch.channels_last_3d)
                features.append(self.project[name](encoder(frames, mask)))
            else:
                features.append(self.project[name](encoder(keypoints, mask)))
        if self.training and len(features) > 1:
            features = drop_one(features, self.config.modality_dropout)
        feature = self.fuse(torch.cat(features, dim=1))
        logits = self.classify(torch.relu(feature))
        # In float32 even under autocast: distances of neighbours are smaller than bfloat16 can tell apart.
        return Output(logits, nn.functional.normalize(feature.float(), dim=1, eps=1e-6))


def drop_one(features: list[Tensor], chance: float) -> list[Tensor]:
    """Zero at most one stream (B, ...) of each sample, each with probability `chance`: neither is leaned on alone."""
    draw = torch.rand(len(features[0]), *[1] * (features[0].ndim - 1), device=features[0].device)
    return [f * ((draw < i * chance) | (draw >= (i + 1) * chance)) for i, f in enumerate(features)]
