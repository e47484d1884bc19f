"""Videos that phones and other programs make: odd sizes, ten bits, rare colours, side data that PyAV does not know."""

import io
from fractions import Fraction

import av
import numpy as np
import pytest
from PIL import Image

from glosscast.video import decode_video
from tests.glosscast import media


@pytest.mark.parametrize(
    ("container", "codec", "pixels"),
    [
        ("mp4", "libx264", "yuv420p10le"),  # High 10
        ("mov", "libx265", "yuv420p10le"),  # phones, HDR
        ("matroska", "libx264", "yuv422p10le"),
    ],
)
def test_pictures_of_any_depth_are_read(container, codec, pixels):
    data = media.encode(media.AT_25_FPS, container=container, codec=codec, pixels=pixels)
    assert media.indices(decode_video(data, 25)) == list(range(20))


@pytest.mark.parametrize(
    ("container", "codec", "pixels"),
    [
        ("mp4", "libx264", "yuv444p"),
        ("mov", "mpeg4", "yuv420p"),
        ("webm", "libvpx", "yuv420p"),
        ("matroska", "libvpx-vp9", "yuv420p"),
        ("avi", "mpeg4", "yuv420p"),
    ],
)
def test_odd_sizes_are_read(container, codec, pixels):
    data = media.encode([0, 40], container=container, codec=codec, pixels=pixels, size=(85, 47))
    assert [frame.rgb.shape for frame in decode_video(data, 25)] == [(47, 85, 3)] * 2


@pytest.mark.parametrize("matrix", [0, 3, 8, 10, 11, 12, 14, 200])
def test_colours_that_ffmpeg_does_not_convert_are_read_nearly_right(matrix):
    out = io.BytesIO()
    source = media.encode([0, 40], codec="libx264")
    with av.open(io.BytesIO(source)) as given, av.open(out, "w", format="mp4") as target:
        stream = target.add_stream_from_template(given.streams.video[0])
        to_matrix = av.bitstream.BitStreamFilterContext(f"h264_metadata=matrix_coefficients={matrix}", stream)
        for packet in given.demux(video=0):
            for changed in to_matrix.filter(packet if packet.size else None):
                changed.stream = stream
                target.mux(changed)
    assert media.indices(decode_video(out.getvalue(), 25)) == [0, 1]


@pytest.mark.parametrize(("orientation", "turns"), [(1, 0), (6, -1), (8, 1), (3, 2)])
def test_motion_jpeg_of_a_camera_that_writes_exif_is_read(orientation, turns):
    exif = Image.Exif()
    exif[0x112] = orientation
    jpeg, out = io.BytesIO(), io.BytesIO()
    Image.fromarray(media.corner(0, media.SIZE)).save(jpeg, "JPEG", exif=exif)
    with av.open(out, "w", format="matroska") as target:
        stream = target.add_stream("mjpeg", rate=25)
        stream.width, stream.height, stream.pix_fmt = *media.SIZE, "yuvj420p"
        target.start_encoding()
        packet = av.Packet(jpeg.getvalue())
        packet.stream = stream
        packet.time_base = Fraction(1, 25)
        packet.pts = 0
        packet.dts = 0
        target.mux(packet)
    (frame,) = decode_video(out.getvalue(), 25)
    wanted = np.rot90(media.corner(0, media.SIZE), turns)
    assert np.abs(frame.rgb.astype(int) - wanted).mean() < 8
