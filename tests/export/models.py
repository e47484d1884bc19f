"""Checkpoints of models with made-up weights, of every combination of streams, for the made-up signers."""

from pathlib import Path

import torch
from torch import nn

from tests.training import synthetic
from tests.training.continuous import tiny
from training.config import Config
from training.models.checkpoint import Checkpoint
from training.models.continuous import continuous_recogniser
from training.models.recogniser import IsolatedRecogniser

DISTRACTORS = ("left", "right")


def checkpoint_of(config: Config) -> Checkpoint:
    """Any weights that let all of a graph take part: fresh ones, with batch norms that have seen something."""
    torch.manual_seed(1)
    classes = (*config.data.vocabulary, *DISTRACTORS)
    model: nn.Module = (
        IsolatedRecogniser(config.model, len(classes), config.clip.alpha)
        if config.continuous is None
        else continuous_recogniser(config, len(classes))
    )
    for module in model.modules():
        if isinstance(module, nn.BatchNorm3d):
            nn.init.uniform_(module.weight, 0.5, 1.0)
            module.running_mean.normal_(0.0, 0.1)
            module.running_var.uniform_(0.5, 1.5)
    return Checkpoint(config, classes, model.state_dict(), None, dict.fromkeys(config.data.vocabulary, 2))


def isolated(folder: Path, *streams: str, visual: str = "slowfast_tiny", size: int = 32) -> Checkpoint:
    config = synthetic.config(folder)
    changes = {"streams": streams, "visual": visual, "rgb_size": size}
    return checkpoint_of(config.model_copy(update={"model": config.model.model_copy(update=changes)}))


def continuous(folder: Path, *streams: str) -> Checkpoint:
    return checkpoint_of(tiny.config(folder, streams=", ".join(f'"{name}"' for name in streams)))
