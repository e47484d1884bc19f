"""The interface of losses of isolated training."""

from torch import Tensor, nn

from training.data.partner_sampler import Partners
from training.losses.confusion import ConfusionState
from training.models.recogniser import Output


class IsolatedLoss(nn.Module):
    """A loss of windows with one gloss each.

    Attributes:
        confusion: the confusions that the loss depends on, which the task updates after each epoch; None for none.
    """

    confusion: ConfusionState | None

    def __init__(self) -> None:
        super().__init__()
        self.confusion = None

    def forward(self, epoch: int, output: Output, labels: Tensor) -> Tensor:
        """Loss of a batch; `labels` are (B,) class ids, and epochs are counted from 0."""
        raise NotImplementedError

    def partners(self, epoch: int) -> Partners | None:
        """The clips that are mixed into the batches of an epoch; None for none."""
        return None
