"""The commands that learn and measure how streams are read: segmenter, calibration, rejection, idle hands."""

import argparse
import json
from collections.abc import Iterator
from typing import NamedTuple

from training.checkpoint import Checkpoint
from training.config import Config, load_config
from training.data import Example, load_sets, split_by_signer, without_glosses
from training.segmentation.evaluate import load_recogniser
from training.splits import chosen_folds


class Fold(NamedTuple):
    """Signers that are left out, a recogniser that has not seen them, and everybody's clips.

    Where a fold leaves out glosses as well, the clips of other signs that are tested on are of those glosses alone.
    """

    held_out: tuple[str, ...]
    recogniser: Checkpoint
    train: list[Example]
    test: list[Example]


def folds_of(config: Config, args: argparse.Namespace) -> Iterator[Fold]:
    """The folds that the command line names.

    Raises:
        ValueError: not one checkpoint for each fold.
        DataError: the data cannot be used, or a signer is not in it.
    """
    folds = chosen_folds(args.fold, args.folds, args.use)
    if not folds or len(folds) != len(args.checkpoint):
        raise ValueError(f"one --checkpoint for each --fold: got {len(args.checkpoint)} for {len(folds)}")
    examples = load_sets(config.data, args.data)
    for fold, checkpoint in zip(folds, args.checkpoint, strict=True):
        train, test = split_by_signer(examples, fold.signers)
        known = {*config.data.vocabulary, *(fold.glosses or {e.gloss for e in test})}
        yield Fold(
            fold.signers,
            load_recogniser(checkpoint, fold.signers, fold.glosses),
            without_glosses(train, fold.glosses),
            [e for e in test if e.gloss in known],
        )


def run_segmenter(args: argparse.Namespace) -> int:
    """`segmenter`."""
    from training.segmentation.evaluate import teach
    from training.writing import whole_file

    config = load_config(args.config)
    train, _ = split_by_signer(load_sets(config.data, args.data), config.data.held_out)
    train = without_glosses(train, config.data.held_out_glosses)
    weights = teach(config, train).weights
    with whole_file(args.out) as file:
        weights.save(file)
    print(args.out)
    return 0


def run_evaluate_segmenter(args: argparse.Namespace) -> int:
    """`evaluate-segmenter`."""
    from training.segmentation.evaluate import score_fold, table, teach

    config = load_config(args.config)
    scores = []
    for fold in folds_of(config, args):
        scores += score_fold(fold.recogniser, teach(config, fold.train), fold.held_out, fold.test)
    if args.json:
        print("[" + ",\n".join(s.model_dump_json() for s in scores) + "]")
    else:
        print(table(scores))
    return 0


def run_calibrate(args: argparse.Namespace) -> int:
    """`calibrate`."""
    from training.calibration import calibrate, read_clips
    from training.writing import write_text

    config = load_config(args.config)
    readings = [read_clips(fold.recogniser, fold.test) for fold in folds_of(config, args)]
    calibration = calibrate(readings)
    write_text(args.out, calibration.model_dump_json(indent=2) + "\n")
    print(calibration.describe())
    return 0


def run_evaluate_rejection(args: argparse.Namespace) -> int:
    """`evaluate-rejection`."""
    from training.rejection import measure, prototypes_of, read_open_set, scores_of, table

    config = load_config(args.config)
    if config.data.no_sign is None:
        raise ValueError(f"{args.config}: without a no_sign no sign is rejected")
    no_sign = config.data.vocabulary.index(config.data.no_sign)
    folds = []
    for fold in folds_of(config, args):
        found = read_open_set(fold.recogniser, fold.test)
        scores = scores_of(found, prototypes_of(fold.recogniser, fold.train), no_sign)
        folds.append(measure(found, scores, no_sign))
    if args.json:
        print(json.dumps([{name: s.model_dump() for name, s in fold.items()} for fold in folds]))
    else:
        print(table(folds))
    return 0


def run_evaluate_told(args: argparse.Namespace) -> int:
    """`evaluate-told`."""
    from training.calibration import load_calibration
    from training.segmentation.evaluate import teach
    from training.segmentation.told import count_fold, table

    config, calibration = load_config(args.config), load_calibration(args.calibration)
    folds = []
    for number, fold in enumerate(folds_of(config, args)):
        tagging = teach(config, fold.train)
        folds.append(count_fold(fold.recogniser, calibration, tagging, fold.test, args.hours, number))
    print("[" + ",\n".join(f.model_dump_json() for f in folds) + "]" if args.json else table(folds))
    return 0


def run_evaluate_invariance(args: argparse.Namespace) -> int:
    """`evaluate-invariance`."""
    from training.invariance import read_conditions, table

    folds = [read_conditions(fold.recogniser, fold.test) for fold in folds_of(load_config(args.config), args)]
    print(json.dumps(folds) if args.json else table(folds))
    return 0
