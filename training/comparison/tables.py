"""The tables of a report, in Markdown."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from training.comparison.analysis import Analysis
from training.comparison.bootstrap import Difference
from training.comparison.overlap import Overlap
from training.comparison.pairs import PairChange, most_changed

NONE = "–"
OPEN = {"AUROC of known signs": "auroc", "one example by another person": "one_shot"}  # where there are unknown signs


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table; the first column is text, the rest figures."""
    lines = ["| " + " | ".join(header) + " |", "|---" + "|---:" * (len(header) - 1) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def percent(value: float) -> str:
    """A share in per cent."""
    return NONE if np.isnan(value) else f"{100 * value:.1f} %"


def percent_and_std(values: NDArray[np.float64]) -> str:
    """Mean and standard deviation over seeds, in per cent; seeds without a figure are left out."""
    known = values[~np.isnan(values)]
    if not len(known):
        return NONE
    return f"{100 * known.mean():.1f} %" + (f" ± {100 * known.std(ddof=1):.1f}" if len(known) > 1 else "")


def points(difference: Difference) -> str:
    """A difference in percentage points with its interval, bold where it is hardly chance."""
    if difference.value is None:
        return NONE
    text = f"{100 * difference.value:+.1f}"
    if difference.interval is not None:
        text += " ({:+.1f} to {:+.1f})".format(*(100 * end for end in difference.interval))
    return f"**{text}**" if difference.certain else text


def relative(difference: Difference) -> str:
    """A relative change in per cent with its interval."""
    if difference.relative is None:
        return NONE
    text = f"{100 * difference.relative:+.0f} %"
    if difference.relative_interval is not None:
        text += " ({:+.0f} to {:+.0f})".format(*(100 * end for end in difference.relative_interval))
    return text


def figure_table(analysis: Analysis) -> str:
    """The figures of each variant; WER where some variant reads sentences."""
    wer = any(run.wer is not None for run in analysis.report.runs)
    columns = {
        "accuracy": "accuracy",
        "mean over signers": "signers",
        "worst tenth of signers": "worst",
        "macro F1": "macro_f1",
        "top 5": "top5",
        "error on confusable pairs": "pair_error",
        **(OPEN if analysis.has_unknown else {}),
    }
    header = ["variant", *columns, *(["WER"] if wer else [])]
    rows = []
    for variant, of in analysis.figures.items():
        row = [variant, *(percent_and_std(of[name]) for name in columns.values())]
        rows.append(row + ([percent_and_std(wer_by_seed(analysis, variant))] if wer else []))
    return table(header, rows)


def wer_by_seed(analysis: Analysis, variant: str) -> NDArray[np.float64]:
    """(S,) mean over folds, NaN where a run has none."""
    runs = analysis.report.of(variant)
    wers = [[np.nan if r.wer is None else r.wer for r in runs if r.seed == seed] for seed in analysis.plan.seeds]
    return np.asarray(np.mean(np.array(wers, float), axis=1))


def difference_table(analysis: Analysis) -> str:
    """Each rival less the baseline."""
    more = OPEN if analysis.has_unknown else {}
    header = ["variant", "accuracy", "macro F1", "error on confusable pairs", "the same, relative", *more]
    rows = [
        [
            *(v, points(d["accuracy"]), points(d["macro_f1"]), points(d["pair_error"]), relative(d["pair_error"])),
            *(points(d[name]) for name in more.values()),
        ]
        for v, d in analysis.differences.items()
    ]
    return table(header, rows)


def fold_table(analysis: Analysis) -> str:
    """Accuracy of each variant on each fold, mean over seeds."""
    rows = []
    for fold, held_out in enumerate(analysis.plan.folds):
        runs = [run for run in analysis.report.runs if run.held_out == held_out]
        cells = [np.mean([r.scores.accuracy for r in runs if r.variant == v]) for v in analysis.plan.variants]
        rows.append([analysis.plan.fold_name(fold), str(runs[0].scores.n), *(percent(float(cell)) for cell in cells)])
    return table(["left out", "clips", *analysis.plan.variants], rows)


def pair_table(analysis: Analysis) -> str:
    """The confusable pairs of each fold, and the share of clips in which each variant confuses them."""
    plan = analysis.plan
    rows = []
    silent = 0
    vocabulary = plan.config.data.vocabulary
    for fold in range(len(plan.folds)):
        pairs = np.stack([analysis.masks[seed, fold] for seed in plan.seeds]).any(axis=0)
        for i, j in np.argwhere(np.triu(pairs)):
            shares = [_confused(analysis, variant, fold, (i, j)) for variant in plan.variants]
            if not any(shares):
                silent += 1
                continue
            cells = [NONE if share is None else percent(share) for share in shares]
            rows.append([f"{vocabulary[i]} / {vocabulary[j]}", plan.fold_name(fold), *cells])
    if not rows and not silent:
        return "There are none.\n"
    shown = table(["pair", "scored on", *plan.variants], rows) if rows else ""
    return shown + (
        f"\nPairs that no variant confuses on these signers, or that they do not sign: {silent}.\n" if silent else ""
    )


def _confused(analysis: Analysis, variant: str, fold: int, pair: tuple[int, int]) -> float | None:
    """Share of a pair's clips in a fold that are taken for the other gloss; None where there are no clips."""
    i, j = pair
    runs = [run for key, run in analysis.of(variant).items() if key.fold == fold]
    of_pair = np.concatenate([np.isin(run.truth, pair) for run in runs])
    other = np.concatenate([np.where(run.truth == i, j, i) == run.predicted for run in runs])
    return float(other[of_pair].mean()) if of_pair.any() else None


def change_table(analysis: Analysis, variant: str) -> str:
    """The pairs that a variant confuses least and most, against the baseline."""
    better, worse = most_changed(analysis.changes[variant])
    rows: list[list[str]] = []
    for what, some in (("better", better), ("worse", worse)):
        rows += [[what, *_change(change)] for change in some]
    return table(["", "pair", analysis.plan.baseline, variant, "points"], rows) if rows else "No pair changed.\n"


def _change(change: PairChange) -> list[str]:
    pair = " / ".join(change.glosses)
    points_ = f"{100 * change.difference:+.1f}"
    return [pair, percent(change.baseline), percent(change.variant), points_]


def overlap_table(analysis: Analysis) -> str:
    """Overlap of the glosses in each variant's embeddings."""
    columns = ["nearest clip has another gloss", "nearest clip of another signer has", "silhouette"]
    more = [f"unknown signs: {column}" for column in columns] if analysis.has_unknown else []
    header = ["variant", *columns, *more]
    rows = []
    for v, known in analysis.overlaps.items():
        unknown = analysis.unknown_overlaps.get(v)
        rows.append([v, *_overlap(known), *([] if unknown is None else _overlap(unknown))])
    return table(header, rows)


def _overlap(found: Overlap) -> list[str]:
    figure = NONE if np.isnan(found.silhouette) else f"{found.silhouette:.3f}"
    return [percent(found.neighbour), percent(found.stranger), figure]


def robustness_table(analysis: Analysis) -> str:
    """Accuracy of each variant under each condition."""
    conditions = list(dict.fromkeys(name for of in analysis.robustness.values() for name in of))
    rows = [
        [name or "as recorded", *(percent(of.get(name, float("nan"))) for of in analysis.robustness.values())]
        for name in conditions
    ]
    return table(["clips", *analysis.robustness], rows)
