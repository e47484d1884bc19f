import numpy as np
import pytest

from training.comparison.bootstrap import (
    FIGURES,
    Difference,
    FoldOutcome,
    corrected,
    draw_signers,
    fold_figures,
    paired,
    point_figures,
)
from training.evaluation.scores import tally

GLOSSES, SEEDS = 4, 3


def outcome(seed: int, clips: int = 30, error: float = 0.4) -> FoldOutcome:
    rng = np.random.default_rng(seed)
    truth = rng.integers(GLOSSES, size=clips)
    predicted = np.where(rng.random((SEEDS, clips)) < error, rng.integers(-1, GLOSSES, (SEEDS, clips)), truth)
    pairs = np.zeros((SEEDS, GLOSSES, GLOSSES), bool)
    pairs[:, 0, 1] = pairs[:, 1, 0] = True
    pairs[1, 2, 3] = pairs[1, 3, 2] = True
    return FoldOutcome(truth, np.arange(clips) // 5, predicted, pairs)


def by_hand(fold: FoldOutcome, seed: int, counts: np.ndarray) -> dict[str, float]:
    """The figures of clips that are literally repeated, counted by the project's `tally` and by a loop."""
    drawn = [
        (int(t), int(p))
        for t, p, n in zip(fold.truth, fold.predicted[seed], counts, strict=True)
        for _ in range(int(n))
    ]
    scores = tally([str(t) for t, _ in drawn], ["ann"] * len(drawn), [[str(p)] for _, p in drawn])
    among = taken = 0
    for t, p in drawn:
        partners = [g for g in range(GLOSSES) if fold.pairs[seed, t, g]]
        among += bool(partners)
        taken += p in partners
    return {"accuracy": scores.accuracy, "macro_f1": scores.macro_f1, "pair_error": taken / among if among else np.nan}


def test_figures_of_weighted_clips_are_those_of_repeated_clips() -> None:
    fold = outcome(1)
    weights = np.random.default_rng(2).multinomial(30, np.full(30, 1 / 30), 12).astype(float)
    weights[0, np.isin(fold.truth, (0, 1))] = 0.0  # without any clip of the pair that every seed has
    found = fold_figures(fold, weights)
    for seed in range(SEEDS):
        for draw in range(12):
            for name, value in by_hand(fold, seed, weights[draw]).items():
                assert found[name][seed, draw] == pytest.approx(value, nan_ok=True), name
    assert np.isnan(found["pair_error"][0, 0])


def test_point_figures_are_means_over_folds() -> None:
    folds = [outcome(1), outcome(2, clips=50)]
    found = point_figures(folds)
    for seed in range(SEEDS):
        each = [by_hand(fold, seed, np.ones(len(fold.truth))) for fold in folds]
        for name in each[0]:
            assert found[name][seed] == pytest.approx(np.mean([figure[name] for figure in each]))


def test_a_fold_without_pairs_is_left_out_of_their_mean() -> None:
    bare = outcome(2)
    bare = FoldOutcome(bare.truth, bare.signers, bare.predicted, np.zeros_like(bare.pairs))
    assert point_figures([outcome(1), bare])["pair_error"] == pytest.approx(point_figures([outcome(1)])["pair_error"])
    difference = paired([bare], [bare])["pair_error"]
    assert (difference.value, difference.interval, difference.relative) == (None, None, None)


def test_the_interval_is_that_of_a_loop_over_the_same_draws() -> None:
    baseline = [outcome(1), outcome(2, clips=20)]
    variant = [
        FoldOutcome(f.truth, f.signers, outcome(9 + i, len(f.truth), 0.2).predicted, f.pairs)
        for i, f in enumerate(baseline)
    ]
    found = paired(variant, baseline, draws=60, seed=5)
    rng = np.random.default_rng(5)
    clips = [rng.multinomial(n := len(f.truth) // 5, np.full(n, 1 / n), 60).repeat(5, axis=1) for f in baseline]
    seeds = rng.multinomial(SEEDS, np.full(SEEDS, 1 / SEEDS), 60)
    for name in ("accuracy", "macro_f1", "pair_error"):
        differences, ratios = [], []
        for draw in range(60):
            drawn = [seed for seed in range(SEEDS) for _ in range(seeds[draw, seed])]
            new, old = (
                np.mean(
                    [np.mean([by_hand(f, s, c[draw])[name] for f, c in zip(folds, clips, strict=True)]) for s in drawn]
                )
                for folds in (variant, baseline)
            )
            differences.append(new - old)
            if old > 0:
                ratios.append(new / old - 1)
        assert found[name].interval == pytest.approx(tuple(np.percentile(differences, (2.5, 97.5))))
        assert found[name].relative_interval == pytest.approx(tuple(np.percentile(ratios, (2.5, 97.5))))


def test_a_variant_does_not_differ_from_itself_and_does_from_one_that_is_always_right() -> None:
    folds = [outcome(1), outcome(2)]
    same = paired(folds, folds)["accuracy"]
    assert (same.value, same.interval, same.certain) == (0.0, (0.0, 0.0), False)
    right = [FoldOutcome(f.truth, f.signers, np.tile(f.truth, (SEEDS, 1)), f.pairs) for f in folds]
    better = paired(right, folds)
    assert better["accuracy"].certain
    assert better["accuracy"].value is not None
    assert better["accuracy"].value > 0
    assert better["pair_error"].relative == -1.0


def test_pairing_makes_the_interval_narrower_than_signers_drawn_apart() -> None:
    baseline = outcome(1, clips=200)
    predicted = baseline.predicted.copy()
    predicted[:, :4] = baseline.truth[:4]  # a variant that repairs four clips at most
    found = paired([FoldOutcome(baseline.truth, baseline.signers, predicted, baseline.pairs)], [baseline])["accuracy"]
    assert found.interval is not None
    assert found.interval[0] >= 0.0
    assert found.interval[1] < 0.06


def test_with_two_seeds_there_is_a_difference_but_no_interval() -> None:
    def first_two(fold: FoldOutcome) -> FoldOutcome:
        return FoldOutcome(fold.truth, fold.signers, fold.predicted[:2], fold.pairs[:2])

    found = paired([first_two(outcome(3))], [first_two(outcome(1))])["accuracy"]
    assert found.value is not None
    assert found.interval is None
    assert not found.certain


def test_a_signer_is_drawn_with_all_clips_or_not_at_all() -> None:
    signers = np.array([3, 3, 7, 7, 7, 9])
    drawn = draw_signers(signers, 50, np.random.default_rng(0))
    assert (drawn[:, 0] == drawn[:, 1]).all()
    assert (drawn[:, 2:4] == drawn[:, 4:5]).all()
    assert (drawn[:, [0, 2, 5]].sum(axis=1) == 3).all()
    assert len(np.unique(drawn[:, 0])) > 1


def test_one_signer_makes_no_difference_certain_however_many_clips_there_are() -> None:
    baseline = outcome(1, clips=200, error=0.0)
    predicted = baseline.predicted.copy()
    predicted[:, baseline.signers == 0] = -1
    worse = FoldOutcome(baseline.truth, np.minimum(baseline.signers, 1), predicted, baseline.pairs)
    same = FoldOutcome(baseline.truth, worse.signers, baseline.predicted, baseline.pairs)
    found = paired([worse], [same])["accuracy"]
    assert found.value is not None
    assert found.value < 0
    assert not found.certain


def test_chances_are_corrected_by_holms_method_figure_by_figure() -> None:
    def with_p(p: float | None) -> Difference:
        return Difference(0.1, (0.0, 0.2), None, None, p)

    def variant(*ps: float | None) -> dict[str, Difference]:
        of_unknown = [None] * (len(FIGURES) - len(ps))
        return dict(zip(FIGURES, map(with_p, (*ps, *of_unknown)), strict=True))

    found = corrected({"a": variant(0.01, 0.04, None), "b": variant(0.04, 0.03, 0.02), "c": variant(0.03, 0.9, None)})
    assert [found[v]["accuracy"].p for v in "abc"] == pytest.approx([0.03, 0.06, 0.06])
    assert [found[v]["macro_f1"].p for v in "abc"] == pytest.approx([0.09, 0.09, 0.9])
    assert (found["a"]["pair_error"].p, found["b"]["pair_error"].p) == (None, pytest.approx(0.02))
    assert [found[v]["accuracy"].certain for v in "abc"] == [True, False, False]
