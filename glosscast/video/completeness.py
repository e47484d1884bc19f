"""Checks that a file and its decoded frames are complete: part of a sign must not be taken for the whole."""

from array import array

import numpy as np

SEGMENT = b"\x18\x53\x80\x67"  # the element of Matroska and WebM that holds everything but the first header
MEDIA_ATOMS = {b"moov", b"moof", b"mdat"}  # the atoms of MP4 and QuickTime that a video needs
UNKNOWN_SIZE = 0xFFFFFFFF  # in the header of an AVI that was written without seeking back
MAX_LOSS_MS = 250.0  # a moment this far from every frame is lost; the shortest sign takes about half a second


def is_cut_off(data: bytes, demuxer: str) -> bool:
    """Whether a file ends before its own headers say that it does.

    The number of frames in the header of an MP4 is no measure: what an edit list cuts away counts, and is not always
    read. Browsers' recordings do not know their size when they write their header, so they are never found cut off.
    """
    end = {"mov": _mov_end, "matroska": _matroska_end, "avi": _avi_end}[demuxer](data)
    return end > len(data)


def is_whole(announced_ms: "array[float]", shown_ms: "array[float]") -> bool:
    """Whether every announced moment has a frame at most `MAX_LOSS_MS` away. Both rise.

    Single frames that are damaged, and packets that hold no frame to be shown, are no loss.
    """
    if not announced_ms:
        return True
    announced, shown = np.array(announced_ms), np.array(shown_ms)
    after = np.searchsorted(shown, announced)
    to_next = np.append(shown, np.inf)[after] - announced
    to_last = announced - np.insert(shown, 0, -np.inf)[after]
    return bool(np.minimum(to_next, to_last).max() <= MAX_LOSS_MS)


def _mov_end(data: bytes) -> int:
    """The end of the last of the `MEDIA_ATOMS`, in bytes from the start; 0 where there is none."""
    at = end = 0
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        if size == 1:  # too large for four bytes
            size = int.from_bytes(data[at + 8 : at + 16], "big")
        if size < 8:  # up to the file's end, or no atom
            break
        at += size
        if kind in MEDIA_ATOMS:
            end = at
    return end


def _matroska_end(data: bytes) -> int:
    """The end of the segment, in bytes from the start; 0 where it is not given."""
    header, start = _vint(data, 4)
    if header is None or data[start + header : start + header + 4] != SEGMENT:
        return 0
    size, start = _vint(data, start + header + 4)
    return 0 if size is None else start + size


def _vint(data: bytes, at: int) -> tuple[int | None, int]:
    """A size as Matroska writes it, None for one that is not known, and the start of the measured data.

    The leading zeros of the first byte say how many bytes follow it; all ones stand for "not known".
    """
    length = 9 - data[at : at + 1].rjust(1, b"\0")[0].bit_length()
    mask = (1 << 7 * length) - 1
    value = int.from_bytes(data[at : at + length], "big") & mask
    return None if value == mask else value, at + length


def _avi_end(data: bytes) -> int:
    """The earliest end of the file's first chunk, in bytes from the start; 0 where it is not given."""
    size = int.from_bytes(data[4:8], "little")  # without the chunk's eight bytes of header, as some programs forget
    return 0 if size == UNKNOWN_SIZE else size
