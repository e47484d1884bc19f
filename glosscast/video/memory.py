"""Lack of memory, distinguished from damage.

FFmpeg often does not say that an allocation failed. Its H.264 decoder then calls the packet damaged, or leaves the
frame out without a word, and a whole clip would pass for a damaged or a shorter one. So whether there is memory is
found out before each step, and not from how the step failed.
"""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

from glosscast.video.limits import MIB, VideoError

HEADROOM = 64 * MIB  # memory that one step of FFmpeg may take beyond the pictures
BYTES_PER_PIXEL = 8  # of one step: two frames of ten bits and full colour resolution, or four of the usual kind

OUT_OF_MEMORY = "There is not enough memory to decode this; send it with a smaller picture."


@contextmanager
def naming_lack_of_memory() -> Iterator[None]:
    """Turn a MemoryError of Python, NumPy, Pillow or FFmpeg (`av.error.MemoryError` is one, too) into a VideoError.

    Raises:
        VideoError: "out_of_memory".
    """
    try:
        yield
    except MemoryError as error:
        raise VideoError("out_of_memory", OUT_OF_MEMORY) from error


def require_memory(pixels: int = 0) -> None:
    """See that there is room for the next step on frames of so many pixels.

    The room is asked of the kernel and given back untouched, which takes some microseconds.

    Raises:
        MemoryError: there is not.
    """
    try:
        mmap.mmap(-1, HEADROOM + BYTES_PER_PIXEL * pixels, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS).close()
    except OSError as error:
        raise MemoryError from error
