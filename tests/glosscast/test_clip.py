from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from glosscast.clip import Clip, ClipSpec, cut_window, nearest, resample
from glosscast.keypoints import CHANNELS, POINTS, PRESENCE, Pose, X, normalise

SPEC = ClipSpec(window_ms=1000, fps=16, alpha=4)
POINT = Pose.RIGHT_WRIST


def track(xs: list[float | None]) -> np.ndarray:
    """Keypoints (T, 171, 4) with one point at the given x; None where it is missing."""
    keypoints = np.zeros((len(xs), POINTS, CHANNELS), np.float32)
    for i, x in enumerate(xs):
        if x is not None:
            keypoints[i, POINT] = (x, 0.5, 0.0, 1.0)
    return keypoints


def x_at(t_ms: list[float], xs: list[float | None], at_ms: list[float]) -> tuple[list[float], list[float]]:
    out, mask = resample(np.array(t_ms), track(xs), np.array(at_ms))
    return out[:, POINT, X].tolist(), mask.tolist()


def test_a_clip_shows_several_people_where_half_of_its_frames_do() -> None:
    clip = Clip(np.arange(4.0), track([0.5] * 4), 1.0)
    assert not clip.shows_several()
    clip = replace(clip, people=np.array([1, 1, 2, 3]))
    assert clip.shows_several()
    assert clip.warnings == ["several_people"]
    assert not clip.shows_several(0, 2)
    assert not clip.shows_several(9, 10)  # no frame
    assert not replace(clip, people=np.array([0, 1, 1, 2])).warnings
    with pytest.raises(ValueError, match="counted in 4 frames"):
        replace(clip, people=np.array([1]))


def test_a_spec_counts_its_frames_and_times() -> None:
    spec = ClipSpec(window_ms=2000, fps=16, alpha=4)
    assert spec.frames == 32
    assert spec.times_ms[:3].tolist() == [0.0, 62.5, 125.0]
    assert len(spec.times_ms) == 32


@pytest.mark.parametrize(
    "change", [{"window_ms": 0}, {"fps": -1}, {"fps": np.inf}, {"alpha": 0}, {"alpha": 33}, {"stride": 2}]
)
def test_a_faulty_spec_is_refused(change: dict) -> None:
    with pytest.raises(ValidationError):
        ClipSpec(**{"window_ms": 2000, "fps": 16, "alpha": 4, **change})


@pytest.mark.parametrize(
    ("t_ms", "shape", "message"),
    [
        ([0, 10], (3, POINTS, CHANNELS), "keypoints must be"),
        ([0, 10], (2, POINTS, 3), "keypoints must be"),
        ([0, 0], (2, POINTS, CHANNELS), "strictly increasing"),
        ([10, 0], (2, POINTS, CHANNELS), "strictly increasing"),
        ([], (0, POINTS, CHANNELS), "at least one"),
        ([0, np.nan], (2, POINTS, CHANNELS), "finite"),
    ],
)
def test_a_faulty_clip_is_refused(t_ms: list[float], shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Clip(np.array(t_ms, np.float64), np.zeros(shape, np.float32), 1.0)


@pytest.mark.parametrize("aspect", [0.0, -1.0, np.nan, np.inf])
def test_a_faulty_aspect_is_refused(aspect: float) -> None:
    with pytest.raises(ValueError, match="aspect"):
        Clip(np.array([0.0]), track([0.1]), aspect)


def test_duration_runs_from_first_to_last_frame() -> None:
    assert Clip(np.array([100.0, 250.0]), track([0.1, 0.2]), 1.0).duration_ms == 150.0


def test_irregular_times_are_interpolated_by_timestamp() -> None:
    xs, mask = x_at([0, 100, 400], [0.0, 1.0, 4.0], [0, 50, 100, 250, 325, 400])
    assert xs == pytest.approx([0.0, 0.5, 1.0, 2.5, 3.25, 4.0])
    assert mask == [1.0] * 6


@pytest.mark.parametrize(
    ("xs", "at", "wanted"),
    [
        ([1.0, None], 40.0, 1.0),
        ([1.0, None], 60.0, 0.0),
        ([None, 1.0], 40.0, 0.0),
        ([None, 1.0], 60.0, 1.0),
        ([None, None], 50.0, 0.0),
    ],
)
def test_a_point_missing_in_one_frame_is_taken_from_the_nearer_frame(
    xs: list[float | None], at: float, wanted: float
) -> None:
    out, _ = resample(np.array([0.0, 100.0]), track(xs), np.array([at]))
    assert out[0, POINT, X] == wanted
    assert out[0, POINT, PRESENCE] == (wanted > 0)


def test_beyond_the_ends_frames_are_held_and_masked() -> None:
    xs, mask = x_at([0, 100, 200], [0.1, 0.2, 0.3], [-500, -60, -40, 0, 200, 240, 260, 900])
    assert xs == pytest.approx([0.1, 0.1, 0.1, 0.1, 0.3, 0.3, 0.3, 0.3])
    assert mask == [0, 0, 1, 1, 1, 1, 0, 0]


def test_a_pause_of_the_camera_is_held_and_masked_not_interpolated() -> None:
    xs, mask = x_at([0, 100, 200, 1200, 1300], [0.1, 0.2, 0.3, 0.8, 0.9], [150, 240, 260, 690, 710, 1140, 1160, 1250])
    assert xs == pytest.approx([0.25, 0.3, 0.3, 0.3, 0.8, 0.8, 0.8, 0.85])
    assert mask == [1, 1, 0, 0, 0, 0, 1, 1]


def test_a_single_frame_is_a_photo_and_held_throughout() -> None:
    xs, mask = x_at([50], [0.7], [0, 50, 100])
    assert xs == pytest.approx([0.7] * 3)
    assert mask == [1, 1, 1]


def test_the_nearest_frame_is_the_one_that_a_missing_point_is_taken_from() -> None:
    t_ms = np.array([0.0, 100.0, 180.0])
    at_ms = np.array([-70.0, 0, 49, 50, 51, 139, 140, 150, 181, 999])
    indices = nearest(t_ms, at_ms)
    assert indices.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 2]
    for index, at in zip(indices, at_ms, strict=True):  # each frame has a point of its own, which no other has
        alone = np.zeros((3, POINTS, CHANNELS), np.float32)
        alone[index, POINT] = 1.0
        assert resample(t_ms, alone, np.array([at]))[0][0, POINT, PRESENCE] == 1.0
    assert nearest(np.array([7.0]), at_ms).tolist() == [0] * 10


def test_a_window_knows_where_in_its_clip_it_starts() -> None:
    spec = ClipSpec(window_ms=200.0, fps=10.0, alpha=1)
    clip = Clip(np.array([40.0, 140.0, 240.0]), track([0.1, 0.2, 0.3]), 1.0)
    assert cut_window(clip, 90.0, spec).start_ms == 90.0


def test_a_window_holds_the_nearest_pictures_of_its_clip_and_no_copies() -> None:
    pictures = [np.full((2, 2, 3), i, np.uint8) for i in range(3)]
    clip = Clip(np.array([40.0, 140.0, 240.0]), track([0.1, 0.2, 0.3]), 1.0, pictures)
    window = cut_window(clip, 80.0, ClipSpec(window_ms=300.0, fps=10.0, alpha=1))
    assert window.frames is not None
    assert [id(p) for p in window.frames] == [id(pictures[i]) for i in (0, 1, 2)]
    assert cut_window(replace(clip, frames=None), 80.0, SPEC).frames is None
    with pytest.raises(ValueError, match="there must be 3 pictures, got 2"):
        replace(clip, frames=pictures[:2])


@given(st.lists(st.floats(1, 500), min_size=1, max_size=8))
def test_at_its_own_times_a_recording_comes_back_unchanged(gaps: list[float]) -> None:
    t_ms = np.cumsum(gaps)
    keypoints = track([i / 10 for i in range(len(gaps))])
    out, mask = resample(t_ms, keypoints, t_ms)
    assert np.allclose(out, keypoints, atol=1e-5)
    assert mask.all()


def test_cut_window_is_resampling_then_normalising() -> None:
    rng = np.random.default_rng(0)
    keypoints = rng.random((20, POINTS, CHANNELS)).astype(np.float32)
    clip = Clip(np.cumsum(rng.uniform(20, 120, 20)), keypoints, 16 / 9)
    for start in (-300.0, 0.0, 431.0, 5000.0):
        window = cut_window(clip, start, SPEC)
        sampled, mask = resample(clip.t_ms, clip.keypoints, start + SPEC.times_ms)
        assert np.array_equal(window.keypoints, normalise(sampled, 16 / 9))
        assert np.array_equal(window.mask, mask)
        assert window.keypoints.dtype == window.mask.dtype == np.float32
