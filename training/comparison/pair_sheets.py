"""Skeletons of the pairs of glosses that a variant confuses less and more often than the baseline."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from training.comparison.analysis import Analysis
from training.comparison.pairs import PairChange, most_changed
from training.data import Example
from training.evaluation.sheets import Strip, draw_sheet


def draw_pairs(analysis: Analysis, tested: Sequence[Mapping[int, Example]], folder: Path) -> dict[str, list[str]]:
    """Write a sheet of the most improved pairs and one of those that got worst, for each rival.

    Args:
        analysis: of the comparison.
        tested: for each fold, its test clips by their numbers.
        folder: where the sheets go.

    Returns:
        The names of the files of each rival; a variant without a change has none.

    Raises:
        OSError: one cannot be written.
    """
    out: dict[str, list[str]] = {}
    baseline = analysis.plan.baseline
    for variant in analysis.plan.rivals:
        better, worse = most_changed(analysis.changes[variant])
        sheets = (("better", "less", better, baseline), ("worse", "more", worse, variant))
        out[variant] = []
        for ending, how, pairs, reader in sheets:
            if pairs:
                name = f"pairs-{re.sub(r'[^a-z0-9.]+', '-', variant)}-{ending}.png"
                strips = [strip for pair in pairs for strip in _strips(analysis, tested, pair, reader)]
                draw_sheet(f"Pairs that {variant} confuses {how} often than {baseline}", strips, folder / name)
                out[variant].append(name)
    return out


def _strips(analysis: Analysis, tested: Sequence[Mapping[int, Example]], pair: PairChange, reader: str) -> list[Strip]:
    """Of each gloss of a pair the clip that `reader` takes for the other one most often."""
    vocabulary = analysis.plan.config.data.vocabulary
    strips = []
    for gloss, other in (pair.glosses, pair.glosses[::-1]):
        taken = Counter[tuple[int, int]]()
        for key, run in analysis.of(reader).items():
            of_gloss = run.truth == vocabulary.index(gloss)
            wrong = run.predicted == vocabulary.index(other)
            for number, confused in zip(run.clips[of_gloss], wrong[of_gloss], strict=True):
                taken[key.fold, int(number)] += int(confused)
        if taken:
            (fold, number), times = taken.most_common(1)[0]
            signer = tested[fold][number].signer
            seeds = len(analysis.plan.seeds)
            title = f"{gloss} by {signer}: {reader} reads {other} with {times} of {seeds} seeds"
            strips.append(Strip(tested[fold][number].clip, title))
    return strips
