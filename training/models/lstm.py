"""The reference model: the three-layer LSTM that sign language tutorials train, on raw image coordinates.

It is the model of the much-copied "ActionDetection" notebook: LSTM layers of 64, 128 and 64 units, dense layers of 64
and 32, softmax; cross-entropy, Adam, no augmentation, no normalisation. Its LSTM cells have their usual tanh; the
notebook's relu cells diverge on many seeds.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glosscast.clip import Clip, resample, window_starts
from glosscast.keypoints import CHANNELS, POINTS, POSE, PRESENCE
from training.config import Config
from training.data import Example, classes_of, label_of
from training.data.sampling import split_mining
from training.runtime.checkpoint_file import CheckpointError, write_checkpoint

EPOCHS = 120  # 96 % of the webcam set's training clips are right by then; the tutorials train longer still
BATCH = 32
LEARNING_RATE = 1e-3

# x, y, z of every point, and for the pose its visibility: 546 numbers a frame.
_USED = np.ones((POINTS, CHANNELS), bool)
_USED[POSE.stop :, PRESENCE] = False
INPUTS = int(_USED.sum())


class LstmClassifier(nn.Module):
    """Raw frames (B, T, 546) to logits (B, classes) and the last hidden layer (B, 32)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        sizes = (INPUTS, 64, 128, 64)
        self.lstms = nn.ModuleList(nn.LSTM(a, b, batch_first=True) for a, b in pairwise(sizes))
        self.dense = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU())
        self.classify = nn.Linear(32, classes)

    def forward(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """See the class."""
        for lstm in self.lstms:
            frames, _ = lstm(frames)
        hidden = self.dense(frames[:, -1])
        return self.classify(hidden), hidden


@dataclass(frozen=True, eq=False)
class LstmCheckpoint:
    """A trained reference model.

    Attributes:
        config: the run's config; of it, the data, the window and the seed were used.
        classes: the vocabulary, then distractors.
        state: the weights.
    """

    config: Config
    classes: tuple[str, ...]
    state: dict[str, Tensor]

    def build(self) -> LstmClassifier:
        """The model in eval mode."""
        model = LstmClassifier(len(self.classes))
        model.load_state_dict(self.state)
        return model.eval()

    def save(self, path: Path) -> None:
        """Write to `path`, whole or not at all.

        Raises:
            OSError: it cannot be written.
        """
        content = {"config": self.config.model_dump(mode="json"), "classes": list(self.classes), "lstm": self.state}
        write_checkpoint(content, path)


def load_lstm(path: Path) -> LstmCheckpoint:
    """Read a checkpoint.

    Raises:
        CheckpointError: missing, unreadable or of another layout.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
        config = Config.model_validate(content["config"])
        checkpoint = LstmCheckpoint(config, tuple(content["classes"]), content["lstm"])
        checkpoint.build()
        return checkpoint
    except Exception as error:
        raise CheckpointError(f"{path}: not a checkpoint of the LSTM") from error


def fit_lstm(config: Config, examples: Sequence[Example], epochs: int = EPOCHS) -> LstmCheckpoint:
    """Train on the clips that `training.tasks.train.fit` would train on."""
    torch.manual_seed(config.seed)
    classes = classes_of(examples, config.data)
    training, _ = split_mining(examples)
    cut = [raw_windows(e.clip, config) for e in training]
    windows = torch.from_numpy(np.concatenate(cut))
    labels = torch.tensor(
        [label_of(e.gloss, classes, config.data) for e, of_clip in zip(training, cut, strict=True) for _ in of_clip]
    )
    model = LstmClassifier(len(classes))
    optimiser = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for _ in range(epochs):
        for batch in torch.randperm(len(windows)).split(BATCH):
            loss = nn.functional.cross_entropy(model(windows[batch])[0], labels[batch])
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()
    return LstmCheckpoint(config, classes, {name: value.detach() for name, value in model.state_dict().items()})


def raw_windows(clip: Clip, config: Config) -> NDArray[np.float32]:
    """Windows (n, T, 546) over the whole clip, in image coordinates, where the decoder would cut them.

    The segmenter takes no part: tutorials record clips of one sign.
    """
    first, last = float(clip.t_ms[0]), float(clip.t_ms[-1])
    starts = window_starts(first, last, first, last, config.clip, config.decoder.hop_ms)
    frames = [resample(clip.t_ms, clip.keypoints, start + config.clip.times_ms)[0] for start in starts]
    return np.stack(frames)[:, :, _USED]
