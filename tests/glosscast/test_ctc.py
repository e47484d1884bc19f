from collections import defaultdict
from itertools import groupby, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from glosscast.ctc import PrefixBeam, beam_search, greedy


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


def best_alignments(scores: np.ndarray, blank: int, labels: tuple[int, ...]) -> list[tuple[tuple[int, int], ...]]:
    """Where the best alignments of a labelling emit its labels, by trying all paths."""
    t, c = scores.shape
    found: dict[tuple[tuple[int, int], ...], float] = {}
    for path in product(range(c), repeat=t):
        runs = [(label, [i for i, _ in run]) for label, run in groupby(enumerate(path), key=lambda pair: pair[1])]
        runs = [run for run in runs if run[0] != blank]
        if tuple(label for label, _ in runs) == labels:
            spans = tuple((frames[0], frames[-1]) for _, frames in runs)
            score = sum(scores[i, label] for i, label in enumerate(path))
            found[spans] = max(found.get(spans, -np.inf), score)
    best = max(found.values())
    return [spans for spans, score in found.items() if score > best - 1e-9]


@given(TINY)
def test_an_unpruned_beam_has_the_times_of_the_best_alignment(tiny: tuple[int, int, int, float]) -> None:
    scores = frames(*tiny)
    beam = PrefixBeam(0, width=1000)
    for frame in scores:
        beam.push(frame)
    for hypothesis in beam.hypotheses():
        assert hypothesis.spans in best_alignments(scores, 0, hypothesis.labels)


@given(st.integers(1, 5), st.integers(0, 10_000), st.data())
def test_a_committed_label_leaves_what_follows_as_it_would_have_been(t: int, seed: int, data: st.DataObject) -> None:
    scores = frames(t + 3, 3, seed)
    whole, cut = PrefixBeam(0, width=1000), PrefixBeam(0, width=1000)
    for frame in scores[:t]:
        whole.push(frame)
        cut.push(frame)
    first = data.draw(st.sampled_from(sorted({h.labels[0] for h in cut.hypotheses() if h.labels})))
    cut.commit(first)
    for frame in scores[t:]:
        whole.push(frame)
        cut.push(frame)
    left = {h.labels: h.log_probability for h in cut.hypotheses()}
    begun = {h.labels[1:]: h.log_probability for h in whole.hypotheses() if h.labels[:1] == (first,)}
    # The whole search also has labellings that got the first label only after it was committed here.
    assert set(left) <= set(begun)
    assert all(left[labels] <= begun[labels] + 1e-9 for labels in left)


def test_a_label_that_is_committed_while_it_is_emitted_is_not_read_again() -> None:
    beam = PrefixBeam(0, width=4)
    for path in ([1, 1, 1], [1, 1, 0, 1]):
        for frame in np.log(np.full((len(path), 3), 0.02) + 0.94 * np.eye(3)[path]):
            beam.push(frame)
        if len(path) == 3:
            beam.commit(1)
    best = beam.hypotheses()[0]
    assert (best.labels, best.spans) == ((1,), ((6, 6),))  # the one after the blank


def test_the_shares_of_what_comes_next_are_those_of_the_probabilities() -> None:
    scores = frames(4, 3, seed=5)
    beam = PrefixBeam(0, width=1000)
    for frame in scores:
        beam.push(frame)
    exact: defaultdict[int | None, float] = defaultdict(float)
    for labels, probability in enumerate_labellings(scores, 0).items():
        exact[labels[0] if labels else None] += probability
    assert beam.next_labels() == pytest.approx(exact)


@given(st.integers(0, 10_000))
def test_a_bonus_counts_once_for_each_label_whatever_the_alignment(seed: int) -> None:
    scores = frames(4, 3, seed)
    rng = np.random.default_rng(seed)
    table = {labels: rng.normal(size=3) for n in range(5) for labels in product((1, 2), repeat=n)}
    beam = PrefixBeam(0, width=1000, bonus=lambda labels: table[labels])
    for frame in scores:
        beam.push(frame)
    beam.favour(lambda labels: float(len(labels)))
    found = {h.labels: h.log_probability for h in beam.hypotheses()}
    for labels, probability in enumerate_labellings(scores, 0).items():
        bonus = sum(table[labels[:i]][label] for i, label in enumerate(labels)) + len(labels)
        assert found[labels] == pytest.approx(np.log(probability) + bonus)
