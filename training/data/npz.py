"""Clips from .npz files of Holistic keypoints, with their pictures where a model looks at them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.holistic import UNSTATED
from glosscast.keypoints import FACE_INDICES, Pose, assemble
from training.data.example import DataError, Example
from training.data.frames import open_frames

PARTS = ("pose", "left_hand", "right_hand")
ARRAYS = (*PARTS, "gloss", "signer")
# Where the shoulders of a set of hands alone are taken to be, in shares of the frame: as wide apart as three lengths of
# the hands from wrist to middle knuckle where hands fill the frame, as such sets have them.
MADE_UP = {Pose.LEFT_SHOULDER: (0.725, 0.6), Pose.RIGHT_SHOULDER: (0.275, 0.6)}
SAID = {
    "extractor": UNSTATED,
    "source": "",
    "language": "",
    "licence": "",
}  # of each clip, with what stands where a file does not say


def load_npz(path: Path, fps: float, aspect: float, hands_only: bool = False) -> list[Example]:
    """Read clips of Holistic keypoints: `pose`, `left_hand`, `right_hand`, optionally `face`, `gloss`, `signer`.

    A file may also say its `fps`, and for each clip its `aspect`, what found its keypoints (`extractor`), where it is
    from (`source`), its sign `language`, its `licence` and its length in `frames`; what follows is padding.

    Args:
        path: an .npz file of arrays (N, T, points, coordinates) in image coordinates.
        fps: frame rate of the clips, where the file does not say.
        aspect: frame width / height, likewise.
        hands_only: the file has no `pose`. All clips get the same shoulders (`MADE_UP`), so that place and size of the
            hands are those in the frame.

    Raises:
        DataError: missing file, not an .npz, missing arrays, wrong shapes, kinds or face points, NaN or infinity.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz file") from error
    if hands_only:
        arrays["pose"] = _made_up_pose(path, arrays)
    _check_arrays(path, arrays)
    pose, left, right = (arrays[part].astype(np.float32) for part in PARTS)
    keypoints = assemble(pose, left, right, arrays.get("face"))
    finite = np.isfinite(keypoints).all(axis=(1, 2, 3))
    if not finite.all():
        raise DataError(f"{path}: clip {int(np.argmin(finite))} holds NaN or infinity")
    t_ms = np.arange(keypoints.shape[1]) * (1000.0 / float(arrays.get("fps", np.array(fps))))
    aspects = arrays.get("aspect", np.full(len(keypoints), aspect))
    frames = arrays.get("frames", np.full(len(keypoints), len(t_ms)))
    clips = [Clip(t_ms[:n], k[:n], float(width)) for k, width, n in zip(keypoints, aspects, frames, strict=True)]
    labels = [arrays["gloss"], arrays["signer"]]
    labels += [arrays.get(name, np.full(len(clips), unsaid)) for name, unsaid in SAID.items()]
    return [
        Example(clip, gloss, signer, file=path.name, index=index, **dict(zip(SAID, said, strict=True)))
        for index, (clip, (gloss, signer, *said)) in enumerate(
            zip(clips, zip(*(array.tolist() for array in labels), strict=True), strict=True)
        )
    ]


def _made_up_pose(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    """The body of clips of hands alone: two shoulders that never move."""
    if "pose" in arrays:
        raise DataError(f"{path}: hands_only, but there is an array named pose")
    pose = np.zeros((*arrays.get("left_hand", np.zeros((0, 0))).shape[:2], 33, 4), np.float32)
    for point, place in MADE_UP.items():
        pose[..., point, :] = (*place, 0.0, 1.0)
    return pose


def _check_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Every array is there, with the kind and shape that the layout needs."""
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        hint = " (a set of hands alone needs hands_only = true)" if missing == ["pose"] else ""
        raise DataError(f"{path}: no array named {', '.join(missing)}{hint}")
    labels = {name: arrays[name] for name in ("gloss", "signer", *SAID) if name in arrays}
    if any(array.ndim != 1 or array.dtype.kind != "U" for array in labels.values()):
        raise DataError(f"{path}: {', '.join(labels)} must be lists of text")
    points = {name: arrays[name] for name in (*PARTS, "face") if name in arrays}
    if any(array.dtype.kind not in "fiu" for array in points.values()):
        raise DataError(f"{path}: {', '.join(points)} must be numbers")
    shapes = {"pose": [(33, 4)], "left_hand": [(21, 3)], "right_hand": [(21, 3)], "face": [(96, 2), (96, 3)]}
    for name, array in points.items():
        if array.ndim != 4 or array.shape[2:] not in shapes[name] or array.shape[1] != arrays["pose"].shape[1]:
            raise DataError(f"{path}: {name} is {array.shape}; part shapes are (clips, frames, points, coordinates)")
    if points["pose"].shape[1] == 0:
        raise DataError(f"{path}: its clips have no frames")
    if len({len(array) for array in (*labels.values(), *points.values())}) != 1:
        raise DataError(f"{path}: {', '.join(labels)} and keypoints differ in length")
    _check_timing(path, arrays)
    indices = arrays.get("face_indices", np.array(FACE_INDICES))
    if "face" in arrays and not np.array_equal(indices, np.array(FACE_INDICES)):
        raise DataError(f"{path}: face_indices are not those of the keypoint layout")


def _check_timing(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Check the properties that a file gives of its frames."""
    clips, most = arrays["pose"].shape[:2]
    for name, shape, highest in (("fps", (), np.inf), ("aspect", (clips,), np.inf), ("frames", (clips,), most)):
        values = arrays.get(name)
        if values is None:
            continue
        if values.shape != shape or values.dtype.kind not in ("iu" if name == "frames" else "fiu"):
            raise DataError(f"{path}: {name} must be {'one number' if not shape else 'a number for each clip'}")
        numbers = values.astype(np.float64)
        if not (np.isfinite(numbers) & (numbers > 0) & (numbers <= highest)).all():
            raise DataError(f"{path}: {name} must be above 0, and frames no more than a clip has")


def with_frames(examples: Sequence[Example], path: Path, size: int) -> list[Example]:
    """All clips of one .npz file with their pictures.

    Args:
        examples: as `load_npz` gives them.
        path: the zip beside it.
        size: pixels a side that the pictures must have.

    Raises:
        FramesError: the pictures are missing or do not belong to the clips.
    """
    sources = open_frames(path, [len(e.clip.t_ms) for e in examples], size)
    return [replace(example, frames=source) for example, source in zip(examples, sources, strict=True)]
