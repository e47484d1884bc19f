"""The confusions of a model's classes, averaged over epochs: the state of the losses that depend on them."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from training.config import ConfusionConfig
from training.runtime.distributed import summed


class ConfusionState(nn.Module):
    """A checkpointed moving average of class similarity, and the pairs and weights that follow from it.

    `update` takes one epoch's confusion matrix, counted on a mining split in eval mode: never on the clips that select
    or score a model.
    """

    similarity: Tensor
    epochs: Tensor

    def __init__(self, config: ConfusionConfig, classes: Sequence[str]) -> None:
        super().__init__()
        self.config = config
        size = len(classes)
        self.register_buffer("similarity", torch.zeros(size, size))
        self.register_buffer("epochs", torch.zeros((), dtype=torch.long))
        allowed = ~torch.eye(size, dtype=torch.bool)
        for a, b in config.same_form:
            if a in classes and b in classes:
                i, j = list(classes).index(a), list(classes).index(b)
                allowed[i, j] = allowed[j, i] = False
        self.register_buffer("allowed", allowed, persistent=False)

    @torch.no_grad()
    def update(self, counts: Tensor) -> None:
        """Take in counts (C, C), row = true class, column = predicted. Every process of a group calls it."""
        counts = summed(counts.to(self.similarity))
        rates = counts / (counts.sum(dim=1, keepdim=True) + self.config.kappa).clamp(min=1e-12)
        rates.fill_diagonal_(0.0)
        fresh = (rates + rates.T) / 2
        momentum = self.config.momentum if self.epochs else 0.0
        self.similarity.mul_(momentum).add_(fresh, alpha=1.0 - momentum)
        self.epochs += 1

    def pairs(self) -> Tensor:
        """(C, C) symmetric mask: among a class's top-k partners, over the threshold, not of the same form."""
        candidates = self.similarity * self.get_buffer("allowed")
        top = candidates.topk(min(self.config.top_k, len(candidates)), dim=1).indices
        mask = torch.zeros_like(candidates, dtype=torch.bool).scatter_(1, top, True)
        mask &= (candidates >= self.config.threshold) & (candidates > 0)
        return mask | mask.T

    def scaled(self) -> Tensor:
        """(C, C) similarity of classes, 1 for the most similar two."""
        return self.similarity / self.similarity.max().clamp(min=1e-12)

    def weights(self) -> Tensor:
        """Weights w (C, C), 0 off the pairs."""
        return self.scaled() * self.pairs()
