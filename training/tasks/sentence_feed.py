"""Batches of augmented sentences: clips joined anew each time, whole or in part, or recorded sentences."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glosscast.clip import Clip, resample
from glosscast.keypoints import CHANNELS, POINTS, normalise
from training.config import ChunkConfig, Config, SentenceConfig
from training.data import DataError, Example, label_of
from training.data.augmentation import Augmentation
from training.data.sampling import batches
from training.data.sentences import Sentence, Sign, draw_sentences
from training.data.streams import teaching_maker
from training.losses.continuous import UNTAGGED
from training.runtime.distributed import share
from training.tasks.ahead import one_ahead

TAGGED_FROM = 0.3  # share of a sign after which its steps are taught to name it


class SentenceBatch(NamedTuple):
    """Keypoints (B, T, 171, 4) padded with 0, frames (B,), class ids (B, L) padded with 0, and signs (B,).

    `tags` (B, steps) are the class ids of the steps themselves, `UNTAGGED` where they are not known; None where they
    are not learned from.
    """

    keypoints: Tensor
    frames: Tensor
    targets: Tensor
    lengths: Tensor
    tags: Tensor | None = None

    def signed(self) -> list[list[int]]:
        """Class ids of each sentence, without the padding."""
        return [row[:count] for row, count in zip(self.targets.tolist(), self.lengths.tolist(), strict=True)]


class Signed(NamedTuple):
    """A recording, its glosses in order, and the times (K,) in ms between which its speed may change.

    Only what lies between the first and the last of these times is shown. `signs` are those of a joined stream, also
    those that are hardly shown.
    """

    clip: Clip
    glosses: tuple[str, ...]
    knots_ms: NDArray[np.float64]
    signs: tuple[Sign, ...] = ()


class SentenceFeed:
    """Batches of sentences, prepared one ahead of the model.

    Raises:
        DataError: no clip to make a sentence of, or sentences that have too few steps for their signs.
    """

    def __init__(self, config: Config, classes: Sequence[str], examples: Sequence[Example]) -> None:
        self.config = config
        self.ids = {gloss: label_of(gloss, classes, config.data) for e in examples for gloss in e.glosses}
        self.augment = Augmentation(config.augmentation, config.clip)
        self.batches_per_epoch = config.optimiser.clips_per_epoch // config.optimiser.batch
        assert config.continuous is not None
        self.stride = config.continuous.stride
        self.sentences = config.continuous.taught
        self.chunks = config.continuous.streams
        self.learns_steps = config.continuous.loss.steps > 0.0
        self.blank = len(classes)
        # Clips that never show both shoulders have no place and size.
        self.examples = [e for e in examples if normalise(e.clip.keypoints, e.clip.aspect).any()]
        if not self.examples:
            raise DataError("no clip to learn sentences from shows both shoulders")
        if self.chunks is not None:
            self.maker = teaching_maker(self.examples, config.data)
        elif self.sentences is not None:
            self._check_joined(self.sentences)
        else:
            weights = np.array([e.share for e in self.examples])
            self.weights = weights / weights.sum()
            for e in self.examples:
                self._check(e.clip.duration_ms, e.glosses, f"a sentence of {e.signer}, {e.gloss!r},")

    def epoch(self, epoch: int, sentences: int) -> Iterator[SentenceBatch]:
        """This process's share of the batches of one epoch, the same for the same seed and epoch."""
        size = self.config.optimiser.batch
        rng = np.random.default_rng((self.config.seed, epoch))
        joins = self.sentences is not None or self.chunks is not None
        drawn = None if joins else batches(self.weights, sentences, size, rng)
        return one_ahead(self._jobs(drawn, sentences // size, rng))

    def _jobs(
        self, drawn: Iterator[NDArray[np.intp]] | None, count: int, rng: np.random.Generator
    ) -> Iterator[Callable[[], SentenceBatch]]:
        for _ in range(count):
            wanted = self.config.optimiser.batch if drawn is None else next(drawn)
            yield partial(self._batch, wanted, int(rng.integers(2**63)))

    def _batch(self, wanted: NDArray[np.intp] | int, seed: int) -> SentenceBatch:
        """Recorded sentences by their indices, or that many joined ones."""
        rng = np.random.default_rng(seed)
        signed = self._join(wanted, seed) if isinstance(wanted, int) else [recorded(self.examples[i]) for i in wanted]
        targets = [[self.ids[gloss] for gloss in s.glosses] for s in signed]
        timed, sampled = [], []
        for s in signed:
            timed.append(self._timed(s, rng))
            sampled.append(self._sample(s, timed[-1], rng))
        batch = collate(sampled, targets)
        # Drawn and padded whole and shared out afterwards, so that nothing depends on how many train together.
        own = share(len(signed))
        tags = self._tags(signed, timed)[own] if self.learns_steps else None
        return SentenceBatch(batch.keypoints[own], batch.frames[own], batch.targets[own], batch.lengths[own], tags)

    def _join(self, count: int, seed: int) -> list[Signed]:
        if self.chunks is not None:
            rngs = (np.random.default_rng([seed, index]) for index in range(count))
            return [chunk(self.maker.draw(self.chunks, rng), self.chunks, rng) for rng in rngs]
        assert self.sentences is not None
        return [
            Signed(s.clip, s.glosses, times_of(s))
            for s in draw_sentences(self.examples, self.ids, self.sentences, count, seed)
        ]

    def _timed(self, signed: Signed, rng: np.random.Generator) -> NDArray[np.float64]:
        """The instants (T,) in ms that are shown, at the model's frame rate; each stretch has its own speed."""
        limit = self.config.augmentation.speed
        lengths = np.diff(signed.knots_ms) * np.exp(rng.uniform(-limit, limit, len(signed.knots_ms) - 1))
        stretched = np.concatenate([[0.0], np.cumsum(lengths)])
        times = np.arange(0.0, stretched[-1] + 1e-6, 1000.0 / self.config.clip.fps)
        return np.interp(times, stretched, signed.knots_ms)

    def _sample(self, signed: Signed, times: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float32]:
        """Augmented keypoints (T, 171, 4) of these instants."""
        clip = signed.clip
        keypoints, _ = resample(clip.t_ms, clip.keypoints, times)
        window = normalise(keypoints, clip.aspect)[None]
        self.augment.change(window, rng)
        return np.asarray(window[0])

    def _tags(self, signed: Sequence[Signed], timed: Sequence[NDArray[np.float64]]) -> Tensor:
        """What the steps of each sentence show, (B, steps)."""
        rows = [
            torch.from_numpy(step_tags(s, times[:: self.stride], self.ids, self.blank))
            for s, times in zip(signed, timed, strict=True)
        ]
        return nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=UNTAGGED)

    def _check_joined(self, config: SentenceConfig) -> None:
        """Even the shortest clip, signed over and over, must leave room for a blank between its signs."""
        shortest = min(self.examples, key=lambda e: e.clip.duration_ms)
        for signs in range(config.signs[0], config.signs[1] + 1):
            length = signs * shortest.clip.duration_ms + (signs - 1) * config.transition_ms[0]
            name = f"{signs} signs such as {shortest.signer}'s {shortest.gloss!r}, joined,"
            self._check(length, (shortest.gloss,) * signs, name)

    def _check(self, length_ms: float, glosses: Sequence[str], name: str) -> None:
        """CTC needs a step for each sign and one between equal neighbours, however fast the augmentation signs."""
        frames = int(length_ms / math.exp(self.config.augmentation.speed) * self.config.clip.fps / 1000.0) + 1
        steps = -(-frames // self.stride)
        needed = len(glosses) + sum(a == b for a, b in pairwise(glosses))
        if steps < needed:
            raise DataError(
                f"{name} may have {steps} steps of {self.stride} frames, and CTC needs {needed}: "
                "leave it out, or lower stride or speed"
            )


def times_of(sentence: Sentence) -> NDArray[np.float64]:
    """(2 · signs,) times in ms at which the signs of a joined sentence start and end."""
    return np.array([time for sign in sentence.signs for time in (sign.start_ms, sign.end_ms)])


def chunk(stream: Sentence, config: ChunkConfig, rng: np.random.Generator) -> Signed:
    """A part of a stream, of a length that is drawn: as often with an end of the stream as in its middle.

    A sign of which less than half is in the part is not one of its glosses.
    """
    whole_ms = stream.clip.duration_ms
    length_ms = min(rng.uniform(*config.chunk_ms), whole_ms)
    # Where the part would begin or end outside, it begins or ends with the stream, where the hands are at rest.
    first_ms = float(np.clip(rng.uniform(-length_ms / 2, whole_ms - length_ms / 2), 0.0, whole_ms - length_ms))
    last_ms = first_ms + length_ms
    inside = tuple(s.gloss for s in stream.signs if first_ms <= (s.start_ms + s.end_ms) / 2 <= last_ms)
    knots = times_of(stream)
    knots = knots[(knots > first_ms) & (knots < last_ms)]
    return Signed(stream.clip, inside, np.array([first_ms, *knots, last_ms]), stream.signs)


def step_tags(signed: Signed, starts_ms: NDArray[np.float64], ids: Mapping[str, int], blank: int) -> NDArray[np.int64]:
    """What the steps of a part of a stream show: a sign's class, the blank between signs, or `UNTAGGED`.

    The beginning of a sign is not tagged, since it looks like that of other signs and a step may be read before it has
    seen more. Neither is a sign that is no gloss of the part, since little of it is seen.

    Args:
        signed: the part.
        starts_ms: (steps,) the instants of the steps' first frames.
        ids: the class of each gloss.
        blank: the class of no sign.
    """
    tags = np.full(len(starts_ms), blank, np.int64)
    first_ms, last_ms = signed.knots_ms[0], signed.knots_ms[-1]
    for sign in signed.signs:
        tags[(starts_ms >= sign.start_ms) & (starts_ms <= sign.end_ms)] = UNTAGGED
        if first_ms <= (sign.start_ms + sign.end_ms) / 2 <= last_ms:
            known_ms = sign.start_ms + TAGGED_FROM * (sign.end_ms - sign.start_ms)
            tags[(starts_ms >= known_ms) & (starts_ms <= sign.end_ms)] = ids[sign.gloss]
    return tags


def recorded(example: Example) -> Signed:
    """A recorded sentence; when its signs begin and end is not known."""
    return Signed(example.clip, example.glosses, example.clip.t_ms[[0, -1]])


def collate(keypoints: Sequence[NDArray[np.float32]], targets: Sequence[Sequence[int]]) -> SentenceBatch:
    """Keypoints (T, 171, 4) and class ids of sentences as one batch, padded at their ends."""
    frames, lengths = [len(k) for k in keypoints], [len(t) for t in targets]
    padded = np.zeros((len(keypoints), max(frames), POINTS, CHANNELS), np.float32)
    ids = torch.zeros(len(targets), max(1, *lengths), dtype=torch.long)
    for row, points in zip(padded, keypoints, strict=True):
        row[: len(points)] = points
    for line, target in zip(ids, targets, strict=True):
        line[: len(target)] = torch.tensor(target)
    return SentenceBatch(torch.from_numpy(padded), torch.tensor(frames), ids, torch.tensor(lengths))
