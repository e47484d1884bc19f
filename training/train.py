"""Train a recogniser: one flat, readable loop.

The model that is kept is the average of the last weights (EMA) after a fixed number of epochs: no clip of a held-out
signer selects anything.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from tqdm import tqdm

from training.checkpoint import Checkpoint, count_signers
from training.config import Config
from training.data import DataError, Example, classes_of, load_sets, split_by_signer
from training.feed import Feed, split_mining
from training.losses.adaptive import AdaptiveLoss
from training.losses.isolated import isolated_loss
from training.model import Recogniser
from training.pretrained import load_stream


def train(config: Config, data: Path, progress: bool = True, pretrained: Path | None = None) -> Checkpoint:
    """Train from `config` on the .npz files in the folder `data`; `pretrained` as in `fit`.

    Raises:
        DataError: files missing or wrong, a vocabulary gloss without a clip, an unknown held-out signer.
        FramesError: the pictures of an rgb stream are missing or wrong.
        PretrainedError: the weights cannot be used.
    """
    seen, _ = split_by_signer(load_sets(config.data, data, config.model), config.data.held_out)
    return fit(config, seen, progress, pretrained)


def fit(
    config: Config, examples: Sequence[Example], progress: bool = True, pretrained: Path | None = None
) -> Checkpoint:
    """Train on exactly these clips; `pretrained` holds weights that the rgb stream starts from.

    Raises:
        DataError: a gloss of the vocabulary has no clip.
        PretrainedError: the weights cannot be used.
        ValueError: the loss is no number any more.
    """
    absent = set(config.data.vocabulary) - {e.gloss for e in examples}
    if absent:
        raise DataError(f"no clip of {', '.join(sorted(absent))} among the training signers")
    torch.manual_seed(config.seed)
    classes = classes_of(examples, config.data.vocabulary)
    training, mining = split_mining(examples)
    feed = Feed(config, classes, training)
    mining_feed = Feed(config, classes, mining)
    model = Recogniser(config.model, len(classes), config.clip.alpha)
    if pretrained is not None:
        print(load_stream(model, pretrained).describe(pretrained))
    if {"rgb", "pose"} & set(config.model.streams):
        model = model.to(memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(config.optimiser.ema), use_buffers=True)
    loss_of = isolated_loss(config.loss, classes, config.model.embedding)
    adaptive = loss_of if isinstance(loss_of, AdaptiveLoss) else None
    optimiser = torch.optim.AdamW(
        model.parameters(), lr=config.optimiser.lr, weight_decay=config.optimiser.weight_decay
    )
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, LrFactor(config))

    bar = tqdm(range(config.optimiser.epochs), unit="epoch", disable=not progress)
    for epoch in bar:
        total = torch.zeros(2)
        partners = adaptive.partners(epoch) if adaptive else None
        for windows, masks, labels, frames in feed.epoch(epoch, config.optimiser.clips_per_epoch, partners):
            with autocast(config):
                output = model(windows, masks, frames)
            loss = loss_of(epoch, output, labels)
            if not loss.isfinite():
                raise ValueError(f"the loss is {loss.item()} in epoch {epoch + 1}: training cannot go on; lower lr?")
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimiser.step()
            schedule.step()
            average.update_parameters(model)
            total += torch.tensor([loss.item(), (output.logits.argmax(1) == labels).float().mean().item()])
        if adaptive:
            adaptive.confusion.update(count_confusions(config, average, mining_feed, epoch, len(classes)))
        loss_mean, accuracy = (total / feed.batches_per_epoch).tolist()
        bar.set_postfix(loss=f"{loss_mean:.3f}", accuracy=f"{accuracy:.3f}")
    return Checkpoint(
        config=config,
        classes=classes,
        state={name: value.detach().clone() for name, value in average.module.state_dict().items()},
        confusion=adaptive.confusion.similarity.clone() if adaptive else None,
        signers=count_signers(examples, config.data.vocabulary),
    )


@torch.no_grad()
def count_confusions(config: Config, model: torch.nn.Module, feed: Feed, epoch: int, classes: int) -> Tensor:
    """Soft confusion counts (C, C) on the mining clips, augmented, in eval mode.

    Probabilities are summed rather than winners counted: on so few clips a hard count is zero for most pairs long
    before the model tells them apart.
    """
    counts = torch.zeros(classes, classes)
    model.eval()
    for windows, masks, labels, frames in feed.epoch(epoch, 8 * config.optimiser.batch):
        with autocast(config):
            logits = model(windows, masks, frames).logits
        counts.index_add_(0, labels, logits.float().softmax(dim=1))
    model.train()
    return counts


class LrFactor:
    """Learning rate at a step, as a share of the configured one."""

    def __init__(self, config: Config) -> None:
        o = config.optimiser
        per_epoch = o.clips_per_epoch // o.batch
        self.warmup = max(1, round(o.warmup_epochs * per_epoch))
        self.steps = o.epochs * per_epoch

    def __call__(self, step: int) -> float:
        """Factor for a step counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))


def autocast(config: Config) -> torch.autocast:
    """Bfloat16 where the config asks for it; the loss itself is always float32."""
    return torch.autocast("cpu", torch.bfloat16, enabled=config.optimiser.bf16)
