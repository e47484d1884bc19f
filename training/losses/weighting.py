"""The weighting of several losses on one shared embedding."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.runtime.distributed import summed

MOMENTUM = 0.9  # of the average gradient norms
EPSILON = 1e-8  # added to a gradient norm
LEAST, MOST = 0.1, 10.0  # of a weight, relative to a loss with the average gradient


class StaticWeighting(nn.Module):
    """Σ λ_k·L_k."""

    def __init__(self, tasks: int) -> None:
        super().__init__()

    def forward(self, losses: Sequence[Tensor], factors: Sequence[float], shared: Tensor) -> Tensor:
        """The total of `losses`, each a scalar, times `factors` λ; `shared` is not looked at."""
        return torch.stack([factor * loss for factor, loss in zip(factors, losses, strict=True)]).sum()


class UncertaintyWeighting(nn.Module):
    """Σ λ_k·(e^(−s_k)·L_k + s_k/2), s_k = log σ_k² learned (Kendall et al., "Multi-Task Learning", 2018).

    The optimiser must be given this module's parameters.
    """

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.log_variance = nn.Parameter(torch.zeros(tasks))

    def forward(self, losses: Sequence[Tensor], factors: Sequence[float], shared: Tensor) -> Tensor:
        """The total of `losses`, each a scalar, times `factors` λ; `shared` is not looked at."""
        terms = torch.stack(list(losses))
        # A loss with nothing to say is exactly 0; its variance would otherwise sink without end.
        penalty = torch.where(terms > 0, self.log_variance / 2, 0.0)
        return (terms.new_tensor(factors) * (torch.exp(-self.log_variance) * terms + penalty)).sum()


class GradientWeighting(nn.Module):
    """Dynamic gradient weighting: Σ λ_k·w_k·L_k, w_k ∝ 1/(average of ‖∂L_k/∂f‖ + ε) at the shared embedding f.

    The weights are relative to a loss with the mean norm, clipped to 0.1..10, and then scaled to sum to the number of
    losses; so λ_k is a loss's share in the gradient. A loss with λ_k = 0 does not count. One without a gradient, such
    as a separation without pairs, leaves its average alone, and has the mean norm until it has its own. The averages
    are checkpointed, and alike in all processes.
    """

    norms: Tensor

    def __init__(self, tasks: int) -> None:
        super().__init__()
        self.register_buffer("norms", torch.zeros(tasks))

    def forward(self, losses: Sequence[Tensor], factors: Sequence[float], shared: Tensor) -> Tensor:
        """The total of `losses`.

        Args:
            losses: K scalars.
            factors: K fixed factors λ, not all 0.
            shared: what all losses are computed from, of any shape; its gradients are measured in training mode.
        """
        terms = torch.stack(list(losses))
        scale = self.norms.new_tensor(factors)
        if self.training:
            self._measure(terms, shared)
        return (scale * self.weights(scale > 0) * terms).sum()

    def weights(self, used: Tensor) -> Tensor:
        """(K,) weights that sum to the number of losses in use, a mask (K,); 0 for the others."""
        known = used & (self.norms > 0)
        mean = self.norms[known].mean() if known.any() else 1.0
        relative = torch.where(known, mean / (self.norms + EPSILON), 1.0).clamp(LEAST, MOST) * used
        return relative * used.sum() / relative.sum()

    def _measure(self, terms: Tensor, shared: Tensor) -> None:
        gradients = [torch.autograd.grad(term, shared, retain_graph=True)[0] for term in terms]
        # The sum over processes stands for their mean, since weights are relative.
        fresh = summed(torch.stack([gradient.float().norm() for gradient in gradients]))
        averaged = torch.where(self.norms > 0, MOMENTUM * self.norms + (1.0 - MOMENTUM) * fresh, fresh)
        # One overflow must not stay in the average for good.
        self.norms.copy_(torch.where((fresh > 0) & fresh.isfinite(), averaged, self.norms))
