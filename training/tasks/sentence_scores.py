"""Read sentences with a continuous recogniser, and score the hypotheses."""

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from pydantic import BaseModel, ConfigDict
from torch import Tensor, nn

from glosscast.clip import Clip, sample_recording
from glosscast.ctc import beam_search, greedy
from training.config import Config, Role
from training.data import DataError, Example, load_sets, split_by_signer
from training.data.sentences import draw_sentences
from training.data.streams import draw_streams
from training.evaluation.wer import ErrorRate, align, describe, error_rate
from training.losses.ctc import log_probabilities
from training.tasks.sentence_feed import collate

TOGETHER = 16  # sentences read in one batch


class Signing(Protocol):
    """A recording and the signed glosses: a `Sentence`, or an `Example`."""

    @property
    def clip(self) -> Clip:
        """The recording."""

    @property
    def glosses(self) -> tuple[str, ...]:
        """What is signed, in order."""

    @property
    def signer(self) -> str:
        """By whom."""


def sentences_of(config: Config, examples: Sequence[Example], count: int, seed: int) -> list[Signing]:
    """What is scored: recorded sentences as they are, and `count` made of the clips of one sign, if there are such.

    Args:
        config: of a training on sentences.
        examples: clips of signers that the model has not seen.
        count: how many are drawn from isolated clips, of the vocabulary's glosses.
        seed: of the drawing.

    Raises:
        DataError: there are isolated clips, and the config does not say how to join them or none can be used.
    """
    found: list[Signing] = [e for e in examples if e.sentence]
    clips = [e for e in examples if not e.sentence]
    if clips:
        if config.continuous is None or not config.continuous.joins_clips:
            raise DataError("clips of one sign cannot be scored: the config has no [continuous.sentences] or .streams")
        if config.continuous.sentences is not None:
            found += draw_sentences(clips, config.data.vocabulary, config.continuous.sentences, count, seed)
        elif config.continuous.streams is not None:
            none = unsigned(config)
            glosses = [gloss for gloss in config.data.vocabulary if gloss not in none]
            found += draw_streams(clips, glosses, none, config.continuous.streams, count, seed)
    return found


def unsigned(config: Config) -> tuple[str, ...]:
    """The glosses of the vocabulary that are no signs: none in sentences without rests, which have clips of them."""
    continuous = config.continuous
    if config.data.no_sign is None or continuous is None or continuous.streams is None:
        return ()
    return (config.data.no_sign,)


class SentenceScores(BaseModel):
    """The figures of one evaluation.

    Attributes:
        rate: word error rate and its parts.
        accuracy: share of the signs read rightly among those that the alignment sets beside a sign that was read.
        macro_f1: mean F1 over the glosses of the references; a hit is a sign aligned with its own gloss.
        hypotheses: the hypothesis of each sentence.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    rate: ErrorRate
    accuracy: float
    macro_f1: float
    hypotheses: tuple[tuple[str, ...], ...]


def score_sentences(
    model: nn.Module,
    sentences: Sequence[Signing],
    vocabulary: Sequence[str],
    fps: float,
    beam: int = 1,
    unread: Collection[str] = (),
) -> SentenceScores:
    """Read every sentence, with the whole vocabulary in play, and hold it against its glosses.

    Args:
        model: a `ContinuousRecogniser`, or its average; it is put into eval mode.
        sentences: recordings and their glosses, any frame rate.
        vocabulary: glosses of the model's first classes; further ones, distractors, are never read.
        fps: the model's frame rate.
        beam: prefixes kept by the beam search; 1 reads the best path.
        unread: glosses that are dropped from what is read, since they are no signs.

    Raises:
        ValueError: no sentence to score.
    """
    read = read_sentences(model, [s.clip for s in sentences], vocabulary, fps, beam, unread)
    return tally_sentences([s.glosses for s in sentences], read)


def tally_sentences(references: Sequence[tuple[str, ...]], read: Sequence[tuple[str, ...]]) -> SentenceScores:
    """Figures from references and hypotheses, sentence by sentence.

    Raises:
        ValueError: no gloss in any reference.
    """
    rate = error_rate(zip(references, read, strict=True))
    hits = Counter(
        step.reference
        for wanted, got in zip(references, read, strict=True)
        for step in align(wanted, got)
        if step.reference == step.hypothesis
    )
    wanted, got = (Counter(gloss for sentence in side for gloss in sentence) for side in (references, read))
    return SentenceScores(
        rate=rate,
        accuracy=rate.hits / max(1, rate.hits + rate.substitutions),
        macro_f1=float(np.mean([2 * hits[gloss] / (n + got[gloss]) for gloss, n in wanted.items()])),
        hypotheses=tuple(read),
    )


def read_sentences(
    model: nn.Module,
    clips: Sequence[Clip],
    vocabulary: Sequence[str],
    fps: float,
    beam: int = 1,
    unread: Collection[str] = (),
) -> list[tuple[str, ...]]:
    """The glosses that a model reads from recordings of any length; arguments as in `score_sentences`."""
    read: list[tuple[str, ...]] = []
    for logits, steps in logits_of(model, clips, fps):
        for labels in decode(logits, steps, len(vocabulary), beam):
            read.append(tuple(vocabulary[i] for i in labels if vocabulary[i] not in unread))
    return read


def logits_of(model: nn.Module, clips: Sequence[Clip], fps: float) -> Iterator[tuple[Tensor, Tensor]]:
    """Logits (B, steps, C + 1) of recordings, blank last, and the steps (B,) of each, batch by batch in order.

    The model is put into eval mode.
    """
    model.eval()
    device = next(model.parameters()).device
    for start in range(0, len(clips), TOGETHER):
        part = clips[start : start + TOGETHER]
        batch = collate([sample_recording(clip, fps) for clip in part], [[] for _ in part])
        with torch.inference_mode():
            output = model(batch.keypoints.to(device), batch.frames.to(device))
        yield output.logits, output.steps


def decode(logits: Tensor, steps: Tensor, classes: int, beam: int = 1) -> list[tuple[int, ...]]:
    """Class ids read from logits (B, steps, C + 1), with the first `classes` and the blank in play."""
    kept = torch.cat([logits[..., :classes], logits[..., -1:]], dim=2)
    log_p = log_probabilities(kept.detach()).cpu().numpy()
    rows = [row[:count] for row, count in zip(log_p, steps.tolist(), strict=True)]
    if beam == 1:
        return [greedy(row, classes).labels for row in rows]
    return [beam_search(row, classes, beam)[0].labels for row in rows]


def held_out_examples(config: Config, folder: Path, signers: Sequence[str]) -> list[Example]:
    """Clips of these signers, or where none are named of the config's held-out signers and test sets.

    Raises:
        DataError: as `load_sets`; an unknown signer, or nothing to score.
    """
    roles: tuple[Role, ...] = ("train", "dev", "test")
    sets = {role: load_sets(config.data, folder, config.model, role) for role in roles}
    if signers:
        return split_by_signer([e for examples in sets.values() for e in examples], signers)[1]
    examples = [*split_by_signer(sets["train"], config.data.held_out)[1], *sets["test"]]
    if not examples:
        raise DataError("the config holds out no signers and has no test sets: name signers to score")
    return examples


def describe_scores(scores: SentenceScores) -> str:
    """The figures in words."""
    return f"{describe(scores.rate)}\naligned signs: accuracy {scores.accuracy:.3f}, macro F1 {scores.macro_f1:.3f}"
