"""Single pictures."""

import io

import numpy as np
import pytest
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from glosscast.video import VideoError, decode_image
from tests.glosscast import media


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
    ("size", "decoded"),
    [((1280, 720), (640, 360)), ((1920, 1080), (960, 540)), ((720, 1280), (360, 640)), ((640, 480), (640, 480))],
)
def test_a_jpeg_that_is_larger_than_needed_is_not_decoded_at_its_full_size(size, decoded, monkeypatch):
    sizes = []
    draft = JpegImageFile.draft

    def noting(image, mode, wanted):
        result = draft(image, mode, wanted)
        sizes.append(image.size)
        return result

    monkeypatch.setattr(JpegImageFile, "draft", noting)
    rgb = decode_image(media.picture("JPEG", size=size))
    assert sizes[0] == decoded
    assert max(rgb.shape) == 640
    width = rgb.shape[1]
    assert np.abs(rgb.mean((0, 2)) - np.linspace(0, 255, width)).max() < 6


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
    assert media.code_of(decode_image, data) == code


def test_a_huge_picture_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr(Image.Image, "thumbnail", lambda *_: pytest.fail("decoded"))
    assert media.code_of(decode_image, media.huge_jpeg()) == "too_large"


def test_the_pixel_limit_is_the_callers():
    data = media.picture(size=(64, 48))
    assert decode_image(data, max_pixels=64 * 48).shape == (48, 64, 3)
    assert media.code_of(decode_image, data, 64 * 48 - 1) == "too_large"


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
