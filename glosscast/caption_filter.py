"""The filter that reports each sign of a stream once, and shows only interims that are stable.

A sign that is held or repeated often comes as several segments: the longest segment is shorter than some signs, and
each repetition of a movement can look like a beginning. Time alone cannot tell those from a sign that is made again,
so the filter looks at what happened in between: a sign is reported again after the hands have rested, or after another
sign.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

Reason = Literal["no_sign", "unsure", "continued"]  # why a final names no sign


class CaptionFilter:
    """The filter of one stream; it takes the stream's segments in order of time.

    Args:
        stable: confidence from which an interim is stable.
        reject: confidence below which a final is not reported.
        no_sign: the class of hands that sign nothing; None where the vocabulary has none.
    """

    def __init__(self, stable: float, reject: float, no_sign: int | None) -> None:
        self._stable = stable
        self._reject = reject
        self._no_sign = no_sign
        self._reported: int | None = None  # the last sign that was reported, if the hands have not rested since
        self._prediction: int | None = None  # the class that the last revision of the current segment predicted

    def begin(self, rested: bool) -> None:
        """A segment begins; `rested`: whether the hands were at rest since the one before."""
        self._prediction = None
        if rested:
            self._reported = None

    def is_stable(self, probabilities: NDArray[np.float32]) -> bool:
        """Whether an interim with these probabilities (classes,) is stable.

        It agrees with the revision before it, is sure enough, and names a sign that its final could report.
        """
        best = int(probabilities.argmax())
        agrees = best == self._prediction
        self._prediction = best
        return agrees and best not in (self._no_sign, self._reported) and bool(probabilities[best] >= self._stable)

    def judge(self, probabilities: NDArray[np.float32]) -> Reason | None:
        """Judge a final by its probabilities (classes,); None where it names a sign: it is sure, and a new one.

        "no_sign" is surely none of the signs, "unsure" may be one of them, and "continued" goes on with the sign that
        was reported before.

        A segment that continues a sign is not always read well: it may be read as the same sign, but not surely, or as
        "no sign". A segment that looks like another sign is one, even where it is too unsure to be reported: the sign
        may be outside the vocabulary.
        """
        best = int(probabilities.argmax())
        sure = bool(probabilities[best] >= self._reject)
        if self._reported is not None and best in (self._no_sign, self._reported):
            return "continued"
        if best == self._no_sign:
            return "no_sign" if sure else "unsure"
        self._reported = best if sure else None
        return None if sure else "unsure"
