"""The commands `segmenter`, `evaluate-segmenter` and `calibrate`."""

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from training.config import Config, load_config
from training.data import Example, load_sets, split_by_signer


class Fold(NamedTuple):
    """Signers that are left out, a recogniser that has not seen them, and everybody's clips."""

    held_out: tuple[str, ...]
    checkpoint: Path
    train: list[Example]
    test: list[Example]


def folds_of(config: Config, args: argparse.Namespace) -> Iterator[Fold]:
    """The folds that the command line names.

    Raises:
        ValueError: not one checkpoint for each fold.
        DataError: the data cannot be used, or a signer is not in it.
    """
    if not args.fold or len(args.fold) != len(args.checkpoint):
        raise ValueError(f"one --checkpoint for each --fold: got {len(args.checkpoint)} for {len(args.fold)}")
    examples = load_sets(config.data, args.data)
    for fold, checkpoint in zip(args.fold, args.checkpoint, strict=True):
        held_out = tuple(fold.split(","))
        yield Fold(held_out, checkpoint, *split_by_signer(examples, held_out))


def run_segmenter(args: argparse.Namespace) -> int:
    """`segmenter`."""
    from training.segmentation.evaluate import teach
    from training.writing import whole_file

    config = load_config(args.config)
    train, _ = split_by_signer(load_sets(config.data, args.data), config.data.held_out)
    weights = teach(config, train).weights
    with whole_file(args.out) as file:
        weights.save(file)
    print(args.out)
    return 0


def run_evaluate_segmenter(args: argparse.Namespace) -> int:
    """`evaluate-segmenter`."""
    from training.segmentation.evaluate import load_recogniser, score_fold, table, teach

    config = load_config(args.config)
    scores = []
    for fold in folds_of(config, args):
        recogniser = load_recogniser(fold.checkpoint, fold.held_out)
        scores += score_fold(recogniser, teach(config, fold.train), fold.held_out, fold.test)
    if args.json:
        print("[" + ",\n".join(s.model_dump_json() for s in scores) + "]")
    else:
        print(table(scores))
    return 0


def run_calibrate(args: argparse.Namespace) -> int:
    """`calibrate`."""
    from training.calibration import calibrate, read_clips
    from training.segmentation.evaluate import load_recogniser
    from training.writing import write_text

    config = load_config(args.config)
    readings = [
        read_clips(load_recogniser(fold.checkpoint, fold.held_out), fold.test) for fold in folds_of(config, args)
    ]
    calibration = calibrate(readings)
    write_text(args.out, calibration.model_dump_json(indent=2) + "\n")
    print(calibration.describe())
    return 0
