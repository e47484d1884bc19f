import gc
import io
from fractions import Fraction
from itertools import pairwise

import av
import numpy as np
import pytest
from PIL import Image

from glosscast import video
from glosscast.video import Frame, VideoError, VideoLimits, decode_image, decode_video
from tests.glosscast import media

FOUR_HOURS_MS = 4 * 3600 * 1000
AT_25_FPS = range(0, 800, 40)  # 20 frames
AT_16_FPS = [round(i * 62.5) for i in range(20)]
CONTAINERS = [
    ("mp4", "mpeg4"),
    ("mp4", "libx264"),
    ("mov", "mpeg4"),
    ("webm", "libvpx"),
    ("matroska", "mpeg4"),
    ("avi", "mpeg4"),
]


def times(data, fps, limits=video.DEFAULT_LIMITS):
    return [frame.t_ms for frame in decode_video(data, fps, limits)]


def indices(frames):
    """Which source frames these are, by their brightness."""
    return [round((frame.rgb.mean() - 10) / 11) for frame in frames]


def code_of(call, *args):
    with pytest.raises(VideoError) as caught:
        list(call(*args))
    return caught.value.code


# --- which frames, and when ---


@pytest.mark.parametrize(("container", "codec"), CONTAINERS)
def test_every_container_gives_its_frames_with_their_times(container, codec):
    frames = list(decode_video(media.encode(AT_25_FPS, container=container, codec=codec), 25))
    assert indices(frames) == list(range(20))
    np.testing.assert_allclose([frame.t_ms for frame in frames], AT_25_FPS, atol=0.01)
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
    data = media.encode(AT_25_FPS, container=container, codec=codec, b_frames=2)
    frames = list(decode_video(data, 25))
    assert indices(frames) == list(range(20))
    steps = np.diff([frame.t_ms for frame in frames])
    np.testing.assert_allclose(steps, 40, atol=0.01)


@pytest.mark.parametrize(
    ("source_ms", "fps", "expected"),
    [
        pytest.param([round(i * 1001 / 30) for i in range(60)], 16, 32, id="29.97-fps"),
        pytest.param([round(i * 1000 / 60) for i in range(120)], 16, 32, id="60-fps"),
        pytest.param(AT_16_FPS, 16, 20, id="same-rate-in-whole-ms"),
        pytest.param([t + 7 * (i % 2) for i, t in enumerate(AT_16_FPS)], 16, 20, id="same-rate-jittering"),
        pytest.param(range(0, 2000, 100), 16, 20, id="slower-than-asked"),
        pytest.param([0], 16, 1, id="one-frame"),
    ],
)
def test_the_rate_is_the_one_asked_for(source_ms, fps, expected):
    taken = times(media.encode(source_ms), fps)
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
    assert indices(frames[:5]) == [0, 3, 8, 13, 18]


@pytest.mark.parametrize("container", ["mp4", "matroska"])
def test_time_starts_at_zero(container):
    assert times(media.encode(range(5000, 5400, 40), container=container), 25)[:2] == [0, 40]


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
    assert times(media.restamped(mkv, stamps), 1000) == expected


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
    clock = video._Clock(step_ms=40)
    assert [clock.read(stamp) for stamp in stamps_s] == pytest.approx(expected)


def test_a_path_reads_like_its_bytes(tmp_path):
    data = media.encode(AT_25_FPS)
    path = tmp_path / "clip.bin"
    path.write_bytes(data)
    assert times(path, 16) == times(data, 16)


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_a_senseless_rate_is_the_callers_mistake(fps):
    with pytest.raises(ValueError, match="fps"):
        decode_video(media.encode([0]), fps)


# --- size and orientation ---


def corner(index, size):
    """White top left corner, wide rather than tall."""
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    rgb[: size[1] // 4, : size[0] // 2] = 255
    return rgb


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
    data = media.encode([0], paint=corner, display_matrix=[a, b, 0, c, d, 0, 0, 0, 1 << 30])
    (frame,) = decode_video(data, 16)
    wanted = expected(corner(0, media.SIZE))
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


# --- bad input ---


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0", id="one-byte"),
        pytest.param(b"This is not a video, whatever its name says.", id="text"),
        pytest.param(b"Get free videos of signs here.", id="text-that-looks-like-an-atom"),
        pytest.param(bytes(range(256)) * 40, id="garbage"),
        pytest.param(b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n", id="hls-playlist"),
        pytest.param(b"ffconcat version 1.0\nfile /etc/passwd\n", id="concat-playlist"),
        pytest.param(b"ID3\x03\0\0\0\0\0\0" + bytes(2000), id="mp3"),
        pytest.param(b"\0\0\0\x18ftypheic" + bytes(2000), id="heic-picture"),
        pytest.param(media.picture("GIF"), id="gif"),
        pytest.param(media.picture("PNG"), id="png"),
        pytest.param(b"RIFF\x24\0\0\0WAVEfmt " + bytes(2000), id="wav"),
    ],
)
def test_what_is_no_video_container_is_unsupported(data):
    assert code_of(decode_video, data, 16) == "unsupported_media"


MKV = media.encode([0], container="matroska")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(media.encode_audio(), id="audio-only"),
        pytest.param(media.encode_audio("matroska", cover=media.picture()), id="audio-with-cover"),
        pytest.param(media.encode_nothing(), id="no-frames"),
        pytest.param(media.encode(AT_25_FPS)[:-400], id="mp4-without-its-index"),
        pytest.param(media.encode(AT_25_FPS)[:16], id="sixteen-bytes"),
        pytest.param(MKV.replace(b"V_MPEG4", b"V_ZZZZ4"), id="unknown-codec"),
        pytest.param(media.encode([0, 40], size=(64, 8)), id="too-small"),
        pytest.param(media.encode([0, 40], size=(2048, 32)), id="too-flat"),
    ],
)
def test_a_container_without_video_is_undecodable(data):
    assert code_of(decode_video, data, 16) == "undecodable"


def head_of_a_fragmented_mp4():
    data = media.encode(AT_25_FPS, options={"movflags": "frag_keyframe+empty_moov"})
    return data[: data.index(b"moof") - 4]


@pytest.mark.parametrize("make", [media.encode_audio, media.encode_nothing, head_of_a_fragmented_mp4])
def test_a_container_without_video_is_refused_at_the_call(make):
    with pytest.raises(VideoError) as caught:
        decode_video(make(), 16)
    assert caught.value.code == "undecodable"


def test_a_cut_off_file_gives_what_is_left():
    whole = media.encode(AT_25_FPS, container="matroska")
    frames = list(decode_video(whole[: len(whole) // 2], 25))
    assert 3 < len(frames) < 20
    assert indices(frames) == list(range(len(frames)))


def test_damaged_frames_are_left_out():
    data = bytearray(media.encode(AT_25_FPS, codec="mjpeg", container="matroska", paint=corner))
    middle = len(data) // 2
    data[middle : middle + 1500] = bytes(1500)
    assert 10 < len(list(decode_video(bytes(data), 25))) < 20


def test_broken_text_in_the_metadata_does_no_harm():
    data = media.encode(AT_25_FPS)
    assert b"VideoHandler" in data
    assert len(times(data.replace(b"VideoHandler", b"Video\xff\xfe\xfd\xfcdle"), 25)) == 20


def test_random_damage_raises_nothing_but_video_errors():
    rng = np.random.default_rng(0)
    sources = [media.encode(range(0, 200, 40), container=c, codec=k) for c, k in CONTAINERS]
    outcomes = set()
    for round_ in range(180):
        data = bytearray(sources[round_ % len(sources)])
        for _ in range(rng.integers(1, 60)):
            data[rng.integers(len(data))] = rng.integers(256)
        try:
            outcomes.add(len(list(decode_video(bytes(data), 16))) > 0)
        except VideoError as error:
            outcomes.add(error.code)
    assert {True, "undecodable"} <= outcomes
    assert False not in outcomes


# --- limits: all of these fail at the call, before a frame is decoded ---

PIPED = {"container": "webm", "codec": "libvpx", "streamed": True}
SLOW_CLIP = [0, 1000, 2000, FOUR_HOURS_MS]


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(media.encode(SLOW_CLIP), id="mp4"),
        pytest.param(media.encode(SLOW_CLIP, container="webm", codec="libvpx"), id="webm"),
        pytest.param(media.encode(SLOW_CLIP, **PIPED), id="no-duration"),
    ],
)
def test_four_hours_are_refused_without_decoding(data):
    with pytest.raises(VideoError, match="longer than 60 seconds") as caught:
        decode_video(data, 16)
    assert caught.value.code == "too_long"


def test_a_false_duration_does_not_help():
    lying = media.announcing(media.encode(SLOW_CLIP, container="matroska"), 500)
    with av.open(io.BytesIO(lying)) as container:
        assert container.duration == 500_000  # us
    with pytest.raises(VideoError) as caught:
        decode_video(lying, 16)
    assert caught.value.code == "too_long"


def test_the_announced_duration_is_enough():
    lying = media.announcing(media.encode(AT_25_FPS, container="matroska"), FOUR_HOURS_MS)
    with pytest.raises(VideoError) as caught:
        decode_video(lying, 16)
    assert caught.value.code == "too_long"


def test_forged_timestamps_do_not_hide_the_length():
    mkv = media.encode(range(0, 240, 40), container="matroska", options={"cluster_time_limit": "0"})
    frozen = media.announcing(media.restamped(mkv, [0] * 6), 50)
    limits = VideoLimits(max_duration_s=0.25)
    assert len(times(frozen, 25, limits)) == 6
    assert code_of(decode_video, frozen, 25, VideoLimits(max_duration_s=0.1)) == "too_long"


def test_a_clip_of_just_the_limit_passes():
    data = media.encode(range(0, 1000, 40))
    assert len(times(data, 25, VideoLimits(max_duration_s=1.0))) == 25
    assert code_of(decode_video, data, 25, VideoLimits(max_duration_s=0.9)) == "too_long"


def test_too_many_frames_are_refused():
    data = media.encode(range(20))
    assert len(times(data, 1000, VideoLimits(max_frames=20))) == 20
    with pytest.raises(VideoError) as caught:
        decode_video(data, 1000, VideoLimits(max_frames=19))
    assert caught.value.code == "too_long"


@pytest.mark.parametrize("as_path", [False, True])
def test_too_many_bytes_are_refused(tmp_path, as_path):
    data = media.encode(AT_25_FPS)
    source = tmp_path / "clip.mp4"
    source.write_bytes(data)
    with pytest.raises(VideoError, match="larger than") as caught:
        decode_video(source if as_path else data, 16, VideoLimits(max_bytes=len(data) - 1))
    assert caught.value.code == "too_large"
    assert decode_video(source if as_path else data, 16, VideoLimits(max_bytes=len(data)))


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "mpeg4"), ("mp4", "libx264"), ("webm", "libvpx"), ("avi", "mpeg4")]
)
def test_large_pictures_are_refused_from_the_header(container, codec):
    data = media.encode([0], container=container, codec=codec, size=(4096, 2304))
    with pytest.raises(VideoError, match=r"8\.3 million pixels") as caught:
        decode_video(data, 16)
    assert caught.value.code == "too_large"


def test_a_header_that_understates_the_size_does_not_help():
    data = bytearray(media.encode([0], size=(1024, 512)))
    entry = data.index(b"mp4v", data.index(b"stsd"))
    assert data[entry + 28 : entry + 32] == bytes([4, 0, 2, 0])
    data[entry + 28 : entry + 32] = bytes([0, 64, 0, 64])
    assert code_of(decode_video, bytes(data), 16, VideoLimits(max_pixels=1024 * 500)) == "too_large"


def growing_webm():
    """Three frames of 64 x 48, then three of 1024 x 512, in one stream."""
    out = io.BytesIO()
    with av.open(out, mode="w", format="webm") as target:
        stream = target.add_stream("libvpx", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        target.start_encoding()
        for part, size in enumerate([(64, 48), (1024, 512)]):
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
            encoder.time_base = media.MS
            for index in range(3):
                frame = av.VideoFrame.from_ndarray(media.plain(index, size), format="rgb24")
                frame.pts, frame.time_base = 40 * (3 * part + index), media.MS
                for packet in encoder.encode(frame):
                    packet.stream, packet.time_base = stream, media.MS
                    target.mux(packet)
            for packet in encoder.encode():
                packet.stream, packet.time_base = stream, media.MS
                target.mux(packet)
    return out.getvalue()


def test_frames_that_grow_keep_the_first_size_or_are_left_out():
    data = growing_webm()
    frames = list(decode_video(data, 25))
    assert [frame.rgb.shape for frame in frames] == [(48, 64, 3)] * 6
    assert len(times(data, 25, VideoLimits(max_pixels=1024 * 500))) == 3


# --- resources ---


@pytest.fixture
def closed(monkeypatch):
    """One entry for each container opened: has it been closed?"""
    opened = []

    class Spy:
        def __init__(self, container):
            self.container, self.closed = container, False
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
    frames = decode_video(media.encode(AT_25_FPS), 25)
    next(frames)
    assert closed() == [True, False]
    if drop == "close":
        frames.close()
    else:
        del frames
        gc.collect()
    assert closed() == [True, True]


def test_containers_are_closed_after_errors_too(closed):
    assert code_of(decode_video, media.encode_audio(), 16) == "undecodable"
    assert code_of(decode_video, media.encode(SLOW_CLIP), 16) == "too_long"
    assert len(list(decode_video(media.encode(AT_25_FPS), 25))) == 20
    assert closed() == [True] * 4


# --- single pictures ---


@pytest.mark.parametrize(
    ("format", "mode"),
    [
        ("JPEG", "RGB"),
        ("JPEG", "L"),
        ("JPEG", "CMYK"),
        ("PNG", "RGB"),
        ("PNG", "RGBA"),
        ("PNG", "P"),
        ("WEBP", "RGB"),
    ],
)
def test_pictures_come_out_as_rgb(format, mode):
    rgb = decode_image(media.picture(format, mode=mode))
    assert rgb.shape == (48, 64, 3)
    assert rgb.dtype == np.uint8
    assert rgb.flags.c_contiguous
    ramp = np.linspace(0, 255, 64)
    assert np.abs(rgb.mean((0, 2)) - ramp).max() < 12


def test_a_picture_keeps_its_colours():
    out = io.BytesIO()
    Image.new("RGB", (32, 32), (200, 30, 60)).save(out, "JPEG")
    np.testing.assert_allclose(decode_image(out.getvalue()).mean((0, 1)), (200, 30, 60), atol=4)


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_large_pictures_are_scaled_down(format):
    rgb = decode_image(media.picture(format, size=(1920, 1080)))
    assert rgb.shape == (360, 640, 3)
    assert np.abs(rgb.mean((0, 2)) - np.linspace(0, 255, 640)).max() < 6


@pytest.mark.parametrize(
    ("data", "code"),
    [
        pytest.param(b"", "undecodable", id="empty"),
        pytest.param(b"no picture at all", "undecodable", id="text"),
        pytest.param(bytes(range(256)) * 9, "undecodable", id="garbage"),
        pytest.param(media.picture("GIF"), "undecodable", id="gif"),
        pytest.param(media.picture("JPEG")[:-60], "undecodable", id="cut-off-jpeg"),
        pytest.param(media.picture("PNG")[:-60], "undecodable", id="cut-off-png"),
        pytest.param(media.picture("WEBP")[:-60], "undecodable", id="cut-off-webp"),
        pytest.param(media.picture("PNG", size=(1, 1)), "undecodable", id="one-pixel"),
        pytest.param(media.picture("PNG", size=(640, 15)), "undecodable", id="strip"),
        pytest.param(media.huge_jpeg(0), "undecodable", id="no-pixels"),
        pytest.param(media.huge_jpeg(20_000), "too_large", id="20000-px-a-side"),
        pytest.param(media.huge_jpeg(9_000), "too_large", id="9000-px-a-side"),
        pytest.param(media.huge_jpeg(3_000), "too_large", id="3000-px-a-side"),
    ],
)
def test_bad_pictures(data, code):
    assert code_of(decode_image, data) == code


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "thumbnail", lambda *_: pytest.fail("decoded"))
    assert code_of(decode_image, media.huge_jpeg()) == "too_large"


def test_the_pixel_limit_is_the_callers():
    data = media.picture(size=(64, 48))
    assert decode_image(data, max_pixels=64 * 48).shape == (48, 64, 3)
    assert code_of(decode_image, data, 64 * 48 - 1) == "too_large"


def test_random_damage_to_pictures_raises_nothing_but_video_errors():
    rng = np.random.default_rng(0)
    sources = [media.picture(format) for format in ("JPEG", "PNG", "WEBP")]
    outcomes = set()
    for round_ in range(600):
        data = bytearray(sources[round_ % 3])
        for _ in range(rng.integers(1, 20)):
            data[rng.integers(len(data))] = rng.integers(256)
        try:
            outcomes.add(decode_image(bytes(data)).dtype)
        except VideoError as error:
            outcomes.add(error.code)
    assert {np.dtype(np.uint8), "undecodable"} <= outcomes


def test_messages_are_sentences_without_the_decoders_own_words():
    bad = [b"", media.encode_audio(), media.encode(SLOW_CLIP), media.encode([0], size=(4096, 2304))]
    for data in bad:
        with pytest.raises(VideoError) as caught:
            decode_video(data, 16)
        message = str(caught.value)
        assert message[0].isupper()
        assert message.endswith(".")
        assert "rrno" not in message
        assert "avcodec" not in message


@pytest.mark.data
def test_a_real_clip():
    path = media.recording("clips/apple__startasl_F1__apple.mp4")
    frames = list(decode_video(path, 16))
    assert frames[0].rgb.shape == (360, 640, 3)
    assert abs(len(frames) - 16 * (frames[-1].t_ms / 1000 + 1 / 16)) <= 1
