"""The commands that learn and measure how streams are read: segmenter, calibration, rejection, idle hands."""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from glosscast.learned_segmentation import Tagging
from training.checkpoint import Checkpoint
from training.config import Config, load_config
from training.config.folds import chosen_folds
from training.data import Example, load_sets, split_by_signer, without_glosses
from training.segmentation.evaluate import load_recogniser


class Fold(NamedTuple):
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


def folds_of(config: Config, args: argparse.Namespace) -> Iterator[Fold]:
    """The folds that the command line names, all of one seed before those of the next.

    Raises:
        ValueError: not as many checkpoints for each fold.
        DataError: the data cannot be used, or a signer is not in it.
    """
    folds = chosen_folds(args.fold, args.folds, args.use)
    if not folds or not args.checkpoint or len(args.checkpoint) % len(folds):
        raise ValueError(f"one --checkpoint for each --fold and seed: got {len(args.checkpoint)} for {len(folds)}")
    examples = load_sets(config.data, args.data)
    for place, checkpoint in enumerate(args.checkpoint):
        seed, number = divmod(place, len(folds))
        fold = folds[number]
        train, test = split_by_signer(examples, fold.signers)
        known = {*config.data.vocabulary, *(fold.glosses or {e.gloss for e in test})}
        yield Fold(
            number,
            seed,
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
    taught: dict[int, Tagging] = {}  # one segmenter for each fold, whatever the recogniser's seed
    for fold in folds_of(config, args):
        tagging = taught.setdefault(fold.number, taught.get(fold.number) or teach(config, fold.train))
        scores += score_fold(fold.recogniser, tagging, fold.held_out, fold.test)
    if args.json:
        print("[" + ",\n".join(s.model_dump_json() for s in scores) + "]")
    else:
        print(table(scores))
    return 0


def run_calibrate(args: argparse.Namespace) -> int:
    """`calibrate`."""
    from training.calibration import ClipReadings, calibrate, joined, read_clips
    from training.writing import write_text

    config = load_config(args.config)
    readings = defaultdict[int, list[ClipReadings]](list)
    for fold in folds_of(config, args):
        readings[fold.number].append(read_clips(fold.recogniser, fold.test))
    calibration = calibrate([joined(seeds) for seeds in readings.values()])
    write_text(args.out, calibration.model_dump_json(indent=2) + "\n")
    print(calibration.describe())
    return 0


def run_evaluate_rejection(args: argparse.Namespace) -> int:
    """`evaluate-rejection`."""
    from training.folds import without_seed
    from training.rejection import Rejection, RejectionScores, measure, prototypes_of, read_open_set, scores_of, table

    config = load_config(args.config)
    if config.data.no_sign is None:
        raise ValueError(f"{args.config}: without a no_sign no sign is rejected")
    no_sign = config.data.vocabulary.index(config.data.no_sign)
    seeds = defaultdict[int, list[dict[str, RejectionScores]]](list)
    for fold in folds_of(config, args):
        found = read_open_set(fold.recogniser, fold.test)
        scores = scores_of(found, prototypes_of(fold.recogniser, fold.train), no_sign)
        seeds[fold.seed].append(measure(found, scores, no_sign))
    if args.json:
        print(Rejection(config=without_seed(config), seeds=tuple(map(tuple, seeds.values()))).model_dump_json(indent=1))
    else:
        print(table(list(seeds.values())))
    return 0


def run_evaluate_told(args: argparse.Namespace) -> int:
    """`evaluate-told`."""
    from training.calibration import load_calibration
    from training.segmentation.evaluate import teach
    from training.segmentation.told import FoldTold, count_fold, table

    config, calibration = load_config(args.config), load_calibration(args.calibration)
    seeds = defaultdict[int, list[FoldTold]](list)
    taught: dict[int, Tagging] = {}
    for place, fold in enumerate(folds_of(config, args)):
        tagging = taught.setdefault(fold.number, taught.get(fold.number) or teach(config, fold.train))
        # Every model reads other streams: there are more of them than of folds.
        seeds[fold.seed].append(count_fold(fold.recogniser, calibration, tagging, fold.test, args.hours, place))
    if args.json:
        print(json.dumps([[fold.model_dump() for fold in folds] for folds in seeds.values()], indent=1))
    else:
        print(table(list(seeds.values())))
    return 0


def run_evaluate_invariance(args: argparse.Namespace) -> int:
    """`evaluate-invariance`."""
    from training.invariance import Conditions, read_conditions, table

    seeds = defaultdict[int, list[Conditions]](list)
    for fold in folds_of(load_config(args.config), args):
        seeds[fold.seed].append(read_conditions(fold.recogniser, fold.test))
    print(json.dumps(list(seeds.values()), indent=1) if args.json else table(list(seeds.values())))
    return 0
