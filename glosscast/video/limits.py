"""The limits of videos and pictures, and the error that gives the reason why one cannot be used."""

from dataclasses import dataclass
from typing import Literal

VideoErrorCode = Literal["unsupported_media", "undecodable", "too_long", "too_large", "out_of_memory"]

MIB = 1024 * 1024  # bytes
MAX_SIDE_PX = 640  # longer side of a frame handed out; Holistic finds as many hands at 640 px as at 854
MIN_SIDE_PX = 16  # shorter side; nothing to see below, and a frame without pixels breaks MediaPipe for good


class VideoError(ValueError):
    """A video or image cannot be used. The message is a sentence for the person who sent it.

    Attributes:
        code: "unsupported_media" (not one of our formats), "undecodable" (one of them, but empty or damaged),
            "too_long", "too_large", or "out_of_memory" (nothing is known to be wrong with it).
    """

    def __init__(self, code: VideoErrorCode, message: str) -> None:
        super().__init__(message)
        self.code: VideoErrorCode = code


@dataclass(frozen=True)
class VideoLimits:
    """The limits of a video.

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


def fit(width: float, height: float) -> tuple[int, int]:
    """(width, height) in whole px, scaled so that the longer side is at most `MAX_SIDE_PX`.

    Raises:
        VideoError: "undecodable", where the shorter side would then be under `MIN_SIDE_PX`.
    """
    scale = min(1.0, MAX_SIDE_PX / max(width, height, 1))
    size = round(width * scale), round(height * scale)
    if min(size) < MIN_SIDE_PX:
        raise VideoError("undecodable", "The picture is too small to show a signer.")
    return size


def check_pixels(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture of more than `max_pixels`.

    Raises:
        VideoError: "too_large".
    """
    if width * height > max_pixels:
        raise too_large(max_pixels)


def too_large(max_pixels: int) -> VideoError:
    """The error for a picture of more than `max_pixels`."""
    return VideoError("too_large", f"The picture has more than {max_pixels / 1e6:.1f} million pixels.")


def too_long(limits: VideoLimits) -> VideoError:
    """The error for a video that lasts longer than the limit."""
    return VideoError("too_long", f"The video is longer than {limits.max_duration_s:g} seconds.")
