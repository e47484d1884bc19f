"""L_CS in its prototype form: for large vocabularies, where a batch rarely holds a confusable pair."""

import torch
from torch import Tensor, nn

from training.losses.distance import cosine_distance
from training.runtime.distributed import summed


class PrototypeSeparation(nn.Module):
    """(1/N) Σ_n Σ_j w·[δ + d(z_n, μ_y) − d(z_n, μ_j)]₊ over the classes j confusable with the label y of n.

    A prototype μ is a moving average of its class's embeddings: checkpointed, alike in all processes, and closed to
    gradients. In training mode each call moves the prototypes of the labels that it sees, after the loss, so that no
    embedding is measured against itself. A class never seen takes no part.
    """

    means: Tensor
    seen: Tensor

    def __init__(self, classes: int, embedding: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("means", torch.zeros(classes, embedding))
        self.register_buffer("seen", torch.zeros(classes, dtype=torch.bool))

    def forward(self, embeddings: Tensor, labels: Tensor, weights: Tensor, margins: Tensor) -> Tensor:
        """L_CS of a batch.

        Args:
            embeddings: (N, D), L2-normalised.
            labels: (N,) class ids.
            weights: (C, C) symmetric, 0 for pairs that are not confusable.
            margins: (C, C) cosine distance by which class j must be farther than the own class.

        Returns:
            A scalar; exactly 0, yet attached to the graph, where no class is confusable with a label.
        """
        distance = cosine_distance(embeddings, nn.functional.normalize(self.means, dim=1, eps=1e-6))
        own = distance.gather(1, labels[:, None])
        weight = weights[labels] * (self.seen & self.seen[labels, None])
        loss = (weight * torch.relu(margins[labels] + own - distance)).sum() / max(1, len(labels))
        if self.training:
            self._move(embeddings, labels)
        return loss

    @torch.no_grad()
    def _move(self, embeddings: Tensor, labels: Tensor) -> None:
        sums = summed(torch.zeros_like(self.means).index_add_(0, labels, embeddings.float()))
        counts = summed(torch.bincount(labels, minlength=len(self.seen)))[:, None]
        momentum = self.momentum * self.seen[:, None]
        moved = momentum * self.means + (1.0 - momentum) * sums / counts.clamp(min=1)
        self.means.copy_(torch.where(counts > 0, moved, self.means))
        self.seen |= counts[:, 0] > 0
