"""The steps and the ends of epochs of a training, for any `Task`."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from training.config import OptimiserConfig
from training.loop.batch_norm import recount
from training.loop.logs import LogFiles, ProgressBar
from training.loop.resume import random_states, set_random_states
from training.loop.schedule import LrFactor
from training.loop.task import Task
from training.runtime.distributed import gathered_objects, processes, rank, summed

RESUME = "resume.ckpt"  # in the output folder
COUNTED = 16  # most batches that statistics of the averaged weights are counted on each epoch
State = dict[str, Tensor]


class Loop(LightningModule):
    """A task as Lightning wants it, the average of its weights, and the records of each epoch."""

    def __init__(self, task: Task[Any], config: OptimiserConfig, seed: int, progress: bool, out: Path | None) -> None:
        super().__init__()
        self.task = task
        self.settings = config
        self.seed = seed
        self.progress = progress
        self.out = out
        self.model = task.model
        self.criterion = task.criterion
        # Not Lightning's EMA callback: that averages the criterion too, and has no average at hand within an epoch.
        self.average = AveragedModel(task.model, multi_avg_fn=get_ema_multi_avg_fn(config.ema))
        self.average.requires_grad_(False)
        self.best: tuple[int, float, State] | None = None  # epoch, dev score and weights, with `patience` only
        self.random: list[Any] | None = None
        self.epoch_logs: list[ProgressBar | LogFiles] = []
        self.terminate = signal.getsignal(signal.SIGTERM)
        self.totals: dict[str, Tensor] = {}
        self.rate = self.started = self.waited = 0.0

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW, and a learning rate that changes each step."""
        s = self.settings
        groups: list[dict[str, Any]] = [
            {"params": list(self.model.parameters())},
            {"params": list(self.criterion.parameters()), "weight_decay": 0.0},
        ]
        optimiser = torch.optim.AdamW([g for g in groups if g["params"]], lr=s.lr, weight_decay=s.weight_decay)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, LrFactor(s, self.task.steps_per_epoch))
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_train_start(self) -> None:
        """Restore the random generators, and open the progress bar and the log files."""
        if threading.current_thread() is threading.main_thread():
            # Lightning's handler would wait for the end of a step, and for processes that may be gone.
            signal.signal(signal.SIGTERM, self.terminate)
        if rank():
            torch.manual_seed(self.seed + rank())
        if self.random is not None:
            set_random_states(self.random[rank()])
        if rank() == 0 and self.progress:
            self.epoch_logs.append(ProgressBar(self.settings.epochs, self.current_epoch))
        if rank() == 0 and self.out is not None:
            self.epoch_logs.append(LogFiles(self.out / "logs", self.current_epoch))
        self.trainer.should_stop = self._is_over(self.current_epoch - 1)

    def on_train_epoch_start(self) -> None:
        """Start the clocks and the means."""
        self.totals = {}
        self.waited = 0.0
        self.started = time.perf_counter()

    def batches(self) -> Iterator[tuple[Tensor, ...]]:
        """The batches of the current epoch, with the time spent waiting for them."""
        upcoming = self.task.batches(self.current_epoch)
        while True:
            before = time.perf_counter()
            batch = next(upcoming, None)
            self.waited += time.perf_counter() - before
            if batch is None:
                return
            yield batch

    def training_step(self, batch: tuple[Tensor, ...]) -> Tensor:
        """Loss of a batch."""
        loss, metrics = self.task.step(self.current_epoch, batch)
        if not loss.isfinite():
            raise ValueError(
                f"the loss is {loss.item()} in epoch {self.current_epoch + 1}: training cannot go on; lower lr?"
            )
        for name, value in {"loss": loss, **metrics}.items():
            self.totals[name] = self.totals.get(name, 0.0) + value.detach()
        return loss

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Callable[[], Any] | None = None
    ) -> None:
        """A step of the optimiser, which the average follows."""
        self.rate = optimizer.param_groups[0]["lr"]
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        self.average.update_parameters(self.model)

    def on_train_epoch_end(self) -> None:
        """End the task's epoch, score the average, log the figures, and checkpoint."""
        epoch = self.current_epoch
        seconds = time.perf_counter() - self.started
        average = self.average.module.eval()
        row = {name: (summed(t) / processes() / self.task.steps_per_epoch).item() for name, t in self.totals.items()}
        row["lr"] = self.rate
        with torch.no_grad():
            with self.trainer.precision_plugin.forward_context():
                recount(average, lambda batch: self.task.forward(average, batch), self._some_batches())
                self.task.end_epoch(epoch, average)
            if self.task.dev is not None:
                row[self.task.dev] = self.task.dev_score(average)
                self._select(epoch, row[self.task.dev])
        row |= {"seconds": seconds, "waiting": self.waited / seconds}
        for log in self.epoch_logs:
            log.epoch(epoch + 1, row)
        self.trainer.should_stop = self._is_over(epoch)
        if self.out is not None:
            self.trainer.save_checkpoint(self.out / RESUME)

    def _some_batches(self) -> Iterator[tuple[Tensor, ...]]:
        batches = islice(self.task.batches(self.current_epoch), COUNTED)
        return (self.transfer_batch_to_device(batch, self.device, 0) for batch in batches)

    def _select(self, epoch: int, score: float) -> None:
        if self.settings.patience and (self.best is None or score > self.best[1]):
            state = {name: value.detach().clone() for name, value in self.average.module.state_dict().items()}
            self.best = (epoch, score, state)

    def _is_over(self, epoch: int) -> bool:
        return self.best is not None and epoch - self.best[0] >= self.settings.patience

    def kept(self) -> State:
        """The weights to keep."""
        return self.average.module.state_dict() if self.best is None else self.best[2]

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the random states and the best epoch, which Lightning does not know."""
        checkpoint |= {"random": gathered_objects(random_states()), "best": self.best}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Restore it."""
        self.random = checkpoint["random"]
        self.best = checkpoint["best"]

    def close(self) -> None:
        """Close the progress bar and the log files."""
        for log in self.epoch_logs:
            log.close()


class TaskBatches:
    """The batches of each epoch for Lightning; no `DataLoader`, which would draw from the generator of dropout."""

    def __init__(self, loop: Loop) -> None:
        self.loop = loop

    def __len__(self) -> int:
        return self.loop.task.steps_per_epoch

    def __iter__(self) -> Iterator[tuple[Tensor, ...]]:
        return self.loop.batches()
