"""Figures of unknown signs, against loops."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.training.test_bootstrap import SEEDS, outcome
from tests.training.test_report import ADAPTIVE, CE, analysis
from tests.training.test_report import SEEDS as REPORT_SEEDS
from training.comparison.analysis import Analysis
from training.comparison.bootstrap import FoldOutcome, paired, point_figures
from training.comparison.charts import unknown_embeddings
from training.comparison.predictions import Predictions, PredictionsError, load_predictions
from training.comparison.report import markdown
from training.comparison.unknown import OpenOutcome, UnknownSigns, auroc, likeliest, one_shot

CLIPS = 12  # of unknown signs


def with_unknown(fold: FoldOutcome, seed: int, gap: float = 0.3) -> FoldOutcome:
    """A fold whose known signs score higher by `gap`; the first clip's gloss is signed by nobody else."""
    rng = np.random.default_rng(seed)
    right = rng.random((SEEDS, CLIPS))
    right[:, 0] = np.nan
    return replace(
        fold,
        open=OpenOutcome(
            known=np.round(rng.random((SEEDS, len(fold.truth))) + gap, 1),  # with ties
            unknown=np.round(rng.random((SEEDS, CLIPS)), 1),
            signers=np.arange(CLIPS) % 6,
            one_shot=right,
        ),
    )


def test_auroc_is_the_share_of_pairs_that_are_won_and_half_of_the_ties() -> None:
    rng = np.random.default_rng(0)
    known, unknown = rng.integers(5, size=20) + 1.0, rng.integers(5, size=15) + 0.0
    weights = rng.integers(3, size=(4, 20)) * 1.0, rng.integers(3, size=(4, 15)) * 1.0
    weights[0][3] = 0.0
    found = auroc(known, unknown, *weights)
    for draw in range(3):
        won = total = 0.0
        for k, n in zip(known, weights[0][draw], strict=True):
            for u, m in zip(unknown, weights[1][draw], strict=True):
                won += n * m * (1.0 if k > u else 0.5 if k == u else 0.0)
                total += n * m
        assert found[draw] == pytest.approx(won / total)
    assert np.isnan(found[3])


def test_the_class_no_sign_is_not_the_likeliest_gloss() -> None:
    probabilities = np.array([[0.1, 0.2, 0.7], [0.6, 0.3, 0.1]], np.float32)
    assert likeliest(probabilities, 2) == pytest.approx([0.2, 0.6])
    assert likeliest(probabilities, None) == pytest.approx([0.7, 0.6])


def test_one_example_of_each_sign_is_always_by_somebody_else() -> None:
    glosses = np.array(["tea", "tea", "cat", "cat", "rain", "tea"])
    signers = np.array(["ann", "bea", "ann", "bea", "ann", "ann"])
    tea, cat, rain = np.eye(3)
    # bea's "cat" looks like everybody's "tea"; nobody but ann signs "rain".
    embeddings = np.array([tea, tea, cat, tea, rain, cat], np.float32)
    found = one_shot(UnknownSigns(glosses, signers, np.zeros((6, 2), np.float32), embeddings), seed=0)
    # bea teaches ann two glosses that look alike, and the first of them, "cat", is taken. ann teaches bea "tea" with a
    # clip that looks like it in every second lexicon.
    assert found[[0, 2, 5]].tolist() == [0.0, 1.0, 0.0]
    assert 0.2 < found[1] < 0.8
    assert np.isnan(found[4])


def test_figures_of_unknown_signs_are_means_over_folds_and_differences_are_paired() -> None:
    folds = [with_unknown(outcome(1), 1), with_unknown(outcome(2, clips=50), 2)]
    found = point_figures(folds)
    for seed in range(SEEDS):
        each, right = [], []
        for fold in folds:
            assert fold.open is not None
            k, u = fold.open.known[seed][:, None], fold.open.unknown[seed][None]
            each.append(np.mean((k > u) + 0.5 * (k == u)))
            right.append(np.nanmean(fold.open.one_shot[seed]))
        assert found["auroc"][seed] == pytest.approx(np.mean(each))
        assert found["one_shot"][seed] == pytest.approx(np.mean(right))
    better = [with_unknown(outcome(1), 1, gap=0.9), with_unknown(outcome(2, clips=50), 2, gap=0.9)]
    difference = paired(better, folds)
    assert difference["auroc"].certain
    assert not difference["one_shot"].certain
    assert difference["one_shot"].value == 0.0
    without = paired([outcome(1)], [outcome(1)])
    assert (without["auroc"].value, without["auroc"].p) == (None, None)


def unknown_signs(seed: int, alike: float) -> UnknownSigns:
    """Two glosses by all four people of the report's folds; the smaller `alike`, the more the glosses differ."""
    rng = np.random.default_rng(seed)
    gloss = np.array([0, 1] * 10)
    embeddings = np.eye(2)[gloss] + alike * rng.normal(size=(20, 2))
    return UnknownSigns(
        glosses=np.array(["tea", "cat"])[gloss],
        signers=np.array(["ann", "ann", "cem", "cem"] * 5),
        probabilities=np.full((20, 3), [0.3, 0.3, 0.4], np.float32),
        embeddings=(embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)).astype(np.float32),
    )


def test_the_report_has_the_figures_where_folds_leave_out_glosses(tmp_path: Path) -> None:
    made = analysis(tmp_path)
    everything = {
        key: replace(run, unknown=unknown_signs(key.seed, 0.1 if key.variant == ADAPTIVE else 2.0))
        for key, run in made.everything.items()
    }
    text = markdown(Analysis(made.plan, everything), "python -m training compare")
    assert "| error on confusable pairs | AUROC of known signs | one example by another person |" in text
    assert "Signs of the fold that no model has learned are unknown" in text
    rows = [row for row in text.splitlines() if row.startswith(f"| {ADAPTIVE} | 90.0 % ± 0.0")]
    assert [row.split(" | ")[-1] for row in rows] == ["100.0 % ± 0.0 |"]
    figures = Analysis(made.plan, everything).figures
    assert figures[CE]["one_shot"].mean() < 0.8 < figures[ADAPTIVE]["one_shot"].mean()
    assert len(figures[CE]["auroc"]) == len(REPORT_SEEDS)
    assert "AUROC" not in markdown(made, "python -m training compare")
    assert "unknown signs: silhouette" not in markdown(made, "python -m training compare")
    header, _, baseline, rival = text.partition("## Overlap of embeddings")[2].split("\n\n")[2].splitlines()
    assert header.endswith("unknown signs: nearest clip of another signer has | unknown signs: silhouette |")
    strangers, silhouettes = zip(*(row.strip("| ").split(" | ")[5:] for row in (baseline, rival)), strict=True)
    assert float(strangers[0].strip(" %")) > float(strangers[1].strip(" %")) == 0.0
    assert float(silhouettes[0]) < float(silhouettes[1])
    assert "![Embeddings of unknown signs](unknown.png)" in text


def test_the_picture_of_unknown_signs_says_how_much_they_overlap(tmp_path: Path) -> None:
    made = analysis(tmp_path)
    everything = {
        key: replace(
            run, unknown=unknown_signs(key.seed, 0.1 if key.variant == ADAPTIVE else 2.0) if key.fold else None
        )
        for key, run in made.everything.items()
    }
    figure = unknown_embeddings(Analysis(made.plan, everything))
    assert "bea, dov" in figure.get_suptitle()
    titles = [axes.get_title() for axes in figure.axes]
    assert [title.splitlines()[0] for title in titles] == [CE, ADAPTIVE]
    assert "nearest by another signer wrong: 0 %" in titles[1]
    assert "wrong: 0 %" not in titles[0]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["cat", "tea"]


def test_unknown_signs_are_kept_in_the_file_of_predictions(tmp_path: Path) -> None:
    run = next(iter(analysis(tmp_path).everything.values()))
    kept: Predictions = replace(run, unknown=unknown_signs(1, 0.1))
    kept.save(tmp_path / "run.npz")
    found = load_predictions(tmp_path / "run.npz").unknown
    assert found is not None
    assert kept.unknown is not None
    assert found.glosses.tolist() == kept.unknown.glosses.tolist()
    assert np.array_equal(found.embeddings, kept.unknown.embeddings)
    replace(kept, unknown=replace(kept.unknown, signers=kept.unknown.signers[:3])).save(tmp_path / "run.npz")
    with pytest.raises(PredictionsError, match="unknown signs do not fit together"):
        load_predictions(tmp_path / "run.npz")
    run.save(tmp_path / "run.npz")
    assert load_predictions(tmp_path / "run.npz").unknown is None
