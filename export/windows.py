"""Real clips for a bundle: what `verify` compares on, and what `quantize` calibrates and is judged on."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from glosscast.bundle import Array
from glosscast.clip import cut_window
from glosscast.manifest import TensorSpec
from training.config import Config, SetConfig
from training.data import Example, load_npz, load_sets, with_frames, without_glosses
from training.data.frames import frames_path
from training.evaluation.reading import WindowedClips, window_clips

BATCH = 16  # windows at a time; 16 windows of pictures at 224 px are 77 MB
# of clips in files that neither say nor are among the sets of the model's config
FPS = 15.0
ASPECT = 4 / 3

Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]


def load_clips(path: Path, config: Config) -> list[Example]:
    """The clips of an .npz file; one of the config's sets has its glosses called and its faults left out as there.

    Raises:
        DataError: the file cannot be used.
        FramesError: the model looks at pictures, and they are missing or do not belong to the clips.
    """
    if known := known_sets(path, config):
        data = config.data.model_copy(update={"sets": known, "distractors": True})
        return load_sets(data, path.parent, config.model, known[0].role)
    examples = load_npz(path, FPS, ASPECT)
    size = config.model.frame_size
    return examples if size is None else with_frames(examples, frames_path(path), size)


def learned_from(path: Path, config: Config) -> list[Example]:
    """Clips of the signers and glosses that a model was trained on.

    Raises:
        ValueError: there are none, or as `load_clips`.
    """
    seen = [e for e in load_clips(path, config) if e.signer not in config.data.held_out]
    examples = without_glosses(seen, config.data.held_out_glosses)
    if not examples:
        raise ValueError(f"{path}: all its signers or glosses were held out of training; name a file of training clips")
    return examples


def never_seen(path: Path, config: Config) -> list[Example]:
    """Clips of the vocabulary's glosses by signers that a model was not trained on.

    Of a training set these are the signers that were held out; of another file all are taken to be.

    Raises:
        ValueError: there are none, or as `load_clips`.
    """
    trained_on = any(source.role == "train" for source in known_sets(path, config))
    examples = [
        e
        for e in load_clips(path, config)
        if e.gloss in config.data.vocabulary and not (trained_on and e.signer not in config.data.held_out)
    ]
    if not examples:
        raise ValueError(
            f"{path}: no clip of a sign that the model knows by a signer that it was not trained on; name clips of "
            "other people, or take a model with held_out signers"
        )
    return examples


def known_sets(path: Path, config: Config) -> tuple[SetConfig, ...]:
    """The config's sets that a file is."""
    return tuple(source for source in config.data.sets if source.file == path.name)


def cut(examples: Sequence[Example], config: Config) -> WindowedClips:
    """The windows of clips: as the decoder takes them, or of sentences one after the other."""
    if config.kind == "isolated":
        return window_clips(examples, config)
    windows, owners = [], []
    for number, clip in enumerate(e.clip for e in examples):
        for start in np.arange(clip.t_ms[0], clip.t_ms[-1] + 1e-6, config.clip.window_ms):
            windows.append(cut_window(clip, float(start), config.clip))
            owners.append(number)
    nothing_pooled = np.zeros((len(examples), len(windows)), np.float32)
    return WindowedClips(examples, windows, owners, nothing_pooled, config.clip.times_ms)


def inputs_of(windowed: WindowedClips, which: slice, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """A graph's inputs for some of the windows."""
    batch = windowed.windows[which]
    take: dict[str, Callable[[], Array]] = {
        "keypoints": lambda: np.stack([w.keypoints for w in batch]),
        "mask": lambda: np.stack([w.mask for w in batch]),
        "frames": lambda: windowed.frames(which),
    }
    return {spec.name: take[spec.name]() for spec in specs}


def in_batches(count: int) -> list[slice]:
    """Slices of `BATCH` windows that together are `count`."""
    return [slice(start, start + BATCH) for start in range(0, count, BATCH)]


def run_windows(run: Run, windowed: WindowedClips, specs: Sequence[TensorSpec]) -> dict[str, Array]:
    """The outputs of a graph for all windows, by name."""
    return joined([run(inputs_of(windowed, which, specs)) for which in in_batches(len(windowed.windows))])


def joined(parts: Sequence[Mapping[str, Array]]) -> dict[str, Array]:
    """Arrays by name, one after the other."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
