import pytest
import torch
from torch import Tensor

from training.losses import EPSILON, AdaptiveConfig, adaptive_loss, confusable_separation

CLASSES, BATCH, SIZE = 5, 16, 8


def inputs(seed: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Embeddings, labels, weights and margins; some pairs of classes are not confusable."""
    torch.manual_seed(seed)
    embeddings = torch.nn.functional.normalize(torch.randn(BATCH, SIZE), dim=1)
    labels = torch.randint(0, CLASSES, (BATCH,))
    weights = torch.rand(CLASSES, CLASSES) * (torch.rand(CLASSES, CLASSES) > 0.4)
    weights = (weights + weights.T).fill_diagonal_(0.0)
    margins = 0.5 + torch.rand(CLASSES, CLASSES)
    return embeddings, labels, weights, (margins + margins.T) / 2


def oracle(embeddings: Tensor, labels: Tensor, weights: Tensor, margins: Tensor) -> float:
    total = weight_sum = 0.0
    for i in range(len(labels)):
        for j in range(i + 1, len(labels)):
            a, b = int(labels[i]), int(labels[j])
            distance = 1.0 - sum(float(x) * float(y) for x, y in zip(embeddings[i], embeddings[j], strict=True))
            total += float(weights[a, b]) * max(0.0, float(margins[a, b]) - distance)
            weight_sum += float(weights[a, b])
    return total / (weight_sum + EPSILON)


@pytest.mark.parametrize("seed", range(5))
def test_separation_equals_a_loop_over_pairs(seed: int) -> None:
    case = inputs(seed)
    assert confusable_separation(*case).item() == pytest.approx(oracle(*case), rel=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_the_whole_loss_is_the_weighted_sum(smoothing: float) -> None:
    embeddings, labels, weights, margins = inputs(0)
    logits = torch.randn(BATCH, CLASSES)
    loss = adaptive_loss(
        logits, embeddings, labels, weights=weights, margins=margins, alpha=0.6, label_smoothing=smoothing
    )
    entropy = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing).item()
    assert loss.item() == pytest.approx(0.6 * entropy + 0.4 * oracle(embeddings, labels, weights, margins), rel=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_with_alpha_one_it_is_cross_entropy_bit_for_bit(smoothing: float) -> None:
    embeddings, labels, weights, margins = inputs(1)
    logits = torch.randn(BATCH, CLASSES)
    loss = adaptive_loss(
        logits, embeddings, labels, weights=weights, margins=margins, alpha=1.0, label_smoothing=smoothing
    )
    assert torch.equal(loss, torch.nn.functional.cross_entropy(logits, labels, label_smoothing=smoothing))


def test_with_alpha_one_embeddings_take_no_part() -> None:
    embeddings, labels, weights, margins = inputs(1)
    logits = torch.randn(BATCH, CLASSES)
    loss = adaptive_loss(
        logits, embeddings * torch.nan, labels, weights=weights, margins=margins, alpha=1.0, label_smoothing=0.1
    )
    assert loss.isfinite()


def loss_and_gradient(raw: Tensor, labels: Tensor, weights: Tensor, margins: Tensor) -> tuple[float, Tensor]:
    raw = raw.clone().requires_grad_()
    loss = confusable_separation(torch.nn.functional.normalize(raw, dim=1, eps=1e-6), labels, weights, margins)
    assert loss.requires_grad
    loss.backward()
    assert raw.grad is not None
    return loss.item(), raw.grad


def test_beyond_the_margin_loss_and_gradient_are_zero() -> None:
    opposite = torch.tensor([[1.0, 0.0], [-1.0, 0.1]])
    weights = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    loss, gradient = loss_and_gradient(opposite, torch.tensor([0, 1]), weights, torch.full((2, 2), 0.6))
    assert loss == 0.0
    assert (gradient == 0).all()


@pytest.mark.parametrize("weights", [torch.zeros(2, 2), torch.tensor([[0.0, 1.0], [1.0, 0.0]])])
def test_a_batch_without_a_confusable_pair_gives_exactly_zero_and_touches_the_graph(weights: Tensor) -> None:
    labels = torch.tensor([0, 0, 0])  # of one class: no pair, whatever the weights say
    loss, gradient = loss_and_gradient(torch.randn(3, 4), labels, weights, torch.full((2, 2), 0.6))
    assert loss == 0.0
    assert (gradient == 0).all()


def test_identical_embeddings_give_a_finite_gradient() -> None:
    weights = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    loss, gradient = loss_and_gradient(torch.ones(4, 3), torch.tensor([0, 1, 0, 1]), weights, torch.full((2, 2), 0.6))
    assert loss == pytest.approx(0.6, rel=1e-4)
    assert torch.isfinite(gradient).all()


def test_embeddings_of_length_zero_give_a_finite_gradient() -> None:
    weights = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    _, gradient = loss_and_gradient(torch.zeros(2, 3), torch.tensor([0, 1]), weights, torch.full((2, 2), 1.2))
    assert torch.isfinite(gradient).all()


def test_a_step_moves_confusable_embeddings_apart() -> None:
    raw = torch.tensor([[1.0, 0.1], [1.0, -0.1]])
    weights, margins, labels = torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.full((2, 2), 0.6), torch.tensor([0, 1])
    before, gradient = loss_and_gradient(raw, labels, weights, margins)
    after, _ = loss_and_gradient(raw - 0.1 * gradient, labels, weights, margins)
    assert after < before


def test_bfloat16_embeddings_are_compared_in_float32() -> None:
    embeddings, labels, weights, margins = inputs(2)
    assert confusable_separation(embeddings.bfloat16(), labels, weights, margins).dtype == torch.float32


@pytest.mark.parametrize(
    ("warmup", "ramp", "wanted"),
    [
        (2, 2, [1.0, 1.0, 0.8, 0.6, 0.6]),
        (0, 4, [0.9, 0.8, 0.7, 0.6, 0.6]),
        (1, 0, [1.0, 0.6, 0.6, 0.6, 0.6]),
        (9, 0, [1.0] * 5),
    ],
)
def test_alpha_is_one_in_the_warm_up_and_then_ramps(warmup: int, ramp: int, wanted: list[float]) -> None:
    config = AdaptiveConfig(
        alpha=0.6,
        warmup_epochs=warmup,
        ramp_epochs=ramp,
        momentum=0.7,
        kappa=1.0,
        threshold=0.01,
        top_k=5,
        margin=0.6,
        margin_growth=0.5,
        margin_max=1.2,
    )
    assert [config.alpha_at(epoch) for epoch in range(5)] == pytest.approx(wanted)
