"""Small videos and pictures for tests, made in memory."""

import io
import os
from collections.abc import Callable, Container, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

from glosscast.video import DEFAULT_LIMITS, VideoError, decode_video

MS = Fraction(1, 1000)
SIZE = (64, 48)  # width, height
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
SLOW_CLIP = [0, 1000, 2000, FOUR_HOURS_MS]


class Pipe(io.RawIOBase):
    """What a browser's recorder writes to: no seeking back, so no duration in the header."""

    def __init__(self):
        self.data = bytearray()

    def writable(self):
        return True

    def write(self, data):
        self.data += bytes(data)
        return len(data)


def grey(index: int) -> int:
    """Brightness of frame `index`: tells frames apart after lossy compression, for indices up to 20."""
    return 10 + 11 * (index % 21)


def plain(index: int, size: tuple[int, int]) -> np.ndarray:
    return np.full((size[1], size[0], 3), grey(index), np.uint8)


def encode(
    times_ms: Sequence[int],
    *,
    container: str = "mp4",
    codec: str = "mpeg4",
    pixels: str | None = None,
    size: tuple[int, int] = SIZE,
    paint: Callable[[int, tuple[int, int]], np.ndarray] = plain,
    streamed: bool = False,
    options: dict[str, str] | None = None,
    display_matrix: list[int] | None = None,
    b_frames: int = 0,
    pixel_aspect: Fraction | None = None,
    path: Path | None = None,
) -> bytes:
    """A video with frames `paint(index, size)`, (H, W, 3) uint8, shown at the given times.

    It is written to `path` where that is given: some options of a container need a real file.
    """
    out = path or (Pipe() if streamed else io.BytesIO())
    with av.open(out, mode="w", format=container, options=options or {}) as target:
        stream = target.add_stream(codec, rate=25)
        stream.width, stream.height = size
        stream.pix_fmt = pixels or ("yuvj420p" if codec == "mjpeg" else "yuv420p")
        stream.bit_rate = 2_000_000
        if codec.startswith("libvpx"):
            stream.options = {"deadline": "realtime", "cpu-used": "8"}
            stream.codec_context.thread_count = 1  # more wait for each other in loops
        # AVI has no times, only a rate.
        stream.codec_context.time_base = Fraction(1, 25) if container == "avi" else MS
        stream.codec_context.max_b_frames = b_frames
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = pixel_aspect
        if display_matrix:
            stream.set_display_matrix(display_matrix)
        for index, t_ms in enumerate(times_ms):
            frame = av.VideoFrame.from_ndarray(paint(index, size), format="rgb24")
            frame.time_base = MS
            frame.pts = t_ms
            target.mux(stream.encode(frame))
        target.mux(stream.encode())
    if isinstance(out, Path):
        return out.read_bytes()
    return bytes(out.data) if isinstance(out, Pipe) else out.getvalue()


def blanked(frames: int, lost: Container[int], container: str = "mp4") -> bytes:
    """So many JPEG frames at 25 a second, of which those `lost` hold nothing but zeros."""
    data = bytearray(encode(range(0, 40 * frames, 40), container=container, codec="mjpeg"))
    at = 0
    for index in range(frames):
        start = data.index(b"\xff\xd8\xff", at)
        at = data.index(b"\xff\xd9", start) + 2
        if index in lost:
            data[start:at] = bytes(at - start)
    return bytes(data)


def encode_audio(container: str = "mp4", cover: bytes | None = None) -> bytes:
    """One second of silence, with a cover picture (mkv only) if given."""
    out = io.BytesIO()
    with av.open(out, mode="w", format=container) as target:
        stream = target.add_stream("aac", rate=16_000, layout="mono")
        if cover:
            target.add_attachment("cover.jpg", "image/jpeg", cover)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 16_000
        target.mux(stream.encode(frame))
        target.mux(stream.encode())
    return out.getvalue()


def encode_nothing() -> bytes:
    """An mkv with a video stream that has no frame."""
    out = io.BytesIO()
    with av.open(out, mode="w", format="matroska") as target:
        stream = target.add_stream("mpeg4", rate=25)
        stream.width, stream.height = SIZE
        stream.pix_fmt = "yuv420p"
        target.start_encoding()
    return out.getvalue()


def restamped(mkv: bytes, times_ms: Sequence[int]) -> bytes:
    """The same mkv with other frame times; made with `cluster_time_limit` 0 and times below 256 ms."""
    data = bytearray(mkv)
    at = 0
    for t_ms in times_ms:
        at = mkv.index(b"\x1f\x43\xb6\x75", at + 1)  # a Cluster, which starts with its time: E7, size, value
        stamp = mkv.index(b"\xe7", at)
        assert mkv[stamp + 1] in (0x81, 0x82)
        width = mkv[stamp + 1] & 0x0F
        data[stamp + 2 : stamp + 2 + width] = t_ms.to_bytes(width, "big")
    return bytes(data)


def announcing(mkv: bytes, duration_ms: float) -> bytes:
    """The same mkv with another duration in its header."""
    at = mkv.index(b"\x44\x89\x88") + 3  # Duration, 8 bytes
    return mkv[:at] + np.array(duration_ms, ">f8").tobytes() + mkv[at + 8 :]


def picture(format: str = "JPEG", size: tuple[int, int] = SIZE, mode: str = "RGB") -> bytes:
    """A picture with a horizontal ramp."""
    ramp = np.linspace(0, 255, size[0]).astype(np.uint8)
    rgb = np.broadcast_to(ramp[None, :, None], (size[1], size[0], 3))
    out = io.BytesIO()
    Image.fromarray(rgb).convert(mode).save(out, format)
    return out.getvalue()


def huge_jpeg(side: int = 20_000) -> bytes:
    """A JPEG of some hundred bytes whose header claims `side` x `side` pixels."""
    data = bytearray(picture("JPEG"))
    header = data.index(b"\xff\xc0")  # start of frame: marker, length, precision, height, width
    data[header + 5 : header + 9] = side.to_bytes(2, "big") * 2
    return bytes(data)


def recording(name: str) -> Path:
    """A file of the data folder; skips the test where it is missing."""
    default = Path(__file__).parents[2] / "../shared/data"
    path = Path(os.environ.get("GLOSSCAST_DATA", default)) / name
    if not path.exists():
        pytest.skip(f"needs {name} in the folder GLOSSCAST_DATA")
    return path


def corner(index, size):
    """White top left corner, wide rather than tall."""
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    rgb[: size[1] // 4, : size[0] // 2] = 255
    return rgb


def indices(frames):
    """Which source frames these are, by their brightness."""
    return [round((frame.rgb.mean() - 10) / 11) for frame in frames]


def code_of(call, *args):
    with pytest.raises(VideoError) as caught:
        list(call(*args))
    return caught.value.code


def times(data, fps, limits=DEFAULT_LIMITS):
    """When a video's frames are shown, in ms."""
    return [frame.t_ms for frame in decode_video(data, fps, limits)]
