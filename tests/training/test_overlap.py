import numpy as np
import pytest
from sklearn.metrics import silhouette_score

from training.comparison.overlap import overlap, silhouette
from training.comparison.tsne import tsne


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_against_loops_and_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    glosses = rng.choice(["a", "b", "c"], 40)
    signers = rng.choice(["ann", "bea"], 40)
    embeddings = unit(rng.normal(size=(40, 5)) + 2 * np.eye(5)[np.unique(glosses, return_inverse=True)[1]])
    found = overlap(embeddings, glosses, signers)
    for share, foreign in ((found.neighbour, False), (found.stranger, True)):
        wrong = []
        for i in range(40):
            others = [j for j in range(40) if j != i and (not foreign or signers[j] != signers[i])]
            nearest = min(others, key=lambda j: 1 - float(embeddings[i] @ embeddings[j]))
            wrong.append(glosses[nearest] != glosses[i])
        assert share == pytest.approx(np.mean(wrong))
    assert found.silhouette == pytest.approx(silhouette_score(embeddings, glosses, metric="cosine"), abs=1e-6)


def test_a_clip_that_is_alone_with_its_gloss_cannot_have_a_right_neighbour() -> None:
    embeddings = unit(np.array([[1.0, 0.0], [1.0, 0.1], [0.0, 1.0]]))
    found = overlap(embeddings, np.array(["a", "a", "b"]), np.array(["ann", "ann", "ann"]))
    assert found.neighbour == 0.0
    assert np.isnan(found.stranger)
    assert found.silhouette == pytest.approx(2 / 3, abs=0.01)


def test_one_gloss_has_no_silhouette() -> None:
    assert np.isnan(silhouette(np.zeros((3, 3)), np.array(["a", "a", "a"])))


def test_tsne_is_the_same_each_time_and_keeps_groups_together() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], 15)
    embeddings = unit(np.eye(8)[labels] + 0.05 * rng.normal(size=(30, 8)))
    places = tsne(embeddings)
    np.testing.assert_array_equal(places, tsne(embeddings))
    distance = np.linalg.norm(places[:, None] - places, axis=2) + 1e9 * np.eye(30)
    assert (labels[distance.argmin(axis=1)] == labels).all()
