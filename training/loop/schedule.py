"""The learning rate over a training."""

import math

from training.config import OptimiserConfig


class LrFactor:
    """Learning rate at a step of the optimiser, as a share of the configured one: warm-up, then a cosine."""

    def __init__(self, config: OptimiserConfig, batches: int) -> None:
        per_epoch = math.ceil(batches / config.accumulate)
        self.warmup = max(1, round(config.warmup_epochs * per_epoch))
        self.steps = config.epochs * per_epoch

    def __call__(self, step: int) -> float:
        """Factor for a step counted from 0."""
        if step < self.warmup:
            return (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return 0.01 + 0.99 * 0.5 * (1.0 + math.cos(math.pi * min(1.0, done)))
