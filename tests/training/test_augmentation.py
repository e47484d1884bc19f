from dataclasses import replace

import numpy as np

from glosscast.clip import ClipSpec, cut_window
from glosscast.keypoints import ELBOWS, FACE, LEFT_HAND, POSE, PRESENCE, RIGHT_HAND, Pose, X, Z, mirror, normalise
from tests.training.synthetic import examples
from training.config import AugmentationConfig
from training.data.augmentation import Augmentation

SPEC = ClipSpec(window_ms=1000.0, fps=16.0, alpha=4)
NOTHING = dict.fromkeys(AugmentationConfig.model_fields, 0.0)
CLIPS = [e.clip for e in examples(1)]


def augment(seed: int = 0, **strength: float) -> tuple[np.ndarray, np.ndarray]:
    config = AugmentationConfig(**{**NOTHING, **strength})
    return Augmentation(config, SPEC)(CLIPS, np.random.default_rng(seed))


def plain() -> np.ndarray:
    start = (CLIPS[0].duration_ms - SPEC.window_ms) / 2
    return np.stack([cut_window(clip, start, SPEC).keypoints for clip in CLIPS])


def test_without_strength_a_window_is_what_recognition_sees() -> None:
    windows, mask = augment()
    np.testing.assert_allclose(windows, plain(), atol=1e-5)
    assert mask.min() == 1.0


def test_mirroring_is_the_layouts_own() -> None:
    windows, _ = augment(mirror=1.0)
    np.testing.assert_allclose(windows, mirror(plain()), atol=1e-5)


def test_a_lost_hand_leaves_no_trace() -> None:
    windows, _ = augment(drop_frames=1.0, noise=0.1, shift=0.5)
    assert not windows[:, :, RIGHT_HAND].any()


def test_missing_points_stay_missing_under_every_change() -> None:
    windows, _ = augment(rotation=20, scale=0.3, shift=0.3, hand_shift=0.2, noise=0.1, shear=0.2, aspect=0.2)
    assert not windows[:, :, LEFT_HAND].any()
    assert not windows[windows[..., PRESENCE] == 0].any()
    assert windows[:, :, RIGHT_HAND].any()


def test_rotation_keeps_distances() -> None:
    windows, _ = augment(rotation=30)
    for moved, still in zip(windows[:, 0, RIGHT_HAND, :2], plain()[:, 0, RIGHT_HAND, :2], strict=True):
        np.testing.assert_allclose(
            np.linalg.norm(moved - moved[0], axis=1), np.linalg.norm(still - still[0], axis=1), atol=1e-4
        )
        assert not np.allclose(moved, still)


def test_a_cropped_clip_is_masked_beyond_its_ends() -> None:
    masks = np.concatenate([augment(seed, crop=1.0)[1] for seed in range(5)])
    assert 0.4 < masks.mean() < 1.0


def with_elbows(**strength: float) -> np.ndarray:
    """Windows of clips whose elbows are half sure."""
    clips = [replace(clip, keypoints=clip.keypoints.copy()) for clip in CLIPS]
    for clip in clips:
        clip.keypoints[:, ELBOWS] = (0.5, 0.5, 0.0, 0.5)
    config = AugmentationConfig(**{**NOTHING, **strength})
    return Augmentation(config, SPEC)(clips, np.random.default_rng(1))[0]


def test_elbows_out_of_view_are_missing_and_nothing_else_is() -> None:
    np.testing.assert_array_equal(with_elbows()[:, :, ELBOWS, PRESENCE], 0.5)
    windows = with_elbows(drop_elbows=1.0)
    assert not windows[:, :, ELBOWS].any()
    others = np.delete(np.arange(windows.shape[2]), ELBOWS)
    np.testing.assert_allclose(windows[:, :, others], plain()[:, :, others], atol=1e-5)


def test_confidences_of_the_body_change_and_stay_confidences() -> None:
    windows = with_elbows(presence=1.0)
    elbows = windows[:, :, ELBOWS, PRESENCE]
    assert 0.5**np.e <= elbows.min() < 0.45
    assert 0.55 < elbows.max() <= 0.5 ** (1 / np.e)
    np.testing.assert_allclose(windows[:, :, RIGHT_HAND], plain()[:, :, RIGHT_HAND], atol=1e-5)


def test_a_narrow_picture_loses_hands_far_to_the_side_alone() -> None:
    clips = [replace(clip, keypoints=clip.keypoints.copy()) for clip in CLIPS]
    narrow = Augmentation(AugmentationConfig(**{**NOTHING, "narrow": 1.0}), SPEC)
    near = narrow(clips, np.random.default_rng(0))[0]
    for clip in clips:
        clip.keypoints[:, RIGHT_HAND, X] -= 1.0
    far = narrow(clips, np.random.default_rng(0))[0]
    np.testing.assert_allclose(near, plain(), atol=1e-5)
    assert not far[:, :, RIGHT_HAND].any()
    np.testing.assert_array_equal(far[:, :, POSE], near[:, :, POSE])


def test_one_seed_gives_one_result() -> None:
    strength = {"speed": 0.3, "rotation": 10, "noise": 0.02, "drop_hand": 0.5, "crop": 0.5}
    np.testing.assert_array_equal(augment(3, **strength)[0], augment(3, **strength)[0])
    assert not np.array_equal(augment(3, **strength)[0], augment(4, **strength)[0])


def test_pictures_are_of_the_instants_of_the_keypoints() -> None:
    config = AugmentationConfig(**{**NOTHING, "speed": 0.3, "start_ms": 300.0, "crop": 0.5, "mirror": 0.5})
    # A point that moves by one for each frame tells which frame a window shows.
    clips = [replace(clip, keypoints=clip.keypoints.copy()) for clip in CLIPS * 4]
    for clip in clips:
        clip.keypoints[:, POSE, PRESENCE] = 1.0
        clip.keypoints[:, Pose.LEFT_HIP, Z] = np.arange(len(clip.t_ms)) * 1000
    drawn = Augmentation(config, SPEC).draw(clips, np.random.default_rng(2))
    assert drawn.taken.shape == drawn.mask.shape
    assert 0 < drawn.mirrored.sum() < len(clips)
    hips = np.where(
        drawn.mirrored[:, None], drawn.keypoints[:, :, Pose.RIGHT_HIP, Z], drawn.keypoints[:, :, Pose.LEFT_HIP, Z]
    )
    units = np.array([normalise(clip.keypoints, clip.aspect)[1, Pose.LEFT_HIP, Z] for clip in clips])
    np.testing.assert_allclose(hips / units[:, None], drawn.taken, atol=0.51)
    assert len({tuple(row) for row in drawn.taken.tolist()}) > len(clips) // 2


def test_windows_are_the_same_with_and_without_what_pictures_need() -> None:
    config = AugmentationConfig(**{**NOTHING, "speed": 0.3, "rotation": 10, "mirror": 0.5, "crop": 0.5, "noise": 0.02})
    windows, mask = Augmentation(config, SPEC)(CLIPS, np.random.default_rng(1))
    drawn = Augmentation(config, SPEC).draw(CLIPS, np.random.default_rng(1))
    np.testing.assert_array_equal(windows, drawn.keypoints)
    np.testing.assert_array_equal(mask, drawn.mask)


def test_without_the_face_the_rest_is_the_same() -> None:
    strength = {"speed": 0.3, "rotation": 20, "scale": 0.2, "shear": 0.2, "shift": 0.3, "mirror": 0.5, "crop": 0.5}
    config = AugmentationConfig(**{**NOTHING, **strength})
    clips = [replace(clip, keypoints=clip.keypoints.copy()) for clip in CLIPS]
    for clip in clips:
        clip.keypoints[:, FACE] = (0.5, 0.3, 0.0, 1.0)
    whole = Augmentation(config, SPEC).draw(clips, np.random.default_rng(3))
    drawn = Augmentation(config, SPEC, face=False).draw(clips, np.random.default_rng(3))
    assert whole.keypoints[:, :, FACE].any()
    assert drawn.keypoints.shape == whole.keypoints.shape
    assert not drawn.keypoints[:, :, FACE].any()
    np.testing.assert_array_equal(drawn.keypoints[:, :, : FACE.start], whole.keypoints[:, :, : FACE.start])
    np.testing.assert_array_equal(drawn.mask, whole.mask)
    np.testing.assert_array_equal(drawn.mirrored, whole.mirrored)


def test_whole_windows_are_moved_by_one_linear_map_and_one_shift_each() -> None:
    moved = augment(rotation=20, scale=0.3, shear=0.3, aspect=0.3, shift=0.3)[0]
    for after, before in zip(moved, plain(), strict=True):
        points, still = after[after[..., PRESENCE] > 0], before[after[..., PRESENCE] > 0]
        terms = np.column_stack([still[:, :2], np.ones(len(still))])
        fitted, *_ = np.linalg.lstsq(terms, points[:, :2], rcond=None)
        np.testing.assert_allclose(terms @ fitted, points[:, :2], atol=1e-4)
        assert abs(fitted[1, 0]) > 1e-3 or abs(fitted[0, 1]) > 1e-3
