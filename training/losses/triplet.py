"""Triplet loss with batch-hard mining (Hermans et al., "In Defense of the Triplet Loss", 2017)."""

import torch
from torch import Tensor

from training.config import TripletConfig
from training.losses.base import IsolatedLoss
from training.losses.cross_entropy import cross_entropy
from training.losses.distance import cosine_distance
from training.models.recogniser import Output


def hard_triplet(embeddings: Tensor, labels: Tensor, margin: float) -> Tensor:
    """Mean of [margin + d(anchor, hardest positive) − d(anchor, hardest negative)]₊, d the cosine distance.

    Every embedding with a companion of its class is the anchor of one triplet: its farthest companion, and the nearest
    embedding of another class.

    Args:
        embeddings: (B, D), L2-normalised.
        labels: (B,) class ids.
        margin: cosine distance.

    Returns:
        A scalar; exactly 0, yet attached to the graph, where the batch holds no triplet.
    """
    distance = cosine_distance(embeddings)
    same = labels[:, None] == labels
    positive = same & ~torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchors = positive.any(dim=1)
    if not anchors.any():
        return (distance * 0.0).sum()
    farthest = distance.masked_fill(~positive, -torch.inf).amax(dim=1)
    nearest = distance.masked_fill(same, torch.inf).amin(dim=1)
    return torch.relu(margin + farthest - nearest)[anchors].mean()


class TripletLoss(IsolatedLoss):
    """Cross-entropy, which the class logits are learned from, plus the weighted triplet loss of the embeddings."""

    def __init__(self, config: TripletConfig, label_smoothing: float) -> None:
        super().__init__()
        self.config = config
        self.label_smoothing = label_smoothing

    def forward(self, epoch: int, output: Output, labels: Tensor) -> Tensor:
        """Loss of a batch; `labels` are (B,) class ids, and every epoch is alike."""
        entropy = cross_entropy(output.logits, labels, self.label_smoothing)
        return entropy + self.config.weight * hard_triplet(output.embedding, labels, self.config.margin)
