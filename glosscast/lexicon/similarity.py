"""The similarity of segments to taught signs, and what it makes of their odds."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from glosscast.lexicon.settings import LexiconSettings
from glosscast.lexicon.signs import TaughtSign

Floats = NDArray[np.float32]
LARGEST = 60.0  # exponent of a factor, so that none overflows


def unit(vector: Floats) -> Floats:
    """A vector of unit length in the same direction."""
    scaled: Floats = vector / max(float(np.linalg.norm(vector)), 1e-12)
    return scaled


def prototypes(signs: Sequence[TaughtSign], size: int) -> Floats:
    """(signs, D): the mean of each sign's examples, of unit length."""
    means = [unit(np.mean([example.embedding for example in sign.examples], axis=0)) for sign in signs]
    return np.stack(means) if means else np.zeros((0, size), np.float32)


def factors(similarity: Floats, settings: LexiconSettings) -> Floats:
    """exp((s − margin) / temperature) / J^crowd of similarities (..., J)."""
    crowd = settings.crowd * np.log(max(similarity.shape[-1], 1))
    scaled = (similarity - settings.margin) / settings.temperature - crowd
    return np.asarray(np.exp(np.minimum(scaled, LARGEST)), np.float32)
