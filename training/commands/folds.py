"""The commands that measure on left-out signers, and that fit a bundle's segmenter and calibration."""

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from glosscast.learned_segmentation import Tagging
from training.config import Config, load_config
from training.config.folds import chosen_folds
from training.data import load_sets, split_by_signer, without_glosses

if TYPE_CHECKING:
    from training.evaluation.left_out import LeftOutFold


def folds_of(config: Config, args: argparse.Namespace) -> "Iterator[LeftOutFold]":
    """The folds that the command line names, with their recognisers and clips."""
    from training.evaluation.left_out import left_out_folds

    return left_out_folds(config, chosen_folds(args.fold, args.folds, args.use), args.checkpoint, args.data)


def segmenter_of(config: Config) -> "Callable[[LeftOutFold], Tagging]":
    """A function that returns the segmenter of a fold; training one takes minutes, so all seeds share it."""
    from training.segmentation.evaluate import train_segmenter

    trained: dict[int, Tagging] = {}

    def segmenter(fold: "LeftOutFold") -> Tagging:
        if fold.number not in trained:
            trained[fold.number] = train_segmenter(config, fold.train)
        return trained[fold.number]

    return segmenter


def run_segmenter(args: argparse.Namespace) -> int:
    """`segmenter`."""
    from training.runtime.files import whole_file
    from training.segmentation.evaluate import train_segmenter

    config = load_config(args.config)
    train, _ = split_by_signer(load_sets(config.data, args.data), config.data.held_out)
    train = without_glosses(train, config.data.held_out_glosses)
    weights = train_segmenter(config, train).weights
    with whole_file(args.out) as file:
        weights.save(file)
    print(args.out)
    return 0


def run_evaluate_segmenter(args: argparse.Namespace) -> int:
    """`evaluate-segmenter`."""
    from training.segmentation.evaluate import score_fold, table

    config = load_config(args.config)
    scores = []
    segmenter = segmenter_of(config)
    for fold in folds_of(config, args):
        scores += score_fold(fold.recogniser, segmenter(fold), fold.held_out, fold.test)
    if args.json:
        print("[" + ",\n".join(s.model_dump_json() for s in scores) + "]")
    else:
        print(table(scores))
    return 0


def run_evaluate_readers(args: argparse.Namespace) -> int:
    """`evaluate-readers`."""
    from training.evaluation.calibration import load_calibration
    from training.segmentation.alike import alike_table, score_alike
    from training.segmentation.readers import live_reader, score_readers, table

    config = load_config(args.config)
    calibration = None if args.calibration is None else load_calibration(args.calibration)
    segmenter = segmenter_of(config)
    scores, alike = [], []
    for fold in folds_of(config, args):
        live = live_reader(fold.recogniser, partial(segmenter, fold), calibration)
        scores += score_readers(fold.recogniser, live, fold.held_out, fold.seed, fold.test)
        if not {e.gloss for e in fold.test} <= {*config.data.vocabulary, config.data.no_sign}:
            alike.append(score_alike(*live, fold.recogniser.config, fold.held_out, fold.seed, fold.test))
    if args.json:
        print(json.dumps({"streams": [s.model_dump() for s in scores], "alike": [s.model_dump() for s in alike]}))
    else:
        print(table(scores))
        if alike:
            print(f"\n{alike_table(alike)}")
    return 0


def run_calibrate(args: argparse.Namespace) -> int:
    """`calibrate`."""
    from training.evaluation.calibration import ClipReadings, calibrate, joined, read_clips
    from training.runtime.files import write_text

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
    from training.evaluation.fold_report import without_seed
    from training.evaluation.rejection import (
        Rejection,
        RejectionScores,
        measure,
        prototypes_of,
        read_open_set,
        scores_of,
        table,
    )

    config = load_config(args.config)
    no_sign = config.data.no_sign_id
    if no_sign is None:
        raise ValueError(f"{args.config}: without a no_sign no sign is rejected")
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
    from training.evaluation.calibration import load_calibration
    from training.segmentation import detections

    config, calibration = load_config(args.config), load_calibration(args.calibration)
    seeds = defaultdict[int, list[detections.FoldDetections]](list)
    segmenter = segmenter_of(config)
    for place, fold in enumerate(folds_of(config, args)):
        # Every model reads other streams: there are more of them than of folds.
        pipeline = detections.calibrated_pipeline(fold.recogniser, calibration, segmenter(fold))
        counts = detections.KNOWN, detections.UNKNOWN
        seeds[fold.seed].append(detections.count_fold(pipeline, config.data, fold.test, args.hours, place, *counts))
    if args.json:
        print(json.dumps([[fold.model_dump() for fold in folds] for folds in seeds.values()], indent=1))
    else:
        print(detections.table(list(seeds.values())))
    return 0


def run_evaluate_invariance(args: argparse.Namespace) -> int:
    """`evaluate-invariance`."""
    from training.evaluation.invariance import Conditions, read_conditions, table

    seeds = defaultdict[int, list[Conditions]](list)
    for fold in folds_of(load_config(args.config), args):
        seeds[fold.seed].append(read_conditions(fold.recogniser, fold.test))
    print(json.dumps(list(seeds.values()), indent=1) if args.json else table(list(seeds.values())))
    return 0
