import math

import pytest
import torch

from tests.training.losses.oracles import softmax
from training.config import FocalConfig
from training.losses.cross_entropy import cross_entropy
from training.losses.focal import FocalLoss, focal
from training.models.recogniser import Output


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_it_equals_a_loop_over_clips_and_classes(gamma: float, smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 5)
    labels = torch.randint(0, 5, (6,))
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        for c, p in enumerate(softmax(row)):
            total -= (smoothing / 5 + (1 - smoothing) * (c == label)) * (1 - p) ** gamma * math.log(p)
    assert focal(logits, labels, gamma, smoothing).item() == pytest.approx(total / 6, rel=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_with_gamma_zero_it_is_cross_entropy(smoothing: float) -> None:
    logits = torch.randn(64, 5)
    labels = torch.randint(0, 5, (64,))
    assert torch.allclose(focal(logits, labels, 0.0, smoothing), cross_entropy(logits, labels, smoothing), rtol=1e-5)


def test_easy_clips_count_less_than_with_cross_entropy() -> None:
    easy = torch.tensor([[3.0, 0.0]])
    hard = torch.tensor([[-3.0, 0.0]])
    label = torch.tensor([0])
    share = [focal(x, label, 2.0, 0.0) / cross_entropy(x, label, 0.0) for x in (easy, hard)]
    assert share[0] < 0.01
    assert share[1] > 0.9


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_certainty_right_or_wrong_gives_a_finite_gradient(gamma: float, smoothing: float) -> None:
    logits = torch.tensor([[500.0, 0.0], [500.0, 0.0]], requires_grad=True)
    focal(logits, torch.tensor([0, 1]), gamma, smoothing).backward()
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_bfloat16_logits_are_taken_in_float32() -> None:
    logits = (10 * torch.randn(6, 5)).bfloat16()
    labels = torch.randint(0, 5, (6,))
    loss = focal(logits, labels, 2.0, 0.1)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, focal(logits.float(), labels, 2.0, 0.1))


def test_embeddings_and_epoch_take_no_part() -> None:
    logits = torch.randn(6, 5)
    labels = torch.randint(0, 5, (6,))
    output = Output(logits, torch.full((6, 3), torch.nan))
    for epoch in (0, 9):
        loss = FocalLoss(FocalConfig(gamma=1.5), 0.1)(epoch, output, labels)
        assert torch.equal(loss, focal(logits, labels, 1.5, 0.1))
