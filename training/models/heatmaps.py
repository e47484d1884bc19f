"""Gaussian heatmaps of keypoints, rendered inside the graph.

A sum of separable Gaussians over a group of K points is one matrix product (H x K)(K x W), so a window of 32 frames
costs little beside the convolutions that follow. The idea of feeding a 3D CNN with pose heatmaps is
PoseConv3D's (Duan et al., CVPR 2022).
"""

import torch
from torch import Tensor, nn

from glosscast.keypoints import ARMS, HEAD, LEFT_HAND, OTHER_FINGERS, PRESENCE, RIGHT_HAND, THUMB_AND_INDEX, X, Y

# Points rendered together, as indices into the layout. A hand is two groups, thumb with index finger and the rest,
# because one blob of 21 points hides which fingers are stretched.
GROUPS: tuple[tuple[int, ...], ...] = (
    tuple(ARMS),
    tuple(HEAD),
    tuple(LEFT_HAND.start + i for i in THUMB_AND_INDEX),
    tuple(LEFT_HAND.start + i for i in OTHER_FINGERS),
    tuple(RIGHT_HAND.start + i for i in THUMB_AND_INDEX),
    tuple(RIGHT_HAND.start + i for i in OTHER_FINGERS),
)


# A Gaussian ends here, at 9.4e-14. The product of two, with the weight of a convolution, is still far from the denormal
# numbers (below 1.2e-38), with which a processor computes many times as long; beside pixels that count it is nothing:
# float32 tells no two numbers near 1 apart below 6e-8.
FLOOR = -30.0


class Heatmaps(nn.Module):
    """Normalised keypoints (B, T, 171, 4) to heatmaps (B, groups, T, size, size), all groups in one matrix product.

    The square seen is `span` shoulder widths wide and centred `offset_y` shoulder widths below the mid-shoulder point.
    """

    points: Tensor
    real: Tensor
    columns: Tensor
    rows: Tensor

    def __init__(self, size: int = 32, sigma: float = 0.11, span: float = 3.6, offset_y: float = 0.2) -> None:
        super().__init__()
        longest = max(map(len, GROUPS))
        self.shape = (len(GROUPS), longest)
        padded = [[*group, *[group[0]] * (longest - len(group))] for group in GROUPS]
        real = [[float(i < len(group)) for i in range(longest)] for group in GROUPS]
        self.scale = (2.0 * sigma * sigma) ** -0.5
        axis = ((torch.arange(size, dtype=torch.float32) + 0.5) / size * span - span / 2) * self.scale
        self.register_buffer("points", torch.tensor(padded).flatten(), persistent=False)
        self.register_buffer("real", torch.tensor(real)[:, None, :], persistent=False)
        self.register_buffer("columns", axis, persistent=False)
        self.register_buffer("rows", axis + offset_y * self.scale, persistent=False)

    def forward(self, keypoints: Tensor) -> Tensor:
        """Render; see the class for shapes."""
        # Points are sorted by group before time: moving them costs nothing, moving pictures does.
        points = keypoints[:, :, self.points].unflatten(2, self.shape).transpose(1, 2)
        across = self._gaussian(points[..., X, None], self.columns)
        down = self._gaussian(points[..., Y, None], self.rows) * (points[..., PRESENCE] * self.real)[..., None]
        # The clamp keeps a fist, where many points fall on one spot, from outshining an open hand.
        maps: Tensor = (down.transpose(-1, -2) @ across).clamp(max=2.0)
        return maps

    def _gaussian(self, centre: Tensor, axis: Tensor) -> Tensor:
        distance: Tensor = centre * self.scale - axis
        return torch.exp((-distance * distance).clamp(min=FLOOR))
