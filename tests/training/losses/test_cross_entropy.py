import math

import pytest
import torch

from tests.training.losses.oracles import softmax
from training.losses.cross_entropy import CrossEntropyLoss, cross_entropy
from training.models.recogniser import Output


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_it_equals_a_loop_over_clips_and_classes(smoothing: float) -> None:
    torch.manual_seed(0)
    logits = torch.randn(6, 5)
    labels = torch.randint(0, 5, (6,))
    total = 0.0
    for row, label in zip(logits.tolist(), labels.tolist(), strict=True):
        for c, p in enumerate(softmax(row)):
            total -= (smoothing / 5 + (1 - smoothing) * (c == label)) * math.log(p)
    assert cross_entropy(logits, labels, smoothing).item() == pytest.approx(total / 6, rel=1e-5)


def test_bfloat16_logits_are_taken_in_float32() -> None:
    logits = (10 * torch.randn(6, 5)).bfloat16()
    labels = torch.randint(0, 5, (6,))
    loss = cross_entropy(logits, labels, 0.1)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, cross_entropy(logits.float(), labels, 0.1))


def test_embeddings_and_epoch_take_no_part() -> None:
    logits = torch.randn(6, 5)
    labels = torch.randint(0, 5, (6,))
    output = Output(logits, torch.full((6, 3), torch.nan))
    for epoch in (0, 9):
        assert torch.equal(CrossEntropyLoss(0.1)(epoch, output, labels), cross_entropy(logits, labels, 0.1))
