"""The charts of a report, drawn so that a reader can distinguish them without colours."""

import matplotlib

matplotlib.use("Agg")

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from training.comparison.analysis import Analysis
from training.comparison.effects import draw_effects, panels_of
from training.comparison.overlap import overlap
from training.comparison.plan import RunKey
from training.comparison.predictions import Predictions
from training.comparison.robustness import CONDITIONS
from training.comparison.tsne import tsne
from training.comparison.unknown import UnknownSigns

# Okabe and Ito's palette, less its yellow, which white swallows; markers carry on where colours run out.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#000000", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P", "X")
MOST_SIGNERS = 20  # of whom each has bars
MOST_GLOSSES = 30  # in a matrix that can be read
DPI = 130


def draw_all(analysis: Analysis, folder: Path) -> None:
    """Write every picture into a folder."""
    save_chart(confusions(analysis), folder / "confusions.png")
    if analysis.plan.rivals:
        panels = panels_of(analysis.differences, analysis.has_unknown)
        save_chart(draw_effects(panels, analysis.plan.baseline), folder / "effects.png")
        save_chart(differences(analysis), folder / "differences.png")
    save_chart(embeddings(analysis), folder / "embeddings.png")
    if analysis.has_unknown:
        save_chart(unknown_embeddings(analysis), folder / "unknown.png")
    if analysis.plan.perturbed:
        save_chart(robustness(analysis), folder / "robustness.png")
    save_chart(signers(analysis), folder / "signers.png")


def save_chart(figure: Figure, path: Path) -> None:
    """Write a picture and free it."""
    figure.savefig(path, dpi=DPI, metadata={"Software": None})
    plt.close(figure)


def _grid(count: int, size: float, columns: int = 3) -> tuple[Figure, list[Axes]]:
    """Panels of `size` inches, those that are not needed left out."""
    columns = min(columns, count)
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows, columns, figsize=(size * columns, size * rows), squeeze=False, layout="constrained"
    )
    for spare in axes.ravel()[count:]:
        spare.remove()
    return figure, list(axes.ravel()[:count])


def _legend_below(figure: Figure, axes: Axes) -> None:
    """The variants below a picture, in as many columns as its width has room for."""
    handles, labels = axes.get_legend_handles_labels()
    column_in = 0.5 + 0.07 * max(map(len, labels))  # the sign, and letters of 8 points
    columns = max(1, min(4, int(figure.get_figwidth() / column_in)))
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=8)


def _shown(analysis: Analysis) -> NDArray[np.intp]:
    """Indices of the scored glosses, or of those that the baseline confuses most where there are too many to read."""
    vocabulary = analysis.plan.config.data.vocabulary
    scored = np.flatnonzero(np.isin(vocabulary, analysis.plan.glosses))
    if len(scored) <= MOST_GLOSSES:
        return scored
    rates = analysis.confusion_rates(analysis.plan.baseline)
    np.fill_diagonal(rates, 0.0)
    confused = (rates + rates.T).sum(axis=1)[scored]
    return np.sort(scored[np.argsort(-confused, kind="stable")[:MOST_GLOSSES]])


def _matrix(axes: Axes, rates: NDArray[np.float64], names: list[str], cmap: str, low: float, high: float) -> None:
    axes.imshow(rates, cmap=cmap, vmin=low, vmax=high)
    axes.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axes.set_yticks(range(len(names)), names, fontsize=8)
    for (i, j), rate in np.ndenumerate(rates):
        if abs(rate) >= 0.005 and len(names) <= 16:
            dark = abs(rate) > 0.6 * max(high, -low)
            text = f"{100 * rate:+.0f}" if low < 0 else f"{100 * rate:.0f}"
            axes.text(j, i, text, ha="center", va="center", fontsize=7, color="white" if dark else "black")


def confusions(analysis: Analysis) -> Figure:
    """A confusion matrix for each variant."""
    shown = _shown(analysis)
    vocabulary = analysis.plan.config.data.vocabulary
    figure, panels = _grid(len(analysis.plan.variants), 1.8 + 0.28 * len(shown))
    for axes, variant in zip(panels, analysis.plan.variants, strict=True):
        rates = analysis.confusion_rates(variant)[np.ix_(shown, shown)]
        _matrix(axes, rates, [vocabulary[i] for i in shown], "Blues", 0.0, 1.0)
        axes.set_title(variant, fontsize=10)
    figure.supxlabel("read as", fontsize=9)
    figure.supylabel("signed", fontsize=9)
    figure.suptitle("Share of a gloss's clips read as each gloss, %", fontsize=11)
    return figure


def differences(analysis: Analysis) -> Figure:
    """Each rival's confusion matrix less the baseline's: violet less often, orange more often."""
    plan = analysis.plan
    shown = _shown(analysis)
    baseline = analysis.confusion_rates(plan.baseline)[np.ix_(shown, shown)]
    changed = [analysis.confusion_rates(v)[np.ix_(shown, shown)] - baseline for v in plan.rivals]
    # One scale for all, and one that a variant far from the rest does not spoil: the cells say the rest in figures.
    most = min(0.25, max(0.05, *(float(np.abs(change).max()) for change in changed)))
    figure, panels = _grid(len(plan.rivals), 1.8 + 0.28 * len(shown))
    for axes, variant, change in zip(panels, plan.rivals, changed, strict=True):
        _matrix(axes, change, [plan.config.data.vocabulary[i] for i in shown], "PuOr_r", -most, most)
        axes.set_title(variant, fontsize=10)
    figure.supxlabel("read as", fontsize=9)
    figure.supylabel("signed", fontsize=9)
    figure.suptitle(
        f"Difference to {plan.baseline}, points: good is orange on the diagonal and violet beside it", fontsize=11
    )
    return figure


def embeddings(analysis: Analysis) -> Figure:
    """t-SNE of each variant's embeddings, by the first seed on the first fold."""
    plan = analysis.plan
    runs = {variant: analysis.everything[RunKey(variant, plan.seeds[0], 0)] for variant in plan.variants}
    names = [plan.config.data.vocabulary[i] for i in _shown(analysis)]
    return _scatter(runs, names, f"Embeddings of test clips: {plan.fold_name(0)} (t-SNE, seed {plan.seeds[0]})")


def unknown_embeddings(analysis: Analysis) -> Figure:
    """The same of the signs that the first fold with unknown ones leaves out, the most recorded where they are many."""
    plan = analysis.plan
    fold = min(key.fold for key, run in analysis.everything.items() if run.unknown is not None)
    found = {variant: analysis.everything[RunKey(variant, plan.seeds[0], fold)].unknown for variant in plan.variants}
    runs = {variant: signs for variant, signs in found.items() if signs is not None}
    counts = Counter(map(str, next(iter(runs.values())).glosses))
    names = sorted(gloss for gloss, _ in counts.most_common(MOST_GLOSSES))
    title = f"Embeddings of signs that were not learned: {plan.fold_name(fold)} (t-SNE, seed {plan.seeds[0]})"
    return _scatter(runs, names, title)


def _scatter(runs: Mapping[str, Predictions | UnknownSigns], names: Sequence[str], title: str) -> Figure:
    """A panel for each run, with how much the glosses overlap in all dimensions."""
    figure, panels = _grid(len(runs), 3.6)
    for axes, (variant, run) in zip(panels, runs.items(), strict=True):
        places = tsne(run.embeddings)
        for number, name in enumerate(names):
            of = places[run.glosses == name]
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[(number + number // len(COLOURS)) % len(MARKERS)]
            axes.scatter(of[:, 0], of[:, 1], s=14, c=colour, marker=marker, label=name, alpha=0.7, linewidths=0)
        found = overlap(run.embeddings, run.glosses, run.signers)
        said = f"silhouette {found.silhouette:.2f}"
        if not np.isnan(found.stranger):
            said = f"nearest by another signer wrong: {100 * found.stranger:.0f} %, {said}"
        axes.set_title(f"{variant}\n{said}", fontsize=8)
        axes.set_xticks([])
        axes.set_yticks([])
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside right center", fontsize=8, markerscale=1.6)
    figure.suptitle(title, fontsize=11)
    return figure


def robustness(analysis: Analysis) -> Figure:
    """The loss of each variant on corrupted clips, against the strength of the corruption."""
    read = {name for of in analysis.robustness.values() for name in of}
    known = [condition for condition in CONDITIONS if condition.name in read]
    families = list(dict.fromkeys(condition.family for condition in known))
    figure, panels = _grid(len(families), 3.8)
    changes = [100 * (value - of[""]) for of in analysis.robustness.values() for value in of.values()]
    for axes, family in zip(panels, families, strict=True):
        conditions = [condition for condition in known if condition.family == family]
        levels = [conditions[0].clean, *(condition.level for condition in conditions)]
        for number, (variant, of) in enumerate(analysis.robustness.items()):
            costs = [0.0, *(100 * (of.get(c.name, float("nan")) - of[""]) for c in conditions)]
            colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number % len(MARKERS)]
            axes.plot(levels, costs, label=variant, markersize=5, linewidth=1.4, color=colour, marker=marker)
        axes.set_xticks(levels)
        axes.set_xlabel(family, fontsize=9)
        # Wide enough that half a point does not look like a cliff.
        axes.set_ylim(min(-5.0, min(changes) - 1), max(2.0, max(changes) + 1))
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("change of accuracy, points", fontsize=9)
    _legend_below(figure, panels[0])
    return figure


def signers(analysis: Analysis) -> Figure:
    """Accuracy on each signer left out, mean over seeds."""
    names = list(next(iter(analysis.signers.values())))
    if len(names) > MOST_SIGNERS and analysis.plan.rivals:
        return _signers_against_baseline(analysis, names)
    count = len(analysis.plan.variants)
    figure, axes = plt.subplots(figsize=(max(6.0, 1.2 * len(names)), 3.6), layout="constrained")
    for number, (variant, of) in enumerate(analysis.signers.items()):
        places = np.arange(len(names)) + (number - (count - 1) / 2) * 0.8 / count
        axes.bar(places, [100 * of[n] for n in names], 0.8 / count, label=variant, color=COLOURS[number % len(COLOURS)])
    axes.set_xticks(range(len(names)), names)
    axes.set_ylim(0, 100)
    axes.set_ylabel("accuracy, %")
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    _legend_below(figure, axes)
    return figure


def _signers_against_baseline(analysis: Analysis, names: Sequence[str]) -> Figure:
    """A panel for each rival and a mark for each signer: above the diagonal are those whom the rival reads better."""
    baseline = analysis.plan.baseline
    before = [100 * analysis.signers[baseline][name] for name in names]
    figure, panels = _grid(len(analysis.plan.rivals), 3.0)
    for axes, variant in zip(panels, analysis.plan.rivals, strict=True):
        after = [100 * analysis.signers[variant][name] for name in names]
        gains = sum(b > a for a, b in zip(before, after, strict=True))
        losses = sum(b < a for a, b in zip(before, after, strict=True))
        axes.plot([0, 100], [0, 100], color="black", linewidth=0.8)
        axes.scatter(before, after, s=16, alpha=0.6, linewidths=0, c=COLOURS[0])
        axes.set_title(f"{variant}\n{gains} signers better, {losses} worse", fontsize=8)
        axes.set_aspect("equal")
        axes.grid(alpha=0.3)
    figure.supxlabel(f"accuracy of {baseline}, %", fontsize=9)
    figure.supylabel("accuracy, %", fontsize=9)
    return figure
