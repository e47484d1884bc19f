import numpy as np
import pytest
from pydantic import ValidationError

from glosscast.activity import ActivityMeter
from glosscast.keypoints import CHANNELS, LEFT_HAND, POINTS, PRESENCE, WRISTS, X, Y
from glosscast.segmentation import Segment, Segmenter, SegmenterSettings
from tests.bundles import ASPECT, SEGMENTER, pose

STEP_MS = 50.0
SETTINGS = SEGMENTER.model_copy(update={"enter_ms": 100.0, "still_ms": 1000.0, "max_ms": 3000.0})
DOWN = 2.0  # a height, in shoulder widths below the shoulders
LOST = None


def frame(height: float | None, sideways: float = 0.0) -> np.ndarray:
    keypoints = pose((sideways, DOWN if height is None else height))
    if height is None:
        keypoints[WRISTS] = 0.0
    keypoints[:, X] *= ASPECT
    return keypoints


def moving(count: int, *heights: float | None) -> list[np.ndarray]:
    """Frames that take turns with the heights, the hand moving sideways all the time."""
    return [frame(heights[i % len(heights)], 0.2 * (i % 2)) for i in range(count)]


def still(count: int, height: float = 0.5) -> list[np.ndarray]:
    return [frame(height)] * count


def down(count: int) -> list[np.ndarray]:
    return moving(count, DOWN)


def segments(frames: list[np.ndarray], segmenter: Segmenter | None = None) -> list[Segment]:
    segmenter = segmenter or Segmenter(SETTINGS)
    found = [segmenter.push(i * STEP_MS, keypoints) for i, keypoints in enumerate(frames)]
    return [s for s in [*found, segmenter.finish()] if s is not None]


NOBODY = [np.zeros((POINTS, CHANNELS), np.float32)] * 20


@pytest.mark.parametrize(
    ("frames", "wanted"),
    [
        pytest.param(down(20), [], id="hands stay down"),
        pytest.param(NOBODY, [], id="nobody"),
        pytest.param(NOBODY + moving(8, 0.5) + down(10), [(1000, 1350)], id="somebody comes in"),
        pytest.param(down(4) + moving(10, 0.5) + down(10), [(200, 650)], id="raised and lowered"),
        pytest.param(down(4) + moving(2, 0.5) + down(10), [], id="raised for less than enter_ms"),
        pytest.param(down(4) + moving(3, 0.5) + down(10), [(200, 300)], id="raised for enter_ms"),
        pytest.param(down(4) + moving(4, 0.9) + moving(20, 1.1, 0.9) + down(10), [(200, 1350)], id="flicker inside"),
        pytest.param(down(4) + moving(20, 1.1, 1.05) + down(10), [], id="below the line for entering"),
        pytest.param(
            down(4) + moving(6, 0.5) + moving(4, LOST) + moving(6, 0.5) + down(10), [(200, 950)], id="lost briefly"
        ),
        pytest.param(
            down(4) + moving(6, 0.5) + moving(6, LOST) + moving(6, 0.5) + down(10),
            [(200, 450), (800, 1050)],
            id="lost for longer than leave_ms",
        ),
        pytest.param(down(4) + moving(100, 0.5), [(200, 3200), (3250, 5150)], id="longer than max_ms"),
        pytest.param(down(4) + moving(10, 0.5), [(200, 650)], id="the stream ends inside a sign"),
    ],
)
def test_signs_start_and_end_where_hands_rise_and_fall(
    frames: list[np.ndarray], wanted: list[tuple[float, float]]
) -> None:
    closed = [s for s in segments(frames) if s.closed]
    assert [(s.start_ms, s.end_ms) for s in closed] == wanted
    assert [s.index for s in closed] == list(range(len(wanted)))


def test_raised_hands_that_keep_still_end_a_sign_and_start_none() -> None:
    closed = [s for s in segments(down(4) + moving(10, 0.5) + still(80)) if s.closed]
    assert [s.start_ms for s in closed] == [200]
    assert 1600 <= closed[0].end_ms <= 1700 + STEP_MS


def test_after_keeping_still_the_next_sign_starts_with_motion() -> None:
    closed = [s for s in segments(down(4) + moving(10, 0.5) + still(30) + moving(10, 0.4) + down(10)) if s.closed]
    assert [(s.start_ms, s.end_ms) for s in closed[1:]] == [(2200, 2650)]


def test_an_open_segment_grows_from_frame_to_frame() -> None:
    found = segments(down(4) + moving(10, 0.5) + down(10))
    assert all(s.start_ms == 200 and s.index == 0 for s in found)
    ends = [s.end_ms for s in found]
    assert ends == sorted(ends)
    assert [s.closed for s in found] == [False] * (len(found) - 1) + [True]


def test_finish_closes_once_and_waits_for_motion() -> None:
    segmenter = Segmenter(SETTINGS)
    assert segmenter.finish() is None
    for i, keypoints in enumerate(moving(10, 0.5)):
        segmenter.push(i * STEP_MS, keypoints)
    closed = segmenter.finish()
    assert closed == Segment(0, 0.0, 450.0, closed=True, rested=True)
    assert segmenter.finish() is None
    assert segmenter.push(500.0, moving(10, 0.5)[9]) is None


@pytest.mark.parametrize(
    ("between", "rested"),
    [
        pytest.param(down(10), [True, True], id="lowered"),
        pytest.param(moving(10, LOST), [True, True], id="out of view"),
        pytest.param(still(60), [True, False], id="held still"),
        pytest.param([*still(30), *down(3), *still(30)], [True, False, False], id="lowered for a moment"),
    ],
)
def test_a_segment_knows_whether_the_hands_rested_before(between: list[np.ndarray], rested: list[bool]) -> None:
    found = [s for s in segments([*moving(20, 0.5), *between, *moving(20, 0.5)]) if s.closed]
    assert [s.rested for s in found] == rested


def test_the_longest_sign_is_cut_without_a_rest() -> None:
    found = [s for s in segments([*moving(200, 0.5), *down(10), *moving(20, 0.5)]) if s.closed]
    assert [s.rested for s in found] == [True, False, False, False, True]


def test_a_pause_of_the_stream_counts_as_a_rest() -> None:
    segmenter = Segmenter(SETTINGS)
    times = [*range(0, 1000, 50), *range(3000, 4000, 50)]
    found = [segmenter.push(float(t), frame(0.5, 0.2 * (i % 2))) for i, t in enumerate(times)]
    closed = [s for s in [*found, segmenter.finish()] if s is not None and s.closed]
    assert [s.rested for s in closed] == [True, True]


def test_a_hand_of_the_hand_model_counts_before_the_pose() -> None:
    frames = down(20)
    for i, keypoints in enumerate(frames):
        keypoints[LEFT_HAND] = frame(0.5)[WRISTS[1]]
        keypoints[LEFT_HAND, X] += 0.05 * (i % 2)
    assert [(s.start_ms, s.end_ms) for s in segments(frames) if s.closed] == [(0, 950)]


def test_a_wrist_that_the_pose_is_not_sure_of_does_not_count() -> None:
    frames = moving(20, 0.5)
    for keypoints in frames:
        keypoints[WRISTS, PRESENCE] = 0.4
    assert segments(frames) == []


def test_the_shoulder_line_follows_alike_at_any_frame_rate() -> None:
    heights = []
    for step_ms in (100.0, 1000 / 60):
        meter = ActivityMeter(SETTINGS.follow_ms, SETTINGS.visible)
        steps = round(1000 / step_ms)
        for i in range(steps + 1):
            leaning = frame(0.5)
            leaning[:, Y] += 0.1 * i / steps  # of the picture's height, over one second
            height = meter.measure(i * step_ms, leaning).height
        heights.append(height)
    assert heights[0] == pytest.approx(heights[1], abs=0.03)
    assert heights[0] > 0.55  # it lags behind


def test_the_hysteresis_must_not_be_inverted() -> None:
    with pytest.raises(ValidationError, match="leave_height"):
        SegmenterSettings.model_validate({**SETTINGS.model_dump(), "leave_height": 0.5})
    with pytest.raises(ValidationError, match="enter_height"):
        SegmenterSettings.model_validate({**SETTINGS.model_dump(), "enter_height": np.nan})
