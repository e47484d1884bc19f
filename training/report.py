"""Tables of a fold evaluation, in Markdown."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from training.evaluate import GlossScore, SignerScore
from training.folds import MAIN_VARIANT, FoldReport, Run


def markdown(report: FoldReport) -> str:
    """Variants side by side, pooled and by fold; the main variant per signer and gloss; its confusions."""
    variants = list(dict.fromkeys(run.variant for run in report.runs))
    main = report.of(MAIN_VARIANT)
    parts = [variant_table(report, variants), "", fold_table(report, variants)]
    if main:
        parts += [
            f"`{MAIN_VARIANT}` in detail:\n",
            rows("signer", [r.scores.per_signer for r in main]),
            rows("gloss", [r.scores.per_gloss for r in main]),
            confusion_table(main),
        ]
    return "\n".join(parts)


def variant_table(report: FoldReport, variants: Sequence[str]) -> str:
    """Mean over folds and seeds, spread over seeds."""
    lines = ["| variant | accuracy | spread over seeds | macro F1 | top 5 | runs |", "|---|---|---|---|---|---|"]
    for variant in variants:
        runs = report.of(variant)
        seeds = list(report.by_seed(variant).values())
        spread = f"{100 * min(seeds):.1f} to {100 * max(seeds):.1f}"
        accuracy, f1, top5 = (
            np.mean([getattr(r.scores, name) for r in runs]) for name in ("accuracy", "macro_f1", "top5")
        )
        lines.append(f"| {variant} | {100 * accuracy:.1f} % | {spread} | {f1:.3f} | {100 * top5:.1f} % | {len(runs)} |")
    return "\n".join(lines)


def fold_table(report: FoldReport, variants: Sequence[str]) -> str:
    """Accuracy of each variant on each fold, mean over seeds."""
    folds = list(dict.fromkeys(run.held_out for run in report.runs))
    lines = ["| left out | " + " | ".join(variants) + " |", "|---" * (len(variants) + 1) + "|"]
    for fold in folds:
        cells = []
        for variant in variants:
            values = [r.scores.accuracy for r in report.of(variant) if r.held_out == fold]
            cells.append(f"{100 * np.mean(values):.1f} %" if values else "–")
        lines.append(f"| {', '.join(fold)} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def rows(title: str, tables: Iterable[Mapping[str, GlossScore | SignerScore]]) -> str:
    """Accuracy per key of score tables, weighted by clips."""
    clips: Counter[str] = Counter()
    hits: defaultdict[str, float] = defaultdict(float)
    for table in tables:
        for name, row in table.items():
            clips[name] += row.n
            hits[name] += row.n * row.accuracy
    lines = [f"| {title} | clips x seeds | accuracy |", "|---|---|---|"]
    lines += [f"| {name} | {clips[name]} | {100 * hits[name] / clips[name]:.1f} % |" for name in sorted(clips)]
    return "\n".join(lines) + "\n"


def confusion_table(runs: Sequence[Run], most: int = 12) -> str:
    """The most frequent confusions."""
    counts: Counter[tuple[str, str]] = Counter()
    for run in runs:
        for c in run.scores.confusions:
            counts[c.gloss, c.predicted] += c.count
    lines = ["| gloss | taken for | clips x seeds |", "|---|---|---|"]
    lines += [f"| {gloss} | {predicted} | {n} |" for (gloss, predicted), n in counts.most_common(most)]
    return "\n".join(lines)
