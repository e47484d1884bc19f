"""Decoded frames to small upright pictures."""

from collections.abc import Mapping
from typing import cast

import av.error
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.frame import VideoFrame
from av.video.reformatter import Colorspace, VideoReformatter
from av.video.stream import VideoStream
from numpy.typing import NDArray

from glosscast.video.limits import VideoError, fit
from glosscast.video.pictures import RGB

MAX_STRETCH = 4.0  # a pixel's width / height, or its inverse; more is damage, not an old camcorder
CONVERTIBLE = {1, 2, 4, 5, 6, 7, 9}  # matrix coefficients (ITU-T H.273) that FFmpeg converts; 2 is "not stated"
QUARTERS: dict[int, tuple[int, int, int, int]] = {  # degrees counterclockwise: a, b, c, d of the display matrix
    90: (0, -1, 1, 0),
    -90: (0, 1, -1, 0),
    180: (-1, 0, 0, -1),
    -180: (-1, 0, 0, -1),
}

NO_PICTURE = "The video has pictures of a kind that cannot be decoded."


class Scaler:
    """Scales the frames of one stream to one size and turns them upright, both as its first frame says.

    FFmpeg's scaler is made once. `VideoFrame.reformat` would make one with a pool of threads for each frame, and the
    frame would keep it.

    Args:
        stream: where the frames come from; tells the shape of its pixels.
    """

    def __init__(self, stream: VideoStream) -> None:
        self._stream = stream
        self._reformatter = VideoReformatter()
        self._size: tuple[int, int] | None = None  # width, height; before the rotation
        self._matrix: tuple[int, int, int, int] | None = None

    def upright(self, frame: VideoFrame) -> RGB:
        """(H, W, 3) uint8, contiguous.

        Raises:
            VideoError: "undecodable": the picture is too small, or of a kind that cannot be converted.
            MemoryError: there is too little memory.
        """
        if self._size is None:
            self._size = fit(frame.width * _pixel_aspect(self._stream), frame.height)
            self._matrix = _display_matrix(frame)
        colours = _colorspace(frame)
        try:
            # One thread: scaling is a small part of decoding, and threads take address space.
            scaled = self._reformatter.reformat(
                frame, *self._size, "rgb24", colours, colours, interpolation="AREA", threads=1
            )
            rgb = scaled.to_ndarray().astype(np.uint8, copy=False)
        except MemoryError:
            raise
        except (av.error.FFmpegError, ValueError) as error:
            raise VideoError("undecodable", NO_PICTURE) from error
        return np.ascontiguousarray(rgb if self._matrix is None else _orient(rgb, self._matrix))


def _colorspace(frame: VideoFrame) -> Colorspace | None:
    """The colour space to read the frame in; None for the one that it states.

    FFmpeg refuses the rarer ways, some of them of HDR. Read as the usual one of HDR, their colours are a little off.
    """
    return None if frame.colorspace in CONVERTIBLE else Colorspace.BT2020


def _display_matrix(frame: VideoFrame) -> tuple[int, int, int, int] | None:
    """a, b, c and d of a frame's display matrix a b u, c d v, x y w: a point moves to (a x + c y, b x + d y).

    Looking at `side_data` makes the frame part of a cycle, so that its memory stays until Python's garbage collector
    comes by: it is for one frame of a video only.
    """
    try:
        side_data = cast(Mapping[SideDataType, bytes], frame.side_data)  # PyAV's own annotation is incomplete
    except ValueError:  # PyAV does not know all kinds of side data; without it, a mirroring is lost
        return QUARTERS.get(round(frame.rotation / 90) * 90)
    if SideDataType.DISPLAYMATRIX not in side_data:
        return None
    a, b, _, c, d = (int(value) for value in np.frombuffer(bytes(side_data[SideDataType.DISPLAYMATRIX]), np.int32)[:5])
    return a, b, c, d


def _orient(rgb: RGB, matrix: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Apply the quarter turns and mirrorings of a display matrix."""
    a, b, c, d = matrix
    if abs(b) > abs(a):
        rgb = rgb.transpose(1, 0, 2)
        flip_x = c < 0
        flip_y = b < 0
    else:
        flip_x, flip_y = a < 0, d < 0
    return rgb[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def _pixel_aspect(stream: VideoStream) -> float:
    """Width / height of one pixel as it is to be shown."""
    aspect = float(stream.sample_aspect_ratio or 1)
    return aspect if 1 / MAX_STRETCH <= aspect <= MAX_STRETCH else 1.0
