"""Connectionist temporal classification (CTC, Graves et al., 2006), and its focal form (Feng et al., 2019).

The blank is the last class of the frame-wise logits, so that a gloss has one id everywhere.
"""

import torch
from torch import Tensor, nn

EPSILON = 1e-12  # keeps the slope of q^γ finite at q = 0 for γ below 1


def log_probabilities(logits: Tensor) -> Tensor:
    """Log-softmax over the last dimension in float32: half precision would lose what a long sum of paths adds up."""
    return logits.float().log_softmax(dim=-1)


def ctc(log_p: Tensor, frames: Tensor, targets: Tensor, lengths: Tensor) -> Tensor:
    """−log p(target) of each sequence, over all its paths.

    Args:
        log_p: (B, T, C + 1) log-probabilities, blank last.
        frames: (B,) frames of each sequence, at most T.
        targets: (B, L) class ids, padded with 0.
        lengths: (B,) signs of each target.

    Returns:
        (B,), 0 without a gradient where a target is too long for its frames.
    """
    return nn.functional.ctc_loss(
        log_p.transpose(0, 1),
        targets,
        frames,
        lengths,
        blank=log_p.shape[2] - 1,
        reduction="none",
        zero_infinity=True,
    )


def focal_ctc(losses: Tensor, lengths: Tensor, gamma: float) -> Tensor:
    """q^γ·L of each sequence, q = 1 − p^(1/|y|): sequences read well already count less.

    p is the probability of a whole target, which falls with its length; its |y|-th root, taken here, does not.

    Args:
        losses: (B,) L = −log p from `ctc`.
        lengths: (B,) signs of each target, |y|.
        gamma: focusing exponent; 0 gives CTC.
    """
    q = -torch.expm1(-losses / lengths.clamp(min=1))
    return q.clamp(min=EPSILON) ** gamma * losses
