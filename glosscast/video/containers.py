"""Container files: their format, whether they are complete, and the properties of their packets."""

import io
import math
from array import array
from collections.abc import Iterator
from pathlib import Path

import av
import av.error
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from glosscast.video.completeness import is_cut_off
from glosscast.video.limits import MIB, VideoError, VideoLimits, check_pixels, too_long
from glosscast.video.memory import require_memory

EBML_MAGIC = b"\x1a\x45\xdf\xa3"  # Matroska and WebM
MOV_ATOMS = {b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot"}  # MP4 and QuickTime open with one
# HEIF and AVIF pictures share MP4's container; these are their major brands.
PICTURE_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1", b"avif", b"avis"}
# FFmpeg would take a thread for each core. Each takes address space, with AV1 also frames of its own: 1.5 GB for 4K and
# 16 threads, instead of 0.4. Most clips have neither slices nor tiles that threads could share.
THREADS = 1

NO_VIDEO = "The file holds no video that can be decoded; it may be damaged or incomplete."
CUT_OFF = "The file is cut off: its end is missing."


def read_file(source: bytes | Path, limits: VideoLimits) -> bytes:
    """The content of a file, or the content given.

    Raises:
        VideoError: "too_large".
        OSError: the file cannot be read.
    """
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(limits.max_bytes + 1)
    if len(source) > limits.max_bytes:
        raise VideoError("too_large", f"The file is larger than {limits.max_bytes / MIB:g} MiB.")
    return source


def demuxer_of(data: bytes) -> str:
    """FFmpeg's name of the demuxer, from the file's first bytes.

    FFmpeg never detects the format by itself, since the formats that it detects include playlists, which may name other
    files and addresses.

    Raises:
        VideoError: "unsupported_media", or "undecodable" for an empty file.
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


def open_container(data: bytes, demuxer: str, limits: VideoLimits) -> InputContainer:
    """The opened file; close it.

    Raises:
        VideoError: "undecodable".
        MemoryError: there is too little memory.
    """
    # FFmpeg may decode a frame while it opens a file, before we can look at its size. The limit it gets is
    # above ours: a size that FFmpeg rejects is lost, and we could not say that the frame is too large.
    options = {"max_pixels": str(8 * limits.max_pixels)}
    require_memory()
    try:
        return av.open(io.BytesIO(data), mode="r", format=demuxer, options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except av.error.FFmpegError as error:
        raise VideoError("undecodable", NO_VIDEO) from error


def video_stream(container: InputContainer, limits: VideoLimits) -> VideoStream:
    """The first stream of moving pictures: audio files carry their cover as a video stream too.

    Raises:
        VideoError: "undecodable" where there is none, "too_large" where its pictures are.
    """
    for stream in container.streams.video:
        picture = stream.disposition & (Disposition.attached_pic | Disposition.still_image)
        # PyAV gives a stream that it has no decoder for no codec context, whatever its annotation says.
        if not picture and getattr(stream, "codec_context", None) is not None:
            check_pixels(stream.width, stream.height, limits.max_pixels)
            # Frames may grow after the header. The decoder leaves those out, before it allocates them.
            stream.codec_context.options = {"max_pixels": str(limits.max_pixels)}
            stream.codec_context.thread_count = THREADS
            return stream
    raise VideoError("undecodable", NO_VIDEO)


def packets_of(container: InputContainer, stream: VideoStream) -> Iterator["Packet[VideoStream]"]:
    """Packets of one stream, up to the file's end or to where it is damaged.

    Raises:
        MemoryError: there is too little memory.
    """
    try:
        yield from container.demux(stream)
    except MemoryError:
        raise
    except av.error.FFmpegError:
        return


def inspect(data: bytes, demuxer: str, limits: VideoLimits) -> "array[float]":
    """Refuse a file that is too long, too large or cut off, by its headers and then by its packets' times.

    Returns:
        The times of the frames to come, in ms, rising, the first at 0; those without a time are left out.

    Raises:
        VideoError: "undecodable", "too_long" or "too_large".
        MemoryError: there is too little memory.
    """
    if is_cut_off(data, demuxer):
        raise VideoError("undecodable", CUT_OFF)
    with open_container(data, demuxer, limits) as container:
        stream = video_stream(container, limits)
        # Browsers' recordings state neither duration.
        announced_s = float((stream.duration or 0) * (stream.time_base or 0))
        announced_s = announced_s or (container.duration or 0) / av.time_base
        if announced_s > limits.max_duration_s:
            raise too_long(limits)
        count, times = _walk(container, stream, demuxer, limits)
    if count == 0:
        raise VideoError("undecodable", NO_VIDEO)
    return array("d", ((time_s - times[0]) * 1000 for time_s in times))


def _walk(
    container: InputContainer, stream: VideoStream, demuxer: str, limits: VideoLimits
) -> tuple[int, "array[float]"]:
    """The number of packets, and the times of those that are to be shown, in s and rising."""
    count = 0
    times = array("d")
    first_s = math.inf
    last_s = -math.inf
    for packet in packets_of(container, stream):
        if packet.size == 0:
            continue
        count += 1
        time_s = stamp_s(packet, demuxer)
        # Frames that an edit list removes are decoded, since shown frames depend on them, but are never shown.
        if time_s is not None and not packet.is_discard:
            times.append(time_s)
            first_s, last_s = min(first_s, time_s), max(last_s, time_s)
        if last_s - first_s > limits.max_duration_s:
            raise too_long(limits)
        if count > limits.max_frames:
            raise VideoError("too_long", f"The video has more than {limits.max_frames} frames.")
    return count, array("d", sorted(times))  # packets come in the order of decoding


def stamp_s(item: "Packet[VideoStream] | VideoFrame", demuxer: str) -> float | None:
    """The time of a packet or frame in s, where it has one.

    AVI stores no presentation times; those that FFmpeg makes up ignore the reordering of frames.
    """
    stamp = item.dts if demuxer == "avi" else item.pts
    return None if stamp is None else float(stamp * (item.time_base or 0))
