"""What processes that train together share."""

import torch.distributed as dist
from torch import Tensor


def summed(value: Tensor) -> Tensor:
    """`value` added up over all processes, each of which must call this; `value` itself where there is only one."""
    if dist.is_available() and dist.is_initialized():
        value = value.clone()
        dist.all_reduce(value)
    return value
