"""From logits to probabilities."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

FloatT = TypeVar("FloatT", np.float32, np.float64)


def softmax(logits: NDArray[FloatT]) -> NDArray[FloatT]:
    """Probabilities over the last axis, in the logits' precision."""
    exponent: NDArray[FloatT] = logits - logits.max(axis=-1, keepdims=True)  # of the largest 1, so that none overflows
    np.exp(exponent, out=exponent)
    exponent /= exponent.sum(axis=-1, keepdims=True)
    return exponent
