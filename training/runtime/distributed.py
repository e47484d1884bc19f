"""Processes that train together."""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor


def processes() -> int:
    """The number of processes that train together; 1 where there is no group."""
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def rank() -> int:
    """The number of this process among them, counted from 0."""
    return dist.get_rank() if processes() > 1 else 0


def share(batch: int) -> slice:
    """The share of this process of a batch that all of them have drawn.

    Raises:
        ValueError: the batch cannot be divided evenly, so that means over shares would not be means over the batch.
    """
    if batch % processes():
        raise ValueError(f"a batch of {batch} cannot be divided evenly among {processes()} processes")
    size = batch // processes()
    return slice(rank() * size, (rank() + 1) * size)


def summed(value: Tensor) -> Tensor:
    """`value` added up over all processes, each of which must call this; `value` itself where there is only one."""
    if processes() > 1:
        value = value.clone()
        dist.all_reduce(value)
    return value


def gathered(value: Tensor) -> Tensor:
    """The shares (N, ...) of all processes as one batch (processes · N, ...), in order, with a gradient.

    Each process must call this, with the same shape. A mean over the result, computed in every process, then gives the
    gradients that one process with the whole batch has, once those of the processes are averaged.
    """
    if processes() == 1:
        return value
    whole: Tensor = _Gather.apply(value)  # type: ignore[no-untyped-call]
    return whole


def gathered_objects(value: object) -> list[Any]:
    """Plain values of all processes, in order."""
    if processes() == 1:
        return [value]
    values: list[Any] = [None] * processes()
    dist.all_gather_object(values, value)
    return values


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        parts = [torch.empty_like(value, memory_format=torch.contiguous_format) for _ in range(processes())]
        dist.all_gather(parts, value.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return summed(gradients[0].contiguous()).chunk(processes())[rank()]
