import numpy as np
import pytest

from glosscast.crop import OFFSET_Y, SPAN, Square, crop, signer_square
from glosscast.keypoints import CHANNELS, POINTS, Pose

HEIGHT, WIDTH = 240, 320


def shoulders(*frames: tuple[float, float, float] | None) -> np.ndarray:
    """Keypoints of frames (middle x, middle y, width), in pixels of the picture; None for nobody."""
    points = np.zeros((len(frames), POINTS, CHANNELS), np.float32)
    for row, seen in zip(points, frames, strict=True):
        if seen is not None:
            x, y, width = seen
            row[Pose.LEFT_SHOULDER] = ((x + width / 2) / WIDTH, y / HEIGHT, 0, 1)
            row[Pose.RIGHT_SHOULDER] = ((x - width / 2) / WIDTH, y / HEIGHT, 0, 1)
    return points


def test_the_square_is_centred_on_the_signer_and_scaled_by_the_shoulders() -> None:
    left, top, side = signer_square(shoulders((100, 120, 50)), HEIGHT, WIDTH)
    assert side == round(SPAN * 50)
    assert left + side / 2 == pytest.approx(100, abs=1)
    assert top + side / 2 == pytest.approx(120 + OFFSET_Y * 50, abs=1)


def test_one_frame_in_which_the_tracker_errs_does_not_move_the_square() -> None:
    steady = [(100.0, 120.0, 50.0)] * 4
    assert signer_square(shoulders(*steady, None, (300, 20, 5)), HEIGHT, WIDTH) == signer_square(
        shoulders(*steady), HEIGHT, WIDTH
    )


def test_where_no_shoulders_are_seen_the_middle_is_taken() -> None:
    one_shoulder = shoulders((100, 120, 50))
    one_shoulder[:, Pose.LEFT_SHOULDER] = 0
    for keypoints in (shoulders(None, None), one_shoulder, shoulders((100, 120, 0))):
        assert signer_square(keypoints, HEIGHT, WIDTH) == Square(40, 0, 240)
    assert signer_square(shoulders(None), WIDTH, HEIGHT) == Square(0, 40, 240)


def test_shoulders_of_any_width_give_a_square_that_fits_into_memory() -> None:
    assert signer_square(shoulders((0, 0, 1e6)), HEIGHT, WIDTH).side == 2 * WIDTH


def test_beyond_the_frame_its_border_goes_on() -> None:
    frame = np.zeros((4, 6, 3), np.uint8)
    frame[:, 0], frame[:, -1] = (10, 20, 30), (40, 50, 60)
    cropped = crop([frame, frame], Square(-4, -2, 14), 14)
    assert cropped.shape == (2, 14, 14, 3)
    assert (cropped[0, :, :5] == (10, 20, 30)).all()
    assert (cropped[1, :, 9:] == (40, 50, 60)).all()
    assert not cropped[:, :, 5:9].any()


def test_what_is_inside_is_cut_out_as_it_is_and_scaled() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    np.testing.assert_array_equal(crop([frame], Square(10, 20, 32), 32)[0], frame[20:52, 10:42])
    means = frame[20:52, 10:42].reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(crop([frame], Square(10, 20, 32), 16)[0], means, atol=1)
    assert crop([frame], Square(10, 20, 32), 48).shape == (1, 48, 48, 3)
