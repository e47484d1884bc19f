import math

import pytest
import torch
from torch import Tensor

from tests.training.losses import oracles
from training.losses.ctc import ctc, focal_ctc, log_probabilities

CLASSES = 2  # and a blank
# Targets with a repeat, of several lengths, and an empty one; frames of which the last two sequences leave some out.
TARGETS = torch.tensor([[0, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]])
LENGTHS = torch.tensor([3, 2, 1, 0])
FRAMES = torch.tensor([5, 5, 4, 3])


def logits(seed: int) -> Tensor:
    return 2 * torch.randn(4, 5, CLASSES + 1, generator=torch.Generator().manual_seed(seed))


def wanted(x: Tensor) -> list[float]:
    return [
        oracles.ctc(row[:t], target[:n].tolist()) for row, target, t, n in zip(x, TARGETS, FRAMES, LENGTHS, strict=True)
    ]


@pytest.mark.parametrize("seed", range(3))
def test_it_equals_the_sum_over_all_paths(seed: int) -> None:
    x = logits(seed)
    assert ctc(log_probabilities(x), FRAMES, TARGETS, LENGTHS).tolist() == pytest.approx(wanted(x), rel=1e-4)


@pytest.mark.parametrize("gamma", [0.5, 2.0])
def test_focal_ctc_weighs_each_sequence_by_how_badly_it_is_read(gamma: float) -> None:
    x = logits(0)
    focal = [
        (1 - math.exp(-loss) ** (1 / max(1, n))) ** gamma * loss
        for loss, n in zip(wanted(x), LENGTHS.tolist(), strict=True)
    ]
    losses = ctc(log_probabilities(x), FRAMES, TARGETS, LENGTHS)
    assert focal_ctc(losses, LENGTHS, gamma).tolist() == pytest.approx(focal, rel=1e-4)


def test_with_gamma_zero_focal_ctc_is_ctc() -> None:
    losses = ctc(log_probabilities(logits(0)), FRAMES, TARGETS, LENGTHS)
    assert torch.equal(focal_ctc(losses, LENGTHS, 0.0), losses)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_a_target_too_long_gives_zero_and_no_gradient(gamma: float) -> None:
    x = logits(1).requires_grad_()
    # Two equal signs need a blank between them: three frames, not two.
    frames, lengths = torch.tensor([2, 2, 2, 2]), torch.tensor([3, 2, 1, 0])
    losses = ctc(log_probabilities(x), frames, TARGETS, lengths)
    focal = focal_ctc(losses, lengths, gamma)
    assert losses.isfinite().all()
    assert (losses[:2] == 0).all()
    assert (focal[:2] == 0).all()
    (losses.sum() + focal.sum()).backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()
    assert (x.grad[:2] == 0).all()
    assert (x.grad[2:, :2] != 0).any()


def test_a_sentence_read_with_certainty_gives_a_finite_gradient() -> None:
    x = torch.full((1, 2, 3), -300.0)
    x[0, 0, 0] = x[0, 1, 1] = 300.0
    x.requires_grad_()
    two = torch.tensor([2])
    focal_ctc(ctc(log_probabilities(x), two, torch.tensor([[0, 1]]), two), two, 0.5).sum().backward()
    assert x.grad is not None
    assert x.grad.isfinite().all()


def test_frames_past_the_end_of_a_sequence_take_no_part() -> None:
    x = logits(2)
    other = x.clone()
    other[3, 3:] = 50.0
    losses = [ctc(log_probabilities(y), FRAMES, TARGETS, LENGTHS) for y in (x, other)]
    assert torch.equal(*losses)


def test_bfloat16_logits_are_taken_in_float32() -> None:
    half = logits(3).bfloat16()
    assert log_probabilities(half).dtype == torch.float32
    assert torch.equal(log_probabilities(half), half.float().log_softmax(dim=-1))
