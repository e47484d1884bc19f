"""Training on isolated signs: windows with one gloss each."""

from collections.abc import Iterator, Mapping, Sequence
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from training.config import Config
from training.data import DataError, Example, classes_of
from training.data.sampling import ROUNDS, mining_rounds, split_mining
from training.evaluation.scores import TorchClassifier, score
from training.loop.task import Task
from training.losses.isolated import IsolatedCriterion
from training.models.recogniser import IsolatedRecogniser, Output, isolated_recogniser
from training.runtime.distributed import gathered, processes, rank, summed
from training.tasks.crop_feed import CropFeed
from training.tasks.window_feed import Batch, Feed


class IsolatedTask(Task[Batch]):
    """A recogniser of isolated signs, learned from windows of clips; confusions are counted after each epoch.

    Args:
        config: the run.
        examples: clips to learn from.
        dev: clips that are scored after each epoch.
        test: clips that the model will be scored on, for an experiment that counts confusions on them.

    Raises:
        ValueError: confusions are to be counted on test clips, and there are none.
        DataError: a gloss of the vocabulary has no clip to learn from, or there are dev clips but none of them has a
            gloss of the vocabulary.
    """

    model: IsolatedRecogniser
    criterion: IsolatedCriterion

    def __init__(
        self, config: Config, examples: Sequence[Example], dev: Sequence[Example] = (), test: Sequence[Example] = ()
    ) -> None:
        vocabulary = config.data.vocabulary
        absent = set(vocabulary) - {e.gloss for e in examples}
        if absent:
            raise DataError(f"no clip of {', '.join(sorted(absent))} among the training signers")
        self.config = config
        self.classes = classes_of(examples, config.data)
        self._rounds: NDArray[np.intp] | None = None
        mined_on = config.loss.confusion.mining if config.loss.confusion is not None else "clips"
        self._feed: Feed | CropFeed
        self._mining: Feed | CropFeed
        if config.crops is not None:
            self._feed = self._mining = CropFeed(config, self.classes, examples)
        elif mined_on == "signers":
            self._feed = self._mining = Feed(config, self.classes, examples)
            self._rounds = mining_rounds(examples, vocabulary)
        else:
            training, mining = split_mining(examples)
            self._feed = Feed(config, self.classes, training)
            self._mining = Feed(config, self.classes, _tested(test) if mined_on == "test" else mining)
        self._dev = [e for e in dev if e.gloss in vocabulary]
        if dev and not self._dev:
            raise DataError("no dev clip has a gloss of the vocabulary")
        self.dev = "dev_accuracy" if dev else None
        self.steps_per_epoch = self._feed.batches_per_epoch
        self.model = isolated_recogniser(config, len(self.classes))
        if {"rgb", "pose"} & set(config.model.streams):
            self.model = self.model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.criterion = IsolatedCriterion(config.loss, self.classes, self._feed.gloss_count, config.model.embedding)

    def batches(self, epoch: int) -> Iterator[Batch]:
        """See `Task`; a share of each batch may be drawn from confusable classes."""
        learned = None if self._rounds is None else self._rounds != epoch % ROUNDS
        partners = self.criterion.classification.partners(epoch)
        return self._feed.epoch(epoch, self.config.optimiser.clips_per_epoch, partners, learned)

    def forward(self, model: nn.Module, batch: Batch) -> Output:
        """See `Task`."""
        output: Output = model(batch.keypoints, batch.mask, batch.frames)
        return output

    def step(self, epoch: int, batch: Batch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """See `Task`; the loss is that of the whole batch in all processes, since pairs may lie in two shares."""
        output = Output(*map(gathered, self.forward(self.model, batch)))
        labels = gathered(batch.labels)
        loss: Tensor = self.criterion(epoch, output, labels, gathered(batch.glosses))
        return loss, {"accuracy": (output.logits.argmax(1) == labels).float().mean()}

    def end_epoch(self, epoch: int, average: nn.Module) -> None:
        """Count confusions, where the loss asks for them."""
        confusion = self.criterion.confusion
        if confusion is not None:
            counted = None if self._rounds is None else self._rounds == epoch % ROUNDS
            batches = self._mining.epoch(epoch, 8 * self.config.optimiser.batch, among=counted)
            confusion.update(count_confusions(average, batches, len(self.classes)))

    def dev_score(self, average: nn.Module) -> float:
        """Share of the dev clips recognised, as `evaluate` counts them."""
        own = self._dev[rank() :: processes()]
        config = self.config
        right = 0.0
        if own:
            classify = TorchClassifier(cast(IsolatedRecogniser, average), len(config.data.vocabulary))
            scores = score(own, config.data.vocabulary, config.pipeline(classify))
            right = scores.accuracy * scores.n
        device = next(average.parameters()).device
        return summed(torch.tensor(right, device=device)).item() / len(self._dev)


def _tested(test: Sequence[Example]) -> Sequence[Example]:
    if not test:
        raise ValueError('mining = "test" is for `compare` alone: no other training knows what will be scored')
    return test


@torch.no_grad()
def count_confusions(model: nn.Module, batches: Iterator[Batch], classes: int) -> Tensor:
    """Soft confusion counts (C, C) on batches of the mining clips, augmented.

    Probabilities are summed rather than winners counted: on so few clips a hard count is zero for most pairs long
    before the model tells them apart.
    """
    device = next(model.parameters()).device
    counts = torch.zeros(classes, classes, device=device)
    for batch in batches:
        frames = None if batch.frames is None else batch.frames.to(device)
        logits = model(batch.keypoints.to(device), batch.mask.to(device), frames).logits
        counts.index_add_(0, batch.labels.to(device), logits.float().softmax(dim=1))
    return counts
