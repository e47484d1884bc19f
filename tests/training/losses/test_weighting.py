import math

import pytest
import torch
from torch import Tensor

from training.losses.weighting import MOMENTUM, GradientWeighting, StaticWeighting, UncertaintyWeighting

ONES = [1.0, 1.0, 1.0]


def linear(shared: Tensor, norms: list[float]) -> list[Tensor]:
    """Losses whose gradients at `shared` have exactly these norms."""
    return [norm / math.sqrt(shared.numel()) * shared.sum() for norm in norms]


def by_hand(norms: list[float]) -> list[float]:
    """Relative to the mean, clipped, summing to their number."""
    mean = sum(norms) / len(norms)
    relative = [min(10.0, max(0.1, mean / norm)) for norm in norms]
    return [len(norms) * r / sum(relative) for r in relative]


def weights_after(*batches: list[float], factors: list[float] = ONES) -> list[float]:
    weighting = GradientWeighting(3)
    shared = torch.randn(2, 4, requires_grad=True)
    for norms in batches:
        weighting(linear(shared, norms), factors, shared)
    return weighting.weights(torch.tensor(factors) > 0).tolist()


@pytest.mark.parametrize("norms", [[1.0, 2.0, 4.0], [1e-4, 2e-4, 1e-4], [3.0, 3.0, 3.0]])
def test_weights_are_inverse_to_the_gradients_and_sum_to_their_number(norms: list[float]) -> None:
    weights = weights_after(norms)
    assert weights == pytest.approx(by_hand(norms), rel=1e-3)
    assert sum(weights) == pytest.approx(3)
    assert [w * n for w, n in zip(weights, norms, strict=True)] == pytest.approx([weights[0] * norms[0]] * 3, rel=1e-3)


def test_weights_are_clipped() -> None:
    weights = weights_after([1e-3, 1.0, 100.0])
    assert weights == pytest.approx(by_hand([1e-3, 1.0, 100.0]), rel=1e-3)
    assert weights[0] / weights[2] == pytest.approx(10.0 / (101.001 / 300), rel=1e-3)


def test_gradients_are_averaged_over_batches() -> None:
    first, second = [1.0, 2.0, 4.0], [5.0, 1.0, 1.0]
    averaged = [MOMENTUM * a + (1 - MOMENTUM) * b for a, b in zip(first, second, strict=True)]
    assert weights_after(first, second) == pytest.approx(by_hand(averaged), rel=1e-3)


def test_gradients_are_measured_at_the_shared_embedding() -> None:
    shared = torch.randn(3, 4, requires_grad=True)
    head = torch.randn(4, requires_grad=True)
    losses = [(shared @ head).square().sum(), (2 * shared).sum(), shared.square().mean()]
    weighting = GradientWeighting(3)
    weighting(losses, ONES, shared)
    with torch.no_grad():
        exact = [2 * (shared @ head)[:, None] * head, torch.full((3, 4), 2.0), 2 * shared / 12]
    assert weighting.norms.tolist() == pytest.approx([g.norm().item() for g in exact], rel=1e-4)
    assert shared.grad is None
    assert head.grad is None


def test_the_total_is_the_weighted_sum_and_weights_take_no_gradient() -> None:
    shared = torch.randn(2, 4, requires_grad=True)
    norms, factors = [1.0, 2.0, 4.0], [1.0, 0.5, 3.0]
    losses = linear(shared, norms)
    total = GradientWeighting(3)(losses, factors, shared)
    weights = by_hand(norms)
    wanted = sum(f * w * loss.item() for f, w, loss in zip(factors, weights, losses, strict=True))
    assert total.item() == pytest.approx(wanted, rel=1e-3)
    total.backward()
    assert shared.grad is not None
    slope = sum(f * w * n for f, w, n in zip(factors, weights, norms, strict=True)) / math.sqrt(8)
    assert torch.allclose(shared.grad, torch.full((2, 4), slope), rtol=1e-3)


def test_a_loss_without_a_gradient_keeps_its_average_or_counts_as_average() -> None:
    assert weights_after([1.0, 2.0, 0.0]) == pytest.approx([3 * w / 3.25 for w in (1.5, 0.75, 1.0)], rel=1e-3)
    assert weights_after([1.0, 2.0, 4.0], [1.0, 2.0, 0.0]) == pytest.approx(by_hand([1.0, 2.0, 4.0]), rel=1e-3)
    assert weights_after([0.0, 0.0, 0.0]) == ONES


@pytest.mark.parametrize("norm", [1e-4, 1e3])
def test_a_loss_with_factor_zero_does_not_count(norm: float) -> None:
    weights = weights_after([1.0, 2.0, norm], factors=[1.0, 1.0, 0.0])
    assert weights == pytest.approx([*by_hand([1.0, 2.0]), 0.0], rel=1e-3)


@pytest.mark.parametrize("broken", [math.inf, math.nan])
def test_an_overflow_does_not_stay_in_the_average(broken: float) -> None:
    assert weights_after([1.0, 2.0, 4.0], [1.0, 2.0, broken]) == pytest.approx(by_hand([1.0, 2.0, 4.0]), rel=1e-3)


def test_in_eval_mode_nothing_is_measured() -> None:
    weighting = GradientWeighting(3).eval()
    with torch.no_grad():
        total = weighting([torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)], ONES, torch.zeros(2))
    assert total.item() == 6.0
    assert (weighting.norms == 0).all()


def test_a_restored_weighting_goes_on_as_if_never_stopped() -> None:
    shared = torch.randn(2, 4, requires_grad=True)
    whole, after = GradientWeighting(3), GradientWeighting(3)
    whole(linear(shared, [1.0, 2.0, 4.0]), ONES, shared)
    after.load_state_dict(whole.state_dict())
    totals = [weighting(linear(shared, [5.0, 1.0, 1.0]), ONES, shared) for weighting in (whole, after)]
    assert torch.equal(*totals)
    assert torch.equal(whole.norms, after.norms)


def test_static_weighting_is_the_sum_with_factors() -> None:
    total = StaticWeighting(3)(
        [torch.tensor(1.0), torch.tensor(2.0), torch.tensor(3.0)], [1.0, 0.5, 2.0], torch.ones(1)
    )
    assert total.item() == 8.0


def test_uncertainty_weighting_starts_as_the_sum_and_learns_the_size_of_each_loss() -> None:
    weighting = UncertaintyWeighting(2)
    losses = [torch.tensor(0.3), torch.tensor(5.0)]
    assert weighting(losses, [1.0, 2.0], torch.ones(1)).item() == pytest.approx(10.3)
    optimiser = torch.optim.SGD(weighting.parameters(), lr=0.5)
    for _ in range(200):
        optimiser.zero_grad()
        weighting(losses, [1.0, 1.0], torch.ones(1)).backward()
        optimiser.step()
    # The slope of e^(−s)·L + s/2 is zero at s = log 2L.
    assert weighting.log_variance.tolist() == pytest.approx([math.log(0.6), math.log(10.0)], abs=1e-3)


def test_an_uncertainty_does_not_move_while_its_loss_is_zero_or_has_no_weight() -> None:
    weighting = UncertaintyWeighting(2)
    weighting([torch.tensor(0.0), torch.tensor(5.0)], [1.0, 0.0], torch.ones(1)).backward()
    assert weighting.log_variance.grad is not None
    assert weighting.log_variance.grad.tolist() == [0.0, 0.0]
