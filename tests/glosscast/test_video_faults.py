"""Videos that cannot be used: damaged ones, and those over the limits, which fail before a frame is decoded."""

import io

import av
import numpy as np
import pytest

from glosscast.video import VideoError, VideoLimits, decode_video
from tests.glosscast import media


@pytest.mark.parametrize(
    "data",
    [
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
def test_a_file_that_is_no_video_container_is_unsupported(data):
    assert media.code_of(decode_video, data, 16) == "unsupported_media"


def test_an_empty_file_is_undecodable():
    with pytest.raises(VideoError, match="The file is empty") as caught:
        decode_video(b"", 16)
    assert caught.value.code == "undecodable"


MKV = media.encode([0], container="matroska")


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(media.encode_audio(), id="audio-only"),
        pytest.param(media.encode_audio("matroska", cover=media.picture()), id="audio-with-cover"),
        pytest.param(media.encode_nothing(), id="no-frames"),
        pytest.param(media.encode(media.AT_25_FPS)[:-400], id="mp4-without-its-index"),
        pytest.param(media.encode(media.AT_25_FPS)[:16], id="sixteen-bytes"),
        pytest.param(MKV.replace(b"V_MPEG4", b"V_ZZZZ4"), id="unknown-codec"),
        pytest.param(media.encode([0, 40], size=(64, 8)), id="too-small"),
        pytest.param(media.encode([0, 40], size=(2048, 32)), id="too-flat"),
    ],
)
def test_a_container_without_video_is_undecodable(data):
    assert media.code_of(decode_video, data, 16) == "undecodable"


def head_of_a_fragmented_mp4():
    data = media.encode(media.AT_25_FPS, options={"movflags": "frag_keyframe+empty_moov"})
    return data[: data.index(b"moof") - 4]


@pytest.mark.parametrize("make", [media.encode_audio, media.encode_nothing, head_of_a_fragmented_mp4])
def test_a_container_without_video_is_refused_at_the_call(make):
    with pytest.raises(VideoError) as caught:
        decode_video(make(), 16)
    assert caught.value.code == "undecodable"


def test_broken_text_in_the_metadata_does_no_harm():
    data = media.encode(media.AT_25_FPS)
    assert b"VideoHandler" in data
    assert len(media.times(data.replace(b"VideoHandler", b"Video\xff\xfe\xfd\xfcdle"), 25)) == 20


def test_random_damage_raises_nothing_but_video_errors():
    rng = np.random.default_rng(0)
    sources = [media.encode(range(0, 200, 40), container=c, codec=k) for c, k in media.CONTAINERS]
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


PIPED = {"container": "webm", "codec": "libvpx", "streamed": True}


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(media.encode(media.SLOW_CLIP), id="mp4"),
        pytest.param(media.encode(media.SLOW_CLIP, container="webm", codec="libvpx"), id="webm"),
        pytest.param(media.encode(media.SLOW_CLIP, **PIPED), id="no-duration"),
    ],
)
def test_four_hours_are_refused_without_decoding(data):
    with pytest.raises(VideoError, match="longer than 60 seconds") as caught:
        decode_video(data, 16)
    assert caught.value.code == "too_long"


def test_a_false_duration_does_not_help():
    lying = media.announcing(media.encode(media.SLOW_CLIP, container="matroska"), 500)
    with av.open(io.BytesIO(lying)) as container:
        assert container.duration == 500_000  # us
    with pytest.raises(VideoError) as caught:
        decode_video(lying, 16)
    assert caught.value.code == "too_long"


def test_the_announced_duration_is_enough():
    lying = media.announcing(media.encode(media.AT_25_FPS, container="matroska"), media.FOUR_HOURS_MS)
    with pytest.raises(VideoError) as caught:
        decode_video(lying, 16)
    assert caught.value.code == "too_long"


def test_forged_timestamps_do_not_hide_the_length():
    mkv = media.encode(range(0, 240, 40), container="matroska", options={"cluster_time_limit": "0"})
    frozen = media.announcing(media.restamped(mkv, [0] * 6), 50)
    limits = VideoLimits(max_duration_s=0.25)
    assert len(media.times(frozen, 25, limits)) == 6
    assert media.code_of(decode_video, frozen, 25, VideoLimits(max_duration_s=0.1)) == "too_long"


def test_a_clip_of_just_the_limit_passes():
    data = media.encode(range(0, 1000, 40))
    assert len(media.times(data, 25, VideoLimits(max_duration_s=1.0))) == 25
    assert media.code_of(decode_video, data, 25, VideoLimits(max_duration_s=0.9)) == "too_long"


def test_too_many_frames_are_refused():
    data = media.encode(range(20))
    assert len(media.times(data, 1000, VideoLimits(max_frames=20))) == 20
    with pytest.raises(VideoError) as caught:
        decode_video(data, 1000, VideoLimits(max_frames=19))
    assert caught.value.code == "too_long"


@pytest.mark.parametrize("as_path", [False, True])
def test_too_many_bytes_are_refused(tmp_path, as_path):
    data = media.encode(media.AT_25_FPS)
    source = tmp_path / "clip.mp4"
    source.write_bytes(data)
    with pytest.raises(VideoError, match="larger than") as caught:
        decode_video(source if as_path else data, 16, VideoLimits(max_bytes=len(data) - 1))
    assert caught.value.code == "too_large"
    assert decode_video(source if as_path else data, 16, VideoLimits(max_bytes=len(data)))


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "mpeg4"), ("mp4", "libx264"), ("webm", "libvpx"), ("avi", "mpeg4")]
)
@pytest.mark.slow
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
    assert media.code_of(decode_video, bytes(data), 16, VideoLimits(max_pixels=1024 * 500)) == "too_large"


def growing_webm():
    """Three frames of 64 x 48, then three of 1024 x 512, in one stream."""
    out = io.BytesIO()
    with av.open(out, mode="w", format="webm") as target:
        stream = target.add_stream("libvpx", rate=25)
        stream.width = 64
        stream.height = 48
        stream.pix_fmt = "yuv420p"
        target.start_encoding()
        for part, size in enumerate([(64, 48), (1024, 512)]):
            encoder = av.CodecContext.create("libvpx", "w")
            encoder.width, encoder.height, encoder.pix_fmt = *size, "yuv420p"
            encoder.time_base = media.MS
            for index in range(3):
                frame = av.VideoFrame.from_ndarray(media.plain(index, size), format="rgb24")
                frame.pts = 40 * (3 * part + index)
                frame.time_base = media.MS
                for packet in encoder.encode(frame):
                    packet.stream = stream
                    packet.time_base = media.MS
                    target.mux(packet)
            for packet in encoder.encode():
                packet.stream = stream
                packet.time_base = media.MS
                target.mux(packet)
    return out.getvalue()


def test_frames_that_grow_keep_the_first_size_or_are_left_out():
    data = growing_webm()
    frames = list(decode_video(data, 25))
    assert [frame.rgb.shape for frame in frames] == [(48, 64, 3)] * 6
    assert len(media.times(data, 25, VideoLimits(max_pixels=1024 * 500))) == 3


def test_messages_are_sentences_without_the_decoders_own_words():
    bad = [b"", media.encode_audio(), media.encode(media.SLOW_CLIP), media.encode([0], size=(4096, 2304))]
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
