"""Batches of short windows cut from joined streams, which a model that reads windows is fed.

After Zuo et al., "Towards Online Continuous Sign Language Recognition and Translation", EMNLP 2024: windows of one
length around every part of a sign, with its neighbours in view, and a background class for what lies between signs.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray

from glosscast.clip import resample
from glosscast.keypoints import normalise
from training.config import Config, CropConfig
from training.data import Example, label_of
from training.data.augmentation import Augmentation
from training.data.partner_sampler import Partners
from training.data.sentences import Sentence
from training.data.streams import teaching_maker
from training.runtime.distributed import share
from training.tasks.ahead import one_ahead
from training.tasks.window_feed import Batch


class CropFeed:
    """Augmented batches of windows of streams that are joined anew for each batch.

    Raises:
        DataError: no clip can be used.
    """

    def __init__(self, config: Config, classes: Sequence[str], examples: Sequence[Example]) -> None:
        assert config.crops is not None
        assert config.data.no_sign is not None  # the config's check
        self.config = config
        self.crops = config.crops
        self.background = config.data.no_sign
        self.maker = teaching_maker(examples, config.data)
        glosses = sorted({e.gloss for e in examples} | {self.background})
        self.gloss_count = len(glosses)
        self.glosses = {gloss: i for i, gloss in enumerate(glosses)}
        self.labels = {gloss: label_of(gloss, classes, config.data) for gloss in glosses}
        self.augment = Augmentation(config.augmentation, config.clip)
        self.batches_per_epoch = config.optimiser.clips_per_epoch // config.optimiser.batch

    def epoch(
        self, epoch: int, clips: int, partners: Partners | None = None, among: NDArray[np.bool_] | None = None
    ) -> Iterator[Batch]:
        """As `Feed.epoch`; `clips` says how many windows are cut.

        `partners` and `among` must be None: with a loss that counts confusions the config is refused.
        """
        assert partners is None
        assert among is None
        rng = np.random.default_rng((self.config.seed, epoch))
        return one_ahead(self._jobs(clips // self.config.optimiser.batch, rng))

    def _jobs(self, count: int, rng: np.random.Generator) -> Iterator[Callable[[], Batch]]:
        for _ in range(count):
            yield partial(self._batch, int(rng.integers(2**63)))

    def _batch(self, seed: int) -> Batch:
        rng = np.random.default_rng(seed)
        size = self.config.optimiser.batch
        windows: list[NDArray[np.float32]] = []
        masks: list[NDArray[np.float32]] = []
        glosses: list[str] = []
        while len(glosses) < size:
            stream = self.maker.draw(self.crops, rng)
            for _ in range(min(self.crops.crops, size - len(glosses))):
                middle_ms, gloss = middle_of_crop(stream, self.crops, rng)
                window, mask = self._window(stream, middle_ms, rng)
                windows.append(window)
                masks.append(mask)
                glosses.append(self.background if gloss is None else gloss)
        keypoints = normalise(np.stack(windows), stream.clip.aspect)  # all streams are seen by one camera
        self.augment.change(keypoints, rng)
        own = share(size)
        return Batch(
            torch.from_numpy(keypoints[own]),
            torch.from_numpy(np.stack(masks)[own]),
            torch.tensor([self.labels[gloss] for gloss in glosses[own]]),
            torch.tensor([self.glosses[gloss] for gloss in glosses[own]]),
        )

    def _window(
        self, stream: Sentence, middle_ms: float, rng: np.random.Generator
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Keypoints (T, 171, 4) and mask (T,) around a time, faster or slower by what the augmentation allows."""
        times = self.config.clip.times_ms
        limit = self.config.augmentation.speed
        at_ms = middle_ms + (times - times[-1] / 2) * np.exp(rng.uniform(-limit, limit))
        return resample(stream.clip.t_ms, stream.clip.keypoints, at_ms)


def middle_of_crop(stream: Sentence, config: CropConfig, rng: np.random.Generator) -> tuple[float, str | None]:
    """A time in ms for the middle of a window, and the gloss that is signed then; None for none.

    Signs are drawn alike, however long they are.
    """
    if rng.random() < config.background:
        t_ms = stream.clip.t_ms
        outside = np.ones(len(t_ms), bool)
        for sign in stream.signs:
            outside &= (t_ms < sign.start_ms) | (t_ms > sign.end_ms)
        if outside.any():
            return float(rng.choice(t_ms[outside])), None
    sign = stream.signs[rng.integers(len(stream.signs))]
    reach = config.middle / 2
    part = rng.uniform(0.5 - reach, 0.5 + reach)
    return sign.start_ms + part * (sign.end_ms - sign.start_ms), sign.gloss
