import numpy as np

from glosscast.clip import ClipSpec, cut_window
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, mirror
from tests.training.synthetic import examples
from training.augmentation import Augmentation, AugmentationConfig

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
