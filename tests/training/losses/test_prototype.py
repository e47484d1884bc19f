import pytest
import torch
from torch import Tensor

from tests.training.losses.oracles import distance, embeddings_and_labels, weights_and_margins
from training.losses.prototype import PrototypeSeparation

PAIR = torch.tensor([[0.0, 1.0], [1.0, 0.0]])  # weights of two confusable classes


class Oracle:
    """Prototypes in a dict, everything else in loops."""

    def __init__(self, momentum: float) -> None:
        self.momentum = momentum
        self.means: dict[int, Tensor] = {}

    def loss(self, embeddings: Tensor, labels: Tensor, weights: Tensor, margins: Tensor) -> float:
        total = 0.0
        for z, y in zip(embeddings, labels.tolist(), strict=True):
            for j in self.means:
                if y in self.means and weights[y, j] > 0:
                    own, other = (distance(z, self.means[c] / self.means[c].norm()) for c in (y, j))
                    total += float(weights[y, j]) * max(0.0, float(margins[y, j]) + own - other)
        return total / len(labels)

    def move(self, embeddings: Tensor, labels: Tensor) -> None:
        for y in sorted(set(labels.tolist())):
            mean = torch.stack([z for z, label in zip(embeddings, labels, strict=True) if label == y]).mean(dim=0)
            momentum = self.momentum if y in self.means else 0.0
            self.means[y] = momentum * self.means.get(y, mean) + (1 - momentum) * mean


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_a_run_of_batches_equals_loops_over_clips_and_prototypes(momentum: float) -> None:
    separation = PrototypeSeparation(4, 6, momentum)
    oracle = Oracle(momentum)
    found = []
    for seed in range(7):
        # The fourth class turns up in the second batch, stays away for two, and comes back for good.
        embeddings, labels = embeddings_and_labels(seed, classes=3 if seed in (0, 2, 3) else 4)
        assert (3 in labels) == (seed not in (0, 2, 3))
        pairs = weights_and_margins(seed)
        found.append(separation(embeddings, labels, *pairs).item())
        assert found[-1] == pytest.approx(oracle.loss(embeddings, labels, *pairs), rel=1e-4)
        oracle.move(embeddings, labels)
    assert found[0] == 0.0
    assert min(found[1:]) > 0.0


def separation_of(prototypes: Tensor) -> PrototypeSeparation:
    """One that has seen every class."""
    separation = PrototypeSeparation(*prototypes.shape, momentum=0.9)
    separation.means.copy_(prototypes)
    separation.seen.fill_(True)
    return separation


def loss_and_gradient(
    separation: PrototypeSeparation, raw: Tensor, labels: Tensor, weights: Tensor = PAIR
) -> tuple[float, Tensor]:
    raw = raw.clone().requires_grad_()
    embeddings = torch.nn.functional.normalize(raw, dim=1, eps=1e-6)
    loss = separation(embeddings, labels, weights, torch.full_like(weights, 0.6))
    loss.backward()
    assert raw.grad is not None
    return loss.item(), raw.grad


def test_beyond_the_margin_loss_and_gradient_are_zero() -> None:
    apart = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    loss, gradient = loss_and_gradient(separation_of(apart), apart + 0.1, torch.tensor([0, 1]))
    assert loss == 0.0
    assert (gradient == 0).all()


@pytest.mark.parametrize("labels", [[0, 0, 0], []])
def test_without_a_confusable_class_it_is_exactly_zero_and_touches_the_graph(labels: list[int]) -> None:
    raw = torch.randn(len(labels), 2)
    ids = torch.tensor(labels, dtype=torch.long)
    for separation, weights in (
        (separation_of(torch.ones(2, 2)), torch.zeros(2, 2)),
        (PrototypeSeparation(2, 2, 0.9), PAIR),
    ):
        loss, gradient = loss_and_gradient(separation, raw, ids, weights)
        assert loss == 0.0
        assert (gradient == 0).all()


def test_identical_embeddings_and_prototypes_give_the_margin_and_a_finite_gradient() -> None:
    loss, gradient = loss_and_gradient(separation_of(torch.ones(2, 3)), torch.ones(4, 3), torch.tensor([0, 1, 0, 1]))
    assert loss == pytest.approx(0.6)
    assert gradient.isfinite().all()


def test_a_step_moves_a_clip_away_from_the_confusable_prototype() -> None:
    prototypes = torch.tensor([[1.0, 0.3], [1.0, -0.3]])
    raw = torch.tensor([[1.0, 0.0]])
    before, gradient = loss_and_gradient(separation_of(prototypes), raw, torch.tensor([0]))
    after, _ = loss_and_gradient(separation_of(prototypes), raw - 0.1 * gradient, torch.tensor([0]))
    assert after < before


def test_prototypes_stand_still_in_eval_mode_and_take_no_gradient() -> None:
    separation = separation_of(torch.eye(2)).eval()
    loss_and_gradient(separation, torch.randn(3, 2), torch.tensor([0, 1, 1]))
    assert torch.equal(separation.means, torch.eye(2))
    assert not any(buffer.requires_grad for buffer in separation.buffers())


def test_bfloat16_embeddings_are_compared_and_averaged_in_float32_even_under_autocast() -> None:
    (embeddings, labels), pairs = embeddings_and_labels(2), weights_and_margins(2)
    half, full = PrototypeSeparation(4, 6, 0.5), PrototypeSeparation(4, 6, 0.5)
    for _ in range(2):
        with torch.autocast("cpu", torch.bfloat16):
            loss = half(embeddings.bfloat16(), labels, *pairs)
        assert loss.dtype == torch.float32
        assert torch.equal(loss, full(embeddings.bfloat16().float(), labels, *pairs))
    assert torch.equal(half.means, full.means)
