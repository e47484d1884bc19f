"""Files to frames with timestamps."""

import math
from array import array
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

import av.error
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from glosscast.video.completeness import is_whole
from glosscast.video.containers import (
    NO_VIDEO,
    demuxer_of,
    inspect,
    open_container,
    packets_of,
    read_file,
    stamp_s,
    video_stream,
)
from glosscast.video.limits import DEFAULT_LIMITS, VideoError, VideoLimits, too_long
from glosscast.video.memory import naming_lack_of_memory, require_memory
from glosscast.video.pictures import RGB
from glosscast.video.scaling import Scaler

FALLBACK_FPS = 25.0  # spacing of frames without timestamps in a file that names no rate either

PART_LOST = "A part of the video cannot be decoded; it may be damaged."


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
    taken. A source slower than `fps` gives all its frames. All frames of one video have the same size.

    A video is read whole or refused. Single frames that are damaged are left out, but where more than a quarter of a
    second is lost between two frames, or before the first or after the last, the iterator ends with an error. A file
    that is cut off is refused at the call where its headers state its size; browsers' recordings, whose headers do not,
    give the frames that are there.

    Args:
        source: content of an mp4, mov, webm, mkv or avi file, or the path of one.
        fps: wanted rate, frames per second.
        limits: beyond these the video is refused.

    Returns:
        An iterator that decodes as it is read; closing or dropping it frees the decoder.

    Raises:
        VideoError: at the call for what the container tells (wrong format, no video, cut off, too long, too large);
            while iterating for what only decoding shows. At either for too little memory.
        ValueError: `fps` is not a positive number.
        OSError: the path cannot be read.
    """
    if not (math.isfinite(fps) and fps > 0):
        raise ValueError(f"fps must be positive, got {fps}")
    with naming_lack_of_memory():
        data = read_file(source, limits)
        demuxer = demuxer_of(data)
        announced_ms = inspect(data, demuxer, limits)
    return _frames(data, demuxer, fps, limits, announced_ms)


def _frames(
    data: bytes, demuxer: str, fps: float, limits: VideoLimits, announced_ms: "array[float]"
) -> Generator[Frame, None, None]:
    shown_ms = array("d")
    taken = -1  # slot of the last frame handed out
    with naming_lack_of_memory(), open_container(data, demuxer, limits) as container:
        stream = video_stream(container, limits)
        clock = _Clock(1000.0 / float(stream.guessed_rate or stream.average_rate or FALLBACK_FPS))
        scaler = Scaler(stream)
        for frame in _decoded(container, stream):
            t_ms = clock.read(stamp_s(frame, demuxer))
            if t_ms > limits.max_duration_s * 1000:
                raise too_long(limits)
            shown_ms.append(t_ms)
            # Slots reach half a step to either side: a 16 fps source in whole ms still gives all its frames.
            slot = math.floor(t_ms * fps / 1000 + 0.5)
            if slot > taken:
                taken = slot
                yield Frame(scaler.upright(frame), t_ms)
    if not shown_ms:
        raise VideoError("undecodable", NO_VIDEO)
    if not is_whole(announced_ms, shown_ms):
        raise VideoError("undecodable", PART_LOST)


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Frames in the order of presentation; a packet that cannot be decoded is left out.

    Raises:
        MemoryError: there is too little memory; no packet is left out for that.
    """
    for packet in packets_of(container, stream):
        require_memory(stream.width * stream.height)
        try:
            frames = packet.decode()
        except MemoryError:
            raise
        except av.error.FFmpegError:
            continue
        yield from frames


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
            else:  # a recorder that started its clock again: later frames are shifted with it
                self._offset_ms += t_ms - stated_ms
        self._last_ms = t_ms
        return t_ms
