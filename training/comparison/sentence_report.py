"""The report of a comparison of sentences: WER with its parts, and how sure its differences are."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from training.comparison.bootstrap import (
    DRAWS,
    FEWEST_SEEDS,
    FEWEST_SIGNERS,
    LEVEL,
    chance,
    draw_signers,
    enough,
    holm,
)
from training.comparison.charts import save_chart
from training.comparison.effects import PAPER_WER, Panel, draw_effects, in_percent
from training.comparison.hypotheses import SentenceHypotheses
from training.comparison.plan import Plan, RunKey
from training.comparison.tables import percent_and_std, table
from training.runtime.files import write_text


@dataclass(frozen=True)
class WerDifference:
    """A variant's WER less the baseline's, relative to it, and the middle 95 % of a paired bootstrap; None: unknown.

    `p` is the two-sided chance of such a difference where there is none.
    """

    value: float
    relative: float
    relative_interval: tuple[float, float] | None
    p: float | None

    @property
    def certain(self) -> bool:
        """Whether it is hardly chance."""
        return self.p is not None and self.p < LEVEL


def paired_wer(plan: Plan, runs: Mapping[RunKey, SentenceHypotheses], variant: str, seed: int = 0) -> WerDifference:
    """The difference to the baseline; drawn are the signers of each fold and the seeds, alike for both.

    Figures are means over folds, then over seeds, as in the tables.
    """
    rng = np.random.default_rng(seed)
    drawn_seeds = rng.multinomial(len(plan.seeds), [1 / len(plan.seeds)] * len(plan.seeds), DRAWS) / len(plan.seeds)
    point = np.zeros(2)
    drawn = np.zeros((2, DRAWS))
    signers = []
    for fold in range(len(plan.folds)):
        of = [[runs[RunKey(v, s, fold)] for s in plan.seeds] for v in (variant, plan.baseline)]
        tokens = np.array([len(glosses) for glosses in of[0][0].references], float)
        errors = np.array([[run.errors for run in row] for row in of])  # (2, S, N)
        signers.append(np.unique(of[0][0].signers, return_inverse=True)[1])
        weights = draw_signers(signers[-1], DRAWS, rng)  # (B, N)
        point += errors.sum(axis=2).mean(axis=1) / tokens.sum() / len(plan.folds)
        rates = errors @ weights.T / (weights @ tokens)  # (2, S, B)
        drawn += np.einsum("vsb,bs->vb", rates, drawn_seeds) / len(plan.folds)
    relative = drawn[0] / np.maximum(drawn[1], 1e-12) - 1
    interval = p = None
    if enough(len(plan.seeds), signers):
        low, high = np.percentile(relative, (2.5, 97.5))
        interval, p = (float(low), float(high)), chance(relative)
    return WerDifference(float(point[0] - point[1]), float(point[0] / max(point[1], 1e-12) - 1), interval, p)


def wer_differences(plan: Plan, runs: Mapping[RunKey, SentenceHypotheses]) -> dict[str, WerDifference]:
    """Each rival against the baseline, with chances corrected for the number of rivals."""
    found = {variant: paired_wer(plan, runs, variant) for variant in plan.rivals}
    chances = holm({variant: difference.p for variant, difference in found.items()})
    return {variant: replace(difference, p=chances.get(variant)) for variant, difference in found.items()}


def write_report(plan: Plan, runs: Mapping[RunKey, SentenceHypotheses], command: str) -> Path:
    """Write the picture and README.md; returns the latter's path."""
    differences = wer_differences(plan, runs)
    if differences:
        effects = {v: in_percent(d.relative, d.relative_interval, d.certain) for v, d in differences.items()}
        panel = Panel("WER, relative, %", effects, less_is_better=True, paper=100 * PAPER_WER)
        save_chart(draw_effects([panel], plan.baseline), plan.out / "effects.png")
    path = plan.out / "README.md"
    write_text(path, markdown(plan, runs, differences, command))
    return path


def markdown(
    plan: Plan, runs: Mapping[RunKey, SentenceHypotheses], differences: Mapping[str, WerDifference], command: str
) -> str:
    """The text of the report."""
    some = [runs[RunKey(plan.baseline, plan.seeds[0], fold)] for fold in range(len(plan.folds))]
    about = (
        f"{sum(len(r.references) for r in some)} sentences of {len({s for r in some for s in r.signers})} signers, "
        f"each read by models that never saw the signer; {len(plan.folds)} fold(s), {len(plan.seeds)} seed(s) "
        f"({', '.join(map(str, plan.seeds))}), the best path of each, no language model. Where the data hold isolated "
        "clips, the sentences are made of them (docs/explanation/continuous.md): they are not continuous signing."
    )
    sections = [
        f"# {plan.config.name}: {len(plan.variants)} variants compared",
        about,
        "## Figures",
        "Means over folds, then mean ± standard deviation over seeds. Substitutions, deletions and insertions are "
        "shares of the glosses signed; accuracy and macro-F1 are of the signs that the alignment sets side by side.",
        figure_table(plan, runs),
        f"## Differences to {plan.baseline}",
        f"WER relative to the baseline's, with the middle 95 % of a paired bootstrap over signers and seeds ({DRAWS} "
        f"draws; from {FEWEST_SEEDS} seeds, and {FEWEST_SIGNERS} signers in each fold, on). Bold is what would come "
        "about by chance in less than 5 % of cases, corrected for the number of variants by Holm's method. The paper "
        f"has {100 * PAPER_WER:.1f} % for the adaptive loss.",
        difference_table(differences),
        *(["![Differences of WER and their intervals](effects.png)"] if differences else []),
        "## By signer",
        signer_table(plan, runs),
        "## What is taken for what",
        *(f"{variant}: {substitutions(plan, runs, variant)}" for variant in plan.variants),
        "## Once more",
        f"    {command}",
    ]
    return "\n\n".join(sections) + "\n"


def figure_table(plan: Plan, runs: Mapping[RunKey, SentenceHypotheses]) -> str:
    """WER and its parts, by variant."""
    rows = []
    for variant in plan.variants:
        found = np.array([[_figures(runs[RunKey(variant, s, f)]) for f in range(len(plan.folds))] for s in plan.seeds])
        rows.append([variant, *(percent_and_std(column) for column in found.mean(axis=1).T)])
    return table(["variant", "WER", "substitutions", "deletions", "insertions", "accuracy", "macro F1"], rows)


def _figures(run: SentenceHypotheses) -> list[float]:
    scores = run.scores
    rate = run.scores.rate
    parts = [count / rate.tokens for count in (rate.substitutions, rate.deletions, rate.insertions)]
    return [rate.wer, *parts, scores.accuracy, scores.macro_f1]


def difference_table(differences: Mapping[str, WerDifference]) -> str:
    """The difference of each rival's WER from the baseline's."""
    rows = []
    for variant, found in differences.items():
        interval = found.relative_interval
        shown = "too few" if interval is None else f"{100 * interval[0]:+.1f} to {100 * interval[1]:+.1f} %"
        relative = f"{100 * found.relative:+.1f} %"
        relative = f"**{relative}**" if found.certain else relative
        rows.append([variant, f"{100 * found.value:+.1f} points", relative, shown])
    return table(["variant", "WER", "relative", "95 %"], rows)


def signer_table(plan: Plan, runs: Mapping[RunKey, SentenceHypotheses]) -> str:
    """WER of each signer, over seeds."""
    signers = sorted({signer for run in runs.values() for signer in run.signers})
    rows = [[s, *(f"{100 * _of_signer(plan, runs, v, s):.1f} %" for v in plan.variants)] for s in signers]
    return table(["signer", *plan.variants], rows)


def _of_signer(plan: Plan, runs: Mapping[RunKey, SentenceHypotheses], variant: str, signer: str) -> float:
    errors = tokens = 0.0
    for key in plan.keys:
        run = runs[key]
        if key.variant == variant:
            chosen = np.array([s == signer for s in run.signers])
            errors += run.errors[chosen].sum()
            tokens += sum(len(glosses) for glosses, own in zip(run.references, chosen, strict=True) if own)
    return errors / max(tokens, 1.0)


def substitutions(plan: Plan, runs: Mapping[RunKey, SentenceHypotheses], variant: str, most: int = 6) -> str:
    """The most frequent ones of a variant, over all its runs."""
    counts: Counter[tuple[str, str]] = Counter()
    for key in plan.keys:
        if key.variant == variant:
            for c in runs[key].scores.rate.confusions:
                counts[c.reference, c.hypothesis] += c.count
    return ", ".join(f"{wanted} read as {got} ({n})" for (wanted, got), n in counts.most_common(most)) or "nothing"
