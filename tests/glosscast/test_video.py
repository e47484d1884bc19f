"""Which frames a video gives, when, in which size; and what is freed afterwards."""

import gc
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest

from glosscast.video import Frame, decode_video
from glosscast.video import frames as video_frames
from tests.glosscast import media


@pytest.mark.parametrize(("container", "codec"), media.CONTAINERS)
def test_every_container_gives_its_frames_with_their_times(container, codec):
    frames = list(decode_video(media.encode(media.AT_25_FPS, container=container, codec=codec), 25))
    assert media.indices(frames) == list(range(20))
    np.testing.assert_allclose([frame.t_ms for frame in frames], media.AT_25_FPS, atol=0.01)
    for frame in frames:
        assert isinstance(frame, Frame)
        assert frame.rgb.shape == (48, 64, 3)
        assert frame.rgb.dtype == np.uint8
        assert frame.rgb.flags.c_contiguous


@pytest.mark.parametrize(
    ("container", "codec"),
    [
        ("avi", "libx264"),
        ("mp4", "libx264"),
        ("matroska", "mpeg4"),
    ],
)
def test_reordered_frames_come_in_the_order_they_are_shown(container, codec):
    data = media.encode(media.AT_25_FPS, container=container, codec=codec, b_frames=2)
    frames = list(decode_video(data, 25))
    assert media.indices(frames) == list(range(20))
    steps = np.diff([frame.t_ms for frame in frames])
    np.testing.assert_allclose(steps, 40, atol=0.01)


@pytest.mark.parametrize(
    ("source_ms", "fps", "expected"),
    [
        pytest.param([round(i * 1001 / 30) for i in range(60)], 16, 32, id="29.97-fps"),
        pytest.param([round(i * 1000 / 60) for i in range(120)], 16, 32, id="60-fps"),
        pytest.param(media.AT_16_FPS, 16, 20, id="same-rate-in-whole-ms"),
        pytest.param([t + 7 * (i % 2) for i, t in enumerate(media.AT_16_FPS)], 16, 20, id="same-rate-jittering"),
        pytest.param(range(0, 2000, 100), 16, 20, id="slower-than-asked"),
        pytest.param([0], 16, 1, id="one-frame"),
    ],
)
def test_the_rate_is_the_one_asked_for(source_ms, fps, expected):
    taken = media.times(media.encode(source_ms), fps)
    # A frame half a slot early counts for that slot, so the last slot may be the one after the clip's end.
    assert expected <= len(taken) <= min(expected + 1, len(source_ms))
    assert set(np.round(taken)) <= set(source_ms)  # times of real frames, none twice
    assert all(a < b for a, b in pairwise(taken))
    if len(source_ms) > expected:
        assert max(np.diff(taken)) < 1.6 * 1000 / fps


def test_a_variable_rate_is_read_by_timestamps_not_by_frame_number():
    source_ms = [*range(0, 400, 20), *range(1400, 2400, 200)]  # 50 fps, a gap of a second, 5 fps
    frames = list(decode_video(media.encode(source_ms), 10))
    assert [round(frame.t_ms) for frame in frames] == [0, 60, 160, 260, 360, 1400, 1600, 1800, 2000, 2200]
    assert media.indices(frames[:5]) == [0, 3, 8, 13, 18]


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_time_starts_at_zero(container):
    assert media.times(media.encode(range(5000, 5400, 40), container=container), 25)[:2] == [0, 40]


@pytest.mark.parametrize(
    ("stamps", "expected"),
    [
        pytest.param([0, 40, 80, 0, 40, 80], [0, 40, 80, 120, 160, 200], id="clock-restarts"),
        pytest.param([0, 40, 40, 80, 120, 160], [0, 40, 80, 120, 160, 200], id="repeated-time"),
        pytest.param([0, 0, 0, 0, 0, 0], [0, 40, 80, 120, 160, 200], id="no-times-at-all"),
        pytest.param([0, 40, 80, 200, 240, 250], [0, 40, 80, 200, 240, 250], id="gap-is-kept"),
    ],
)
def test_times_never_go_back(stamps, expected):
    mkv = media.encode(range(0, 240, 40), container="matroska", options={"cluster_time_limit": "0"})
    assert media.times(media.restamped(mkv, stamps), 1000) == expected


@pytest.mark.parametrize(
    ("stamps_s", "expected"),
    [
        ([None, None, None], [0, 40, 80]),
        ([None, 7.0, 7.05], [0, 40, 90]),
        ([1.0, None, 1.1], [0, 40, 100]),
        ([1.0, 0.5, 0.53], [0, 40, 70]),
    ],
)
def test_a_missing_time_is_one_step_after_the_last(stamps_s, expected):
    clock = video_frames._Clock(step_ms=40)
    assert [clock.read(stamp) for stamp in stamps_s] == pytest.approx(expected)


def test_a_path_reads_like_its_bytes(tmp_path):
    data = media.encode(media.AT_25_FPS)
    path = tmp_path / "clip.bin"
    path.write_bytes(data)
    assert media.times(path, 16) == media.times(data, 16)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_senseless_rate_is_the_callers_mistake(fps):
    with pytest.raises(ValueError, match="fps"):
        decode_video(media.encode([0]), fps)


ONE = 1 << 16


@pytest.mark.parametrize(
    ("matrix", "expected"),
    [
        pytest.param((0, ONE, -ONE, 0), lambda rgb: np.rot90(rgb, -1), id="quarter-turn-clockwise"),
        pytest.param((0, -ONE, ONE, 0), lambda rgb: np.rot90(rgb, 1), id="quarter-turn-back"),
        pytest.param((-ONE, 0, 0, -ONE), lambda rgb: np.rot90(rgb, 2), id="half-turn"),
        pytest.param((-ONE, 0, 0, ONE), lambda rgb: rgb[:, ::-1], id="mirrored"),
        pytest.param((ONE, 0, 0, ONE), lambda rgb: rgb, id="upright"),
    ],
)
def test_phone_videos_come_out_upright(matrix, expected):
    a, b, c, d = matrix
    data = media.encode([0], paint=media.corner, display_matrix=[a, b, 0, c, d, 0, 0, 0, 1 << 30])
    (frame,) = decode_video(data, 16)
    wanted = expected(media.corner(0, media.SIZE))
    assert frame.rgb.shape == wanted.shape
    assert frame.rgb.flags.c_contiguous
    assert np.abs(frame.rgb.astype(int) - wanted).mean() < 8


@pytest.mark.parametrize(
    ("size", "expected"), [((1280, 720), (360, 640)), ((720, 1280), (640, 360)), ((96, 64), (64, 96))]
)
def test_large_frames_are_scaled_down_with_their_aspect(size, expected):
    (frame,) = decode_video(media.encode([0], size=size), 16)
    assert frame.rgb.shape == (*expected, 3)


def test_pixels_that_are_not_square_are_stretched():
    data = media.encode([0], size=(96, 96), pixel_aspect=Fraction(4, 3))
    (frame,) = decode_video(data, 16)
    assert frame.rgb.shape == (96, 128, 3)


@pytest.fixture
def closed(monkeypatch):
    """One entry for each container opened: has it been closed?"""
    opened = []

    class Spy:
        def __init__(self, container):
            self.container = container
            self.closed = False
            opened.append(self)

        def __getattr__(self, name):
            return getattr(self.container, name)

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            self.container.close()
            self.closed = True

    open_ = av.open

    def spy(*args, mode="r", **kwargs):
        container = open_(*args, mode=mode, **kwargs)
        return Spy(container) if mode == "r" else container

    monkeypatch.setattr(av, "open", spy)
    return lambda: [spy.closed for spy in opened]


@pytest.mark.parametrize("drop", ["close", "forget"])
def test_an_abandoned_iterator_closes_the_container(closed, drop):
    frames = decode_video(media.encode(media.AT_25_FPS), 25)
    next(frames)
    assert closed() == [True, False]
    if drop == "close":
        frames.close()
    else:
        del frames
        gc.collect()
    assert closed() == [True, True]


def test_containers_are_closed_after_errors_too(closed):
    assert media.code_of(decode_video, media.encode_audio(), 16) == "undecodable"
    assert media.code_of(decode_video, media.encode(media.SLOW_CLIP), 16) == "too_long"
    assert len(list(decode_video(media.encode(media.AT_25_FPS), 25))) == 20
    assert closed() == [True] * 4
