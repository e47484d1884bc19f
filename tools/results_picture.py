"""The picture at the head of `docs/results.md`, drawn from the kept figures of a comparison, which it also prints.

    python -m tools.results_picture [--results docs/results/asl_demo] [--out docs/pictures/results.png]

Nothing is computed by a model: `runs.json` is what `training compare` wrote, and `rejection.json` what
`training evaluate-rejection --json` printed. Draw it again when they change.
"""

import argparse
import json
import math
from collections import defaultdict
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, NamedTuple

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import PercentFormatter

ROOT = Path(__file__).parents[1]
KNOWN, OTHER = "#0072B2", "#D55E00"  # of Okabe and Ito's palette


class Spread(NamedTuple):
    """The mean of a figure over seeds, and its standard deviation."""

    mean: float
    deviation: float

    def __str__(self) -> str:
        return f"{100 * self.mean:.1f} % ± {100 * self.deviation:.1f}"


class Figures(NamedTuple):
    """What is drawn and printed.

    Attributes:
        accuracy: mean over folds, then over seeds.
        signers: mean over signers.
        worst: mean of the worst tenth of the signers.
        glosses: share of each gloss's clips that is read rightly.
        by_signer: each signer's share, mean over seeds, sorted.
        rejection: AUROC and FPR at 95 % TPR of each score.
    """

    accuracy: Spread
    signers: Spread
    worst: Spread
    glosses: dict[str, Spread]
    by_signer: list[float]
    rejection: dict[str, tuple[Spread, Spread]]


def main() -> None:
    """Draw the picture and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m tools.results_picture", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--results", type=Path, default=ROOT / "docs" / "results" / "asl_demo", metavar="DIR")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "pictures" / "results.png", metavar="FILE")
    args = parser.parse_args()
    runs = json.loads((args.results / "runs.json").read_text(encoding="utf-8"))
    rejection = json.loads((args.results / "rejection.json").read_text(encoding="utf-8"))
    found = figures(runs["runs"], rejection["seeds"])
    draw(found, args.out)
    print(describe(found))


def figures(runs: list[dict[str, Any]], rejection: list[list[dict[str, dict[str, float]]]]) -> Figures:
    """The figures of all runs of one variant, and of the rejection scores by seed and fold."""
    seeds: dict[int, list[dict[str, Any]]] = defaultdict(list)
    for run in runs:
        seeds[run["seed"]].append(run["scores"])
    by_seed = [_shares(scores, "per_signer") for scores in seeds.values()]
    glosses = [_shares(scores, "per_gloss") for scores in seeds.values()]
    return Figures(
        accuracy=_spread([fmean(fold["accuracy"] for fold in scores) for scores in seeds.values()]),
        signers=_spread([fmean(shares.values()) for shares in by_seed]),
        worst=_spread([_worst_tenth(list(shares.values())) for shares in by_seed]),
        glosses={gloss: _spread([shares[gloss] for shares in glosses]) for gloss in glosses[0]},
        by_signer=sorted(fmean(shares[signer] for shares in by_seed) for signer in by_seed[0]),
        rejection={
            score: (
                _spread([fmean(fold[score]["auroc"] for fold in folds) for folds in rejection]),
                _spread([fmean(fold[score]["fpr95"] for fold in folds) for folds in rejection]),
            )
            for score in rejection[0][0]
        },
    )


def describe(found: Figures) -> str:
    """The figures as text."""
    lines = [
        f"accuracy {found.accuracy}",
        f"mean over {len(found.by_signer)} signers {found.signers}, worst tenth {found.worst}",
        ", ".join(f"{gloss} {spread}" for gloss, spread in found.glosses.items()),
        *(f"{score}: AUROC {a.mean:.3f}, FPR at 95 % TPR {f.mean:.3f}" for score, (a, f) in found.rejection.items()),
    ]
    return "\n".join(lines)


def draw(found: Figures, out: Path) -> None:
    """Draw glosses, signers and the separation of unknown signs side by side."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8), layout="constrained")
    glosses = sorted(found.glosses, key=lambda gloss: found.glosses[gloss].mean)
    shares = [found.glosses[gloss] for gloss in glosses]
    left.barh(glosses, [s.mean for s in shares], xerr=[s.deviation for s in shares], color=KNOWN, height=0.7)
    left.set(title="Clips read correctly, by sign", xlim=(0, 1))
    left.xaxis.set_major_formatter(PercentFormatter(1))
    middle.plot(range(1, len(found.by_signer) + 1), found.by_signer, "o", color=KNOWN, markersize=3)
    middle.axhline(found.signers.mean, color="black", linewidth=0.8)
    middle.annotate(
        f"mean {100 * found.signers.mean:.1f} %",
        (len(found.by_signer), found.signers.mean),
        xytext=(0, -14),
        textcoords="offset points",
        ha="right",
    )
    middle.set(title="Clips read correctly, by left-out signer", ylim=(0, 1.03), xlabel="signers, worst to best")
    middle.yaxis.set_major_formatter(PercentFormatter(1))
    _draw_rejection(right, found)
    for axes in (left, middle, right):
        axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(out, dpi=110, metadata={"Software": None})
    plt.close(figure)


def _draw_rejection(axes: Axes, found: Figures) -> None:
    """The separation of known from unknown signs, by score."""
    scores = sorted(found.rejection, key=lambda score: found.rejection[score][0].mean)
    rows = range(len(scores))
    for offset, part, colour, label in (
        (0.2, 0, KNOWN, "AUROC (more is better)"),
        (-0.2, 1, OTHER, "FPR at 95 % TPR (less is better)"),
    ):
        spreads = [found.rejection[score][part] for score in scores]
        axes.barh(
            [row + offset for row in rows],
            [s.mean for s in spreads],
            xerr=[s.deviation for s in spreads],
            height=0.38,
            color=colour,
            label=label,
        )
    axes.set_yticks(list(rows), scores)
    axes.set(title="Known against unknown signs, by score", xlim=(0, 1))
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.08), frameon=False, fontsize=8, ncols=2)


def _shares(scores: list[dict[str, Any]], part: str) -> dict[str, float]:
    """The share read rightly of each signer or gloss, over the clips of all folds."""
    clips: dict[str, float] = defaultdict(float)
    right: dict[str, float] = defaultdict(float)
    for fold in scores:
        for name, score in fold[part].items():
            clips[name] += score["n"]
            right[name] += score["n"] * score["accuracy"]
    return {name: right[name] / clips[name] for name in clips}


def _worst_tenth(shares: list[float]) -> float:
    return fmean(sorted(shares)[: max(1, math.floor(len(shares) / 10))])


def _spread(values: list[float]) -> Spread:
    return Spread(fmean(values), stdev(values) if len(values) > 1 else 0.0)


if __name__ == "__main__":
    main()
