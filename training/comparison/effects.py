"""A picture of differences to the baseline with their intervals: what a comparison says at a glance."""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import matplotlib

matplotlib.use("Agg")

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

from training.comparison.bootstrap import Difference

PAPER_PAIRS = -0.18  # of the error on confusable pairs, "up to 18 %", Alishzade et al., section V
PAPER_WER = -0.127  # of the word error rate, the same, Table I

LETTERS = 12  # of a title in an inch of the picture
CERTAIN, UNCERTAIN, PAPER = "#0072B2", "#777777", "#D55E00"  # of Okabe and Ito's palette


@dataclass(frozen=True)
class Effect:
    """A variant's difference to the baseline.

    Attributes:
        value: in the panel's unit; None where there is none.
        interval: the middle 95 %, or None where it is not known.
        certain: whether it is hardly chance.
    """

    value: float | None
    interval: tuple[float, float] | None
    certain: bool


@dataclass(frozen=True)
class Panel:
    """One figure of all variants.

    Attributes:
        title: what differs, and the unit.
        effects: by variant.
        less_is_better: whether good is on the left.
        paper: what the paper has for the adaptive loss, or None.
    """

    title: str
    effects: Mapping[str, Effect]
    less_is_better: bool = False
    paper: float | None = None


def panels_of(differences: Mapping[str, Mapping[str, Difference]], unknown: bool) -> list[Panel]:
    """The panels of a comparison of isolated signs; `unknown`: whether there are signs that were not learned."""

    def points(name: str) -> dict[str, Effect]:
        return {v: in_percent(of[name].value, of[name].interval, of[name].certain) for v, of in differences.items()}

    pairs = {v: of["pair_error"] for v, of in differences.items()}
    found = [
        Panel(
            "error on confusable pairs,\nrelative, %",
            {v: in_percent(d.relative, d.relative_interval, d.certain) for v, d in pairs.items()},
            less_is_better=True,
            paper=100 * PAPER_PAIRS,
        ),
        Panel("accuracy,\npoints", points("accuracy")),
        Panel("macro F1,\npoints", points("macro_f1")),
    ]
    if unknown:
        found += [
            Panel("AUROC of known signs,\npoints", points("auroc")),
            Panel("one example by another\nperson, points", points("one_shot")),
        ]
    return [panel for panel in found if any(effect.value is not None for effect in panel.effects.values())]


def in_percent(value: float | None, interval: tuple[float, float] | None, certain: bool) -> Effect:
    """An effect in per cent or points, from shares."""
    ends = None if interval is None else (100 * interval[0], 100 * interval[1])
    return Effect(None if value is None else 100 * value, ends, certain)


def draw_effects(panels: Sequence[Panel], baseline: str) -> Figure:
    """A panel for each figure and a row for each variant; blue is what is hardly chance.

    Args:
        panels: at least one, all of the same variants.
        baseline: the variant that is at 0.
    """
    variants = list(panels[0].effects)
    width = 2.6 + 2.3 * len(panels)
    figure, grid = plt.subplots(
        1,
        len(panels),
        figsize=(width, 1.5 + 0.36 * len(variants)),
        sharey=True,
        squeeze=False,
        layout="constrained",
    )
    for axes, panel in zip(grid[0], panels, strict=True):
        for row, effect in enumerate(panel.effects.values()):
            colour = CERTAIN if effect.certain else UNCERTAIN
            if effect.interval is not None:
                axes.plot(effect.interval, (row, row), color=colour, linewidth=2.0, solid_capstyle="butt")
            if effect.value is not None:
                axes.plot(effect.value, row, "o" if effect.certain else "D", color=colour, markersize=6)
        axes.axvline(0.0, color="black", linewidth=0.8)
        if panel.paper is not None:
            axes.axvline(panel.paper, color=PAPER, linewidth=1.2, linestyle="--")
            axes.text(
                panel.paper,
                -0.75,
                "paper",
                color=PAPER,
                fontsize=8,
                ha="center",
                va="center",
                bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
            )
        ends = [e for effect in panel.effects.values() for e in (effect.interval or ()) if np.isfinite(e)]
        ends += [effect.value for effect in panel.effects.values() if effect.value is not None]
        reach = 1.1 * max(1.0, *(abs(end) for end in [*ends, panel.paper or 0.0]))
        axes.set_xlim(-reach, reach)
        axes.set_title(panel.title, fontsize=9)
        axes.set_xlabel("← better" if panel.less_is_better else "better →", fontsize=8)
        axes.tick_params(axis="x", labelsize=8)
        axes.grid(axis="x", alpha=0.3)
    grid[0][0].set_yticks(range(len(variants)), variants, fontsize=8)
    grid[0][0].set_ylim(len(variants) - 0.5, -1.1)
    title = f"Difference to {baseline}: round and blue is hardly chance, grey may be"
    figure.suptitle(textwrap.fill(title, int(LETTERS * width)), fontsize=10)
    return figure
