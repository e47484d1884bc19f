import numpy as np
import pytest

from training.data import DataError
from training.evaluation.rejection import OUTSIDE, OpenSet, auroc, measure, oscr, scores_of


def test_auroc_is_the_share_of_pairs_in_order() -> None:
    known = np.array([0.9, 0.5, 0.5])
    unknown = np.array([0.1, 0.5])
    pairs = [(k > u) + (k == u) / 2 for k in known for u in unknown]
    assert auroc(known, unknown) == pytest.approx(np.mean(pairs))
    assert auroc(known, known) == pytest.approx(0.5)


def test_oscr_counts_right_clips_above_the_score() -> None:
    known = np.array([0.9, 0.8, 0.7, 0.2])
    right = np.array([True, False, True, True])
    # Above 0.75 there is one right clip of four, above 0.1 there are three.
    assert oscr(known, right, np.array([0.75, 0.1])) == pytest.approx((1 / 4 + 3 / 4) / 2)


def test_each_score_against_its_formula() -> None:
    rng = np.random.default_rng(1)
    found = OpenSet(rng.normal(0, 2, (5, 4)), rng.normal(0, 1, (5, 3)), np.array([0, 1, OUTSIDE, OUTSIDE, 2]))
    prototypes = rng.normal(0, 1, (3, 3))
    scores = scores_of(found, prototypes, no_sign=3)
    for row in range(5):
        e = np.exp(found.logits[row])
        assert scores["background"][row] == pytest.approx(e[:3].max() / e.sum())
        assert scores["closed"][row] == pytest.approx(e[:3].max() / e[:3].sum())
        assert scores["energy"][row] == pytest.approx(np.log(e[:3].sum()))
        assert scores["prototypes"][row] == pytest.approx(max(found.embeddings[row] @ p for p in prototypes))


def test_a_score_that_parts_them_is_perfect_and_one_kind_alone_is_refused() -> None:
    logits = np.array([[5.0, 0.0, 0.0], [0.0, 5.0, 0.0], [0.0, 0.0, 5.0], [0.1, 0.0, 5.0]])
    found = OpenSet(logits, np.eye(4), np.array([0, 1, OUTSIDE, OUTSIDE]))
    figures = measure(found, {"background": np.array([0.9, 0.8, 0.1, 0.2])}, no_sign=2)["background"]
    assert (figures.auroc, figures.fpr95, figures.oscr) == (1.0, 0.0, 1.0)
    worse = measure(found, {"background": np.array([0.9, 0.15, 0.1, 0.2])}, no_sign=2)["background"]
    assert worse.auroc == pytest.approx(3 / 4)
    with pytest.raises(DataError, match="one kind is missing"):
        measure(found._replace(labels=np.array([0, 1, 0, 1])), {}, no_sign=2)
