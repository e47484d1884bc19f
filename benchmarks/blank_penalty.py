"""How compared models of sentences read when the blank is made less likely, so that they miss fewer signs.

    python -m benchmarks.blank_penalty runs/sentences --data DIR [--baseline keypoints+ctc]

The folder is that of a `compare` of sentences, with its checkpoints. From the blank's logit a penalty is subtracted
before the best path is read, so that more signs are read, and more that were not signed; fewer of both where it is
below 0. Each variant has the penalty of `PENALTIES` with the lowest WER, mean over seeds, on the signers of the other
folds, whom the models of those folds did not learn from either. Printed are these penalties, figures and differences
as in the report, and how many wrong words each variant gives where it misses as many signs as the baseline does without
a penalty.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from training.comparison.hypotheses import SentenceHypotheses
from training.comparison.plan import Clips, Plan, RunKey, make_plan
from training.comparison.runs import load_model
from training.comparison.sentence_report import difference_table, figure_table, wer_differences
from training.comparison.sentences import SEED, SENTENCES, hypotheses_of
from training.comparison.tables import percent_and_std, table
from training.data import DataError
from training.evaluation.fold_report import load_report
from training.models.checkpoint import Checkpoint, load_checkpoint
from training.runtime.checkpoint_file import CheckpointError
from training.tasks.sentence_scores import decode, logits_of, sentences_of, unsigned

PENALTIES = tuple(0.5 * step for step in range(-2, 9))
WRONG = "substitutions and insertions at the deletions of the baseline"
NAME = re.compile(r"(.+)\.seed(\d+)\.fold(\d+)")

Floats = NDArray[np.float64]
Readings = Mapping[RunKey, Sequence[SentenceHypotheses]]  # of each run, one for each of `PENALTIES`


def main(argv: Sequence[str] | None = None) -> int:
    """Entry point."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blank_penalty", description=__doc__.split("\n")[0])
    parser.add_argument("folder", type=Path, help="of a comparison of sentences, with its checkpoints")
    parser.add_argument("--data", type=Path, required=True, help="folder of the recordings")
    parser.add_argument("--baseline", help="variant that the others are held against (default: CTC alone)")
    args = parser.parse_args(argv)
    try:
        plan = plan_of(args.folder, args.baseline)
        clips = Clips(plan, args.data)
        chosen = penalties_of(plan, readings := {key: read(key, clips) for key in plan.keys})
    except (CheckpointError, DataError, ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    runs = {key: readings[key][PENALTIES.index(chosen[key.variant][key.fold])] for key in plan.keys}
    folds = [f"fold {fold}" for fold in range(len(plan.folds))]
    penalties = table(["penalty", *folds], [[variant, *map(str, found)] for variant, found in chosen.items()])
    wrong = table(["variant", WRONG], [[v, percent_and_std(at)] for v, at in wrong_words(plan, readings).items()])
    print(penalties, figure_table(plan, runs), difference_table(wer_differences(plan, runs)), wrong, sep="\n\n")
    return 0


def plan_of(folder: Path, baseline: str | None) -> Plan:
    """The comparison whose checkpoints are in a folder.

    Raises:
        ValueError: there are none, or they do not make a whole comparison of two folds or more.
    """
    found = [NAME.fullmatch(path.stem) for path in sorted((folder / "checkpoints").glob("*.pt"))]
    keys = [RunKey(name[1], int(name[2]), int(name[3])) for name in found if name is not None]
    if not keys:
        raise ValueError(f"{folder}: no checkpoints of a comparison")
    variants, seeds, folds = (sorted(set(parts)) for parts in zip(*keys, strict=True))
    if len(folds) < 2 or len(keys) != len(variants) * len(seeds) * len(folds):
        raise ValueError(f"{folder}: needs every variant with every seed in two folds or more")
    kept = load_report(folder / "runs.json")
    first = [RunKey(variants[0], seeds[0], fold) for fold in folds]
    held_out = [load_checkpoint(folder / "checkpoints" / f"{key.name}.pt").config.data.held_out for key in first]
    return make_plan(kept.config, folder, held_out, seeds, variants, kept.glosses, baseline)


def read(key: RunKey, clips: Clips) -> list[SentenceHypotheses]:
    """What a run reads with each penalty.

    Raises:
        ValueError: it is not of sentences, or of another comparison.
    """
    checkpoint = load_model(clips.plan, key)
    if not isinstance(checkpoint, Checkpoint) or checkpoint.kind != "continuous":
        raise ValueError(f"{key.name}: not a model of sentences")
    config = checkpoint.config
    vocabulary, unread = config.data.vocabulary, unsigned(config)
    sentences = sentences_of(config, list(clips.test(key.fold).values()), SENTENCES, SEED)
    hypotheses: list[list[tuple[str, ...]]] = [[] for _ in PENALTIES]
    for logits, steps in logits_of(checkpoint.build_continuous(), [s.clip for s in sentences], config.clip.fps):
        for penalty, read_so_far in zip(PENALTIES, hypotheses, strict=True):
            less = logits.clone()
            less[..., -1] -= penalty
            for labels in decode(less, steps, len(vocabulary)):
                read_so_far.append(tuple(vocabulary[i] for i in labels if vocabulary[i] not in unread))
    return [hypotheses_of(clips.plan, key, sentences, found) for found in hypotheses]


def penalties_of(plan: Plan, readings: Readings) -> dict[str, list[float]]:
    """For each variant and fold, the penalty with the lowest WER on the other folds; of equal ones, the lower."""
    chosen = {}
    for variant in plan.variants:
        folds = range(len(plan.folds))
        wer = np.array(
            [
                np.mean([[r.scores.rate.wer for r in readings[RunKey(variant, s, fold)]] for s in plan.seeds], axis=0)
                for fold in folds
            ]
        )
        chosen[variant] = [PENALTIES[int(np.delete(wer, fold, axis=0).mean(axis=0).argmin())] for fold in folds]
    return chosen


def wrong_words(plan: Plan, readings: Readings) -> dict[str, Floats]:
    """(seeds,) substitutions and insertions of each variant, per sign, where it deletes as many as the baseline does.

    The baseline is read without a penalty; between two penalties figures are interpolated, means over folds. NaN where
    no penalty makes a variant delete as many.
    """
    parts = {
        v: np.array([[_parts(readings, plan, v, seed, p) for p in range(len(PENALTIES))] for seed in plan.seeds])
        for v in plan.variants
    }
    missed = parts[plan.baseline][:, PENALTIES.index(0.0), 0]
    return {
        variant: np.array(
            [
                np.interp(least, seed[::-1, 0], seed[::-1, 1], left=np.nan, right=np.nan)
                for least, seed in zip(missed, found, strict=True)
            ]
        )
        for variant, found in parts.items()
    }


def _parts(readings: Readings, plan: Plan, variant: str, seed: int, penalty: int) -> tuple[float, float]:
    rates = [readings[RunKey(variant, seed, fold)][penalty].scores.rate for fold in range(len(plan.folds))]
    missed = float(np.mean([rate.deletions / rate.tokens for rate in rates]))
    return missed, float(np.mean([rate.wer for rate in rates])) - missed


if __name__ == "__main__":
    sys.exit(main())
