"""The comparison of each kind of task."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from training.comparison.compare import compare
from training.comparison.plan import Plan
from training.comparison.sentences import compare_sentences
from training.config import Kind


class ComparisonKind(NamedTuple):
    """The variants that are compared unless others are named, and the function that compares them."""

    variants: tuple[str, ...]
    run: Callable[[Plan, Path, str, int], Path]


COMPARISONS: dict[Kind, ComparisonKind] = {
    # The paper's Table I, with a baseline from tutorials.
    "isolated": ComparisonKind(
        (
            "keypoints+ce",
            "keypoints+triplet",
            "keypoints+focal",
            "keypoints+adaptive",
            "keypoints+prototype",
            "lstm+ce",
        ),
        compare,
    ),
    "continuous": ComparisonKind(
        ("keypoints+ctc", "keypoints+ctc+focal", "keypoints+ctc+triplet", "keypoints+adaptive"),
        compare_sentences,
    ),
}
