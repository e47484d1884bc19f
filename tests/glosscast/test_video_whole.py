"""A video is read whole or refused: files that are cut off, and frames that are lost."""

import pytest

from glosscast.video import VideoError, decode_video
from tests.glosscast import media

# The index of mp4 and mov comes first, as in every video made for the web, or in pieces between the frames.
FIRST, PIECES = {"movflags": "+faststart"}, {"movflags": "frag_keyframe+empty_moov"}


@pytest.mark.parametrize(
    ("container", "codec", "options"),
    [
        pytest.param("mp4", "mpeg4", FIRST, id="mp4"),
        pytest.param("mp4", "mpeg4", PIECES, id="mp4-in-pieces"),
        pytest.param("mov", "mpeg4", FIRST, id="mov"),
        pytest.param("webm", "libvpx", {}, id="webm"),
        pytest.param("matroska", "mpeg4", {}, id="mkv"),
        pytest.param("avi", "mpeg4", {}, id="avi"),
        pytest.param("mp4", "libx264", FIRST, id="mp4-reordered"),
    ],
)
@pytest.mark.parametrize("left", [0.5, 0.9])
def test_a_truncated_file_is_refused_where_its_header_states_the_size(container, codec, options, left, tmp_path):
    path = tmp_path / "whole"
    whole = media.encode(media.AT_25_FPS, container=container, codec=codec, options=options, path=path)
    with pytest.raises(VideoError, match="cut off") as caught:
        decode_video(whole[: int(len(whole) * left)], 25)
    assert caught.value.code == "undecodable"
    assert len(list(decode_video(whole, 25))) == 20


@pytest.mark.parametrize("container", ["matroska", "avi"])
def test_a_truncated_recording_without_a_size_gives_its_remaining_frames(container):
    whole = media.encode(media.AT_25_FPS, container=container, streamed=True)
    frames = list(decode_video(whole[: len(whole) // 2], 25))
    assert 3 < len(frames) < 20
    assert media.indices(frames) == list(range(len(frames)))


@pytest.mark.parametrize("container", ["mp4", "matroska", "avi"])
def test_data_after_the_video_do_no_harm(container):
    data = media.encode(media.AT_25_FPS, container=container)
    assert len(media.times(data + b"\xff\xff\xff\xff of another program", 25)) == 20


PICTURES = 50  # at 25 fps; a quarter of a second is the time of six


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska", "avi"])
@pytest.mark.parametrize(
    "lost",
    [
        pytest.param(range(30, PICTURES), id="tail"),
        pytest.param(range(15), id="head"),
        pytest.param(range(15, 35), id="middle"),
        pytest.param(range(1, PICTURES), id="all-but-one"),
    ],
)
def test_a_video_of_which_a_part_cannot_be_decoded_is_refused(container, lost):
    frames = decode_video(media.blanked(PICTURES, lost, container), 25)
    with pytest.raises(VideoError, match="A part of the video cannot be decoded") as caught:
        list(frames)
    assert caught.value.code == "undecodable"


@pytest.mark.parametrize("container", ["mp4", "mov", "matroska", "avi"])
def test_single_damaged_frames_are_left_out(container):
    lost = {0, 7, 8, 20, 21, 22, 23, 35, 47, 48, 49}
    assert len(list(decode_video(media.blanked(PICTURES, lost, container), 25))) == PICTURES - len(lost)


def test_a_pause_between_frames_is_no_loss():
    assert len(media.times(media.encode([0, 40, 3000, 3040]), 25)) == 4


def trimmed(mp4, shown_ms):
    """The same mp4, of which its edit list shows the first ms only, as phones trim."""
    entry = mp4.index(b"elst") + 12  # version, flags and number of entries come first
    return mp4[:entry] + shown_ms.to_bytes(4, "big") + mp4[entry + 4 :]


def test_frames_that_an_edit_list_removes_are_no_loss():
    data = media.encode(range(0, 2000, 40), codec="libx264")
    assert media.times(trimmed(data, 600), 25)[-1] == pytest.approx(560)
