"""The notation of figures over several seeds."""

from collections.abc import Sequence

import numpy as np


def mean_and_std(seeds: Sequence[float], digits: int) -> str:
    """Mean ± standard deviation over seeds (of a sample); with a single seed the mean alone."""
    mean = f"{np.mean(seeds):.{digits}f}"
    return mean if len(seeds) < 2 else f"{mean} ± {np.std(seeds, ddof=1):.{digits}f}"
