"""Metric learning beside the classification: what makes an embedding tell signs apart that were never trained on.

The classes of these losses are all glosses of the training clips, also those that the classification learns as "no
sign": an embedding in which all of these are one cluster cannot tell them apart. The losses are those of
pytorch-metric-learning (Musgrave et al., 2020).
"""

from collections.abc import Callable
from typing import Any, cast

import torch
from pytorch_metric_learning import losses
from torch import Tensor, nn

from training.config.losses import MetricConfig, MetricKind
from training.losses.triplet import hard_triplet


class HardTriplet(nn.Module):
    """Batch-hard triplets, see `training.losses.triplet`."""

    def __init__(self, margin: float) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, embeddings: Tensor, glosses: Tensor) -> Tensor:
        """Embeddings (B, D) of unit length and glosses (B,) to a scalar."""
        return hard_triplet(embeddings, glosses, self.margin)


def _normalised_softmax(config: MetricConfig, glosses: int, embedding: int) -> Any:
    """Cross-entropy of cosines with one learned direction a gloss (Zhai and Wu, 2019)."""
    return losses.NormalizedSoftmaxLoss(glosses, embedding, temperature=1.0 / config.scale)


def _supcon(config: MetricConfig, glosses: int, embedding: int) -> Any:
    """Supervised contrastive (Khosla et al., 2020)."""
    return losses.SupConLoss(temperature=1.0 / config.scale)


def _proxy_anchor(config: MetricConfig, glosses: int, embedding: int) -> Any:
    """Proxy anchor (Kim et al., 2020)."""
    return losses.ProxyAnchorLoss(glosses, embedding, margin=config.margin, alpha=config.scale)


def _triplet(config: MetricConfig, glosses: int, embedding: int) -> nn.Module:
    return HardTriplet(config.margin)


KINDS: dict[MetricKind, Callable[[MetricConfig, int, int], Any]] = {
    "normalised_softmax": _normalised_softmax,
    "supcon": _supcon,
    "proxy_anchor": _proxy_anchor,
    "triplet": _triplet,
}


class MetricLoss(nn.Module):
    """The weighted loss of the embeddings over all glosses.

    Args:
        config: which loss, and its numbers.
        glosses: how many there are.
        embedding: the size of an embedding.
    """

    def __init__(self, config: MetricConfig, glosses: int, embedding: int) -> None:
        super().__init__()
        self.weight = config.weight
        self.loss = KINDS[config.kind](config, glosses, embedding)

    def forward(self, embeddings: Tensor, glosses: Tensor) -> Tensor:
        """The loss of embeddings (B, D) of unit length and glosses (B,), in float32 even under autocast."""
        with torch.autocast(embeddings.device.type, enabled=False):
            return self.weight * cast(Tensor, self.loss(embeddings.float(), glosses))
