"""How figures are written."""

from collections.abc import Sequence

import numpy as np


def spread(seeds: Sequence[float], digits: int) -> str:
    """Mean ± standard deviation over seeds (of a sample); of a single one the mean alone."""
    mean = f"{np.mean(seeds):.{digits}f}"
    return mean if len(seeds) < 2 else f"{mean} ± {np.std(seeds, ddof=1):.{digits}f}"
