"""The continuous recogniser: the streams of the isolated one frame by frame, and a temporal model over their steps."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from training.config import Config, ContinuousConfig, ModelConfig
from training.models.heatmaps import GROUPS, Heatmaps
from training.models.keypoint_encoder import KeypointEncoder, TemporalBlock
from training.models.recogniser import channels_last, drop_one, without_face
from training.models.slowfast import build


class ContinuousOutput(NamedTuple):
    """The outputs of each step: logits (B, steps, classes + 1), blank last, and their features (B, steps, embedding).

    `steps` (B,) says how many belong to each sentence; the rest is padding.
    """

    logits: Tensor
    features: Tensor
    steps: Tensor


class ContinuousRecogniser(nn.Module):
    """Normalised keypoints (B, T, 171, 4) of sentences padded at their ends, and frames (B,), to `ContinuousOutput`.

    In eval mode a sentence's logits depend on nothing but its own frames. In training mode batch norm, which only the
    pose stream has, sees the whole batch.
    """

    points: Tensor

    def __init__(self, config: ModelConfig, continuous: ContinuousConfig, classes: int, alpha: int) -> None:
        super().__init__()
        self.config = config
        self.stride = continuous.stride
        self.encoders = nn.ModuleDict()
        if "pose" in config.streams:
            self.heatmaps = Heatmaps(config.heatmap_size, config.heatmap_sigma)
            self.encoders["pose"] = build("slowfast_tiny", inputs=len(GROUPS), alpha=alpha)
        if "keypoints" in config.streams:
            self.encoders["keypoints"] = KeypointEncoder(dropout=config.dropout)
        width = config.embedding
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(nn.Linear(encoder.frame_features, width), nn.LayerNorm(width))  # type: ignore[arg-type]
                for name, encoder in self.encoders.items()
            }
        )
        self.fuse = nn.Sequential(nn.GELU(), nn.Dropout(config.dropout), nn.Linear(width * len(self.encoders), width))
        self.blocks = nn.ModuleList(
            TemporalBlock(width, continuous.kernel, config.dropout, continuous.ahead) for _ in range(continuous.blocks)
        )
        self.norm = nn.LayerNorm(width)
        self.classify = nn.Linear(width, classes + 1)
        if not config.face:
            self.register_buffer("points", without_face(), persistent=False)

    def forward(self, keypoints: Tensor, frames: Tensor) -> ContinuousOutput:
        """See the class; in training mode one stream may be left out of a sentence (modality dropout)."""
        mask = (torch.arange(keypoints.shape[1], device=frames.device) < frames[:, None]).to(keypoints.dtype)
        return self.read(keypoints, mask)

    def read(self, keypoints: Tensor, mask: Tensor) -> ContinuousOutput:
        """The same for a window (B, T, 171, 4) of sentences; frames outside the mask (B, T) take no part."""
        if not self.config.face:
            keypoints = keypoints * self.points
        features = [self.project[name](self._encode(name, keypoints, mask)) for name in self.encoders]
        if self.training and len(features) > 1:
            features = drop_one(features, self.config.modality_dropout)
        x, step_mask = mean_steps(self.fuse(torch.cat(features, dim=2)), mask, self.stride)
        for block in self.blocks:
            x = block(x, step_mask)
        # Float32 even under autocast: every loss is computed from these.
        shared = self.norm(x).float()
        return ContinuousOutput(self.classify(torch.relu(shared)), shared, step_mask.sum(dim=1).long())

    def _encode(self, name: str, keypoints: Tensor, mask: Tensor) -> Tensor:
        """Features of each frame, (B, T, features)."""
        encoder = self.encoders[name]
        if isinstance(encoder, KeypointEncoder):
            return encoder.frames(keypoints, mask)
        encoded: Tensor = encoder.frames(channels_last(self.heatmaps(keypoints)), mask)  # type: ignore[operator]
        return encoded


def mean_steps(x: Tensor, mask: Tensor, stride: int) -> tuple[Tensor, Tensor]:
    """Mean over every `stride` frames inside the mask: (B, T, D) and (B, T) to (B, ⌈T / stride⌉, D) and their mask."""
    short = -x.shape[1] % stride
    x = nn.functional.pad(x, (0, 0, 0, short))
    mask = nn.functional.pad(mask, (0, short))
    inside = mask.unflatten(1, (-1, stride))
    total = (x.unflatten(1, (-1, stride)) * inside[..., None]).sum(dim=2)
    return total / inside.sum(dim=2).clamp(min=1.0)[..., None], inside.amax(dim=2)


def continuous_recogniser(config: Config, classes: int) -> ContinuousRecogniser:
    """A fresh recogniser as a config with a `[continuous]` table describes it.

    Raises:
        ValueError: the config is of isolated signs.
    """
    if config.continuous is None:
        raise ValueError(f"the config {config.name} has no [continuous] table: it is one of isolated signs")
    return ContinuousRecogniser(config.model, config.continuous, classes, config.clip.alpha)
