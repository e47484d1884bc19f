"""Clips from .npz files, signer-independent splits and balanced sampling."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import FACE_INDICES, POSE, PRESENCE, assemble
from training.config import DataConfig, SetConfig

ARRAYS = ("pose", "left_hand", "right_hand", "gloss", "signer")


class DataError(ValueError):
    """A data file is not what it should be; the message names the file and what is wrong."""


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled clip."""

    clip: Clip
    gloss: str
    signer: str
    share: float = 1.0


def load_npz(path: Path, fps: float, aspect: float) -> list[Example]:
    """Read clips of Holistic keypoints: `pose`, `left_hand`, `right_hand`, optionally `face`, `gloss`, `signer`.

    Args:
        path: an .npz file of arrays (N, T, points, coordinates) in image coordinates.
        fps: frame rate of the clips.
        aspect: frame width / height.

    Raises:
        DataError: missing file, not an .npz, missing arrays, wrong shapes or face points.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file")
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (ValueError, OSError, EOFError, TypeError, AttributeError, BadZipFile) as error:
        raise DataError(f"{path}: not a readable .npz file") from error
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise DataError(f"{path}: no array named {', '.join(missing)}")
    if "face" in arrays and tuple(arrays.get("face_indices", FACE_INDICES).tolist()) != FACE_INDICES:
        raise DataError(f"{path}: face_indices are not those of the keypoint layout")
    try:
        keypoints = assemble(arrays["pose"], arrays["left_hand"], arrays["right_hand"], arrays.get("face"))
    except (ValueError, IndexError) as error:
        raise DataError(f"{path}: part shapes do not fit the keypoint layout") from error
    if keypoints.shape[1] == 0:
        raise DataError(f"{path}: its clips have no frames")
    if len(arrays["gloss"]) != len(keypoints) or len(arrays["signer"]) != len(keypoints):
        raise DataError(f"{path}: gloss, signer and keypoints differ in length")
    t_ms = np.arange(keypoints.shape[1]) * (1000.0 / fps)
    return [
        Example(Clip(t_ms, points, aspect), str(gloss), str(signer))
        for points, gloss, signer in zip(keypoints, arrays["gloss"], arrays["signer"], strict=True)
    ]


def load_sets(config: DataConfig, folder: Path) -> list[Example]:
    """All clips of a config's sets, with aliases applied, known faults left out and clips without a signer dropped."""
    examples: list[Example] = []
    for source in config.sets:
        for example in load_npz(folder / source.file, source.fps, source.aspect):
            gloss = _rename(example.gloss, source, config.vocabulary)
            left_out = source.leave_out.get(example.signer, ())
            if gloss in left_out or not _has_signer(example.clip):
                continue
            if gloss in config.vocabulary or config.distractors:
                examples.append(Example(example.clip, gloss, example.signer, source.share))
    return examples


def _rename(gloss: str, source: SetConfig, vocabulary: Sequence[str]) -> str:
    renamed = source.alias.get(gloss, gloss)
    if renamed in vocabulary and (not source.prefix or gloss in source.alias):
        return renamed
    return source.prefix + gloss


def _has_signer(clip: Clip) -> bool:
    return bool((clip.keypoints[:, POSE, PRESENCE] > 0).any())


def split_by_signer(examples: Sequence[Example], held_out: Sequence[str]) -> tuple[list[Example], list[Example]]:
    """Clips of signers to train on, and clips of the held-out signers.

    Raises:
        DataError: a held-out signer does not occur, so the split would not be what the config says.
    """
    unknown = set(held_out) - {e.signer for e in examples}
    if unknown:
        raise DataError(f"held-out signers not in the data: {', '.join(sorted(unknown))}")
    train = [e for e in examples if e.signer not in held_out]
    return train, [e for e in examples if e.signer in held_out]


def classes_of(examples: Sequence[Example], vocabulary: Sequence[str]) -> tuple[str, ...]:
    """The vocabulary, then the distractor glosses in alphabetical order."""
    return (*vocabulary, *sorted({e.gloss for e in examples} - set(vocabulary)))


def draw_weights(examples: Sequence[Example], vocabulary: Sequence[str]) -> NDArray[np.float64]:
    """Drawing probability of each clip: signers of a gloss count alike, however many clips each gave.

    A gloss counts by the square root of its number of signers, so that common ones are seen more without drowning the
    rest. Distractors count half.
    """
    clips = Counter((e.gloss, e.signer) for e in examples)
    signers = Counter(gloss for gloss, _ in clips)
    weight = np.array(
        [
            e.share * (1.0 if e.gloss in vocabulary else 0.5) / (np.sqrt(signers[e.gloss]) * clips[e.gloss, e.signer])
            for e in examples
        ]
    )
    return np.asarray(weight / weight.sum())


def batches(
    weights: NDArray[np.float64], clips: int, batch: int, rng: np.random.Generator
) -> Iterator[NDArray[np.intp]]:
    """Indices of an epoch's batches.

    Drawing is systematic: a clip comes up as often as its weight says, plus or minus one, not by luck alone.
    """
    positions = (rng.random() + np.arange(clips)) / clips
    order = rng.permutation(len(weights))
    drawn = order[np.minimum(np.searchsorted(np.cumsum(weights[order]), positions), len(weights) - 1)]
    drawn = rng.permutation(drawn)
    for start in range(0, clips - batch + 1, batch):
        yield drawn[start : start + batch]
