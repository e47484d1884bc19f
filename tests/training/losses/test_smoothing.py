import math

import pytest
import torch
from torch import Tensor

from training.config import SmoothingConfig
from training.losses.smoothing import SmoothingLoss, smoothed_targets
from training.models.recogniser import Output

CLASSES = ("a", "b", "c", "d")
# a is confusable with b and, a third as much, with c; d with none.
WEIGHTS = torch.tensor([[0.0, 0.75, 0.25, 0.0], [0.75, 0.0, 0.0, 0.0], [0.25, 0.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]])
COUNTS = torch.tensor([[6.0, 3.0, 0.0, 0.0], [3.0, 8.0, 0.0, 0.0], [0.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 2.0]])


def output(logits: Tensor) -> Output:
    return Output(logits, torch.zeros(len(logits), 2))


def test_what_the_label_does_not_get_goes_to_confusable_classes_by_their_weights() -> None:
    targets = smoothed_targets(torch.tensor([0, 1]), WEIGHTS, 0.2)
    assert torch.allclose(targets, torch.tensor([[0.8, 0.15, 0.05, 0.0], [0.2, 0.8, 0.0, 0.0]]))


def test_a_label_that_nothing_is_confusable_with_is_smoothed_over_all_classes() -> None:
    (target,) = smoothed_targets(torch.tensor([3]), WEIGHTS, 0.2)
    assert torch.allclose(target, torch.tensor([0.05, 0.05, 0.05, 0.85]))


def test_the_loss_is_the_cross_entropy_with_these_targets() -> None:
    loss = SmoothingLoss(SmoothingConfig(share=0.2, warmup_epochs=1), CLASSES)
    loss.confusion.update(COUNTS)
    logits = torch.tensor([[1.0, 2.0, 0.0, -1.0]])
    log_p = [x - math.log(sum(math.exp(y) for y in (1.0, 2.0, 0.0, -1.0))) for x in (1.0, 2.0, 0.0, -1.0)]
    wanted = -(0.8 * log_p[0] + 0.2 * log_p[1])
    assert loss(1, output(logits), torch.tensor([0])).item() == pytest.approx(wanted, rel=1e-5)


def test_before_there_are_confusions_the_target_is_smoothed_over_all_classes() -> None:
    loss = SmoothingLoss(SmoothingConfig(share=0.2, warmup_epochs=2), CLASSES)
    logits, labels = torch.randn(5, 4, generator=torch.manual_seed(0)), torch.tensor([0, 1, 2, 3, 0])
    wanted = torch.nn.functional.cross_entropy(logits, labels, label_smoothing=0.2)
    assert loss(1, output(logits), labels).item() == pytest.approx(wanted.item())


def test_its_gradient_reaches_the_logits_and_not_the_confusions() -> None:
    loss = SmoothingLoss(SmoothingConfig(warmup_epochs=1), CLASSES)
    loss.confusion.update(COUNTS)
    logits = torch.zeros(2, 4, requires_grad=True)
    loss(5, output(logits), torch.tensor([0, 3])).backward()
    assert logits.grad is not None
    assert logits.grad.abs().sum() > 0
    assert not loss.confusion.similarity.requires_grad
