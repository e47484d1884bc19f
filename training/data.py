"""Clips from .npz files, signer-independent splits and balanced sampling."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import blake2b
from pathlib import Path
from typing import NamedTuple
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.holistic import UNSTATED
from glosscast.keypoints import FACE_INDICES, POSE, PRESENCE, assemble
from training.config import DataConfig, Role, SetConfig
from training.frames import Pictures, frames_path, open_frames
from training.model import ModelConfig

PARTS = ("pose", "left_hand", "right_hand")
ARRAYS = (*PARTS, "gloss", "signer")


class DataError(ValueError):
    """A data file is not what it should be; the message names the file and what is wrong."""


@dataclass(frozen=True, eq=False)
class Example:
    """A labelled clip.

    Attributes:
        clip: its keypoints.
        gloss: what is signed; all of it, joined by spaces, where `sentence` is given.
        signer: by whom.
        share: how often it is drawn, relative to others.
        frames: its pictures, one for each frame, where a model looks at them.
        sentence: the glosses of a clip that shows several, in order.
        extractor: what found the keypoints.
    """

    clip: Clip
    gloss: str
    signer: str
    share: float = 1.0
    frames: Pictures | None = None
    sentence: tuple[str, ...] = ()
    extractor: str = UNSTATED

    @property
    def glosses(self) -> tuple[str, ...]:
        """What is signed, in order."""
        return self.sentence or (self.gloss,)


def load_npz(path: Path, fps: float, aspect: float) -> list[Example]:
    """Read clips of Holistic keypoints: `pose`, `left_hand`, `right_hand`, optionally `face`, `gloss`, `signer`.

    A file may also say its `fps`, and for each clip its `aspect`, what found its keypoints (`extractor`) and its length
    in `frames`; what follows is padding.

    Args:
        path: an .npz file of arrays (N, T, points, coordinates) in image coordinates.
        fps: frame rate of the clips, where the file does not say.
        aspect: frame width / height, likewise.

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
    _check_arrays(path, arrays)
    pose, left, right = (arrays[part].astype(np.float32) for part in PARTS)
    keypoints = assemble(pose, left, right, arrays.get("face"))
    finite = np.isfinite(keypoints).all(axis=(1, 2, 3))
    if not finite.all():
        raise DataError(f"{path}: clip {int(np.argmin(finite))} holds NaN or infinity")
    t_ms = np.arange(keypoints.shape[1]) * (1000.0 / float(arrays.get("fps", np.array(fps))))
    aspects = arrays.get("aspect", np.full(len(keypoints), aspect))
    frames = arrays.get("frames", np.full(len(keypoints), len(t_ms)))
    extractors = arrays.get("extractor", np.full(len(keypoints), UNSTATED))
    return [
        Example(Clip(t_ms[:length], points[:length], float(width)), str(gloss), str(signer), extractor=str(found_by))
        for points, gloss, signer, width, length, found_by in zip(
            keypoints, arrays["gloss"], arrays["signer"], aspects, frames, extractors, strict=True
        )
    ]


def _check_arrays(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """Every array is there, with the kind and shape that the layout needs."""
    missing = [name for name in ARRAYS if name not in arrays]
    if missing:
        raise DataError(f"{path}: no array named {', '.join(missing)}")
    labels = [arrays[name] for name in ("gloss", "signer", "extractor") if name in arrays]
    if any(array.ndim != 1 or array.dtype.kind != "U" for array in labels):
        raise DataError(f"{path}: gloss, signer and extractor must be lists of text")
    points = {name: arrays[name] for name in (*PARTS, "face") if name in arrays}
    if any(array.dtype.kind not in "fiu" for array in points.values()):
        raise DataError(f"{path}: {', '.join(points)} must be numbers")
    shapes = {"pose": [(33, 4)], "left_hand": [(21, 3)], "right_hand": [(21, 3)], "face": [(96, 2), (96, 3)]}
    for name, array in points.items():
        if array.ndim != 4 or array.shape[2:] not in shapes[name] or array.shape[1] != arrays["pose"].shape[1]:
            raise DataError(f"{path}: {name} is {array.shape}; part shapes are (clips, frames, points, coordinates)")
    if points["pose"].shape[1] == 0:
        raise DataError(f"{path}: its clips have no frames")
    if len({len(array) for array in (*labels, *points.values())}) != 1:
        raise DataError(f"{path}: gloss, signer, extractor and keypoints differ in length")
    _check_timing(path, arrays)
    indices = arrays.get("face_indices", np.array(FACE_INDICES))
    if "face" in arrays and not np.array_equal(indices, np.array(FACE_INDICES)):
        raise DataError(f"{path}: face_indices are not those of the keypoint layout")


def _check_timing(path: Path, arrays: Mapping[str, NDArray[np.generic]]) -> None:
    """What a file says of its frames makes sense."""
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


def load_sets(
    config: DataConfig, folder: Path, model: ModelConfig | None = None, role: Role = "train"
) -> list[Example]:
    """All clips of a config's sets of one role, with aliases applied and known faults left out.

    Clips without a signer are dropped where the model works on keypoints, and all have pictures where it has an rgb
    stream.

    Args:
        config: the sets.
        folder: where their files are.
        model: what they are for; None is for a model of keypoints.
        role: which of the sets.

    Raises:
        DataError: a file cannot be used, or the config names a gloss or signer that its set does not have.
        FramesError: the pictures are missing or do not belong to the clips.
    """
    examples: list[Example] = []
    for source in config.sets:
        if source.role != role:
            continue
        loaded = load_npz(folder / source.file, source.fps, source.aspect)
        if not all(_glosses(example, source) for example in loaded):
            raise DataError(f"{source.file}: a sentence has no glosses")
        _check_names(source, loaded)
        if model is not None and model.frame_size is not None:
            loaded = with_frames(loaded, frames_path(folder / source.file), model.frame_size)
        for example in loaded:
            glosses = [_rename(gloss, source) for gloss in _glosses(example, source)]
            left_out = source.leave_out.get(example.signer, ())
            if not set(glosses).isdisjoint(left_out):
                continue
            if (model is None or model.needs_signer) and not _has_signer(example.clip):
                continue
            if config.distractors or set(glosses) <= set(config.vocabulary):
                sentence = tuple(glosses) if source.sentences else ()
                examples.append(replace(example, gloss=" ".join(glosses), share=source.share, sentence=sentence))
    return examples


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


def _glosses(example: Example, source: SetConfig) -> list[str]:
    """What a clip shows, as the file calls it."""
    return example.gloss.split() if source.sentences else [example.gloss]


def _check_names(source: SetConfig, examples: Sequence[Example]) -> None:
    """A misspelt name would change nothing and go unnoticed."""
    glosses, signers = {g for e in examples for g in _glosses(e, source)}, {e.signer for e in examples}
    renamed = {_rename(gloss, source) for gloss in glosses}
    for what, named, known in (
        ("alias of gloss", set(source.alias), glosses),
        ("leave_out of signer", set(source.leave_out), signers),
        ("leave_out of gloss", {g for left in source.leave_out.values() for g in left}, renamed),
    ):
        if named - known:
            raise DataError(f"{source.file}: {what} {', '.join(sorted(named - known))}: not in the file")


def _rename(gloss: str, source: SetConfig) -> str:
    return source.alias.get(gloss, source.prefix + gloss)


def _has_signer(clip: Clip) -> bool:
    return bool((clip.keypoints[:, POSE, PRESENCE] > 0).any())


class Split(NamedTuple):
    """Clips to learn from, clips whose score is watched, and clips that training never touches."""

    train: list[Example]
    dev: list[Example]
    test: list[Example]


def load_split(config: DataConfig, folder: Path, model: ModelConfig | None = None) -> Split:
    """The clips of a config's sets by role, without the held-out signers; `dev_signers` go from training to dev.

    Raises:
        DataError: as `load_sets`; a held-out or dev signer does not occur; nothing is left of a role that has sets or
            signers; or a signer is in training and in dev or test without `shared_signers`.
    """
    seen, _ = split_by_signer(load_sets(config, folder, model), config.held_out)
    train, of_signers = split_by_signer(seen, config.dev_signers, "dev signers")
    dev = [*of_signers, *(e for e in load_sets(config, folder, model, "dev") if e.signer not in config.held_out)]
    split = Split(train, dev, load_sets(config, folder, model, "test"))
    roles = {source.role for source in config.sets} | ({"dev"} if config.dev_signers else set())
    for role, examples in split._asdict().items():
        if role in roles and not any(set(e.glosses) & set(config.vocabulary) for e in examples):
            raise DataError(f"no clip with a gloss of the vocabulary is left for {role}")
        shared = {e.signer for e in examples} & {e.signer for e in train}
        if role != "train" and shared and not config.shared_signers:
            raise DataError(f"signers both in train and in {role}: {', '.join(sorted(shared))} (see shared_signers)")
    return split


def fingerprint(examples: Sequence[Example]) -> str:
    """A hash of clips, their labels and their order."""
    digest = blake2b(digest_size=16)
    for e in examples:
        label = (e.gloss, e.signer, e.share, e.clip.aspect, e.clip.keypoints.shape)
        digest.update(repr(label).encode())
        digest.update(e.clip.t_ms.tobytes())
        digest.update(e.clip.keypoints.tobytes())
    return digest.hexdigest()


def split_by_signer(
    examples: Sequence[Example], held_out: Sequence[str], called: str = "held-out signers"
) -> tuple[list[Example], list[Example]]:
    """Clips of signers to train on, and clips of the held-out signers; `called` names those in errors.

    Raises:
        DataError: a held-out signer does not occur, so the split would not be what the config says.
    """
    unknown = set(held_out) - {e.signer for e in examples}
    if unknown:
        raise DataError(f"{called} not in the data: {', '.join(sorted(unknown))}")
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
