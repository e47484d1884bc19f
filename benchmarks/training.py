"""Measure training steps: forward, backward and AdamW, with batches that `training.tasks.window_feed` prepares ahead.

Clips are synthetic: speed does not depend on their content. On a GPU, where there is one, the same is measured there.
"""

import os
import statistics
import time
from collections.abc import Callable, Iterator
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

import training
from glosscast.clip import Clip
from training.config import Config, load_config
from training.data import Example
from training.models.recogniser import IsolatedRecogniser
from training.models.slowfast import build
from training.tasks.window_feed import Feed

CONFIG = Path(training.__file__).parent / "configs" / "asl_demo.toml"
CLIPS, CLIP_FRAMES, CLIP_FPS = 240, 45, 15.0
RGB_BATCH, RGB_FRAMES, RGB_PX, RGB_CLASSES = 2, 32, 224, 400
PRECISIONS = ("float32", "bfloat16")
ROUNDS, BUDGET_S = 5, 150.0

Inputs = tuple[Tensor, ...]  # a batch: the model's inputs, and the labels
Row = dict[str, str | float | None]


class Case(NamedTuple):
    """The training that is measured.

    Attributes:
        what: name for the table.
        batch: clips a step.
        make: a fresh model; called with the inputs it gives logits, or a tuple that starts with them.
        batches: endless batches in main memory.
        steps: how many are timed in a round; the first of several is not, since its batch lay ready.
    """

    what: str
    batch: int
    make: Callable[[], nn.Module]
    batches: Callable[[], Iterator[Inputs]]
    steps: int


class Timing(NamedTuple):
    """Seconds of one step: waiting for its batch, and the work on it."""

    wait: float
    work: float


class Trainee:
    """A model in training on a device, in a precision."""

    def __init__(self, case: Case, device: str, precision: str) -> None:
        torch.manual_seed(0)
        self.case = case
        self.device = device
        self.precision = precision
        self.model = case.make().to(device, memory_format=torch.channels_last_3d)  # type: ignore[call-overload]
        self.optimiser = torch.optim.AdamW(self.model.parameters(), lr=1e-3)
        self.batches = case.batches()
        self.timings: list[Timing] = []

    def round(self, steps: int) -> list[Timing]:
        """Train for so many steps; returns those that count."""
        timings = [self._step() for _ in range(steps)]
        return timings[1:] or timings

    def _step(self) -> Timing:
        start = time.perf_counter()
        batch = next(self.batches)
        got = time.perf_counter()
        *inputs, labels = (tensor.to(self.device) for tensor in batch)
        with torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bfloat16"):
            output = self.model(*inputs)
        logits = output if isinstance(output, Tensor) else output[0]
        loss = nn.functional.cross_entropy(logits.float(), labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        if self.device == "cuda":
            torch.cuda.synchronize()
        return Timing(got - start, time.perf_counter() - got)

    def row(self) -> Row:
        """Clips a second, median and range over the steps, and the share of their time that went into waiting."""
        rates = [self.case.batch / sum(timing) for timing in self.timings]
        # Frames of pixels are not prepared here, so nothing is said of waiting for them.
        waited = self.case.steps > 1
        return {
            "what": self.case.what,
            "device": self.device,
            "precision": self.precision,
            "batch": self.case.batch,
            "steps": len(rates),
            "clips_per_s": statistics.median(rates),
            "min_clips_per_s": min(rates),
            "max_clips_per_s": max(rates),
            "waiting": statistics.median(t.wait / sum(t) for t in self.timings) if waited else None,
        }


def training_rows() -> list[Row]:
    """Train everything in turn, the other way round in every second round, after a step each that does not count.

    No round begins that would end after `BUDGET_S`, except the first.
    """
    began = time.perf_counter()
    devices = ["cpu", "cuda"] if torch.cuda.is_available() else ["cpu"]
    trainees = [Trainee(case, d, p) for case in cases() for d in devices for p in PRECISIONS]
    for trainee in trainees:
        trainee.round(1)
    for index in range(ROUNDS):
        start = time.perf_counter()
        for trainee in trainees[:: -1 if index % 2 else 1]:
            trainee.timings += trainee.round(trainee.case.steps)
        now = time.perf_counter()
        if now + (now - start) > began + BUDGET_S:
            break
    return [trainee.row() for trainee in trainees]


def cases() -> list[Case]:
    """The demo's recipe on heatmaps, on both and on keypoints, and the published SlowFast on pixels."""
    keypoints = load_config(CONFIG)
    pose, config = (
        keypoints.model_copy(update={"model": keypoints.model.model_copy(update={"streams": streams})})
        for streams in (("pose",), ("pose", "keypoints"))
    )
    size, batch = config.model.heatmap_size, config.optimiser.batch
    return [
        Case(f"slowfast_tiny, heatmaps {size}x{size}", batch, partial(recogniser, pose), partial(fed, pose), 4),
        Case("pose and keypoints", batch, partial(recogniser, config), partial(fed, config), 4),
        Case("asl_demo: keypoints", batch, partial(recogniser, keypoints), partial(fed, keypoints), 4),
        Case(f"slowfast_8x8_r50, {RGB_PX}x{RGB_PX}", RGB_BATCH, rgb_model, rgb_batches, 1),
    ]


def recogniser(config: Config) -> nn.Module:
    """The config's model with a class for each gloss."""
    return IsolatedRecogniser(config.model, len(config.data.vocabulary), config.clip.alpha)


def rgb_model() -> nn.Module:
    """The published SlowFast with fresh weights."""
    return build("slowfast_8x8_r50", RGB_CLASSES)


def fed(config: Config) -> Iterator[Inputs]:
    """Batches of made-up clips, augmented as in training."""
    rng = np.random.default_rng(0)
    t_ms = np.arange(CLIP_FRAMES) * (1000.0 / CLIP_FPS)
    vocabulary = config.data.vocabulary
    examples = [
        Example(
            Clip(t_ms, rng.uniform(0.1, 0.9, (CLIP_FRAMES, 171, 4)).astype(np.float32), 4 / 3),
            vocabulary[index % len(vocabulary)],
            f"signer{index % 8}",
        )
        for index in range(CLIPS)
    ]
    feed = Feed(config, vocabulary, examples)
    epoch = 0
    while True:
        for batch in feed.epoch(epoch, config.optimiser.clips_per_epoch):
            yield batch.keypoints, batch.mask, batch.labels
        epoch += 1


def rgb_batches() -> Iterator[Inputs]:
    """One batch of noise, again and again: (B, 3, T, H, W)."""
    frames = torch.rand(RGB_BATCH, 3, RGB_FRAMES, RGB_PX, RGB_PX)
    return repeat((frames, torch.arange(RGB_BATCH)))


def describe(rows: list[Row]) -> str:
    """The machine and a Markdown table; the load counts processes that wanted to run in the last minute, ours too."""
    machine = f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, torch {torch.__version__}"
    lines = [
        f"{machine}, load {os.getloadavg()[0]:.1f}\n",
        "| model | device | precision | batch | steps | clips/s | slowest–fastest | waiting |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        waiting = "–" if row["waiting"] is None else f"{row['waiting']:.1%}"
        lines.append(
            f"| {row['what']} | {row['device']} | {row['precision']} | {row['batch']} | {row['steps']} | "
            f"{row['clips_per_s']:.2f} | {row['min_clips_per_s']:.2f}–{row['max_clips_per_s']:.2f} | {waiting} |"
        )
    return "\n".join(lines)
