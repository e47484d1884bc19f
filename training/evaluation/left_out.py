"""Folds with a recogniser that has seen neither their signers nor their glosses."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from training.config import Config
from training.config.folds import Fold
from training.data import Example, load_sets, split_by_signer, without_glosses
from training.models.checkpoint import Checkpoint, load_checkpoint


class LeftOutFold(NamedTuple):
    """Signers that are left out, a recogniser that has not seen them, and everybody's clips.

    Where a fold leaves out glosses as well, the clips of other signs that are tested on are of those glosses alone.

    Attributes:
        number: 0, 1, … of the fold.
        seed: 0, 1, … of the recognisers that were trained without it.
        held_out: the signers.
        recogniser: trained without them.
        train: everybody else's clips.
        test: theirs.
    """

    number: int
    seed: int
    held_out: tuple[str, ...]
    recogniser: Checkpoint
    train: list[Example]
    test: list[Example]


def left_out_folds(
    config: Config, folds: Sequence[Fold], checkpoints: Sequence[Path], data: Path
) -> Iterator[LeftOutFold]:
    """Each fold once for each seed, all of one seed before those of the next.

    Args:
        config: whose data sets the clips are from.
        folds: the signers and glosses that are left out.
        checkpoints: one for each fold, then one for each fold with the next seed, and so on.
        data: the data folder.

    Raises:
        ValueError: not as many checkpoints for each fold.
        DataError: the data cannot be used, or a signer is not in it.
    """
    if not folds or not checkpoints or len(checkpoints) % len(folds):
        raise ValueError(f"one --checkpoint for each --fold and seed: got {len(checkpoints)} for {len(folds)}")
    examples = load_sets(config.data, data)
    for place, checkpoint in enumerate(checkpoints):
        seed, number = divmod(place, len(folds))
        fold = folds[number]
        train, test = split_by_signer(examples, fold.signers)
        known = {*config.data.vocabulary, *(fold.glosses or {e.gloss for e in test})}
        yield LeftOutFold(
            number,
            seed,
            fold.signers,
            load_recogniser(checkpoint, fold.signers, fold.glosses),
            without_glosses(train, fold.glosses),
            [e for e in test if e.gloss in known],
        )


def load_recogniser(path: Path, held_out: Sequence[str], glosses: Sequence[str] = ()) -> Checkpoint:
    """A checkpoint that must not have seen these signers, nor these glosses.

    Raises:
        CheckpointError: not a checkpoint.
        ValueError: it was trained on one of them.
    """
    checkpoint = load_checkpoint(path)
    data = checkpoint.config.data
    known = {*held_out, *glosses} - {*data.held_out, *data.held_out_glosses}
    if known:
        raise ValueError(f"{path}: does not say that it left out {', '.join(sorted(known))}: give one that did")
    return checkpoint
