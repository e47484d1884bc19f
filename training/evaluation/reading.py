"""Many clips read by many models: the decoder cuts each clip once, whatever the number of models.

What the service's decoder makes of a clip is linear in the model's probabilities: it classifies windows and pools them.
So a classifier that answers each window with a unit vector of its own yields the weights of the windows, and a model
then reads the windows of all clips in large batches.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from glosscast.clip import Window, nearest
from glosscast.decoding import NoSignerError
from glosscast.probabilities import softmax
from training.config import Config
from training.data import DataError, Example
from training.models.checkpoint import Checkpoint
from training.models.lstm import LstmCheckpoint, raw_windows

BATCH = 128  # windows at a time


class Reading(NamedTuple):
    """A model's readings of N clips; zero where nobody was in view.

    Attributes:
        logits: (N, V) over the vocabulary, pooled as the probabilities are.
        probabilities: (N, V).
        embeddings: (N, D) of unit length.
    """

    logits: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    embeddings: NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class WindowedClips:
    """The windows that the decoder cuts from clips.

    Attributes:
        examples: N clips.
        windows: M windows of them.
        owners: which clip each window is from, counted from 0.
        weights: (N, M) of each window in each clip.
        instants_ms: (T,) of a window's frames, from its start.
    """

    examples: Sequence[Example]
    windows: Sequence[Window]
    owners: Sequence[int]
    weights: NDArray[np.float32]
    instants_ms: NDArray[np.float64]

    def frames(self, which: slice) -> NDArray[np.uint8]:
        """Pictures (windows, T, H, W, 3) of some of the windows; their clips must have pictures."""
        pictures = []
        for window, owner in zip(self.windows[which], self.owners[which], strict=True):
            example = self.examples[owner]
            if example.frames is None:
                raise DataError("the model has an rgb stream, and there are clips without pictures")
            pictures.append(example.frames.read(nearest(example.clip.t_ms, window.start_ms + self.instants_ms)))
        return np.stack(pictures)


class Reader(Protocol):
    """A trained model as a comparison sees it."""

    def __call__(self, windowed: WindowedClips) -> Reading:
        """Read clips."""


class _Recorder:
    """Keeps the windows of one clip and answers with unit vectors."""

    def __init__(self, most: int) -> None:
        self.windows: list[Window] = []
        self._units = np.eye(most, dtype=np.float32)

    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        start = len(self.windows)
        self.windows += windows
        return self._units[start : len(self.windows)]


def window_clips(examples: Sequence[Example], config: Config) -> WindowedClips:
    """Cut clips into windows as `Pipeline.read` does."""
    windows: list[Window] = []
    owners: list[int] = []
    pooled: list[tuple[int, NDArray[np.float32]]] = []
    for number, clip in enumerate(e.clip for e in examples):
        # Segments have a frame each at least, and windows in them are a hop apart, but for the first and last.
        recorder = _Recorder(2 * len(clip.t_ms) + int(clip.duration_ms / config.decoder.hop_ms) + 2)
        try:
            weights = config.pipeline(recorder).read(clip).probabilities
        except NoSignerError:
            weights = np.zeros(0, np.float32)
        pooled.append((len(windows), weights[: len(recorder.windows)]))
        windows += recorder.windows
        owners += [number] * len(recorder.windows)
    matrix = np.zeros((len(examples), len(windows)), np.float32)
    for row, (start, weights) in zip(matrix, pooled, strict=True):
        row[start : start + len(weights)] = weights
    return WindowedClips(examples, windows, owners, matrix, config.clip.times_ms)


class RecogniserReader:
    """A recogniser, reading as the service does; of the numbers see `glosscast.manifest.Manifest`."""

    def __init__(self, checkpoint: Checkpoint, temperature: float = 1.0, background: float = 0.0) -> None:
        self.model = checkpoint.build_calibrated(temperature, background)
        self.sees_pictures = checkpoint.config.model.frame_size is not None

    @torch.inference_mode()
    def __call__(self, windowed: WindowedClips) -> Reading:
        """See `Reader`; a clip's embedding is that of its windows, pooled as their probabilities are."""
        logits, embeddings = [], []
        for start in range(0, len(windowed.windows), BATCH):
            which = slice(start, start + BATCH)
            batch = windowed.windows[which]
            keypoints = torch.from_numpy(np.stack([w.keypoints for w in batch]))
            mask = torch.from_numpy(np.stack([w.mask for w in batch]))
            frames = torch.from_numpy(windowed.frames(which)) if self.sees_pictures else None
            output = self.model(keypoints, mask, frames)
            logits.append(output.logits)
            embeddings.append(output.embedding.numpy())
        return _pool(windowed.weights, torch.cat(logits), np.concatenate(embeddings))


class LstmReader:
    """The reference model, reading clips in image coordinates."""

    def __init__(self, checkpoint: LstmCheckpoint) -> None:
        self.model = checkpoint.build()
        self.config = checkpoint.config

    @torch.inference_mode()
    def __call__(self, windowed: WindowedClips) -> Reading:
        """See `Reader`; a clip's windows count alike."""
        cut = [raw_windows(e.clip, self.config) for e in windowed.examples]
        weights = np.zeros((len(cut), sum(map(len, cut))), np.float32)
        starts = np.cumsum([0, *map(len, cut)])
        for row, start, windows in zip(weights, starts, cut, strict=False):
            row[start : start + len(windows)] = 1.0 / len(windows)
        logits, hidden = self.model(torch.from_numpy(np.concatenate(cut)))
        return _pool(weights, logits[:, : len(self.config.data.vocabulary)], hidden.numpy())


def _pool(weights: NDArray[np.float32], logits: torch.Tensor, embeddings: NDArray[np.float32]) -> Reading:
    mean = weights @ embeddings
    return Reading(
        weights @ logits.numpy(),
        weights @ softmax(logits.numpy()),
        mean / np.maximum(np.linalg.norm(mean, axis=1, keepdims=True), 1e-12),
    )
