from dataclasses import replace

import numpy as np

from glosscast.clip import ClipSpec, cut_window
from glosscast.keypoints import LEFT_HAND, POSE, PRESENCE, RIGHT_HAND, Pose, Z, mirror, normalise
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
