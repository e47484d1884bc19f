"""A data set -> .npz files of keypoints, one a split, in the format that training reads, and zips of pictures beside.

The keypoints of each clip go into a file of their own first, `parts/NAME.npz`, at the source's frame rate, and its
pictures into `parts/NAME.rgbSIZE.zip`. A run that was stopped goes on where it was, and another frame rate or a
corrected label needs no second extraction. Files are written under another name and renamed when they are complete, so
that a full disk or a crash leaves no half file under the final name.
"""

import errno
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import closing
from dataclasses import replace
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from urllib.parse import quote
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from glosscast.clip import Clip, resample
from glosscast.holistic import UNSTATED, TrackerPool, chosen, description, quiet_native_logs
from glosscast.keypoints import FACE, FACE_INDICES, LEFT_HAND, POSE, RIGHT_HAND, UNSEEN
from training.data import DataError
from training.data.frames import frames_path
from training.datasets.crops import join_crops, write_crops
from training.datasets.item import Item
from training.datasets.keypoints import LANDMARKS, read_clip, read_unseen
from training.runtime.files import write_arrays
from training.runtime.workers import end_with_parent

UNSPLIT = "all"  # file of clips that are in no split
UNSIGNED = "unknown"  # signer of clips that do not say
PARTS = {"pose": (POSE, 4), "left_hand": (LEFT_HAND, 3), "right_hand": (RIGHT_HAND, 3), "face": (FACE, 3)}

Read = Callable[[Item, TrackerPool], Clip]
Work = Callable[[Item], str | None]  # writes the missing parts of a clip, or returns why it cannot
Outcome = tuple[str, str | None]  # a clip's name and what its work returned
Outcomes = Generator[Outcome, None, None]
Driver = Callable[[Sequence[Item], Work, int], Outcomes]


class DiskFullError(OSError):
    """Nothing more can be written; the message says how to go on."""


def extract_all(
    items: Sequence[Item],
    out: Path,
    workers: int,
    fps: float,
    read: Read = read_clip,
    rgb: int | None = None,
    *,
    driver: Driver | None = None,
) -> tuple[list[Path], dict[str, str]]:
    """Extract the clips that have no part yet and join the parts.

    Args:
        items: clips with names of their own.
        out: folder for the results, made if it is not there.
        workers: processes, all drivers together; each takes about 400 MB and most of a CPU core.
        fps: frame rate of the joined clips.
        read: makes an item's keypoints; a module's function, since the processes import it.
        rgb: px a side of the pictures to keep; None for none.
        driver: calls the work for each item, in any order; processes of this machine where none is given.

    Returns:
        The files, one a split, and why each clip that failed did.

    Raises:
        DiskFullError: the disk is full; the finished parts stay usable.
        DataError: no clip could be read, or a part is damaged.
        OSError: `out` cannot be written to.
    """
    parts = [(item, part_path(out, item, read)) for item in items]
    for _, path in parts[:1]:
        path.parent.mkdir(parents=True, exist_ok=True)
    try:
        work = partial(_work, out=out.absolute(), read=read, rgb=rgb)
        # Absolute paths: a process on another machine has another working directory.
        todo = [replace(item, media=item.media.absolute()) for item, path in parts if not is_done(path, rgb)]
        failed = _extract(todo, work, workers, driver or in_processes)
        done = [part for part in parts if part[0].name not in failed]
        if not done:
            raise DataError(f"none of {len(items)} clips could be read: {next(iter(failed.values()), 'no clips')}")
        splits = sorted({item.split or UNSPLIT for item, _ in done})
        files = [_join([p for p in done if (p[0].split or UNSPLIT) == s], out, s, fps, rgb) for s in splits]
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        kept = sum(is_done(path, rgb) for _, path in parts)
        text = f"{out}: the disk is full. {kept} of {len(items)} clips are done and kept: make room and run this again."
        raise DiskFullError(text) from error
    return files, failed


def part_path(out: Path, item: Item, read: Read = read_clip) -> Path:
    """The path of one clip's keypoints; it differs where none were extracted, lest they count as not found."""
    return out / ("parts-unseen" if read is read_unseen else "parts") / f"{quote(item.name, safe='')}.npz"


def crops_path(part: Path, rgb: int) -> Path:
    """The path of one clip's pictures, beside its keypoints."""
    return part.with_suffix(f".rgb{rgb}.zip")


def is_done(part: Path, rgb: int | None) -> bool:
    """Whether all that is wanted of a clip is there."""
    return part.exists() and (rgb is None or crops_path(part, rgb).exists())


def in_processes(items: Sequence[Item], work: Work, workers: int) -> Outcomes:
    """The driver for one machine: a pool of processes.

    Raises:
        OSError: the disk is full.
    """
    # MediaPipe's threads do not survive a fork.
    pool = ProcessPoolExecutor(workers, get_context("spawn"), end_with_parent)
    try:
        names = {pool.submit(work, item): item.name for item in items}
        for future in as_completed(list(names)):
            yield names.pop(future), future.result()
    finally:
        pool.shutdown(cancel_futures=True)


def _extract(items: Sequence[Item], work: Work, workers: int, driver: Driver) -> dict[str, str]:
    """Write the parts; returns name -> reason of those that failed, in the order of the items."""
    if not items:
        return {}
    reasons: dict[str, str | None] = {}
    with tqdm(total=len(items), desc="extract", unit="clip") as bar, closing(driver(items, work, workers)) as outcomes:
        for name, reason in outcomes:
            reasons[name] = reason
            bar.update()
    return {item.name: reason for item in items if (reason := reasons[item.name]) is not None}


@cache
def _trackers() -> TrackerPool:
    """This process's one tracker; the pool resets it between clips and replaces it when it breaks."""
    return TrackerPool(1)


def _work(item: Item, out: Path, read: Read, rgb: int | None) -> str | None:
    return _write_part(item, part_path(out, item, read), read, rgb)


def _write_part(item: Item, path: Path, read: Read, rgb: int | None) -> str | None:
    """Extract the missing parts of one clip; returns why it failed. Only a full disk ends the run."""
    try:
        if not path.exists():
            _write_keypoints(item, path, read)
        if rgb is not None:
            write_crops(item, _read_part(path), crops_path(path, rgb), rgb)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise
        return str(error)
    except (ValueError, RuntimeError) as error:
        return str(error)
    return None


def _write_keypoints(item: Item, path: Path, read: Read) -> None:
    with quiet_native_logs():
        clip = read(item, _trackers())
    # Half precision is 0.05 % of the picture's width.
    keypoints = clip.keypoints.astype(np.float16)
    arrays: dict[str, NDArray[np.generic]] = {
        "t_ms": clip.t_ms,
        "keypoints": keypoints,
        "aspect": np.array(clip.aspect),
        "extractor": np.array(extractor_of(item, read)),
    }
    write_arrays(path, arrays)


def extractor_of(item: Item, read: Read) -> str:
    """The extractor of an item's keypoints: none where none run, MediaPipe's Holistic where the file has its own."""
    if read is read_unseen:
        return UNSEEN
    return UNSTATED if item.media.suffix.lower() in LANDMARKS else description(chosen())


def _join(parts: Sequence[tuple[Item, Path]], out: Path, split: str, fps: float, rgb: int | None) -> Path:
    """Write one split's clips at `fps`, padded at their ends to the longest: (N, T, points, coordinates)."""
    items = [item for item, _ in parts]
    sources = [_read_part(path) for _, path in parts]
    clips = [_at_rate(clip, fps) for clip in sources]
    lengths = np.array([len(clip.t_ms) for clip in clips])
    arrays: dict[str, NDArray[np.generic]] = {
        "face_indices": np.array(FACE_INDICES),
        "gloss": np.array([item.label for item in items]),
        "signer": np.array([item.signer or UNSIGNED for item in items]),
        "name": np.array([item.name for item in items]),
        "frames": lengths,
        "fps": np.array(fps),
        "aspect": np.array([clip.aspect for clip in clips]),
        "extractor": np.array([_found_by(path) for _, path in parts]),
    }
    for part, (where, coordinates) in PARTS.items():
        points = where.stop - where.start
        padded = np.zeros((len(clips), lengths.max(), points, coordinates), np.float16)
        for row, clip in zip(padded, clips, strict=True):
            row[: len(clip.t_ms)] = clip.keypoints[:, where, :coordinates]
        arrays[part] = padded
    path = out / f"{quote(split, safe='')}.npz"
    # Pictures of another run must not pass for those of these clips.
    frames_path(path).unlink(missing_ok=True)
    write_arrays(path, arrays)
    if rgb is not None:
        wanted = [
            (crops_path(part, rgb), source.t_ms - source.t_ms[0], clip.t_ms)
            for (_, part), source, clip in zip(parts, sources, clips, strict=True)
        ]
        join_crops(wanted, frames_path(path))
    return path


def _read_part(path: Path) -> Clip:
    try:
        with np.load(path, allow_pickle=False) as part:
            return Clip(part["t_ms"], part["keypoints"].astype(np.float32), float(part["aspect"]))
    except (ValueError, OSError, EOFError, KeyError, BadZipFile) as error:
        raise DataError(f"{path}: damaged; delete it and run this again") from error


def _found_by(part: Path) -> str:
    """The extractor of a part's keypoints; parts written before it was stored are from MediaPipe's package."""
    with np.load(part, allow_pickle=False) as arrays:
        return str(arrays["extractor"]) if "extractor" in arrays else UNSTATED


def _at_rate(clip: Clip, fps: float) -> Clip:
    at_ms = np.arange(0.0, clip.duration_ms + 1e-6, 1000.0 / fps)
    return Clip(at_ms, resample(clip.t_ms, clip.keypoints, clip.t_ms[0] + at_ms)[0], clip.aspect)
