import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glosscast.keypoints import (
    BROWS,
    CHANNELS,
    EYES,
    FACE,
    FACE_INDICES,
    LEFT_HAND,
    LIPS,
    MIRROR,
    NOSE,
    POINTS,
    POSE,
    PRESENCE,
    RIGHT_HAND,
    SHOULDERS,
    Pose,
    X,
    Y,
    Z,
    assemble,
    mirror,
    normalise,
)


def window(seed: int = 0, frames: int = 6, missing: float = 0.2) -> np.ndarray:
    """Random keypoints (T, 171, 4) in image coordinates; both shoulders are in every frame."""
    rng = np.random.default_rng(seed)
    keypoints = rng.uniform(0.1, 0.9, (frames, POINTS, CHANNELS)).astype(np.float32)
    keypoints[..., PRESENCE] = rng.random((frames, POINTS)) >= missing
    keypoints[:, Pose.LEFT_SHOULDER] = (0.6, 0.5, 0.0, 1.0)
    keypoints[:, Pose.RIGHT_SHOULDER] = (0.4, 0.5, 0.0, 1.0)
    return keypoints * (keypoints[..., PRESENCE, None] > 0)


def test_the_slices_cover_the_layout_without_gap_or_overlap() -> None:
    covered = [i for part in (POSE, LEFT_HAND, RIGHT_HAND, FACE) for i in range(part.start, part.stop)]
    assert covered == list(range(POINTS))
    assert [part.stop - part.start for part in (POSE, LEFT_HAND, RIGHT_HAND, FACE)] == [33, 21, 21, 96]
    in_face = [i for part in (LIPS, EYES, BROWS, NOSE) for i in range(part.start, part.stop)]
    assert in_face == list(range(FACE.start, FACE.stop))
    assert len(set(FACE_INDICES)) == len(FACE_INDICES) == 96


def test_mirror_is_an_involution() -> None:
    assert sorted(MIRROR) == list(range(POINTS))
    assert (MIRROR[MIRROR] == np.arange(POINTS)).all()
    keypoints = normalise(window(), 4 / 3)
    assert np.array_equal(mirror(mirror(keypoints)), keypoints)


def test_mirror_swaps_hands_and_named_pairs_and_turns_x_round() -> None:
    keypoints = normalise(window(missing=0.0), 1.0)
    mirrored = mirror(keypoints)
    sign = np.array([-1, 1, 1, 1], np.float32)
    assert np.array_equal(mirrored[:, LEFT_HAND], keypoints[:, RIGHT_HAND] * sign)
    assert np.array_equal(mirrored[:, RIGHT_HAND], keypoints[:, LEFT_HAND] * sign)
    for name in ("SHOULDER", "ELBOW", "WRIST", "EYE", "EAR", "HIP"):
        assert MIRROR[Pose[f"LEFT_{name}"]] == Pose[f"RIGHT_{name}"]
    assert MIRROR[Pose.MOUTH_LEFT] == Pose.MOUTH_RIGHT
    assert MIRROR[Pose.NOSE] == Pose.NOSE


def test_mirror_does_not_change_its_argument() -> None:
    keypoints = normalise(window(), 1.0)
    before = keypoints.copy()
    mirror(keypoints)
    assert np.array_equal(keypoints, before)


@settings(max_examples=25, deadline=None)
@given(
    dx=st.floats(-0.5, 0.5),
    dy=st.floats(-0.5, 0.5),
    scale=st.floats(0.3, 3.0),
    aspect=st.floats(0.5, 2.0),
)
def test_normalise_does_not_see_place_size_or_frame_shape(dx: float, dy: float, scale: float, aspect: float) -> None:
    keypoints = window()
    wanted = normalise(keypoints, 1.0)
    present = keypoints[..., PRESENCE] > 0
    moved = keypoints.copy()
    moved[..., :3] *= scale
    moved[..., X] = (moved[..., X] + dx) / aspect
    moved[..., Y] += dy
    moved[..., Z] /= aspect
    moved[~present] = 0.0
    assert np.allclose(normalise(moved.astype(np.float32), aspect), wanted, atol=2e-4)


def test_normalise_puts_the_shoulders_one_unit_apart_around_the_origin() -> None:
    shoulders = normalise(window(), 16 / 9)[:, SHOULDERS, :2]
    assert np.allclose(shoulders[:, 0], [0.5, 0.0], atol=1e-5)
    assert np.allclose(shoulders[:, 1], [-0.5, 0.0], atol=1e-5)


def test_missing_points_stay_zero() -> None:
    keypoints = window(missing=0.5)
    missing = keypoints[..., PRESENCE] == 0
    out = normalise(keypoints, 4 / 3)
    assert missing.any()
    assert (out[missing] == 0).all()
    assert np.array_equal(out[..., PRESENCE], keypoints[..., PRESENCE])


def test_frames_without_shoulders_take_those_of_the_others() -> None:
    keypoints = window()
    wanted = normalise(keypoints, 1.0)
    keypoints[0, SHOULDERS] = 0.0
    out = normalise(keypoints, 1.0)
    hands = slice(LEFT_HAND.start, RIGHT_HAND.stop)
    assert np.allclose(out[:, hands], wanted[:, hands], atol=1e-5)


@pytest.mark.parametrize("lost", [[Pose.LEFT_SHOULDER], SHOULDERS])
def test_a_window_without_a_pair_of_shoulders_is_empty(lost: list[Pose]) -> None:
    keypoints = window()
    keypoints[:, lost] = 0.0
    assert (normalise(keypoints, 4 / 3) == 0).all()


def test_shoulders_on_one_spot_give_no_scale() -> None:
    keypoints = window()
    keypoints[:, SHOULDERS, :2] = 0.5
    assert (normalise(keypoints, 4 / 3) == 0).all()


def test_a_stack_of_windows_is_normalised_one_by_one() -> None:
    windows = np.stack([window(1), window(2)])
    aspects = np.array([4 / 3, 9 / 16])
    windows[0, :, SHOULDERS] = 0.0
    together = normalise(windows, aspects)
    for i in range(2):
        assert np.allclose(together[i], normalise(windows[i], float(aspects[i])), atol=1e-6)


def test_normalise_does_not_change_its_argument() -> None:
    keypoints = window()
    before = keypoints.copy()
    normalise(keypoints, 4 / 3)
    assert np.array_equal(keypoints, before)


def test_assemble_marks_detected_parts_as_present() -> None:
    rng = np.random.default_rng(0)
    pose, left = rng.random((2, 33, 4)), rng.random((2, 21, 3))
    right, face = np.zeros((2, 21, 3)), rng.random((2, 96, 2))
    left[1] = 0.0
    out = assemble(pose, left, right, face)
    assert out.shape == (2, POINTS, CHANNELS)
    assert out.dtype == np.float32
    assert np.allclose(out[:, POSE], pose)
    assert (out[0, LEFT_HAND, PRESENCE] == 1).all()
    assert (out[1, LEFT_HAND] == 0).all()
    assert (out[:, RIGHT_HAND] == 0).all()
    assert np.allclose(out[:, FACE, :2], face)
    assert (out[:, FACE, Z] == 0).all()
    assert (out[:, FACE, PRESENCE] == 1).all()


def test_assemble_without_a_face_leaves_it_missing() -> None:
    out = assemble(np.ones((33, 4)), np.ones((21, 3)), np.ones((21, 3)))
    assert (out[FACE] == 0).all()
