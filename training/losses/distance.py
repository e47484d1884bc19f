"""The distance that every loss on embeddings uses."""

import torch
from torch import Tensor


def cosine_distance(a: Tensor, b: Tensor | None = None) -> Tensor:
    """1 − a·b of every pair: 0 for the same direction, 2 for opposite ones.

    Unlike the Euclidean distance it has a finite gradient where two embeddings are identical.

    Args:
        a: (N, D), L2-normalised.
        b: (M, D), L2-normalised; left out: `a` itself.

    Returns:
        (N, M) in float32, under autocast too.
    """
    a = a.float()
    # Cast once, not once a side: both sides' gradients then add up in float32.
    b = a if b is None else b.float()
    with torch.autocast(a.device.type, enabled=False):
        return 1.0 - a @ b.T
