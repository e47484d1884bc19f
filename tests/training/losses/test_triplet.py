import pytest
import torch
from torch import Tensor

from tests.training.losses.oracles import embeddings_and_labels
from tests.training.losses.oracles import hard_triplet as oracle
from training.config import TripletConfig
from training.losses.cross_entropy import cross_entropy
from training.losses.triplet import TripletLoss, hard_triplet
from training.models.recogniser import Output


def loss_and_gradient(raw: Tensor, labels: Tensor, margin: float = 0.2) -> tuple[float, Tensor]:
    raw = raw.clone().requires_grad_()
    loss = hard_triplet(torch.nn.functional.normalize(raw, dim=1, eps=1e-6), labels, margin)
    loss.backward()
    assert raw.grad is not None
    return loss.item(), raw.grad


@pytest.mark.parametrize("classes", [2, 4, 9])  # with nine, some anchors have no companion
@pytest.mark.parametrize("seed", range(3))
def test_it_equals_a_loop_over_all_triplets(seed: int, classes: int) -> None:
    embeddings, labels = embeddings_and_labels(seed, classes=classes)
    for margin in (0.2, 1.0):
        found = hard_triplet(embeddings, labels, margin).item()
        assert found == pytest.approx(oracle(embeddings, labels, margin), rel=1e-4)


def test_beyond_the_margin_loss_and_gradient_are_zero() -> None:
    raw = torch.tensor([[1.0, 0.0], [1.0, 0.1], [-1.0, 0.0], [-1.0, 0.1]])
    loss, gradient = loss_and_gradient(raw, torch.tensor([0, 0, 1, 1]))
    assert loss == 0.0
    assert (gradient == 0).all()


@pytest.mark.parametrize("labels", [[0, 0, 0], [0, 1, 2], []])
def test_a_batch_without_a_triplet_gives_exactly_zero_and_touches_the_graph(labels: list[int]) -> None:
    loss, gradient = loss_and_gradient(torch.randn(len(labels), 4), torch.tensor(labels, dtype=torch.long))
    assert loss == 0.0
    assert (gradient == 0).all()


def test_identical_embeddings_give_the_margin_and_a_finite_gradient() -> None:
    loss, gradient = loss_and_gradient(torch.ones(4, 3), torch.tensor([0, 1, 0, 1]))
    assert loss == pytest.approx(0.2)
    assert gradient.isfinite().all()


def test_a_step_brings_companions_nearer_than_others() -> None:
    raw = torch.tensor([[1.0, 0.2], [1.0, -0.2], [1.0, 0.0]])
    labels = torch.tensor([0, 0, 1])
    before, gradient = loss_and_gradient(raw, labels)
    after, _ = loss_and_gradient(raw - 0.1 * gradient, labels)
    assert after < before


def test_bfloat16_embeddings_are_compared_in_float32_even_under_autocast() -> None:
    embeddings, labels = embeddings_and_labels(0)
    with torch.autocast("cpu", torch.bfloat16):
        loss = hard_triplet(embeddings.bfloat16(), labels, 0.2)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, hard_triplet(embeddings.bfloat16().float(), labels, 0.2))


def test_the_whole_loss_is_cross_entropy_and_the_weighted_triplets() -> None:
    embeddings, labels = embeddings_and_labels(1)
    logits = torch.randn(12, 4)
    loss = TripletLoss(TripletConfig(weight=0.5), label_smoothing=0.1)(0, Output(logits, embeddings), labels)
    wanted = cross_entropy(logits, labels, 0.1).item() + 0.5 * oracle(embeddings, labels, 0.2)
    assert loss.item() == pytest.approx(wanted, rel=1e-4)
