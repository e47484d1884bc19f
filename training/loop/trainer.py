"""The training loop, for any `Task`: Lightning drives it, in one process or in several that torchrun has started.

What is kept is the average of the last weights (EMA) after a fixed number of epochs. Only with `patience` is an epoch
selected: the one with the best dev score.
"""

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch import Trainer
from torch.distributed import is_torchelastic_launched

from training.config import OptimiserConfig
from training.loop.module import RESUME, Loop, State, TaskBatches
from training.loop.resume import ResumeFile
from training.loop.task import Task

CLIP = 5.0  # most that the norm of a gradient may be


def run(
    task: Task[Any],
    config: OptimiserConfig,
    seed: int,
    *,
    progress: bool = True,
    out: Path | None = None,
    resume: bool = False,
    identity: Mapping[str, Any] | None = None,
) -> State:
    """Train `task.model`; the same weights for the same seed, bit for bit, whether it was interrupted or not.

    Args:
        task: made after seeding torch, and alike in all processes.
        config: the `[optimiser]` table.
        seed: of dropout in the further processes, which must not drop what the first one drops.
        progress: show a progress bar.
        out: folder for the logs and for `resume.ckpt`, written after each epoch; left out: no file is written.
        resume: go on from `resume.ckpt`.
        identity: plain values that must be alike for that, by name.

    Returns:
        The weights to keep, on the CPU.

    Raises:
        CheckpointError: there is nothing to resume, or it is of another run.
        OSError: a file cannot be written.
        ValueError: the loss is no number any more, `patience` without a dev score, or a precision that the machine
            does not have.
    """
    if config.patience and task.dev is None:
        raise ValueError("optimiser: patience needs dev clips: a set with the role dev, or dev_signers")
    if resume and out is None:
        raise ValueError("without an output folder there is nothing to resume")
    loop = Loop(task, config, seed, progress, out)
    with quiet():
        trainer = make_trainer(config, ResumeFile(identity or {}))
        try:
            trainer.fit(loop, TaskBatches(loop), ckpt_path=out / RESUME if out and resume else None, weights_only=True)
        finally:
            loop.close()
    return {name: value.detach().cpu().clone() for name, value in loop.kept().items()}


def make_trainer(config: OptimiserConfig, file: ResumeFile) -> Trainer:
    """Lightning's trainer with nothing that the config does not ask for: no logger, no files, no advice.

    Raises:
        ValueError: float16 where there is no CUDA GPU.
    """
    cuda = torch.cuda.is_available()
    if config.fp16 and not cuda:
        raise ValueError("optimiser: fp16 needs a CUDA GPU; bf16 works on CPUs too")
    together = is_torchelastic_launched()
    local = int(os.environ["LOCAL_WORLD_SIZE"]) if together else 1
    world = int(os.environ["WORLD_SIZE"]) if together else 1
    # Named, or Lightning would look for a cluster by the environment's variables.
    environment: ClusterEnvironment = TorchElasticEnvironment() if together else LightningEnvironment()
    file.identity["number of processes"] = world
    return Trainer(
        accelerator="cuda" if cuda else "cpu",
        devices=local,
        num_nodes=world // local,
        strategy="ddp" if world > 1 else "auto",
        sync_batchnorm=cuda and world > 1,
        precision="bf16-mixed" if config.bf16 else "16-mixed" if config.fp16 else "32-true",
        max_epochs=config.epochs,
        accumulate_grad_batches=config.accumulate,
        gradient_clip_val=CLIP,
        plugins=[environment, file],
        limit_val_batches=0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


@contextmanager
def quiet() -> Iterator[None]:
    """Suppress Lightning's advice about other products and about deliberate settings; errors are exceptions."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"lightning\.")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
