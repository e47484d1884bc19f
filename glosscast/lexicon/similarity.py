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
    means = np.zeros((len(signs), size), np.float32)
    for mean, sign in zip(means, signs, strict=True):
        for example in sign.examples:  # np.mean takes ten times as long for so few
            mean += example.embedding
    means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-12)
    return means


def similarity_to(prototypes: Floats, embedding: Floats) -> Floats:
    """(J,): the cosine of an embedding (D,) of any length and prototypes (J, D) of unit length."""
    # Not by `@`: the threads of BLAS would wait for cores that the model's are spinning on, milliseconds for 0.03 ms.
    found: Floats = np.einsum("jd,d->j", prototypes, unit(embedding))
    return found


def factors(similarity: Floats, settings: LexiconSettings) -> Floats:
    """exp((s − margin) / temperature) / J^crowd of similarities (..., J)."""
    crowd = settings.crowd * np.log(max(similarity.shape[-1], 1))
    scaled = (similarity - settings.margin) / settings.temperature - crowd
    return np.asarray(np.exp(np.minimum(scaled, LARGEST)), np.float32)
