"""Keypoints of video files: of one, or of many in several processes."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import connection, get_context, parent_process
from pathlib import Path
from time import perf_counter
from typing import TypeVar

from glosscast.bundle import Bundle
from glosscast.clip import Clip
from glosscast.crop import CropSpec, SignerCrop
from glosscast.holistic import (
    FULL,
    Effort,
    ExtractorError,
    ModelError,
    Tracker,
    TrackerPool,
    chosen,
    extract,
    mismatch,
    new_tracker,
    quiet_native_logs,
)
from glosscast.video import TimedFrames, VideoError, decode_video

AHEAD = 2  # clips that wait for each process, so that it never waits for one

ItemT = TypeVar("ItemT")


@dataclass(frozen=True)
class Unusable:
    """Why a file gives no clip, for programs and for people."""

    code: str
    reason: str


@dataclass(frozen=True, eq=False)
class Recording:
    """A clip that was read, and the times in s that its steps took."""

    clip: Clip
    decode_s: float
    keypoints_s: float


Read = Callable[[Path, float], Recording | Unusable]  # a video file, at so many frames a second


def usable_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def keypoints_of(path: Path, fps: float, crop: CropSpec | None = None, effort: Effort = FULL) -> Recording:
    """Keypoints of a video file, with all cores, and what a model that looks at pictures sees.

    Args:
        path: of the file.
        fps: frames a second that are looked at.
        crop: of the pictures; None where they are not wanted.
        effort: see `new_tracker`.

    Raises:
        VideoError: the file cannot be used.
        OSError: the file cannot be read.
    """
    with quiet_native_logs():
        tracker = new_tracker(effort=effort, threads=os.cpu_count() or 1)
        try:
            return _recording(path, fps, tracker, crop)
        finally:
            tracker.close()


def read_here(path: Path, fps: float, crop: CropSpec | None = None, effort: Effort = FULL) -> Recording | Unusable:
    """Read a clip in this process, with all cores; see `keypoints_of`."""
    return _attempt(lambda: keypoints_of(path, fps, crop, effort))


def read_in_worker(path: Path, fps: float, crop: CropSpec | None = None, effort: Effort = FULL) -> Recording | Unusable:
    """Read a clip in one of several processes, each with one tracker; see `keypoints_of`."""

    def read() -> Recording:
        with _trackers(effort).lease() as tracker:
            return _recording(path, fps, tracker, crop)

    return _attempt(read)


def _recording(path: Path, fps: float, tracker: Tracker, crop: CropSpec | None) -> Recording:
    began = perf_counter()
    frames = TimedFrames(decode_video(path, fps))
    clip = extract(frames, tracker, None if crop is None else SignerCrop(crop))
    return Recording(clip, frames.seconds, perf_counter() - began - frames.seconds)


def read_all(
    items: Iterable[tuple[ItemT, Path]], fps: float, workers: int, read: Read = read_in_worker
) -> Generator[tuple[ItemT, Recording | Unusable], None, None]:
    """Read clips in several processes, and yield each as it is done; an item is taken when a process is free for it.

    Raises:
        BrokenProcessPool: a process was killed, for one because memory was short.
    """
    # MediaPipe's threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), _begin)
    waiting: dict[Future[Recording | Unusable], ItemT] = {}
    try:
        for item, path in items:
            waiting[pool.submit(read, path, fps)] = item
            if len(waiting) >= workers * AHEAD:
                yield from _done(waiting)
        while waiting:
            yield from _done(waiting)
    finally:
        pool.shutdown(cancel_futures=True)


def _done(waiting: dict[Future[Recording | Unusable], ItemT]) -> list[tuple[ItemT, Recording | Unusable]]:
    done, _ = wait(waiting, return_when=FIRST_COMPLETED)
    return [(waiting.pop(future), future.result()) for future in list(waiting) if future in done]


def warn_of_extractor(bundle: Bundle) -> None:
    """Say on stderr if the extractor differs from the one that a bundle learned from, with unknown effect."""
    trained = bundle.manifest.keypoints
    if (other := mismatch(trained.extractor, trained.models, chosen())) and not other.measured:
        print(f"bundle {bundle.id} was {other.text}", file=sys.stderr)


def _attempt(read: Callable[[], Recording]) -> Recording | Unusable:
    try:
        return read()
    except VideoError as error:
        return Unusable(error.code, str(error))
    except OSError as error:
        return Unusable("unreadable", error.strerror or str(error))
    except (ExtractorError, ModelError):
        raise  # they are about every clip
    except (ValueError, RuntimeError) as error:  # no frame; a tracker that broke
        return Unusable("undecodable", str(error))


@cache
def _trackers(effort: Effort) -> TrackerPool:
    """This process's one tracker; the pool resets it between clips and replaces it when it breaks."""
    return TrackerPool(1, partial(new_tracker, effort=effort, threads=1))


def _begin() -> None:
    """Prepare a process: Ctrl-C is for the one that started it, without which it ends; native code writes nothing."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None  # this is a process of a pool

    def end_with_parent() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    threading.Thread(target=end_with_parent, daemon=True).start()
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)
