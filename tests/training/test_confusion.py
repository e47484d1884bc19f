import random
from collections import Counter
from collections.abc import Iterator

import pytest
import torch

from tests.training.synthetic import adaptive_config
from training.losses.adaptive import weights_and_margins
from training.losses.confusion import ConfusionState
from training.tasks.continuous import count_substitutions

CLASSES = ("a", "b", "c", "d")
COUNTS = torch.tensor([[6.0, 3.0, 0.0, 0.0], [1.0, 8.0, 0.0, 0.0], [0.0, 1.0, 4.0, 4.0], [0.0, 0.0, 2.0, 2.0]])


def state(**changes: object) -> ConfusionState:
    return ConfusionState(adaptive_config(**changes), CLASSES)


def similarity(counts: torch.Tensor, kappa: float) -> list[list[float]]:
    """The mean of both directions' confusion rates, by hand."""
    n = [sum(row) for row in counts.tolist()]
    rate = [[c / (n[i] + kappa) if i != j else 0.0 for j, c in enumerate(row)] for i, row in enumerate(counts.tolist())]
    return [[(rate[i][j] + rate[j][i]) / 2 for j in range(len(n))] for i in range(len(n))]


@pytest.mark.parametrize("kappa", [0.0, 1.0])
def test_the_first_update_takes_the_counts_as_they_are(kappa: float) -> None:
    confusion = state(kappa=kappa)
    confusion.update(COUNTS)
    assert torch.allclose(confusion.similarity, torch.tensor(similarity(COUNTS, kappa)))
    assert (confusion.similarity.diagonal() == 0).all()


def test_similarity_pairs_weights_and_margins_are_symmetric() -> None:
    confusion = state(top_k=1)
    for _ in range(3):
        confusion.update(torch.rand(4, 4) * 10)
    weights, margins = weights_and_margins(adaptive_config(), confusion)
    for matrix in (confusion.similarity, confusion.pairs(), weights, margins):
        assert torch.equal(matrix, matrix.T)


def test_later_updates_are_averaged_with_momentum() -> None:
    confusion = state()
    confusion.update(COUNTS)
    confusion.update(COUNTS.T)
    first, second = torch.tensor(similarity(COUNTS, 1.0)), torch.tensor(similarity(COUNTS.T, 1.0))
    assert torch.allclose(confusion.similarity, 0.7 * first + 0.3 * second)


def test_a_class_without_clips_gives_no_similarity_and_no_fault() -> None:
    confusion = state(kappa=0.0)
    counts = COUNTS.clone()
    counts[3] = 0
    confusion.update(counts)
    assert torch.isfinite(confusion.similarity).all()


def test_before_any_update_nothing_is_confusable() -> None:
    confusion = state(threshold=0.0)
    weights, margins = weights_and_margins(adaptive_config(), confusion)
    assert not confusion.pairs().any()
    assert (weights == 0).all()
    assert torch.allclose(margins, torch.full((4, 4), 0.6))


def pairs(confusion: ConfusionState) -> set[tuple[str, str]]:
    mask = confusion.pairs()
    return {(CLASSES[i], CLASSES[j]) for i in range(4) for j in range(i + 1, 4) if mask[i, j]}


def test_only_the_most_confusable_partners_of_a_class_are_pairs() -> None:
    # a's, b's, c's and d's best partners are b, a, d and c; b-c is nobody's best.
    confusion = state(top_k=1)
    confusion.update(COUNTS)
    assert pairs(confusion) == {("a", "b"), ("c", "d")}
    wide = state(top_k=9)
    wide.update(COUNTS)
    assert pairs(wide) == {("a", "b"), ("b", "c"), ("c", "d")}


def test_pairs_under_the_threshold_are_left_out() -> None:
    confusion = state(threshold=0.3)
    confusion.update(COUNTS)
    assert pairs(confusion) == {("c", "d")}


def test_glosses_of_the_same_form_are_never_pairs() -> None:
    confusion = state(same_form=(("d", "c"), ("a", "not a class")))
    confusion.update(COUNTS)
    assert pairs(confusion) == {("a", "b"), ("b", "c")}
    assert confusion.weights()[2, 3] == 0


def test_weights_and_margins_grow_with_similarity() -> None:
    confusion = state()
    confusion.update(COUNTS)
    weights, margins = weights_and_margins(adaptive_config(), confusion)
    scaled = confusion.similarity / confusion.similarity.max()
    assert torch.allclose(weights, scaled * confusion.pairs())
    assert weights.max() == 1
    assert torch.allclose(margins, 0.6 * (1 + 0.5 * scaled))
    assert weights_and_margins(adaptive_config(margin_max=0.7), confusion)[1].max().item() == pytest.approx(0.7)


def test_a_restored_state_goes_on_as_if_never_stopped() -> None:
    whole, before = state(), state()
    whole.update(COUNTS)
    before.update(COUNTS)
    after = state()
    after.load_state_dict(before.state_dict())
    whole.update(COUNTS.T)
    after.update(COUNTS.T)
    assert torch.equal(after.similarity, whole.similarity)
    assert torch.equal(after.epochs, whole.epochs)


Alignment = list[tuple[int | None, int | None]]


def alignments(wanted: list[int], given: list[int]) -> Iterator[Alignment]:
    """Every way to put two sentences side by side; None is a gap."""
    if not wanted and not given:
        yield []
    if wanted and given:
        yield from ([(wanted[0], given[0]), *rest] for rest in alignments(wanted[1:], given[1:]))
    if wanted:
        yield from ([(wanted[0], None), *rest] for rest in alignments(wanted[1:], given))
    if given:
        yield from ([(None, given[0]), *rest] for rest in alignments(wanted, given[1:]))


def best_pairs(wanted: list[int], given: list[int]) -> list[Counter[tuple[int, int]]]:
    """The pairs of signs in each of the best alignments."""

    def cost(alignment: Alignment) -> tuple[int, int]:
        return sum(a != b for a, b in alignment), sum(a != b for a, b in alignment if None not in (a, b))

    every = list(alignments(wanted, given))
    least = min(map(cost, every))
    return [Counter((a, b) for a, b in x if a is not None and b is not None) for x in every if cost(x) == least]


def test_substitutions_are_those_of_a_best_alignment() -> None:
    chance = random.Random(0)
    for _ in range(60):
        wanted, given = ([chance.randrange(3) for _ in range(chance.randrange(5))] for _ in range(2))
        counts = count_substitutions([wanted], [given], 3)
        found = Counter({(i, j): int(counts[i, j]) for i in range(3) for j in range(3) if counts[i, j]})
        assert found in best_pairs(wanted, given)


@pytest.mark.parametrize(
    ("wanted", "given", "pairs"),
    [
        ([0, 1, 2], [0, 2, 2], {(0, 0): 1, (1, 2): 1, (2, 2): 1}),
        ([0, 1, 2], [0, 2], {(0, 0): 1, (2, 2): 1}),  # a sign left out is taken for none
        ([0, 1], [0, 2, 1], {(0, 0): 1, (1, 1): 1}),  # nor is one put in
        ([0, 1], [1, 0], {(0, 0): 1}),  # swapped, not confused: one of the two still stands where it was
        ([], [0], {}),
        ([0], [], {}),
    ],
)
def test_only_substitutions_are_confusions(
    wanted: list[int], given: list[int], pairs: dict[tuple[int, int], int]
) -> None:
    expected = torch.zeros(3, 3)
    for (i, j), n in pairs.items():
        expected[i, j] = n
    assert torch.equal(count_substitutions([wanted], [given], 3), expected)


def test_substitutions_add_up_over_sentences() -> None:
    counts = count_substitutions([[0, 1], [0]], [[1, 1], [1]], 2)
    assert counts.tolist() == [[0, 2], [0, 1]]
    with pytest.raises(ValueError, match="zip"):
        count_substitutions([[0, 1], [0]], [[1, 1]], 2)
