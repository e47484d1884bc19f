"""Confident learning: which labels a model's out-of-sample probabilities contradict.

After Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in Dataset Labels", JAIR 70 (2021). Each
class has a threshold of its own, so that a class which the model is seldom sure of does not look wrong for that alone.
"""

import numpy as np
from numpy.typing import NDArray


def thresholds(probabilities: NDArray[np.float32], labels: NDArray[np.intp]) -> NDArray[np.float64]:
    """The mean probability of each class over the clips with its label.

    Args:
        probabilities: (N, C), each row by a model that has not seen the clip or its signer.
        labels: (N,) class of each clip, as labelled.

    Returns:
        (C,) mean probability of a class over its own clips.

    Raises:
        ValueError: a class has no clip.
    """
    clips = np.bincount(labels, minlength=probabilities.shape[1])
    if not clips.all():
        raise ValueError(f"class {int(np.argmin(clips))} has no clip: it has no threshold")
    own = probabilities[np.arange(len(labels)), labels]
    return np.asarray(np.bincount(labels, own, len(clips)) / clips)


def suggestions(probabilities: NDArray[np.float32], labels: NDArray[np.intp]) -> NDArray[np.intp]:
    """The likeliest label of each clip; where nothing contradicts the label, it is the label itself.

    A label is contradicted where another class is at least as probable as its threshold asks and more probable than the
    label. The paper's confident joint does not ask for the latter where the label is below its own threshold; with it,
    a suggestion is never less probable than what it replaces. Of several classes the most probable one is taken.

    Args:
        probabilities: as in `thresholds`.
        labels: likewise.

    Returns:
        (N,) classes.

    Raises:
        ValueError: a class has no clip.
    """
    rows = np.arange(len(labels))
    sure = np.where(probabilities >= thresholds(probabilities, labels), probabilities, -1.0)
    sure[rows, labels] = probabilities[rows, labels]
    best = sure.argmax(axis=1)
    contradicted = sure[rows, best] > sure[rows, labels]
    return np.where(contradicted, best, labels)
