"""The pictures of clips: `NAME.frames.zip` beside `NAME.npz`, read lazily.

The zip holds a JPEG for each frame that the .npz has keypoints of: `CLIP/FRAME.jpg`, both numbers counted from 0 in the
.npz's order. They are stored as they are, since JPEG does not get smaller. Only where each picture lies is kept in
memory, 20 bytes a frame, and no file is held open, so threads and processes may share a source.
"""

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from os import SEEK_CUR
from pathlib import Path
from typing import BinaryIO, Protocol
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import cv2
import numpy as np
from numpy.typing import NDArray

LOCAL_HEADER = 30  # bytes before the name of an entry; the last four are the lengths of the name and of what follows it
NAME = re.compile(r"(0|[1-9]\d*)/(0|[1-9]\d*)\.jpg")


class FramesError(ValueError):
    """Pictures cannot be used; the message names the file and the fault."""


def frames_path(npz: Path) -> Path:
    """The path of the pictures of an .npz file's clips."""
    return npz.with_suffix(".frames.zip")


def entry_name(clip: int, frame: int) -> str:
    """The name of a picture in the zip."""
    return f"{clip}/{frame}.jpg"


class Pictures(Protocol):
    """The pictures of one clip."""

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Frames (len(indices), size, size, 3) uint8 RGB."""


@dataclass(frozen=True, eq=False)
class FrameSource:
    """The pictures of one clip, decoded when asked for.

    Attributes:
        path: the zip.
        clip: the clip's number in it.
        size: pixels a side.
        entries: (T, 3) offset of the entry, bytes and CRC-32 of each frame's JPEG.
    """

    path: Path
    clip: int
    size: int
    entries: NDArray[np.int64]

    def read(self, indices: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Frames (len(indices), size, size, 3) uint8 RGB; one that is asked for several times is decoded once.

        Raises:
            FramesError: a picture is damaged or of another size; names the file and the entry.
        """
        wanted, places = np.unique(indices, return_inverse=True)
        try:
            with self.path.open("rb") as file:
                jpegs = [_content(file, *self.entries[i, :2].tolist()) for i in wanted]
        except OSError as error:
            raise FramesError(f"{self.path}: cannot be read: {error.strerror}") from error
        pictures = [self._decode(int(frame), jpeg) for frame, jpeg in zip(wanted, jpegs, strict=True)]
        return np.stack(pictures)[places]

    def _decode(self, frame: int, jpeg: bytes) -> NDArray[np.uint8]:
        whole = zlib.crc32(jpeg) == self.entries[frame, 2]
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR) if whole and jpeg else None
        name = f"{self.path}: {entry_name(self.clip, frame)}"
        if picture is None:
            raise FramesError(f"{name} is damaged")
        if picture.shape != (self.size, self.size, 3):
            raise FramesError(
                f"{name} is {picture.shape[1]}x{picture.shape[0]} px, and {self.size}x{self.size} are needed: "
                f"extract with --rgb {self.size}"
            )
        return np.asarray(picture[..., ::-1], np.uint8)


def open_frames(path: Path, lengths: Sequence[int], size: int) -> list[FrameSource]:
    """The pictures of all clips of an .npz file; none is decoded yet but the first.

    Args:
        path: the zip.
        lengths: frames of each clip, as the .npz has them.
        size: pixels a side that they must have.

    Raises:
        FramesError: no such file, not a zip of pictures, other clips or frames than the .npz has, or another size.
    """
    if not path.is_file():
        raise FramesError(f"{path}: no such file: extract the data set with --rgb {size}")
    try:
        with ZipFile(path) as file:
            entries = {i.filename: (i.header_offset, i.file_size, i.CRC, i.compress_type) for i in file.infolist()}
    except (BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise FramesError(f"{path}: not a readable zip file") from error
    if any(NAME.fullmatch(name) is None or kind != ZIP_STORED for name, (*_, kind) in entries.items()):
        raise FramesError(f"{path}: holds something else than stored CLIP/FRAME.jpg")
    clips = len({name.partition("/")[0] for name in entries})
    if clips != len(lengths):
        raise FramesError(f"{path}: pictures of {clips} clips, and the .npz has {len(lengths)}: extract both together")
    sources = []
    for clip, length in enumerate(lengths):
        names = [entry_name(clip, frame) for frame in range(length)]
        lacking = [name for name in names if name not in entries]
        if lacking:
            raise FramesError(f"{path}: {len(lacking)} frames of clip {clip} are missing, the first is {lacking[0]}")
        sources.append(FrameSource(path, clip, size, np.array([entries[name][:3] for name in names], np.int64)))
    if len(entries) != sum(lengths):
        raise FramesError(
            f"{path}: {len(entries)} pictures for {sum(lengths)} frames of the .npz: extract both together"
        )
    for source in sources[:1]:
        source.read(np.array([0]))
    return sources


def _content(file: BinaryIO, offset: int, size: int) -> bytes:
    """The bytes of a stored entry; its local header says how long itself is."""
    file.seek(offset)
    header = file.read(LOCAL_HEADER)
    file.seek(int.from_bytes(header[-4:-2], "little") + int.from_bytes(header[-2:], "little"), SEEK_CUR)
    return file.read(size)
