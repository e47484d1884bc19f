from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glosscast.ctc import beam_search, greedy


def frames(t: int, c: int, seed: int, sharpness: float = 1.0) -> np.ndarray:
    """Log probabilities (t, c) of frames drawn at random."""
    logits = sharpness * np.random.default_rng(seed).normal(size=(t, c))
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def enumerate_labellings(log_probabilities: np.ndarray, blank: int) -> dict[tuple[int, ...], float]:
    """Probability of each labelling: the sum over every alignment."""
    t, c = log_probabilities.shape
    sums: defaultdict[tuple[int, ...], float] = defaultdict(float)
    for path in product(range(c), repeat=t):
        labels = tuple(label for label, _ in groupby(path) if label != blank)
        sums[labels] += np.exp(sum(log_probabilities[i, label] for i, label in enumerate(path)))
    return sums


TINY = st.tuples(st.integers(0, 4), st.integers(1, 4), st.integers(0, 10_000), st.sampled_from([0.3, 1.0, 4.0]))


@settings(deadline=None)
@given(TINY, st.data())
def test_an_unpruned_beam_gives_every_labelling_its_exact_probability(
    tiny: tuple[int, int, int, float], data: st.DataObject
) -> None:
    scores = frames(*tiny)
    blank = data.draw(st.integers(0, tiny[1] - 1))
    found = {x.labels: np.exp(x.log_probability) for x in beam_search(scores, blank, width=1000, best=1000)}
    assert found == pytest.approx(enumerate_labellings(scores, blank))
    assert sum(found.values()) == pytest.approx(1.0)


@settings(deadline=None)
@given(TINY, st.integers(1, 5), st.floats(-3.0, 0.0))
def test_cutting_off_never_adds_probability(tiny: tuple[int, int, int, float], width: int, floor: float) -> None:
    scores = frames(*tiny)
    exact = enumerate_labellings(scores, 0)
    found = beam_search(scores, 0, width, best=width, min_log_probability=floor)
    assert 1 <= len(found) <= width
    assert [x.log_probability for x in found] == sorted((x.log_probability for x in found), reverse=True)
    assert len({x.labels for x in found}) == len(found)
    for x in found:
        assert np.exp(x.log_probability) <= exact[x.labels] + 1e-9


@settings(deadline=None)
@given(TINY)
def test_greedy_is_the_likeliest_alignment(tiny: tuple[int, int, int, float]) -> None:
    scores = frames(*tiny)
    path = max(product(range(tiny[1]), repeat=tiny[0]), key=lambda p: sum(scores[i, x] for i, x in enumerate(p)))
    assert greedy(scores, 0).labels == tuple(label for label, _ in groupby(path) if label != 0)
    assert greedy(scores, 0).log_probability == pytest.approx(scores.max(axis=1).sum())


def test_repeats_collapse_unless_a_blank_parts_them() -> None:
    path = [1, 1, 0, 1, 2, 2, 0, 0, 2]
    scores = np.log(np.full((len(path), 3), 0.05) + 0.85 * np.eye(3)[path])
    assert greedy(scores, 0).labels == (1, 1, 2, 2)
    assert beam_search(scores, 0, width=8)[0].labels == (1, 1, 2, 2)


def test_many_alignments_can_outweigh_the_best_one() -> None:
    scores = np.log(np.array([[0.6, 0.4], [0.6, 0.4]]))
    assert greedy(scores, 0).labels == ()  # 0.36, against 0.16 + 0.24 + 0.24
    assert beam_search(scores, 0, width=4)[0].labels == (1,)
    assert np.exp(beam_search(scores, 0, width=4)[0].log_probability) == pytest.approx(0.64)


def test_a_frame_whose_classes_all_fall_below_the_threshold_keeps_its_likeliest() -> None:
    scores = frames(6, 5, seed=1)
    (found,) = beam_search(scores, 0, width=4, best=9, min_log_probability=0.0)
    assert found.labels == greedy(scores, 0).labels


def test_a_large_vocabulary_and_certain_frames_stay_finite() -> None:
    with np.errstate(divide="ignore"):
        scores = np.log(np.eye(1000)[[0, 7, 7, 0, 999]])
    assert greedy(scores, 0).labels == (7, 999)
    (found,) = beam_search(scores, 0, width=10, best=10)
    assert (found.labels, found.log_probability) == ((7, 999), 0.0)


@pytest.mark.parametrize(
    ("scores", "options", "said"),
    [
        (np.zeros(3), {}, r"must be \(frames, classes\)"),
        (np.zeros((2, 0)), {}, r"must be \(frames, classes\)"),
        (frames(2, 3, 0), {"blank": 3}, "blank 3 is not one of 3"),
        (frames(2, 3, 0), {"blank": -1}, "blank -1"),
        (np.ones((2, 3)), {}, "logits"),
        (np.full((2, 3), np.nan), {}, "sum to 1"),
        (frames(2, 3, 0), {"width": 0}, "at least 1"),
        (frames(2, 3, 0), {"best": 0}, "at least 1"),
    ],
)
def test_values_that_are_no_distribution_are_refused(scores: np.ndarray, options: dict[str, int], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        beam_search(scores, **{"blank": 0, "width": 4, **options})
