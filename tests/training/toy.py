"""A kind of training without signs, clips or windows: a line through points, with chance from every generator."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from training.config import OptimiserConfig
from training.loop.task import Task
from training.runtime.distributed import gathered, share

OPTIMISER = OptimiserConfig(
    epochs=4, clips_per_epoch=24, batch=8, lr=0.05, weight_decay=0.1, warmup_epochs=0.5, ema=0.5, bf16=False
)


class Points(NamedTuple):
    x: Tensor
    y: Tensor


class Scaled(nn.Module):
    """Mean squared error with a learned scale, and a count of its calls."""

    calls: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.zeros(()))
        self.register_buffer("calls", torch.zeros((), dtype=torch.long))

    def forward(self, predicted: Tensor, wanted: Tensor) -> Tensor:
        self.calls += 1
        return torch.exp(-self.scale) * (predicted - wanted).square().mean() + self.scale / 2


class Line(Task[Points]):
    """`stop` is the epoch in which training breaks off, `noise` how much chance there is besides dropout."""

    def __init__(
        self,
        *,
        seed: int = 3,
        batch: int = 8,
        dropout: float = 0.3,
        noise: float = 0.1,
        stop: int | None = None,
        scores: Sequence[float] = (),
    ) -> None:
        torch.manual_seed(seed)
        random.seed(seed)
        np.random.seed(seed)
        self.model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(dropout), nn.Linear(6, 1))
        self.criterion = Scaled()
        self.batch = batch
        self.noise = noise
        self.stop = stop
        self.scores = scores
        self.steps_per_epoch = 24 // batch
        self.dev = "dev_score" if scores else None
        self.ended: list[int] = []
        self.averages: list[dict[str, Tensor]] = []

    def batches(self, epoch: int) -> Iterator[Points]:
        rng = np.random.default_rng(epoch)
        for _ in range(self.steps_per_epoch):
            x = torch.from_numpy(rng.normal(size=(self.batch, 4)).astype(np.float32))[share(self.batch)]
            yield Points(x, x.sum(dim=1, keepdim=True))

    def forward(self, model: nn.Module, batch: Points) -> Tensor:
        output: Tensor = model(batch.x)
        return output

    def step(self, epoch: int, batch: Points) -> tuple[Tensor, Mapping[str, Tensor]]:
        if epoch == self.stop:
            raise KeyError("broken off")
        wanted = batch.y + self.noise * (random.random() + np.random.random())
        loss = self.criterion(gathered(self.forward(self.model, batch)), gathered(wanted))
        return loss, {"size": torch.tensor(float(len(batch.x)))}

    def end_epoch(self, epoch: int, average: nn.Module) -> None:
        assert not average.training
        assert not torch.is_grad_enabled()
        self.ended.append(epoch)
        self.averages.append({name: value.clone() for name, value in average.state_dict().items()})

    def dev_score(self, average: nn.Module) -> float:
        return self.scores[self.ended[-1]]
