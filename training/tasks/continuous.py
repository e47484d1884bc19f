"""Training on sentences: frame-wise logits, trained by CTC and the other terms of the continuous loss."""

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from training.config import Config
from training.data import DataError, Example, classes_of
from training.data.sampling import split_mining
from training.evaluation.wer import align
from training.loop.task import Task
from training.losses.continuous import ContinuousLoss
from training.models.continuous import ContinuousOutput, ContinuousRecogniser, continuous_recogniser
from training.runtime.distributed import gathered, processes, rank, summed
from training.tasks.sentence_feed import SentenceBatch, SentenceFeed
from training.tasks.sentence_scores import decode, read_sentences, sentences_of, unsigned

MINED = 4  # batches of sentences that confusions are counted on each epoch
DEV_SENTENCES, DEV_SEED = 100, 0


class ContinuousTask(Task[SentenceBatch]):
    """A continuous recogniser, learned from sentences; confusions are counted after each epoch.

    Raises:
        DataError: a gloss of the vocabulary is not signed by anybody, or sentences are too short for their signs.
        ValueError: the config is of isolated signs.
    """

    model: ContinuousRecogniser
    criterion: ContinuousLoss

    def __init__(self, config: Config, examples: Sequence[Example], dev: Sequence[Example] = ()) -> None:
        self.config = config
        absent = set(config.data.vocabulary) - {gloss for e in examples for gloss in e.glosses}
        if absent:
            raise DataError(f"no clip of {', '.join(sorted(absent))} among the training signers")
        self.classes = classes_of(examples, config.data)
        self.model = continuous_recogniser(config, len(self.classes))
        assert config.continuous is not None
        training, mining = split_mining(examples)
        self.criterion = ContinuousLoss(config.continuous.loss, self.classes, config.model.embedding)
        self._feed = SentenceFeed(config, self.classes, training)
        self._mining = SentenceFeed(config, self.classes, mining) if self._counts_confusions else None
        self.steps_per_epoch = self._feed.batches_per_epoch
        self._dev = sentences_of(config, dev, DEV_SENTENCES, DEV_SEED)
        self.dev = "dev_word_accuracy" if dev else None

    @property
    def _counts_confusions(self) -> bool:
        return self.criterion.config.adaptive.alpha < 1.0

    def batches(self, epoch: int) -> Iterator[SentenceBatch]:
        """See `Task`."""
        return self._feed.epoch(epoch, self.config.optimiser.clips_per_epoch)

    def forward(self, model: nn.Module, batch: SentenceBatch) -> ContinuousOutput:
        """See `Task`."""
        output: ContinuousOutput = model(batch.keypoints, batch.frames)
        return output

    def step(self, epoch: int, batch: SentenceBatch) -> tuple[Tensor, Mapping[str, Tensor]]:
        """See `Task`; the loss is that of the whole batch in all processes, since pairs may lie in two shares."""
        output = ContinuousOutput(*map(gathered, self.forward(self.model, batch)))
        tags = None if batch.tags is None else gathered(batch.tags)
        batch = SentenceBatch(batch.keypoints, batch.frames, gathered(batch.targets), gathered(batch.lengths), tags)
        with torch.autocast(output.logits.device.type, enabled=False):
            loss = self.criterion(
                epoch, output.logits, output.features, output.steps, batch.targets, batch.lengths, tags
            )
        read = decode(output.logits, output.steps, len(self.classes))
        return loss, {"wer": count_errors(batch.signed(), read) / batch.lengths.sum().clamp(min=1)}

    def end_epoch(self, epoch: int, average: nn.Module) -> None:
        """Count confusions, where the loss asks for them."""
        if self._mining is None:
            return
        sentences = MINED * self.config.optimiser.batch
        counts = count_confusions(average, self._mining.epoch(epoch, sentences), len(self.classes))
        self.criterion.confusion.update(counts)

    def dev_score(self, average: nn.Module) -> float:
        """Word accuracy, 1 − WER, on the dev sentences."""
        own = self._dev[rank() :: processes()]
        read = read_sentences(
            average,
            [s.clip for s in own],
            self.config.data.vocabulary,
            self.config.clip.fps,
            unread=unsigned(self.config),
        )
        errors = count_errors([s.glosses for s in own], read)
        device = next(average.parameters()).device
        return 1.0 - summed(torch.tensor(errors, device=device)).item() / sum(len(s.glosses) for s in self._dev)


@torch.no_grad()
def count_confusions(model: nn.Module, batches: Iterator[SentenceBatch], classes: int) -> Tensor:
    """Confusion counts (C, C) on sentences of the mining clips, augmented: hits, and Levenshtein substitutions."""
    device = next(model.parameters()).device
    counts = torch.zeros(classes, classes)
    for batch in batches:
        output = model(batch.keypoints.to(device), batch.frames.to(device))
        counts += count_substitutions(batch.signed(), decode(output.logits, output.steps, classes), classes)
    return counts.to(device)


def count_substitutions(references: Iterable[Sequence[int]], read: Iterable[Sequence[int]], classes: int) -> Tensor:
    """Confusion counts (C, C) of sentences: signs read rightly, and Levenshtein substitutions.

    Insertions and deletions name no pair of signs, so they are not counted. Of the alignments with the fewest edits one
    with the fewest substitutions is taken: two swapped signs are no confusion.

    Args:
        references: class ids of each sentence.
        read: class ids that the model read, sentence by sentence.
        classes: C.
    """
    counts = torch.zeros(classes, classes)
    for wanted, given in zip(references, read, strict=True):
        for step in align(wanted, given):
            if step.reference is not None and step.hypothesis is not None:
                counts[step.reference, step.hypothesis] += 1
    return counts


def count_errors(wanted: Sequence[Sequence[Hashable]], read: Sequence[Sequence[Hashable]]) -> int:
    """Substitutions, deletions and insertions of sentences."""
    steps = (step for pair in zip(wanted, read, strict=True) for step in align(*pair))
    return sum(step.reference != step.hypothesis for step in steps)
