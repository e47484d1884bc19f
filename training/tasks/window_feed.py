"""Augmented batches of windows, which a training on isolated signs is fed."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training.config import Config
from training.data import DataError, Example, label_of
from training.data.augmentation import Augmentation, Augmented
from training.data.partner_sampler import Partners
from training.data.picture_augmentation import PixelAugmentation
from training.data.sampling import batches, draw_weights
from training.runtime.distributed import share
from training.tasks.ahead import one_ahead


class Batch(NamedTuple):
    """Windows of clips.

    Attributes:
        keypoints: (B, T, 171, 4).
        mask: (B, T).
        labels: (B,) class ids.
        glosses: (B,) ids of the glosses themselves, also where several are one class.
        frames: (B, T, H, W, 3), for an rgb stream.
    """

    keypoints: Tensor
    mask: Tensor
    labels: Tensor
    glosses: Tensor
    frames: Tensor | None = None


class Feed:
    """Balanced, augmented batches of some clips, prepared one ahead of the model.

    Raises:
        DataError: the model has an rgb stream, and a clip no pictures.
    """

    def __init__(self, config: Config, classes: Sequence[str], examples: Sequence[Example]) -> None:
        self.config = config
        self.examples = examples
        if config.model.frame_size is not None and any(e.frames is None for e in examples):
            raise DataError("the model has an rgb stream, and there are clips without pictures: extract with --rgb")
        self.labels = np.array([label_of(e.gloss, classes, config.data) for e in examples])
        names = sorted({e.gloss for e in examples})
        self.gloss_count = len(names)
        self.glosses = np.array([names.index(e.gloss) for e in examples])
        self.weights = draw_weights(examples, config.data.vocabulary, config.data.vocabulary_share, config.data.no_sign)
        self.augment = Augmentation(config.augmentation, config.clip, config.model.face)
        self.change_pixels = PixelAugmentation(config.augmentation)
        self.batches_per_epoch = config.optimiser.clips_per_epoch // config.optimiser.batch

    def epoch(
        self, epoch: int, clips: int, partners: Partners | None = None, among: NDArray[np.bool_] | None = None
    ) -> Iterator[Batch]:
        """This process's share of the batches of one epoch, the same for the same arguments and the same seed.

        Args:
            epoch: its number.
            clips: how many to draw.
            partners: classes to mix into the batches.
            among: (N,) the clips to draw from; None for all.
        """
        rng = np.random.default_rng((self.config.seed, epoch))
        weights = self.weights if among is None else self.weights * among / self.weights[among].sum()
        return one_ahead(self._jobs(weights, clips, partners, rng))

    def _jobs(
        self, weights: NDArray[np.float64], clips: int, partners: Partners | None, rng: np.random.Generator
    ) -> Iterator[Callable[[], Batch]]:
        for indices in batches(weights, clips, self.config.optimiser.batch, rng):
            if partners is not None:
                indices = partners.mix(indices, self.labels, weights, rng)
            yield partial(self._batch, indices, int(rng.integers(2**63)))

    def _batch(self, indices: NDArray[np.intp], seed: int) -> Batch:
        rng = np.random.default_rng(seed)
        examples = [self.examples[i] for i in indices]
        drawn = self.augment.draw([e.clip for e in examples], rng)
        # Drawn whole and shared out afterwards: a batch does not depend on the number of processes that train together.
        own = share(len(indices))
        keypoints, mask, labels, glosses = (
            torch.from_numpy(array[own])
            for array in (drawn.keypoints, drawn.mask, self.labels[indices], self.glosses[indices])
        )
        frames = None if self.config.model.frame_size is None else self._frames(examples, drawn, own, rng)
        return Batch(keypoints, mask, labels, glosses, frames)

    def _frames(self, examples: Sequence[Example], drawn: Augmented, own: slice, rng: np.random.Generator) -> Tensor:
        """Pictures of the windows' instants; drawn last, so that keypoints are the same with and without them."""
        rngs = rng.spawn(len(examples))[own]  # decoding is most of the work: only the own share is looked at
        taken = zip(examples[own], drawn.taken[own], strict=True)
        pictures = [e.frames.read(frames) for e, frames in taken if e.frames]
        return torch.from_numpy(self.change_pixels(pictures, drawn.mirrored[own], rngs))
