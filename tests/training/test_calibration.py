import numpy as np
import pytest

from training.calibration import ClipReadings, best_temperature, calibrate, calibration_error, scaled
from training.data import DataError


def readings(count: int, sharpness: float, seed: int = 0) -> ClipReadings:
    """Three classes; a model that is right as often as honest probabilities say, but sharpens them."""
    rng = np.random.default_rng(seed)
    honest = rng.dirichlet([0.4, 0.4, 0.4], count)
    labels = np.array([rng.choice(3, p=p) for p in honest])
    return ClipReadings(scaled(honest, 1 / sharpness), labels, scaled(rng.dirichlet([2, 2, 2], 50), 1 / sharpness))


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_the_temperature_undoes_what_a_model_exaggerates(sharpness: float) -> None:
    found = readings(4000, sharpness)
    assert best_temperature(found.known, found.labels) == pytest.approx(sharpness, rel=0.15)


def test_calibration_makes_confidence_a_share_of_rights() -> None:
    calibration = calibrate([readings(1500, 2.0, seed) for seed in range(3)])
    before, after = calibration.ece
    assert after < before / 2
    assert calibration.kept == pytest.approx(0.95, abs=0.01)
    assert calibration.wrong_rejected is not None
    assert calibration.wrong_rejected > 0.05
    assert calibration.unknown_rejected is not None
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
    known, labels, _ = readings(200, 1.0)
    assert calibrate([ClipReadings(known, labels, np.zeros((0, 3)))]).unknown_rejected is None
    with pytest.raises(DataError, match="not one clip"):
        calibrate([ClipReadings(np.array([[0.9, 0.1]]), np.array([1]), np.zeros((0, 2)))])
