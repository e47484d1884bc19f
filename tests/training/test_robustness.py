from pathlib import Path

import numpy as np
import pytest

from glosscast.clip import Clip
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, SHOULDERS, X, Y, normalise
from tests.training.synthetic import config, examples
from training.comparison.corruptions import low_light, motion_blur, overexpose
from training.comparison.robustness import CONDITIONS, FRAME_RATE, NAMES, conditions_for, jitter, lose_hands, thin_out
from training.data import Example

RNG = np.random.default_rng


def long_clip(frames: int = 600) -> Clip:
    keypoints = np.repeat(examples(1)[0].clip.keypoints[:1], frames, axis=0)
    keypoints[:, LEFT_HAND] = keypoints[:, RIGHT_HAND]
    return Clip(np.arange(frames) * 50.0, keypoints, 1.5)


def test_jitter_is_so_many_shoulder_widths_in_both_directions() -> None:
    clip = long_clip()
    noise = normalise(jitter(clip, RNG(0), 0.05).keypoints, 1.5) - normalise(clip.keypoints, 1.5)
    present = clip.keypoints[..., PRESENCE] > 0
    for axis in (X, Y):
        assert noise[..., axis][present].std() == pytest.approx(0.05, rel=0.03)
    assert not noise[~present].any()
    assert not noise[..., [2, PRESENCE]].any()


def test_jitter_needs_shoulders_for_its_unit() -> None:
    clip = long_clip(4)
    clip.keypoints[:, SHOULDERS] = 0.0
    assert jitter(clip, RNG(0), 0.05) is clip


def test_each_hand_is_lost_in_its_own_share_of_the_frames() -> None:
    lost = lose_hands(long_clip(), RNG(0), 0.3).keypoints
    gone = [~lost[:, hand].any(axis=(1, 2)) for hand in (LEFT_HAND, RIGHT_HAND)]
    assert [g.mean() for g in gone] == pytest.approx([0.3, 0.3], abs=0.05)
    assert (gone[0] & gone[1]).mean() == pytest.approx(0.09, abs=0.03)  # one by one
    np.testing.assert_array_equal(lost[:, : LEFT_HAND.start], long_clip().keypoints[:, : LEFT_HAND.start])


def test_a_low_frame_rate_keeps_the_times_of_its_frames() -> None:
    thin = thin_out(long_clip(9), RNG(0), 4.0)
    assert list(thin.t_ms) == [0.0, 200.0, 400.0]


def test_every_condition_is_the_same_for_every_model_and_changes_the_clip() -> None:
    assert len(set(NAMES)) == len(CONDITIONS)
    clip = Example(long_clip(12), "high", "ann", frames=Film())
    all_frames = np.arange(3)
    seen = clip.frames
    assert seen is not None
    for condition in CONDITIONS:
        worse, again = condition(clip, 3), condition(clip, 3)
        assert worse.frames is not None
        assert again.frames is not None
        np.testing.assert_array_equal(worse.clip.keypoints, again.clip.keypoints)
        np.testing.assert_array_equal(worse.frames.read(all_frames), again.frames.read(all_frames))
        moved = (
            worse.clip.keypoints.shape != clip.clip.keypoints.shape
            or (worse.clip.keypoints != long_clip(12).keypoints).any()
        )
        assert moved or (worse.frames.read(all_frames) != seen.read(all_frames)).any()
    assert (CONDITIONS[0](clip, 3).clip.keypoints != CONDITIONS[0](clip, 4).clip.keypoints).any()


class Film:
    """Pictures of a clip of twelve frames, each told by its brightness."""

    def read(self, indices: np.ndarray) -> np.ndarray:
        ramp = np.linspace(20, 120, 8, dtype=np.uint8)[:, None].repeat(8, axis=1).T[..., None].repeat(3, axis=2)
        return np.stack([ramp + 8 * np.uint8(index) for index in indices])


def test_a_low_frame_rate_keeps_pictures_and_keypoints_together() -> None:
    condition = next(c for c in CONDITIONS if (c.family, c.level) == (FRAME_RATE, 4.0))
    thin = condition(Example(long_clip(12), "high", "ann", frames=Film()), 0)
    assert thin.frames is not None
    np.testing.assert_array_equal(thin.frames.read(np.arange(3)), Film().read(np.array([0, 4, 8])))
    assert condition(Example(long_clip(12), "high", "ann"), 0).frames is None


@pytest.mark.parametrize(("streams", "families"), [(("keypoints",), 3), (("rgb",), 4), (("rgb", "keypoints"), 6)])
def test_a_model_is_tested_with_inputs_that_it_uses(tmp_path: Path, streams: tuple[str, ...], families: int) -> None:
    model = config(tmp_path).model.model_copy(update={"streams": streams})
    assert len({condition.family for condition in conditions_for(model)}) == families


def frames() -> np.ndarray:
    return RNG(0).integers(0, 256, (3, 8, 9, 3), dtype=np.uint8)


def test_motion_blur_is_the_mean_of_neighbours_in_a_row() -> None:
    stack = np.zeros((1, 2, 7, 3), np.uint8)
    stack[0, 0, 3] = 90
    blurred = motion_blur(stack, 3)
    assert blurred.dtype == np.uint8
    assert blurred[0, 0, :, 0].tolist() == [0, 0, 30, 30, 30, 0, 0]
    assert not blurred[0, 1].any()
    np.testing.assert_array_equal(motion_blur(frames(), 1), frames())
    assert (motion_blur(np.full((1, 2, 3, 3), 77, np.uint8), 5) == 77).all()  # edges are held, not darkened
    with pytest.raises(ValueError, match="1 pixel or more"):
        motion_blur(stack, 0)


def test_low_light_dims_and_adds_noise() -> None:
    grey = np.full((4, 32, 32, 3), 200, np.uint8)
    dim = low_light(grey, 0.25)
    assert dim.mean() == pytest.approx(50, abs=0.5)
    assert dim.astype(float).std() == pytest.approx(6, abs=0.3)
    np.testing.assert_array_equal(low_light(grey, 0.5, noise=0.0), np.full_like(grey, 100))


def test_overexposure_doubles_linear_light_and_clips_at_white() -> None:
    grey = np.array([0, 64, 128, 200, 255], np.uint8).reshape(1, 1, 5, 1).repeat(3, axis=3)
    values = overexpose(grey, 1.0)[0, 0, :, 0]
    assert values[0] == 0
    assert (values[1] / 255) ** 2.2 == pytest.approx(2 * (64 / 255) ** 2.2, rel=0.03)
    assert list(values[3:]) == [255, 255]
    np.testing.assert_array_equal(overexpose(frames(), 0.0), frames())
