"""What a graph draws is what training drew."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from export.heatmaps import BatchedHeatmaps, draw_fast
from glosscast.keypoints import CHANNELS, POINTS, PRESENCE, Pose
from training.heatmaps import Heatmaps

NORMAL = float(np.finfo(np.float32).tiny)


def keypoints(spread: float) -> Tensor:
    """Two windows of three frames, every fifth point missing, some far outside the picture."""
    points = torch.randn(2, 3, POINTS, CHANNELS, generator=torch.Generator().manual_seed(0)) * spread
    points[..., PRESENCE] = 1.0
    points[:, :, ::5] = 0.0
    return points


@pytest.mark.parametrize(("size", "sigma"), [(32, 0.11), (16, 0.2)])
@pytest.mark.parametrize("spread", [0.05, 0.7, 8.0])  # 0.05 brings many points to one spot, where brightness ends
def test_the_pictures_are_the_same(size: int, sigma: float, spread: float) -> None:
    heatmaps = Heatmaps(size, sigma)
    points = keypoints(spread)
    wanted, got = heatmaps(points), BatchedHeatmaps(heatmaps)(points)
    assert got.shape == wanted.shape
    assert wanted.max() > 0.5
    assert (got - wanted).abs().max() <= 2e-6


def test_no_number_is_denormal() -> None:
    heatmaps = Heatmaps(32, 0.11)
    points = torch.zeros(1, 1, POINTS, CHANNELS)
    points[0, 0, Pose.NOSE] = torch.tensor([-1.2, 1.0, 0.0, 1.0])
    drawn = heatmaps(points)
    assert ((drawn > 0) & (drawn < NORMAL)).any()
    drawn = BatchedHeatmaps(heatmaps)(points)
    assert not ((drawn > 0) & (drawn < NORMAL)).any()
    assert drawn[0, [0, 2, 3, 4, 5]].abs().max() == 0.0  # a missing point draws nothing at all


def test_a_model_draws_fast_once_it_is_told_to() -> None:
    model = nn.ModuleDict({"within": nn.ModuleDict({"heatmaps": Heatmaps(16, 0.2)}), "other": nn.Linear(1, 1)})
    draw_fast(model)
    assert [type(module) for module in model.modules()].count(BatchedHeatmaps) == 1
    assert not any(isinstance(module, Heatmaps) for module in model.modules())
