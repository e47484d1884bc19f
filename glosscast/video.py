"""Bytes or a file -> RGB frames with timestamps, within limits.

Video is decoded with PyAV rather than OpenCV, for four reasons. PyAV gives each frame's exact presentation
time (phones and browsers record at a variable rate, where frame number / fps drifts by whole signs). It
decodes from memory, so that nothing a signer did is ever written to disk. It lets us name the demuxer, so
that an upload can be neither a playlist nor another format that opens files and addresses of its own. And it
can walk through a file without decoding it, so that a four-hour video is refused at once.

Single images go through Pillow: it reads the header first, because a small file may hold a huge picture, it
refuses a picture that is cut off, and on webcam frames it is as fast as OpenCV, whose PNG reader allocates
whatever size a damaged file states.
"""

import io
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, cast

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.sidedata.sidedata import Type as SideDataType
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray
from PIL import Image

RGB = NDArray[np.uint8]
VideoErrorCode = Literal["unsupported_media", "undecodable", "too_long", "too_large"]

MIB = 1024 * 1024  # bytes
MAX_SIDE_PX = 640  # longer side of a frame handed out; Holistic finds as many hands at 640 px as at 854
MIN_SIDE_PX = 16  # shorter side; nothing to see below, and a frame without pixels breaks MediaPipe for good
FALLBACK_FPS = 25.0  # spacing of frames without timestamps in a file that names no rate either
MAX_STRETCH = 4.0  # a pixel's width / height, or its inverse; more is damage, not an old camcorder

EBML_MAGIC = b"\x1a\x45\xdf\xa3"  # Matroska and WebM
MOV_ATOMS = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}  # MP4 and QuickTime open with one
# HEIF and AVIF pictures share MP4's container; these are their major brands.
PICTURE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}

NO_VIDEO = "The file holds no video that can be decoded; it may be damaged or incomplete."
CUT_OFF = "The file is cut off: its end is missing."
NO_PICTURE = "This is not a JPEG, PNG or WebP picture that can be decoded."


class VideoError(ValueError):
    """A video or image cannot be used. The message is a sentence for the person who sent it.

    Attributes:
        code: "unsupported_media" (not one of our formats), "undecodable" (one of them, but empty or damaged),
            "too_long" or "too_large".
    """

    def __init__(self, code: VideoErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: VideoErrorCode = code


@dataclass(frozen=True)
class VideoLimits:
    """What a video may cost.

    Attributes:
        max_bytes: size of the file, in bytes.
        max_duration_s: from the first to the last frame, in seconds.
        max_pixels: width x height of one frame, in pixels.
        max_frames: frames in the file; bounds the work where timestamps are forged.
    """

    max_bytes: int = 50 * MIB
    max_duration_s: float = 60.0
    max_pixels: int = 3840 * 2160
    max_frames: int = 60 * 240  # 60 s of a phone's slow motion, 240 frames a second


DEFAULT_LIMITS = VideoLimits()


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of a video.

    Attributes:
        rgb: (H, W, 3) uint8, contiguous, upright, at least 16 and at most 640 px a side.
        t_ms: presentation time in ms; the first frame of a video is at 0.
    """

    rgb: RGB
    t_ms: float


def decode_video(source: bytes | Path, fps: float, limits: VideoLimits = DEFAULT_LIMITS) -> Iterator[Frame]:
    """Frames of a video at about `fps` frames a second, chosen by their timestamps.

    Time is cut into slots centred on the multiples of 1000 / fps ms, and the first frame in each slot is
    taken. A source slower than `fps` gives all its frames. All frames of one video have the same size. Damaged
    frames are left out. A file that is cut off is refused where its header tells (mp4, mov); webm, mkv and avi, which
    do not count their frames, give what is there.

    Args:
        source: content of an mp4, mov, webm, mkv or avi file, or the path of one.
        fps: wanted rate, frames per second.
        limits: what is refused.

    Returns:
        An iterator that decodes as it is read; closing or dropping it frees the decoder.

    Raises:
        VideoError: at the call for what the container tells (wrong format, no video, too long, too large);
            while iterating for what only decoding shows.
        ValueError: `fps` is not a positive number.
        OSError: the path cannot be read.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}")
    data = _read(source, limits)
    demuxer = _demuxer(data)
    _inspect(data, demuxer, limits)
    return _frames(data, demuxer, fps, limits)


def decode_image(data: bytes, max_pixels: int = DEFAULT_LIMITS.max_pixels) -> RGB:
    """One JPEG, PNG or WebP picture, scaled down to at most 640 px a side.

    A rotation in EXIF is ignored: webcams write none.

    Args:
        data: content of the file.
        max_pixels: width x height above which the picture is refused, before it is decoded.

    Returns:
        (H, W, 3) uint8, contiguous.

    Raises:
        VideoError: "too_large", or "undecodable" for everything else that is wrong.
    """
    try:
        with Image.open(io.BytesIO(data), formats=("JPEG", "PNG", "WEBP")) as image:
            _check_pixels(image.width, image.height, max_pixels)
            _fit(image.width, image.height)
            image.thumbnail((MAX_SIDE_PX, MAX_SIDE_PX))
            return np.asarray(image.convert("RGB"))
    except VideoError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(max_pixels) from error
    except Exception as error:  # hostile bytes make image parsers raise nearly anything
        raise VideoError("undecodable", NO_PICTURE) from error


def _read(source: bytes | Path, limits: VideoLimits) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(limits.max_bytes + 1)
    if len(source) > limits.max_bytes:
        raise VideoError("too_large", f"The file is larger than {limits.max_bytes / MIB:g} MiB.")
    return source


def _demuxer(data: bytes) -> str:
    """FFmpeg's name of the demuxer, from the file's first bytes.

    FFmpeg is never left to guess: its guesses include playlists, which may name other files and addresses.
    """
    kind, brand = data[4:8], data[8:12]
    # An atom starts with its size. Printable text in that place would be an atom of 150 MB or more.
    if kind in MOV_ATOMS and data[0] < 9 and not (kind == b"ftyp" and brand in PICTURE_BRANDS):
        return "mov"
    if data.startswith(EBML_MAGIC):
        return "matroska"
    if data.startswith(b"RIFF") and brand == b"AVI ":
        return "avi"
    if not data:
        raise VideoError("undecodable", "The file is empty.")
    raise VideoError("unsupported_media", "This is not an MP4, MOV, WebM, MKV or AVI video.")


def _open(data: bytes, demuxer: str, limits: VideoLimits) -> InputContainer:
    # FFmpeg may decode a frame while it opens a file, before we can look at its size. The limit it gets is
    # above ours: a size that FFmpeg rejects is lost, and we could not say that the frame is too large.
    options = {"max_pixels": str(8 * limits.max_pixels)}
    try:
        return av.open(io.BytesIO(data), mode="r", format=demuxer, options=options, metadata_errors="replace")
    except av.error.FFmpegError as error:
        raise VideoError("undecodable", NO_VIDEO) from error


def _video_stream(container: InputContainer, limits: VideoLimits) -> VideoStream:
    """Find the first stream of moving pictures: audio files carry their cover as a video stream too."""
    for stream in container.streams.video:
        picture = stream.disposition & (Disposition.attached_pic | Disposition.still_image)
        # PyAV gives a stream that it has no decoder for no codec context, whatever its annotation says.
        if not picture and getattr(stream, "codec_context", None) is not None:
            _check_pixels(stream.width, stream.height, limits.max_pixels)
            # Frames may grow after the header. The decoder leaves those out, before it allocates them.
            stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
            return stream
    raise VideoError("undecodable", NO_VIDEO)


def _inspect(data: bytes, demuxer: str, limits: VideoLimits) -> None:
    """Refuse what is too long or too large without decoding: by the headers, then by each packet's time."""
    packets = 0
    first_s, last_s = math.inf, -math.inf
    with _open(data, demuxer, limits) as container:
        stream = _video_stream(container, limits)
        # Browsers' recordings state neither duration.
        announced_s = float((stream.duration or 0) * (stream.time_base or 0))
        announced_s = announced_s or (container.duration or 0) / av.time_base
        if announced_s > limits.max_duration_s:
            raise _too_long(limits)
        for packet in _packets(container, stream):
            packets += packet.size > 0
            if packet.pts is not None and packet.time_base is not None:
                time_s = float(packet.pts * packet.time_base)
                first_s, last_s = min(first_s, time_s), max(last_s, time_s)
            if packets > limits.max_frames or last_s - first_s > limits.max_duration_s:
                raise _too_long(limits)
        # MP4 and MOV say how many frames there are; a part of a sign must not be taken for the whole. AVI's count
        # is of time steps, with or without a frame.
        if demuxer == "mov" and 0 < packets < stream.frames:
            raise VideoError("undecodable", CUT_OFF)
    if packets == 0:
        raise VideoError("undecodable", NO_VIDEO)


def _packets(container: InputContainer, stream: VideoStream) -> Iterator["Packet[VideoStream]"]:
    """Packets of one stream, up to the file's end or to where it is damaged."""
    try:
        yield from container.demux(stream)
    except av.error.FFmpegError:
        return


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames in the order of presentation; a packet that cannot be decoded is left out."""
    for packet in _packets(container, stream):
        try:
            frames = packet.decode()
        except av.error.FFmpegError:
            continue
        yield from frames


def _frames(data: bytes, demuxer: str, fps: float, limits: VideoLimits) -> Iterator[Frame]:
    size: tuple[int, int] | None = None
    taken = -1  # slot of the last frame handed out
    with _open(data, demuxer, limits) as container:
        stream = _video_stream(container, limits)
        clock = _Clock(1000.0 / float(stream.guessed_rate or stream.average_rate or FALLBACK_FPS))
        for frame in _decoded(container, stream):
            # AVI stores no presentation times; those that FFmpeg makes up ignore the reordering of frames.
            stamp = frame.dts if demuxer == "avi" else frame.pts
            t_ms = clock.read(None if stamp is None else float(stamp * (frame.time_base or 0)))
            if t_ms > limits.max_duration_s * 1000:
                raise _too_long(limits)
            # Slots reach half a step to either side: a 16 fps source in whole ms still gives all its frames.
            slot = math.floor(t_ms * fps / 1000 + 0.5)
            if slot <= taken:
                continue
            size = size or _fit(frame.width * _pixel_aspect(stream), frame.height)
            taken = slot
            yield Frame(_to_rgb(frame, size), t_ms)
    if taken < 0:
        raise VideoError("undecodable", NO_VIDEO)


class _Clock:
    """Times in ms: the first is 0 and each is later than the one before, whatever the container says."""

    def __init__(self, step_ms: float) -> None:
        self._step_ms = step_ms
        self._offset_ms: float | None = None
        self._last_ms: float | None = None

    def read(self, time_s: float | None) -> float:
        """Time of the next frame. One without a time, or not after its predecessor, comes one step later."""
        t_ms = 0.0 if self._last_ms is None else self._last_ms + self._step_ms
        if time_s is not None:
            if self._offset_ms is None:
                self._offset_ms = t_ms - time_s * 1000
            stated_ms = time_s * 1000 + self._offset_ms
            if self._last_ms is None or stated_ms > self._last_ms:
                t_ms = stated_ms
            else:  # a recorder that started its clock again: what follows is shifted with it
                self._offset_ms += t_ms - stated_ms
        self._last_ms = t_ms
        return t_ms


def _to_rgb(frame: VideoFrame, size: tuple[int, int]) -> RGB:
    """Scaled and upright; `size` is (width, height) before the rotation."""
    try:
        scaled = frame.reformat(*size, format="rgb24", interpolation="AREA")
        rgb = scaled.to_ndarray().astype(np.uint8, copy=False)
    except (av.error.FFmpegError, ValueError) as error:
        raise VideoError("undecodable", NO_VIDEO) from error
    side_data = cast(Mapping[SideDataType, bytes], frame.side_data)  # PyAV's own annotation is incomplete
    if SideDataType.DISPLAYMATRIX in side_data:
        rgb = _orient(rgb, np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), np.int32))
    return np.ascontiguousarray(rgb)


def _orient(rgb: RGB, matrix: NDArray[np.int32]) -> RGB:
    """Apply the quarter turns and mirrorings of a display matrix.

    Its nine numbers are a b u, c d v, x y w: a point moves to (a x + c y, b x + d y).
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(b) > abs(a):
        rgb, flip_x, flip_y = rgb.transpose(1, 0, 2), c < 0, b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    return rgb[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def _pixel_aspect(stream: VideoStream) -> float:
    """Width / height of one pixel as it is to be shown."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 1 / MAX_STRETCH <= aspect <= MAX_STRETCH else 1.0


def _fit(width: float, height: float) -> tuple[int, int]:
    """(width, height) in whole px, scaled so that the longer side is at most `MAX_SIDE_PX`."""
    scale = min(1.0, MAX_SIDE_PX / max(width, height, 1))
    size = round(width * scale), round(height * scale)
    if min(size) < MIN_SIDE_PX:
        raise VideoError("undecodable", "The picture is too small to show a signer.")
    return size


def _check_pixels(width: int, height: int, max_pixels: int) -> None:
    if width * height > max_pixels:
        raise _too_large(max_pixels)


def _too_large(max_pixels: int) -> VideoError:
    return VideoError("too_large", f"The picture has more than {max_pixels / 1e6:.1f} million pixels.")


def _too_long(limits: VideoLimits) -> VideoError:
    return VideoError("too_long", f"The video is longer than {limits.max_duration_s:g} seconds.")
