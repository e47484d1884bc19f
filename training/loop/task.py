"""The interface between a kind of training and the trainer, which knows nothing of signs."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from typing import Generic, TypeVar

from torch import Tensor, nn

# A NamedTuple of tensors; None for those that a batch does not have.
B = TypeVar("B", bound=tuple[Tensor | None, ...])


class Task(ABC, Generic[B]):
    """A kind of training.

    Where several processes train together each has its own task, made alike. `batches` gives a process its share, and
    the gradients of the processes are averaged.

    Attributes:
        model: the trained model; the average of its weights is kept.
        criterion: the loss. Its parameters are optimised too, without weight decay; its buffers are checkpointed.
        steps_per_epoch: batches of an epoch.
        dev: name of the dev score in the logs, None where there are no dev clips.
    """

    model: nn.Module
    criterion: nn.Module
    steps_per_epoch: int
    dev: str | None

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[B]:
        """The batches of an epoch counted from 0, the same for the same epoch and state of the criterion."""

    @abstractmethod
    def forward(self, model: nn.Module, batch: B) -> object:
        """The output of the model, `self.model` or its average, for a batch; runs under autocast."""

    @abstractmethod
    def step(self, epoch: int, batch: B) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Loss of a batch, and scalars whose means over the epoch are logged; runs under autocast."""

    @abstractmethod
    def end_epoch(self, epoch: int, average: nn.Module) -> None:
        """Called after the last step of an epoch with the averaged model, in eval mode and without gradients."""

    @abstractmethod
    def dev_score(self, average: nn.Module) -> float:
        """The score of the averaged model on the dev clips; higher is better, and all processes get the same.

        Called where there are dev clips, in eval mode, without gradients, and in float32, as in an evaluation.
        """
