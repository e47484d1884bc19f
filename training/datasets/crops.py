"""Pictures beside the keypoints: each clip's signer, cut out once, and joined into a zip a split.

A clip's pictures are decoded a second time for this, since its keypoints may be there already from another run.
"""

from collections.abc import Sequence
from pathlib import Path
from zipfile import BadZipFile, ZipFile, ZipInfo

import cv2
import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip, nearest
from glosscast.crop import CropSpec, SignerCrop
from training.data import DataError
from training.data.frames import entry_name
from training.datasets.item import Item
from training.datasets.keypoints import read_frames
from training.runtime.files import whole_file

QUALITY = 95  # of the JPEGs


def write_crops(item: Item, clip: Clip, path: Path, size: int) -> None:
    """Write a zip of an item's pictures, `0/FRAME.jpg`, at the rate of its source.

    Args:
        item: a clip of a data set.
        clip: its keypoints, one for each picture.
        path: the zip.
        size: px a side.

    Raises:
        DataError: the item holds landmarks and no pictures, or other pictures than the keypoints are of.
        VideoError: the video or a picture cannot be decoded.
        OSError: a file cannot be read or written.
    """
    crop = SignerCrop(CropSpec(size))
    count = 0
    with whole_file(path) as file, ZipFile(file, "w") as out:
        for count, frame in enumerate(read_frames(item), start=1):
            keypoints = clip.keypoints[min(count, len(clip.keypoints)) - 1]
            add(out, entry_name(0, count - 1), encode(crop(frame.rgb, keypoints)))
        if count != len(clip.t_ms):
            raise DataError(f"{item.media}: {count} pictures, and keypoints of {len(clip.t_ms)}: the file has changed")


def join_crops(parts: Sequence[tuple[Path, NDArray[np.float64], NDArray[np.float64]]], path: Path) -> None:
    """Write one split's pictures, `CLIP/FRAME.jpg`.

    Args:
        parts: for each clip the zip of its pictures, their times, and the times wanted.
        path: the zip.

    Raises:
        DataError: a clip's zip is damaged.
        OSError: a file cannot be read or written.
    """
    with whole_file(path) as file, ZipFile(file, "w") as out:
        for index, (part, t_ms, at_ms) in enumerate(parts):
            for frame, jpeg in enumerate(_pictures(part, nearest(t_ms, at_ms))):
                add(out, entry_name(index, frame), jpeg)


def _pictures(part: Path, frames: NDArray[np.intp]) -> list[bytes]:
    try:
        with ZipFile(part) as file:
            return [file.read(entry_name(0, int(frame))) for frame in frames]
    except (BadZipFile, KeyError, EOFError) as error:
        raise DataError(f"{part}: damaged; delete it and run this again") from error


def add(out: ZipFile, name: str, content: bytes) -> None:
    """Store an entry, without the time of day: the same pictures give the same file."""
    entry = ZipInfo(name)
    entry.external_attr = 0o644 << 16
    out.writestr(entry, content)


def encode(picture: NDArray[np.uint8]) -> bytes:
    """A picture (H, W, 3) uint8 RGB as a JPEG."""
    _, jpeg = cv2.imencode(".jpg", np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return jpeg.tobytes()
