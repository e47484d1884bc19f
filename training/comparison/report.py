"""The report folder: README.md and pictures, all from the predictions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from training.comparison import tables
from training.comparison.analysis import Analysis
from training.comparison.bootstrap import DRAWS, FEWEST_SEEDS, FEWEST_SIGNERS, Difference, says_something
from training.comparison.charts import draw_all
from training.comparison.effects import PAPER_PAIRS
from training.comparison.pair_sheets import draw_pairs
from training.comparison.pairs import RATE
from training.comparison.plan import Plan
from training.config.variants import LSTM, variant_of
from training.data import Example
from training.evaluation.fold_report import save
from training.models.lstm import EPOCHS
from training.runtime.files import write_text

UNKNOWN = (
    " Signs of the fold that no model has learned are unknown: AUROC is the chance that the likeliest gloss of a known "
    "sign is likelier than that of an unknown one. One example by another person: the share of the unknown signs whose "
    "nearest example, one of each, is the right one."
)


def write_report(analysis: Analysis, command: str, tested: Sequence[Mapping[int, Example]]) -> Path:
    """Write runs.json, the pictures and README.md; returns the latter's path. `tested` as in `draw_pairs`."""
    out = analysis.plan.out
    save(analysis.report, out / "runs.json")
    draw_all(analysis, out)
    path = out / "README.md"
    write_text(path, markdown(analysis, command, draw_pairs(analysis, tested, out)))
    return path


def markdown(analysis: Analysis, command: str, sheets: Mapping[str, Sequence[str]] = MappingProxyType({})) -> str:
    """The whole text; `sheets` are the pictures of each rival's pairs."""
    plan = analysis.plan
    sections = [
        f"# {plan.config.name}: {len(plan.variants)} variants compared",
        introduction(analysis),
        "## In short",
        verdicts(analysis),
        *(["![Differences and their intervals](effects.png)"] if plan.rivals else []),
        "## Figures",
        "Mean over folds, then mean ± standard deviation over seeds." + (UNKNOWN if analysis.has_unknown else ""),
        tables.figure_table(analysis),
        f"## Differences to {plan.baseline}",
        _about_intervals(analysis),
        tables.difference_table(analysis),
        "## By fold",
        tables.fold_table(analysis),
        "## Confusable pairs",
        _about_pairs(analysis),
        tables.pair_table(analysis),
        "![Confusion matrices](confusions.png)",
        *_changes(analysis, sheets),
        "## Overlap of embeddings",
        "By cosine distance among the test clips of a run, mean over runs. A clip's nearest neighbour is mostly "
        "another recording of the same signer; the second column looks among other signers only. Less overlap is a "
        "smaller share and a larger silhouette.",
        tables.overlap_table(analysis),
        "![Embeddings](embeddings.png)",
        *(["![Embeddings of unknown signs](unknown.png)"] if analysis.has_unknown else []),
        *(_robustness(analysis) if plan.perturbed else ()),
        "## Signers",
        "![Accuracy by signer](signers.png)",
        "## Once more",
        "What is in this folder is not made again; `runs.json` has every figure by run.",
        f"    {command}",
    ]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def _robustness(analysis: Analysis) -> list[str]:
    return [
        "## Robustness",
        "Accuracy where the test clips are made worse; nothing was trained for it anew. The picture has the change.",
        tables.robustness_table(analysis),
        "![Robustness](robustness.png)",
    ]


def introduction(analysis: Analysis) -> str:
    """The paragraph about the variants and the data."""
    plan = analysis.plan
    optimiser = analysis.plan.config.optimiser
    clips = {(key.fold, int(number)) for key, run in analysis.everything.items() for number in run.clips}
    signers = {str(signer) for run in analysis.everything.values() for signer in run.signers}
    unseen = (
        ""
        if plan.config.data.shared_signers
        else "Every clip is of a signer whom its model never saw, by the names in the data: "
    )
    reference = ""
    if LSTM in plan.variants:
        reference = (
            f"\n\n`{LSTM}` is the reference model, the LSTM of tutorials on raw image coordinates: {EPOCHS} epochs of "
            "the same clips, no augmentation."
        )
    data = plan.config.data
    sets = ", ".join(source.file for source in data.sets)
    if data.hide:
        sets += f" without {', '.join(data.hide)}"
    few = data.clips_per_signer_gloss
    taught = "" if few is None else f" (at most {few} of each signer's gloss)"
    return (
        f"{unseen}{len(clips)} clips of {len(plan.glosses)} glosses by "
        f"{len(signers)} signers from {sets}, {_number(len(plan.folds), 'fold')}, {_number(len(plan.seeds), 'seed')} "
        f"({', '.join(map(str, plan.seeds))}). Variants differ in streams and loss alone: each trained for "
        f"{optimiser.epochs} epochs of {optimiser.clips_per_epoch} clips{taught}, chose nothing by the test "
        f"clips{_mined_on_test(plan)}, and was read by the service's decoder with the whole vocabulary of "
        f"{len(data.vocabulary)} in play. The clips show {plan.config.card.seen}.{reference}"
    )


def _mined_on_test(plan: Plan) -> str:
    losses = {variant: variant_of(plan.config, variant, plan.seeds[0]).loss.confusion for variant in plan.variants}
    found = [variant for variant, rule in losses.items() if rule is not None and rule.mining == "test"]
    return f" (but for {', '.join(found)}, which counted confusions on them)" if found else ""


def _number(count: int, noun: str) -> str:
    return f"{count} {noun}" + ("" if count == 1 else "s")


def verdicts(analysis: Analysis) -> str:
    """One line with a verdict for each rival."""
    lines = []
    for variant, found in analysis.differences.items():
        accuracy, error = found["accuracy"], found["pair_error"]
        line = (
            f"- **{variant}**: accuracy {tables.points(accuracy).strip('*')} points: {_judgement(accuracy, 'better')}."
        )
        if error.interval is not None and error.relative is not None:
            paper = f"; the paper has {100 * PAPER_PAIRS:.0f} %" if "adaptive" in variant else ""
            line += f" Error on confusable pairs {tables.relative(error)}{paper}: {_judgement(error, 'worse')}."
        lines.append(line)
    return "\n".join(lines) or "There is one variant, so nothing is compared."


def _judgement(difference: Difference, above: str) -> str:
    """A verdict by an interval; `above` names a figure above the baseline's."""
    if difference.interval is None:
        return "too few seeds or signers to say whether that is chance"
    if not difference.certain:
        return "no difference can be told from chance"
    what = above if (difference.value or 0.0) > 0 else {"better": "worse", "worse": "better"}[above]
    return f"{what}, by more than the chance of signers and seeds"


def _about_intervals(analysis: Analysis) -> str:
    seeds = len(analysis.plan.seeds)
    if seeds < FEWEST_SEEDS:
        return (
            f"In percentage points. There are no intervals: a bootstrap needs {FEWEST_SEEDS} seeds or more, and here "
            f"{'is' if seeds == 1 else 'are'} {_number(seeds, 'seed')}."
        )
    if not says_something(analysis.outcomes(analysis.plan.baseline)):
        return (
            f"In percentage points. There are no intervals: a bootstrap over signers needs {FEWEST_SIGNERS} or more of "
            "them in each fold."
        )
    return (
        f"In percentage points, with 95 % intervals of a paired bootstrap over signers and seeds ({DRAWS} draws). Bold "
        "is what would come about by chance in less than 5 % of cases, corrected for the number of variants by Holm's "
        "method."
    )


def _about_pairs(analysis: Analysis) -> str:
    where = "the other folds" if len(analysis.plan.folds) > 1 else "the other seeds"
    return (
        f"Two glosses are a pair where {analysis.plan.baseline} takes one for the other in {100 * RATE:.0f} % of their "
        f"clips or more, mean of both directions, counted on {where} alone, so that chance does not choose them. The "
        "error on them is the share of clips of glosses in pairs that are taken for a partner; a fold without pairs is "
        f"left out of the mean. So the pairs hold {tables.percent(_covered(analysis))} of the errors of "
        f"{analysis.plan.baseline}. Below, the share of each pair's clips that are taken for the other gloss."
    )


def _covered(analysis: Analysis) -> float:
    """Share of the baseline's errors that are confusions within the pairs."""
    within = total = 0
    for fold in analysis.outcomes(analysis.plan.baseline):
        wrong = fold.predicted != fold.truth
        seeds = np.arange(len(fold.predicted))[:, None]
        within += int((wrong & (fold.predicted >= 0) & fold.pairs[seeds, fold.truth, fold.predicted]).sum())
        total += int(wrong.sum())
    return within / total if total else float("nan")


def _changes(analysis: Analysis, sheets: Mapping[str, Sequence[str]]) -> list[str]:
    if not analysis.plan.rivals:
        return []
    parts = [
        "### Pairs that got better and worse",
        "All pairs of the vocabulary, over all folds: how often two glosses are taken for each other, mean of both "
        "directions. The skeletons show, of each gloss of such a pair, the clip that is taken for the other one most "
        "often.",
    ]
    for variant in analysis.plan.rivals:
        parts.append(tables.change_table(analysis, variant))
        parts += [f"![Skeletons of pairs of {variant}]({name})" for name in sheets.get(variant, ())]
    return [*parts, "![Differences of the confusion matrices](differences.png)"]
