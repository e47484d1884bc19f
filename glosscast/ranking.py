"""From probabilities to the likeliest glosses with their confidences, as users get them."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glosscast.vocabulary import Vocabulary

CONFIDENCE_DIGITS = 4  # more is noise


class RankedGloss(NamedTuple):
    """A gloss and its rounded probability."""

    gloss: str
    confidence: float


def confidence(probability: float) -> float:
    """A probability as users get it."""
    return round(probability, CONFIDENCE_DIGITS)


def ranked(
    vocabulary: Vocabulary, probabilities: NDArray[np.float32], top_k: int, chosen: int | None = None
) -> list[RankedGloss]:
    """The `top_k` likeliest glosses, best first; a class that was chosen otherwise comes before them."""
    order = np.argsort(-probabilities, kind="stable")
    if chosen is not None:
        order = np.concatenate([[chosen], order[order != chosen]])
    order = order[:top_k]
    return [RankedGloss(vocabulary.gloss(int(i)), confidence(float(probabilities[i]))) for i in order]
