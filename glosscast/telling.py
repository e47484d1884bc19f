"""What is told of the signs that a stream's segments are read as: each sign once, and a guess only when it is stable.

A sign that is held or repeated often comes as several segments: the longest segment is shorter than some signs, and
each repetition of a movement can look like a beginning. Time alone cannot tell those from a sign that is made again,
so what counts is what happened in between: a sign is told again after the hands have rested, or after another sign.
"""

import numpy as np
from numpy.typing import NDArray


class Teller:
    """Decides about one stream; wants its segments in order of time.

    Args:
        stable: confidence from which a guess inside a sign is stable.
        reject: confidence below which a final is not reported.
        no_sign: the class that stands for hands that say nothing; None where the vocabulary has none.
    """

    def __init__(self, stable: float, reject: float, no_sign: int | None) -> None:
        self._stable, self._reject, self._no_sign = stable, reject, no_sign
        self._told: int | None = None  # the last sign that was reported, if the hands have not rested since
        self._guess: int | None = None  # what the last revision took the current segment for

    def begin(self, rested: bool) -> None:
        """A segment begins; `rested`: whether the hands were at rest since the one before."""
        self._guess = None
        if rested:
            self._told = None

    def is_stable(self, probabilities: NDArray[np.float32]) -> bool:
        """Whether an interim with these probabilities (classes,) is stable.

        It agrees with the revision before it, is sure enough, and names a sign that its final could report.
        """
        best = int(probabilities.argmax())
        agrees, self._guess = best == self._guess, best
        return agrees and best not in (self._no_sign, self._told) and bool(probabilities[best] >= self._stable)

    def is_reported(self, probabilities: NDArray[np.float32]) -> bool:
        """Whether a final with these probabilities (classes,) is reported: it is sure, and not the last sign going on.

        A sign that goes on is not always read well: it may be read as itself, but not surely, or as "no sign". What
        looks like another sign is one, even where it is too unsure to be reported: it may be outside the vocabulary.
        """
        best = int(probabilities.argmax())
        sure = bool(probabilities[best] >= self._reject)
        if best == self._no_sign:
            return sure
        if best == self._told:
            return False
        self._told = best if sure else None
        return sure
