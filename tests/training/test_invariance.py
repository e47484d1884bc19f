import numpy as np
import pytest

from glosscast.clip import Clip
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, X, normalise
from tests.training.synthetic import examples
from training.evaluation.invariance import (
    CONDITIONS,
    LANDSCAPE,
    PORTRAIT,
    at_rate,
    mirrored,
    reshaped,
    table,
    turned,
    zoomed,
)

CLIP = examples(1)[0].clip


def normalised(clip: Clip) -> np.ndarray:
    return normalise(clip.keypoints, clip.aspect)


def test_twice_mirrored_is_as_it_was_and_once_swaps_the_hands() -> None:
    once = mirrored(CLIP)
    assert once.keypoints[:, LEFT_HAND, PRESENCE].all()
    assert not once.keypoints[:, RIGHT_HAND, PRESENCE].any()
    np.testing.assert_allclose(mirrored(once).keypoints, CLIP.keypoints, atol=1e-6)


@pytest.mark.parametrize("aspect", [PORTRAIT, LANDSCAPE])
def test_a_frame_of_another_shape_shows_the_same_signer(aspect: float) -> None:
    other = reshaped(CLIP, aspect)
    seen = other.keypoints[..., PRESENCE] > 0
    assert seen.sum() > 0.9 * (CLIP.keypoints[..., PRESENCE] > 0).sum()
    np.testing.assert_allclose(normalised(other)[seen], normalised(CLIP)[seen], atol=1e-4)


def test_a_hand_outside_the_frame_is_lost() -> None:
    away = Clip(CLIP.t_ms, CLIP.keypoints.copy(), CLIP.aspect)
    hand = away.keypoints[:, RIGHT_HAND]
    hand[..., X] += 0.02 - hand[..., X].mean()
    assert not reshaped(away, PORTRAIT).keypoints[:, RIGHT_HAND].any()
    assert reshaped(away, LANDSCAPE).keypoints[:, RIGHT_HAND].any()


def test_distance_and_rotation_change_the_keypoints_as_expected() -> None:
    np.testing.assert_allclose(normalised(zoomed(CLIP, 1.0)), normalised(CLIP), atol=1e-4)
    far = normalised(zoomed(CLIP, 0.5))
    assert 0 < np.abs(far - normalised(CLIP)).max() < 0.05  # only the rounding is left
    there_and_back = turned(turned(CLIP, 20.0), -20.0)
    np.testing.assert_allclose(there_and_back.keypoints, CLIP.keypoints, atol=1e-5)
    assert np.abs(turned(CLIP, 20.0).keypoints - CLIP.keypoints).max() > 0.01


def test_another_frame_rate_shows_the_same_time() -> None:
    slow = at_rate(CLIP, 8.0)
    assert np.diff(slow.t_ms) == pytest.approx(125.0)
    assert slow.duration_ms == pytest.approx(CLIP.duration_ms, abs=125.0)


def test_the_table_has_every_condition() -> None:
    fold = dict.fromkeys(CONDITIONS, (10, 9))
    lines = table([[fold, {**fold, "mirrored": (10, 5)}]]).splitlines()
    assert len(lines) == 2 + len(CONDITIONS)
    assert "| mirrored | 20 | 70.0 | -20.0 |" in lines
    better = {**fold, "as recorded": (10, 10)}
    assert "| as recorded | 10 | 95.0 ± 7.1 | +0.0 |" in table([[fold], [better]])
