import numpy as np

from training.config import AugmentationConfig
from training.data.picture_augmentation import PixelAugmentation

NOTHING = dict.fromkeys(AugmentationConfig.model_fields, 0.0)
SIZE = 24


def clips() -> list[np.ndarray]:
    """Two clips of three frames; a clip's frames are all alike."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(60, 180, (2, 1, SIZE // 4, SIZE // 4, 3), np.uint8)
    return list(coarse.repeat(4, axis=2).repeat(4, axis=3).repeat(3, axis=1))


def change(*mirrored: bool, seed: int = 0, **strength: float) -> np.ndarray:
    pixels = PixelAugmentation(AugmentationConfig(**{**NOTHING, **strength}))
    return pixels(clips(), np.array(mirrored or (False, False)), np.random.default_rng(seed).spawn(2))


def test_without_strength_pictures_stay_as_they_are() -> None:
    changed = change()
    assert (changed.shape, changed.dtype) == ((2, 3, SIZE, SIZE, 3), np.uint8)
    np.testing.assert_allclose(changed, clips(), atol=1)


def test_a_clip_is_mirrored_where_its_keypoints_are() -> None:
    changed = change(True, False)
    np.testing.assert_allclose(changed[0], clips()[0][:, :, ::-1], atol=1)
    np.testing.assert_allclose(changed[1], clips()[1], atol=1)


def test_all_pictures_of_a_clip_change_alike_and_clips_differently() -> None:
    same = [clips()[0], clips()[0]]
    config = AugmentationConfig(
        **{**NOTHING, "frame_scale": 0.3, "frame_shift": 0.2, "frame_rotation": 20, "brightness": 0.3, "contrast": 0.3}
    )
    changed = PixelAugmentation(config)(same, np.array([False, False]), np.random.default_rng(0).spawn(2))
    assert (changed[:, 0] == changed[:, 1]).all()
    assert (changed[:, 0] == changed[:, 2]).all()
    assert np.abs(changed[0, 0].astype(int) - changed[1, 0]).mean() > 5


def test_each_strength_changes_its_own_property() -> None:
    before = np.stack(clips()).astype(float)
    means = before.mean(axis=(1, 2, 3, 4))
    brighter = change(brightness=0.5, seed=1).astype(float)
    ratio = brighter.mean(axis=(1, 2, 3, 4)) / means
    assert (np.abs(ratio - 1) > 0.02).all()
    grey = before @ (0.299, 0.587, 0.114)
    flatter = change(contrast=0.5, seed=1) @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(flatter.mean(axis=(1, 2, 3)), grey.mean(axis=(1, 2, 3)), atol=1)
    assert (np.abs(flatter.std(axis=(1, 2, 3)) / grey.std(axis=(1, 2, 3)) - 1) > 0.02).all()
    washed = change(saturation=0.5, seed=1)
    np.testing.assert_allclose(washed @ np.array([0.299, 0.587, 0.114]), grey, atol=1.5)
    assert np.abs(washed - before).mean() > 1
    for strength in ({"frame_scale": 0.3}, {"frame_shift": 0.3}, {"frame_rotation": 30.0}):
        assert np.abs(change(**strength) - before).mean() > 5


def test_one_seed_gives_one_result() -> None:
    np.testing.assert_array_equal(change(brightness=0.5, seed=3), change(brightness=0.5, seed=3))
    assert not np.array_equal(change(brightness=0.5, seed=3), change(brightness=0.5, seed=4))
