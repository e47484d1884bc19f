"""From probabilities to glosses with confidences, as clients are sent them."""

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import Bundle
from service.protocol.messages import Alternative

CONFIDENCE_DIGITS = 4  # more is noise


def confidence(probability: float) -> float:
    """A probability as clients are sent it."""
    return round(probability, CONFIDENCE_DIGITS)


def ranked(bundle: Bundle, probabilities: NDArray[np.float32], top_k: int) -> list[Alternative]:
    """The `top_k` likeliest glosses, best first."""
    order = np.argsort(-probabilities, kind="stable")[:top_k]
    return [
        Alternative(gloss=bundle.vocabulary.gloss(int(i)), confidence=confidence(float(probabilities[i])))
        for i in order
    ]
