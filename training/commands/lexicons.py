"""The commands that measure and calibrate the reading of taught signs."""

import argparse
import json
from collections import defaultdict
from typing import TYPE_CHECKING

from training.commands.folds import folds_of
from training.config import load_config
from training.data.npz import load_npz

if TYPE_CHECKING:
    from training.evaluation.one_shot import OneShotScore

Scores = dict[int, dict[int, "list[OneShotScore]"]]


def run_one_shot(args: argparse.Namespace) -> int:
    """`one-shot`."""
    from glosscast.bundle import load_bundle
    from glosscast.lexicon.teaching import Teacher
    from glosscast.recogniser import Recogniser
    from training.evaluation.one_shot import embed, score, table

    bundle = load_bundle(args.bundle).require_isolated()
    teacher = Teacher(bundle, Recogniser(bundle).readout)
    if args.self_taught and args.enrol is not None:
        raise ValueError("give either --enrol or --self-taught")
    asked = embed(teacher, load_npz(args.data, args.fps, args.aspect))
    taught = asked if args.enrol is None else embed(teacher, load_npz(args.enrol, args.fps, args.aspect))
    scores: Scores = {
        ways: {
            shots: [score(asked, None if args.self_taught else taught, ways, shots, args.draws, args.seed)]
            for shots in args.shots
        }
        for ways in args.ways
    }
    if args.json:
        answer = {
            "bundle": bundle.id,
            "clips": len(asked.glosses),
            "unusable": asked.unusable,
            "ways": {w: {s: of_seeds[0].model_dump() for s, of_seeds in of.items()} for w, of in scores.items()},
        }
        print(json.dumps(answer))
    else:
        print(table(scores))
    return 0


def run_evaluate_one_shot(args: argparse.Namespace) -> int:
    """`evaluate-one-shot`."""
    from training.evaluation.one_shot import OneShotScore, of_fold, score, table

    found = defaultdict[tuple[int, int], dict[int, list[OneShotScore]]](lambda: defaultdict(list))
    for fold in folds_of(load_config(args.config), args):
        clips, _ = of_fold(fold)
        clips = clips.outside(fold.recogniser.config.data.vocabulary)
        for ways in args.ways:
            for shots in args.shots:
                taught = None if args.self_taught else clips
                found[ways, shots][fold.seed].append(score(clips, taught, ways, shots, args.draws, fold.number))
    scores: Scores = defaultdict(dict)
    for (ways, shots), seeds in found.items():
        scores[ways][shots] = [
            OneShotScore(
                accuracy=sum(f.accuracy for f in of_folds) / len(of_folds),
                top5=sum(f.top5 for f in of_folds) / len(of_folds),
            )
            for of_folds in seeds.values()
        ]
    if args.json:
        dumped = {
            w: {s: [score.model_dump() for score in seeds] for s, seeds in of.items()} for w, of in scores.items()
        }
        print(json.dumps({"ways": dumped}))
    else:
        print(table(scores))
    return 0


def run_calibrate_lexicon(args: argparse.Namespace) -> int:
    """`calibrate-lexicon`."""
    import numpy as np

    from training.evaluation.calibration import load_calibration
    from training.evaluation.lexicon_calibration import Asked, ask, calibrate_lexicon, typical
    from training.evaluation.one_shot import of_fold
    from training.runtime.files import write_text

    config, calibration = load_config(args.config), load_calibration(args.calibration)
    no_sign, no_sign_id = config.data.no_sign, config.data.no_sign_id
    if no_sign is None or no_sign_id is None:
        raise ValueError(f"{args.config}: without a no_sign there is no room for taught signs")
    asked: list[Asked] = []
    similarities = []
    for place, fold in enumerate(folds_of(config, args)):
        clips, probabilities = of_fold(fold, calibration)
        asked += ask(clips, probabilities, config.data.vocabulary, no_sign, place)
        similarities.append(typical(clips, config.data.vocabulary))
    found = calibrate_lexicon(asked, no_sign_id, calibration.reject, float(np.mean(similarities)))
    write_text(args.out, found.model_dump_json(indent=2) + "\n")
    print(found.describe())
    return 0
