"""How alike taught signs are: their examples among themselves, and one sign to the others.

Risks are probabilities of the rule in `glosscast.lexicon.reading`, whose numbers were measured on people and signs that
the model had not seen.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glosscast.lexicon.similarity import unit

Floats = NDArray[np.float32]
MIN_RISK = 0.1  # from which two signs are called confusable
MOST = 3  # signs that are named as confusable with one


@dataclass(frozen=True)
class LookAlike:
    """Another sign that is close to a taught one.

    Attributes:
        gloss: its name.
        taught: whether it is of the lexicon; otherwise it is of the bundle.
        risk: probability that the taught sign is read as this one.
    """

    gloss: str
    taught: bool
    risk: float


@dataclass(frozen=True)
class Likeness:
    """What is known of a sign's examples.

    Attributes:
        consistency: mean similarity of an example to the mean of the others, -1..1; None for a single one.
        outliers: ids of examples that the others would hardly read as their sign.
        look_alikes: the signs that it is most easily read as, the likeliest first.
    """

    consistency: float | None
    outliers: tuple[str, ...]
    look_alikes: tuple[LookAlike, ...]


def similarity_to_others(embeddings: Floats, alone: float) -> Floats:
    """(N,) similarity of each of N embeddings (N, D) to the mean of the others; `alone` where there are none."""
    if len(embeddings) == 1:
        return np.array([alone], np.float32)
    total = embeddings.sum(axis=0)
    return np.array([unit(total - e) @ e for e in embeddings], np.float32)
