import math

import pytest
import torch

from glosscast.keypoints import CHANNELS, PRESENCE, Pose, X, Y
from glosscast.keypoints import POINTS as LAYOUT_POINTS
from training.models.heatmaps import GROUPS, Heatmaps

SIZE, SIGMA, SPAN, OFFSET = 16, 0.2, 3.6, 0.2
HEATMAPS = Heatmaps(SIZE, SIGMA, SPAN, OFFSET)


def centre(index: int) -> float:
    """Place of a pixel across, in shoulder widths; down it is OFFSET more."""
    return (index + 0.5) / SIZE * SPAN - SPAN / 2


def empty(frames: int = 1) -> torch.Tensor:
    return torch.zeros(1, frames, LAYOUT_POINTS, CHANNELS)


def test_groups_hold_each_point_once() -> None:
    points = [point for group in GROUPS for point in group]
    assert len(set(points)) == len(points)


@pytest.mark.parametrize(("row", "column"), [(3, 9), (8, 8), (15, 0)])
def test_the_peak_is_where_the_point_is(row: int, column: int) -> None:
    keypoints = empty()
    keypoints[0, 0, Pose.NOSE] = torch.tensor([centre(column), centre(row) + OFFSET, 0.0, 1.0])
    maps = HEATMAPS(keypoints)
    assert maps.shape == (1, len(GROUPS), 1, SIZE, SIZE)
    group = next(i for i, g in enumerate(GROUPS) if Pose.NOSE in g)
    assert divmod(int(maps[0, group, 0].argmax()), SIZE) == (row, column)
    assert maps[0, group, 0].max().item() == pytest.approx(1.0, abs=1e-5)
    assert maps.sum() == maps[0, group].sum()


def test_a_missing_point_renders_nothing() -> None:
    assert (HEATMAPS(empty(2)) == 0).all()


def test_rendering_equals_a_loop_over_pixels_and_points() -> None:
    torch.manual_seed(0)
    keypoints = torch.randn(1, 2, LAYOUT_POINTS, CHANNELS)
    keypoints[..., PRESENCE] = (torch.rand(1, 2, LAYOUT_POINTS) > 0.3).float()
    maps = HEATMAPS(keypoints)
    for g, group in enumerate(GROUPS):
        for frame in range(2):
            for row, column in ((0, 0), (5, 11), (8, 8), (15, 3)):
                value = 0.0
                for point in group:
                    x, y, _, presence = keypoints[0, frame, point].tolist()
                    squared = (x - centre(column)) ** 2 + (y - centre(row) - OFFSET) ** 2
                    value += presence * math.exp(-squared / (2 * SIGMA**2))
                assert maps[0, g, frame, row, column].item() == pytest.approx(min(value, 2.0), abs=2e-6)


def test_no_number_is_denormal() -> None:
    keypoints = empty()
    keypoints[0, 0, Pose.NOSE] = torch.tensor([-1.2, 1.0, 0.0, 1.0])
    keypoints[0, 0, Pose.LEFT_EYE] = torch.tensor([50.0, -50.0, 0.0, 1.0])
    maps = Heatmaps()(keypoints)
    assert not ((maps > 0) & (maps < torch.finfo(torch.float32).tiny)).any()
    assert maps[0, 1].max() > 0.9


def test_many_points_on_one_spot_do_not_outshine_the_rest() -> None:
    keypoints = empty()
    keypoints[0, 0, list(GROUPS[3]), PRESENCE] = 1.0
    keypoints[0, 0, list(GROUPS[3]), X] = centre(8)
    keypoints[0, 0, list(GROUPS[3]), Y] = centre(8) + OFFSET
    assert HEATMAPS(keypoints).max() == 2.0
