"""The cost of a visual model: its parameters and the multiply-adds of one window."""

from typing import NamedTuple

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from training.models.slowfast import build

FRAMES = 32  # of the fast pathway: 2 s at 16 fps


class Cost(NamedTuple):
    """The cost of one window in eval mode.

    Attributes:
        parameters: numbers that training sets.
        macs: multiply-adds of convolutions and linear layers, and two for every element that a batch norm scales and
            shifts: the count of fvcore, which PyTorchVideo and PySlowFast report theirs with.
        batch_norm: the batch norms' share of `macs`, which disappears when they are folded into the convolutions.
    """

    parameters: int
    macs: int
    batch_norm: int


def cost(name: str, num_classes: int, size: int) -> Cost:
    """Count on the meta device, where tensors have shapes and no content, so nothing is computed.

    Args:
        name: one of `slowfast.LAYOUTS`.
        num_classes: classes of the head.
        size: height and width of the frames.

    Raises:
        ValueError: unknown name, or a number that is not positive.
    """
    if num_classes < 1 or size < 1:
        raise ValueError("classes and size must be at least 1")
    with torch.device("meta"):
        model = build(name, num_classes).eval()
        frames = torch.empty(1, 3, FRAMES, size, size)
    normalised: list[int] = []
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            module.register_forward_hook(lambda _, __, out: normalised.append(out.numel()))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(frames)
    batch_norm = 2 * sum(normalised)
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        macs=counter.get_total_flops() // 2 + batch_norm,  # the counter has two FLOPs for a multiply-add
        batch_norm=batch_norm,
    )
