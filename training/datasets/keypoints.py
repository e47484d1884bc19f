"""An item -> keypoints: Holistic over its pictures, or a conversion where it holds landmarks already."""

from collections.abc import Iterator

import numpy as np

from glosscast.clip import Clip
from glosscast.holistic import TrackerPool, extract
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.video import MIB, Frame, VideoLimits, decode_image, decode_video
from training.data import DataError
from training.datasets.item import PICTURES, Item, frame_paths
from training.datasets.kaggle_islr import read_landmarks
from training.datasets.pose_file import read_pose_file

LANDMARKS = frozenset({".parquet", ".pose"})
FPS = 30.0  # at most: Holistic's smoothing takes frames to be 33 ms apart
# Files of your own may be long: MS-ASL cuts its clips out of whole YouTube videos.
LIMITS = VideoLimits(max_bytes=2048 * MIB, max_duration_s=7200.0, max_frames=7200 * 60)


def read_clip(item: Item, trackers: TrackerPool) -> Clip:
    """Keypoints of an item, at the rate of its source or 30 frames a second, whichever is less.

    Args:
        item: a clip of a data set.
        trackers: one is taken where there are pictures to look at.

    Raises:
        DataError: the landmark file is malformed, or no frame lies between start and end.
        VideoError: the video or a picture cannot be decoded.
        RuntimeError: the tracker broke.
        OSError: a file cannot be read.
    """
    suffix = item.media.suffix.lower()
    if suffix == ".parquet":
        return read_landmarks(item.media)
    if suffix == ".pose":
        return read_pose_file(item.media)
    try:
        with trackers.lease() as tracker:
            return extract(read_frames(item), tracker)
    except ValueError as error:
        raise DataError(f"{item.media}: {error}") from error


def read_unseen(item: Item, trackers: TrackerPool) -> Clip:
    """The times of an item's pictures, with every keypoint missing; takes no tracker. For models of pixels alone.

    Raises:
        DataError: the item holds landmarks and no pictures, or no frame lies between start and end.
        VideoError: the video or a picture cannot be decoded.
        OSError: a file cannot be read.
    """
    times = []
    aspect = 1.0
    for frame in read_frames(item):
        times.append(frame.t_ms)
        aspect = frame.rgb.shape[1] / frame.rgb.shape[0]
    if not times:
        raise DataError(f"{item.media}: a clip needs at least one frame")
    return Clip(np.array(times), np.zeros((len(times), POINTS, CHANNELS), np.float32), aspect)


def read_frames(item: Item) -> Iterator[Frame]:
    """The pictures of an item, at the rate of its source or 30 frames a second, whichever is less.

    Raises:
        DataError: the item holds landmarks.
        VideoError: the video or a picture cannot be decoded.
        OSError: a file cannot be read.
    """
    suffix = item.media.suffix.lower()
    if suffix in LANDMARKS:
        raise DataError(f"{item.media}: holds landmarks and no pictures")
    return _pictures(item) if item.media.is_dir() or suffix in PICTURES else _stretch(item)


def _pictures(item: Item) -> Iterator[Frame]:
    """The pictures of a folder at the item's rate, or the one picture that the item is."""
    for index, path in enumerate(frame_paths(item.media) or [item.media]):
        yield Frame(decode_image(path.read_bytes()), index * 1000.0 / (item.fps or FPS))


def _stretch(item: Item) -> Iterator[Frame]:
    """A video's frames from start to end."""
    end_ms = float("inf") if item.end_s is None else item.end_s * 1000
    for frame in decode_video(item.media, FPS, LIMITS):
        if frame.t_ms >= end_ms:
            return
        if frame.t_ms >= item.start_s * 1000:
            yield frame
