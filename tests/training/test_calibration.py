import numpy as np
import pytest

from training.data import DataError
from training.evaluation.calibration import (
    ClipReadings,
    best_temperature,
    calibrate,
    calibration_error,
    reported,
    scaled,
)


def readings(count: int, sharpness: float, seed: int = 0) -> ClipReadings:
    """Three classes; a model that is right as often as honest probabilities say, but sharpens them."""
    rng = np.random.default_rng(seed)
    honest = rng.dirichlet([0.4, 0.4, 0.4], count)
    labels = np.array([rng.choice(3, p=p) for p in honest])
    others = scaled(rng.dirichlet([2, 2, 2], 50), 1 / sharpness)
    return ClipReadings(scaled(honest, 1 / sharpness), labels, others, None)


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_the_temperature_undoes_overconfidence(sharpness: float) -> None:
    found = readings(4000, sharpness)
    assert best_temperature(found.known, found.labels) == pytest.approx(sharpness, rel=0.15)


def test_calibration_makes_confidence_a_share_of_rights() -> None:
    calibration = calibrate([readings(1500, 2.0, seed) for seed in range(3)])
    before, after = calibration.ece
    assert after < before / 2
    assert calibration.unknown_told == pytest.approx(0.1, abs=0.01)
    assert 0 < calibration.wrong_told < 0.5
    assert calibration.background == 0
    assert (calibration.clips, calibration.unknown_clips) == (4500, 150)


def test_the_error_is_the_gap_between_sure_and_right() -> None:
    sure = np.array([[0.9, 0.1]] * 10)
    assert calibration_error(sure, np.zeros(10, int)) == pytest.approx(0.1)
    assert calibration_error(sure, np.ones(10, int)) == pytest.approx(0.9)
    half = np.array([[0.5, 0.5]] * 10)
    assert calibration_error(half, np.array([0, 1] * 5)) == pytest.approx(0.0)


def test_scaling_keeps_the_winner() -> None:
    found = readings(50, 1.0).known
    np.testing.assert_array_equal(scaled(found, 3.0).argmax(1), found.argmax(1))
    np.testing.assert_allclose(scaled(found, 1.0), found, atol=1e-9)


def test_without_other_signs_nothing_is_said_of_them() -> None:
    known, labels, _, _ = readings(200, 1.0)
    alone = calibrate([ClipReadings(known, labels, np.zeros((0, 3)), None)])
    assert (alone.unknown_told, alone.background) == (None, 0)
    assert alone.kept == pytest.approx(0.95, abs=0.01)
    with pytest.raises(DataError, match="not one clip"):
        calibrate([ClipReadings(np.array([[0.9, 0.1]]), np.array([1]), np.zeros((0, 2)), None)])


def test_a_background_that_hides_known_signs_is_shifted() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(2, size=400)
    logits = rng.normal(0.0, 0.5, (400, 3))
    logits[np.arange(400), labels] += 3.0
    logits[:, 2] += 4.0  # as if every second clip showed another sign
    unknown = rng.normal(0.0, 0.5, (400, 3)) + np.array([0.0, 0.0, 7.0])
    softmax = [np.exp(part) / np.exp(part).sum(axis=1, keepdims=True) for part in (logits, unknown)]
    found = ClipReadings(softmax[0], labels, softmax[1], no_sign=2)
    assert reported(found.known, labels, 2)[1].mean() < 0.2
    calibration = calibrate([found])
    assert calibration.background < -1.0
    assert calibration.kept > 0.98
    assert calibration.unknown_told is not None
    assert calibration.unknown_told <= 0.1 + 0.01


def test_clips_reported_as_no_sign_have_no_confidence() -> None:
    confidence, right = reported(np.array([[0.2, 0.1, 0.7], [0.6, 0.1, 0.3]]), np.array([0, 1]), 2)
    assert confidence.tolist() == [0.0, 0.6]
    assert right.tolist() == [False, False]
