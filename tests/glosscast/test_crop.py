import numpy as np
import pytest

from glosscast.crop import (
    OFFSET_Y,
    RECENT,
    SPAN,
    CropSpec,
    SignerCrop,
    Square,
    central_square,
    cut,
    signer_square,
)
from glosscast.keypoints import CHANNELS, POINTS, SHOULDERS, Pose

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


def square(*frames: tuple[float, float, float]) -> Square | None:
    return signer_square(shoulders(*frames)[:, SHOULDERS], HEIGHT, WIDTH)


GRADIENT = np.stack(
    np.broadcast_arrays(np.arange(WIDTH) % 256, np.arange(HEIGHT)[:, None], np.arange(WIDTH) // 256 * 255), axis=-1
).astype(np.uint8)


def seen(crop: SignerCrop, *frames: tuple[float, float, float] | None) -> list[np.ndarray]:
    """The pictures that are cut out of a frame in which every place looks different."""
    return [crop(GRADIENT, keypoints) for keypoints in shoulders(*frames)]


def of(square: Square | None, size: int = 32) -> np.ndarray:
    assert square is not None
    return cut(GRADIENT, square, size)


def test_the_square_is_centred_on_the_signer_and_scaled_by_the_shoulders() -> None:
    found = square((100, 120, 50))
    assert found is not None
    left, top, side = found
    assert side == round(SPAN * 50)
    assert left + side / 2 == pytest.approx(100, abs=1)
    assert top + side / 2 == pytest.approx(120 + OFFSET_Y * 50, abs=1)


def test_the_square_stays_while_the_signer_does() -> None:
    first, *others = seen(SignerCrop(CropSpec(32)), (100, 120, 50), (104, 118, 52), None, (97, 123, 47))
    assert (first == of(square((100, 120, 50)))).all()
    assert all((picture == first).all() for picture in others)


def test_one_frame_in_which_the_tracker_errs_does_not_move_the_square() -> None:
    *steady, erring, after = seen(SignerCrop(CropSpec(32)), *[(100, 120, 50)] * 4, (300, 20, 5), (100, 120, 50))
    assert (erring == steady[0]).all()
    assert (after == steady[0]).all()


@pytest.mark.parametrize("there", [(150, 120, 50), (100, 160, 50), (100, 120, 70), (100, 120, 35)])
def test_the_square_follows_somebody_who_moves_away_or_comes_nearer(there: tuple[float, float, float]) -> None:
    pictures = seen(SignerCrop(CropSpec(32)), *[(100, 120, 50)] * 30, *[there] * RECENT)
    assert (pictures[30 + RECENT // 4] == pictures[0]).all()
    assert (pictures[-1] == of(square(there))).all()


def test_a_picture_does_not_depend_on_later_frames() -> None:
    frames = [None, (100, 120, 50), (140, 130, 60), *[(200, 100, 40)] * 20, None]
    whole = seen(SignerCrop(CropSpec(32)), *frames)
    for end in range(1, len(frames)):
        assert (seen(SignerCrop(CropSpec(32)), *frames[:end])[-1] == whole[end - 1]).all()


def test_where_no_shoulders_were_seen_the_middle_is_taken() -> None:
    one_shoulder = shoulders((100, 120, 50))
    one_shoulder[:, Pose.LEFT_SHOULDER] = 0
    for keypoints in (*shoulders(None, (100, 120, 0)), *one_shoulder):
        assert (SignerCrop(CropSpec(32))(GRADIENT, keypoints) == of(Square(40, 0, 240))).all()
    assert central_square(WIDTH, HEIGHT) == Square(0, 40, 240)
    left = seen(SignerCrop(CropSpec(32)), (100, 120, 50), *[None] * 40)  # the signer has gone, and may come back
    assert (left[-1] == left[0]).all()


def test_a_model_of_middles_is_shown_middles() -> None:
    (picture,) = seen(SignerCrop(CropSpec(32, follow=False)), (100, 120, 50))
    assert (picture == of(central_square(HEIGHT, WIDTH))).all()


def test_a_frame_of_another_shape_begins_anew() -> None:
    crop = SignerCrop(CropSpec(32))
    seen(crop, *[(100, 120, 50)] * 20)
    turned = np.ascontiguousarray(GRADIENT.transpose(1, 0, 2))
    (keypoints,) = shoulders((160, 80, 50))
    assert (crop(turned, keypoints) == SignerCrop(CropSpec(32))(turned, keypoints)).all()


def test_shoulders_of_any_width_give_a_square_that_fits_into_memory() -> None:
    found = square((0, 0, 1e6))
    assert found is not None
    assert found.side == 2 * WIDTH


def test_beyond_the_frame_its_border_goes_on() -> None:
    frame = np.zeros((4, 6, 3), np.uint8)
    frame[:, 0], frame[:, -1] = (10, 20, 30), (40, 50, 60)
    picture = cut(frame, Square(-4, -2, 14), 14)
    assert picture.shape == (14, 14, 3)
    assert (picture[:, :5] == (10, 20, 30)).all()
    assert (picture[:, 9:] == (40, 50, 60)).all()
    assert not picture[:, 5:9].any()


def test_the_inside_of_the_square_is_cropped_and_scaled() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
    np.testing.assert_array_equal(cut(frame, Square(10, 20, 32), 32), frame[20:52, 10:42])
    means = frame[20:52, 10:42].reshape(16, 2, 16, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(cut(frame, Square(10, 20, 32), 16), means, atol=1)
    assert cut(frame, Square(10, 20, 32), 48).shape == (48, 48, 3)
