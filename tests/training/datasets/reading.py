"""Stand-ins for Holistic that worker processes can import."""

import errno
import os
import signal
from pathlib import Path

import numpy as np

from glosscast.clip import Clip
from glosscast.holistic import TrackerPool
from glosscast.keypoints import PRESENCE, SHOULDERS, Pose
from training.data import DataError
from training.datasets.item import Item
from training.datasets.keypoints import read_unseen

FPS = 30.0


def keypoints(frames: int) -> np.ndarray:
    rng = np.random.default_rng(frames)
    points = rng.uniform(0.1, 0.9, (frames, 171, 4)).astype(np.float32)
    points[..., 3] = 1
    return points


def items(folder: Path, *texts: str) -> list[Item]:
    """A clip for each text; the first is in no split."""
    made = []
    for index, text in enumerate(texts):
        path = folder / f"{index}.mp4"
        path.write_text(text)
        made.append(Item(f"c/{index}", (f"gloss{index}",), path, "train" if index else None, f"signer{index}"))
    return made


def read(item: Item, trackers: TrackerPool) -> Clip:
    """A clip of as many frames as the media file's text says.

    "bad" and "full" fail; "deadly" kills the process each time, a number with "after a death" the first time.
    """
    text, _, once = item.media.read_text().partition(" ")
    if once:
        item.media.write_text(text)
    if once or text == "deadly":
        os.kill(os.getpid(), signal.SIGKILL)
    if text == "bad":
        raise DataError(f"{item.media}: nobody in it")
    if text == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    frames = int(text)
    return Clip(np.arange(frames) * 1000.0 / FPS, keypoints(frames), 1.5)


def watch(item: Item, trackers: TrackerPool) -> Clip:
    """Keypoints of somebody in the left half of a folder's pictures; "full" stands for a folder of that name."""
    if item.media.name == "full":
        raise OSError(errno.ENOSPC, "No space left on device")
    seen = read_unseen(item, trackers)
    points = seen.keypoints.copy()
    points[:, SHOULDERS, PRESENCE] = 1.0
    points[:, Pose.LEFT_SHOULDER, :2], points[:, Pose.RIGHT_SHOULDER, :2] = (0.3, 0.4), (0.2, 0.4)
    return Clip(seen.t_ms, points, seen.aspect)
