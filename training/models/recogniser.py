"""The recogniser: SlowFast on pixels, SlowFast on pose heatmaps and the keypoint encoder, in any combination, fused."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from glosscast.keypoints import FACE, POINTS
from training.config import Config, ModelConfig
from training.models.heatmaps import GROUPS, Heatmaps
from training.models.keypoint_encoder import KeypointEncoder
from training.models.slowfast import build

MEAN, STD = 0.45, 0.225  # of all three colours in 0..1: those that the published SlowFasts were trained with


class Output(NamedTuple):
    """logits (B, classes) and the L2-normalised embedding (B, embedding)."""

    logits: Tensor
    embedding: Tensor


class IsolatedRecogniser(nn.Module):
    """Normalised keypoints (B, T, 171, 4), mask (B, T) and, for the rgb stream, frames (B, T, H, W, 3) to `Output`."""

    points: Tensor

    def __init__(self, config: ModelConfig, classes: int, alpha: int) -> None:
        super().__init__()
        self.config = config
        self.encoders = nn.ModuleDict()
        if "rgb" in config.streams:
            self.encoders["rgb"] = build(config.visual, inputs=3, alpha=alpha)
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
        if not config.face:
            self.register_buffer("points", without_face(), persistent=False)

    def forward(self, keypoints: Tensor, mask: Tensor, frames: Tensor | None = None) -> Output:
        """See the class; in training mode one stream may be left out of a sample (modality dropout).

        Raises:
            ValueError: there is an rgb stream and no `frames`.
        """
        if not self.config.face:
            keypoints = keypoints * self.points
        features = []
        for name, encoder in self.encoders.items():
            if name == "rgb":
                if frames is None:
                    raise ValueError("the rgb stream needs frames")
                encoded = encoder(channels_last(normalise_pixels(frames)), mask)
            elif name == "pose":
                encoded = encoder(channels_last(self.heatmaps(keypoints)), mask)
            else:
                encoded = encoder(keypoints, mask)
            features.append(self.project[name](encoded))
        if self.training and len(features) > 1:
            features = drop_one(features, self.config.modality_dropout)
        feature = self.fuse(torch.cat(features, dim=1))
        logits = self.classify(torch.relu(feature))
        # In float32 even under autocast: distances of neighbours are smaller than bfloat16 can distinguish.
        return Output(logits, nn.functional.normalize(feature.float(), dim=1, eps=1e-6))


def without_face() -> Tensor:
    """What keypoints (..., 171, 4) are multiplied by where a model sees no face: (171, 1)."""
    points = torch.ones(POINTS, 1)
    points[FACE] = 0.0
    return points


def rows(layer: nn.Linear, kept: Sequence[int], temperature: float = 1.0) -> nn.Linear:
    """A linear layer with some of the outputs of another, divided by a temperature."""
    cut = nn.Linear(layer.in_features, len(kept))
    with torch.no_grad():
        cut.weight.copy_(layer.weight[list(kept)] / temperature)
        cut.bias.copy_(layer.bias[list(kept)] / temperature)
    return cut


def normalise_pixels(frames: Tensor) -> Tensor:
    """(B, T, H, W, 3) uint8 to (B, 3, T, H, W) float, as the published SlowFasts want them."""
    return (frames.permute(0, 4, 1, 2, 3).float() / 255 - MEAN) / STD


def channels_last(volume: Tensor) -> Tensor:
    """The same in the layout that is 1.5 times faster here; a layout is torch's own affair, so not in an export."""
    return volume if torch.onnx.is_in_onnx_export() else volume.contiguous(memory_format=torch.channels_last_3d)


def drop_one(features: list[Tensor], chance: float) -> list[Tensor]:
    """Zero at most one stream (B, ...) of each sample, each with probability `chance`: none is leaned on alone."""
    draw = torch.rand(len(features[0]), *[1] * (features[0].ndim - 1), device=features[0].device)
    return [f * ((draw < i * chance) | (draw >= (i + 1) * chance)) for i, f in enumerate(features)]


def isolated_recogniser(config: Config, classes: int) -> IsolatedRecogniser:
    """A new recogniser of isolated signs, as a config describes it."""
    return IsolatedRecogniser(config.model, classes, config.clip.alpha)
