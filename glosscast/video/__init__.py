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

from glosscast.video.frames import Frame, decode_video
from glosscast.video.limits import (
    DEFAULT_LIMITS,
    MAX_SIDE_PX,
    MIB,
    MIN_SIDE_PX,
    VideoError,
    VideoErrorCode,
    VideoLimits,
)
from glosscast.video.memory import OUT_OF_MEMORY
from glosscast.video.pictures import RGB, decode_image
from glosscast.video.timing import TimedFrames

__all__ = [
    "DEFAULT_LIMITS",
    "MAX_SIDE_PX",
    "MIB",
    "MIN_SIDE_PX",
    "OUT_OF_MEMORY",
    "RGB",
    "Frame",
    "TimedFrames",
    "VideoError",
    "VideoErrorCode",
    "VideoLimits",
    "decode_image",
    "decode_video",
]
