"""Gaussian heatmaps of keypoints, rendered inside the graph.

A sum of separable Gaussians over a group of K points is one matrix product (H x K)(K x W), so a window of 32 frames
costs almost nothing beside the convolutions that follow. The idea of feeding a 3D CNN with pose heatmaps is
PoseConv3D's (Duan et al., CVPR 2022).
"""

import torch
from torch import Tensor, nn

from glosscast.keypoints import LEFT_HAND, OTHER_FINGERS, PRESENCE, RIGHT_HAND, THUMB_AND_INDEX, Pose, X, Y

# Points rendered together, as indices into the layout. A hand is two groups, thumb with index finger and the rest,
# because one blob of 21 points hides which fingers are stretched.
GROUPS: tuple[tuple[int, ...], ...] = (
    (
        Pose.LEFT_SHOULDER,
        Pose.RIGHT_SHOULDER,
        Pose.LEFT_ELBOW,
        Pose.RIGHT_ELBOW,
        Pose.LEFT_WRIST,
        Pose.RIGHT_WRIST,
    ),
    (
        Pose.NOSE,
        Pose.LEFT_EYE,
        Pose.RIGHT_EYE,
        Pose.LEFT_EAR,
        Pose.RIGHT_EAR,
        Pose.MOUTH_LEFT,
        Pose.MOUTH_RIGHT,
    ),
    tuple(LEFT_HAND.start + i for i in THUMB_AND_INDEX),
    tuple(LEFT_HAND.start + i for i in OTHER_FINGERS),
    tuple(RIGHT_HAND.start + i for i in THUMB_AND_INDEX),
    tuple(RIGHT_HAND.start + i for i in OTHER_FINGERS),
)


class Heatmaps(nn.Module):
    """Normalised keypoints (B, T, 171, 4) to heatmaps (B, groups, T, size, size).

    The square seen is `span` shoulder widths wide and centred `offset_y` shoulder widths below the mid-shoulder point.
    """

    columns: Tensor
    rows: Tensor

    def __init__(self, size: int = 32, sigma: float = 0.11, span: float = 3.6, offset_y: float = 0.2) -> None:
        super().__init__()
        self.groups = [list(group) for group in GROUPS]
        self.precision = 1.0 / (2.0 * sigma * sigma)
        axis = (torch.arange(size, dtype=torch.float32) + 0.5) / size * span - span / 2
        self.register_buffer("columns", axis, persistent=False)
        self.register_buffer("rows", axis + offset_y, persistent=False)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Render; see the class for shapes."""
        maps = [self._render(keypoints[:, :, group]) for group in self.groups]
        return torch.stack(maps, dim=1)

    def _render(self, points: Tensor) -> Tensor:
        across = torch.exp(-self.precision * (points[..., X, None] - self.columns) ** 2)
        down = torch.exp(-self.precision * (points[..., Y, None] - self.rows) ** 2)
        down = down * points[..., PRESENCE, None]
        # The clamp keeps a fist, where many points fall on one spot, from outshining an open hand.
        return (down.transpose(-1, -2) @ across).clamp(max=2.0)
