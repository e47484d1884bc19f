"""A temporal model over keypoint coordinates, velocities and wrist-relative hands."""

import torch
from torch import Tensor, nn

from glosscast.keypoints import (
    ARMS,
    BROWS,
    EYES,
    FACE,
    FINGERTIPS,
    HAND_MIDDLE_KNUCKLE,
    HAND_POINTS,
    HAND_WRIST,
    HEAD,
    LEFT_HAND,
    LIPS,
    PRESENCE,
    RIGHT_HAND,
    WRISTS,
    Pose,
    X,
    Z,
)

BODY = [*HEAD, *ARMS]
# Every other mouth point and every fourth of eyes and brows: enough for mouthing and brow raise.
FACE_POINTS = [
    *range(LIPS.start, LIPS.stop, 2),
    *range(EYES.start, EYES.stop, 4),
    *range(BROWS.start, BROWS.stop, 4),
]
TARGETS = [Pose.NOSE, Pose.MOUTH_LEFT, Pose.MOUTH_RIGHT, Pose.LEFT_EAR, Pose.RIGHT_EAR, *WRISTS]


class HandEncoder(nn.Module):
    """One hand per frame to features; both hands share it, the left one mirrored, so either can sign."""

    def __init__(self, width: int) -> None:
        super().__init__()
        shape = HAND_POINTS * 3  # x, y, z relative to the wrist, in hand sizes
        place = HAND_POINTS * 2  # x, y in shoulder widths
        distances = len(FINGERTIPS) * len(TARGETS)
        self.layers = nn.Sequential(
            nn.Linear(shape + place + distances + 1, width),
            nn.LayerNorm(width),
            nn.GELU(),
            nn.Linear(width, width),
        )

    def forward(self, hand: Tensor, targets: Tensor) -> Tensor:
        """Hand (B, T, 21, 4) and points it may touch (B, T, targets, 4), both mirrored for a left hand."""
        presence = hand[..., HAND_WRIST, PRESENCE, None]
        points = hand[..., :3]
        wrist = points[..., HAND_WRIST, None, :]
        size = (points[..., HAND_MIDDLE_KNUCKLE, None, :] - wrist).norm(dim=-1, keepdim=True).clamp(min=0.05)
        shape = (points - wrist) / size
        tips = points[..., list(FINGERTIPS), :2]
        away = (tips[..., :, None, :] - targets[..., None, :, :2]).norm(dim=-1)
        # Missing target points sit at the origin with presence 0; a distance to them means nothing.
        away = away.clamp(max=3.0) * targets[..., None, :, PRESENCE]
        features = [shape.flatten(-2), points[..., :2].flatten(-2), away.flatten(-2), presence]
        encoded: Tensor = self.layers(torch.cat(features, dim=-1))
        return encoded * presence


class TemporalBlock(nn.Module):
    """Residual depthwise convolution over time with a pointwise feed-forward.

    Args:
        width: number of features.
        kernel: frames that are looked at, odd.
        dropout: share of the change that is left out in training.
        ahead: frames of them that come after the one in question; None for as many as before it.
    """

    def __init__(self, width: int, kernel: int, dropout: float, ahead: int | None = None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        ahead = kernel // 2 if ahead is None else ahead
        self.depthwise = nn.Conv1d(width, width, kernel, padding=kernel - 1 - ahead, groups=width)
        self.feed = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, T, width) to the same; frames outside a mask (B, T) are kept from the others, as if time ended there."""
        normed = self.norm(x) if mask is None else self.norm(x) * mask[..., None]
        # What is padded at the end beyond the frames ahead gives frames that are too many.
        mixed = self.depthwise(normed.transpose(1, 2)).transpose(1, 2)[:, : x.shape[1]]
        change: Tensor = self.dropout(self.feed(mixed))
        return x + change


class KeypointEncoder(nn.Module):
    """Normalised keypoints (B, T, 171, 4) and mask (B, T) to features (B, features)."""

    def __init__(self, width: int = 192, hand_width: int = 96, blocks: int = 3, dropout: float = 0.2) -> None:
        super().__init__()
        self.features = 2 * width
        self.frame_features = width
        self.hand = HandEncoder(hand_width)
        per_frame = 2 * hand_width + len(BODY) * 3 + len(FACE_POINTS) * 2 + 1
        self.enter = nn.Sequential(nn.Linear(2 * per_frame, width), nn.LayerNorm(width), nn.Dropout(dropout))
        self.blocks = nn.ModuleList(TemporalBlock(width, 5, dropout) for _ in range(blocks))
        self.norm = nn.LayerNorm(width)
        self.attention = nn.Linear(width, 1)

    def forward(self, keypoints: Tensor, mask: Tensor) -> Tensor:
        """Encode; frames outside the mask take no part in the pooling."""
        x = self.frames(keypoints)
        score = self.attention(x).squeeze(-1).masked_fill(mask < 0.5, -1e4)
        attended = (torch.softmax(score, dim=1)[..., None] * x).sum(dim=1)
        mean = (x * mask[..., None]).sum(dim=1) / mask.sum(dim=1, keepdim=True).clamp(min=1.0)
        return torch.cat([attended, mean], dim=-1)

    def frames(self, keypoints: Tensor, mask: Tensor | None = None) -> Tensor:
        """Features of each frame (B, T, frame_features), before any pooling; of a mask see `TemporalBlock`."""
        frame = self._per_frame(keypoints)
        velocity = torch.cat([torch.zeros_like(frame[:, :1]), frame[:, 1:] - frame[:, :-1]], dim=1)
        x = self.enter(torch.cat([frame, velocity], dim=-1))
        for block in self.blocks:
            x = block(x, mask)
        normed: Tensor = self.norm(x)
        return normed

    def _per_frame(self, keypoints: Tensor) -> Tensor:
        flip = torch.ones(4, device=keypoints.device, dtype=keypoints.dtype)
        flip[X] = -1.0
        targets = keypoints[..., TARGETS, :]
        right = self.hand(keypoints[..., RIGHT_HAND, :], targets)
        left = self.hand(keypoints[..., LEFT_HAND, :] * flip, targets * flip)
        body = keypoints[..., BODY, :]
        body = torch.cat([body[..., :Z], body[..., PRESENCE:]], dim=-1).flatten(-2)
        face = keypoints[..., FACE_POINTS, :]
        nose = keypoints[..., Pose.NOSE, None, :2]
        found = keypoints[..., FACE.start, PRESENCE, None]
        mimic = ((face[..., :2] - nose) * face[..., PRESENCE:]).flatten(-2)
        return torch.cat([left, right, body, mimic, found], dim=-1)
