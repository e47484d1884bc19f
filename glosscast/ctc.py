"""From frame-wise probabilities to a sequence of glosses: decoding of connectionist temporal classification (CTC).

An alignment gives every frame a label or the blank; collapsing its repeats and then dropping blanks gives the labelling
that it stands for. Many alignments stand for one labelling, and its probability is the sum of theirs. Source: Graves et
al., "Connectionist temporal classification", ICML 2006; the beam search is that of Hannun et al., arXiv:1408.2873,
without a language model.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import Floats

Labels = tuple[int, ...]


@dataclass(frozen=True)
class Labelling:
    """A sequence of class ids, without blanks, and its natural log probability."""

    labels: Labels
    log_probability: float


def greedy(log_probabilities: Floats, blank: int) -> Labelling:
    """Read the best path: the likeliest class of every frame, collapsed.

    Its log probability is that of this one alignment. Another labelling can be likelier, by having more of them.

    Args:
        log_probabilities: (T, C) natural logs, each frame's probabilities summing to 1.
        blank: class id of the blank.

    Raises:
        ValueError: see `beam_search`.
    """
    scores = _checked(log_probabilities, blank)
    path = scores.argmax(axis=1)
    starts = np.diff(path, prepend=-1) != 0
    labels = path[starts & (path != blank)]
    return Labelling(tuple(labels.tolist()), float(scores.max(axis=1).sum()))


def beam_search(
    log_probabilities: Floats,
    blank: int,
    width: int,
    best: int = 1,
    min_log_probability: float = -np.inf,
) -> list[Labelling]:
    """Search for the likeliest labellings, adding up the alignments of each.

    Alignments that fall out of the beam are lost, so log probabilities are lower bounds; they are exact where `width`
    and `min_log_probability` cut nothing off.

    Args:
        log_probabilities: (T, C) natural logs, each frame's probabilities summing to 1. No frame gives the empty
            labelling.
        blank: class id of the blank.
        width: how many prefixes are kept from frame to frame.
        best: how many labellings are wanted; fewer come back where fewer are possible.
        min_log_probability: classes below this are not tried in a frame, its likeliest class apart. With large
            vocabularies this makes the search fast.

    Returns:
        Different labellings, the likeliest first; ties keep the order of the class ids.

    Raises:
        ValueError: not (T, C), a frame that is no distribution, a blank that is no class, `width` or `best` below 1.
    """
    scores = _checked(log_probabilities, blank)
    if width < 1 or best < 1:
        raise ValueError(f"width and best must be at least 1, got {width} and {best}")
    scores[(scores < min_log_probability) & (scores < scores.max(axis=1, keepdims=True))] = -np.inf
    beam = _Beam([()], np.array([0.0]), np.array([-np.inf]))
    for frame in scores:
        beam = _advance(beam, frame, blank, width)
    total = beam.total
    order = np.argsort(-total, kind="stable")[:best]
    return [Labelling(beam.prefixes[i], float(total[i])) for i in order]


@dataclass(frozen=True, eq=False)
class _Beam:
    """Prefixes, and log probabilities (width,) of their alignments so far that end in a blank and in a label."""

    prefixes: list[Labels]
    in_blank: NDArray[np.float64]
    in_label: NDArray[np.float64]

    @property
    def total(self) -> NDArray[np.float64]:
        return np.logaddexp(self.in_blank, self.in_label)


def _advance(beam: _Beam, frame: NDArray[np.float64], blank: int, width: int) -> _Beam:
    """Every prefix stays as it is or grows by a label; the `width` likeliest outcomes are kept."""
    prefixes, total = beam.prefixes, beam.total
    grown = total[:, None] + frame
    grown[:, blank] = -np.inf
    in_blank = total + frame[blank]
    in_label = np.full(len(prefixes), -np.inf)
    for i, prefix in enumerate(prefixes):
        if prefix:
            last = prefix[-1]
            in_label[i] = beam.in_label[i] + frame[last]
            grown[i, last] = beam.in_blank[i] + frame[last]  # a repeat is a second sign only after a blank
    where = {prefix: i for i, prefix in enumerate(prefixes)}
    for i, prefix in enumerate(prefixes):
        parent = where.get(prefix[:-1]) if prefix else None
        if parent is not None:  # a shorter prefix grows into this one: the same labelling, so one entry
            in_label[i] = np.logaddexp(in_label[i], grown[parent, prefix[-1]])
            grown[parent, prefix[-1]] = -np.inf
    outcomes = np.concatenate([np.logaddexp(in_blank, in_label), grown.ravel()])
    possible = np.flatnonzero(outcomes > -np.inf)
    kept = possible[np.argsort(-outcomes[possible], kind="stable")[:width]]
    staying = kept[kept < len(prefixes)]
    growing = kept[kept >= len(prefixes)] - len(prefixes)
    parents, labels = np.divmod(growing, len(frame))
    return _Beam(
        [prefixes[i] for i in staying] + [(*prefixes[i], int(c)) for i, c in zip(parents, labels, strict=True)],
        np.concatenate([in_blank[staying], np.full(len(growing), -np.inf)]),
        np.concatenate([in_label[staying], grown[parents, labels]]),
    )


def _checked(log_probabilities: Floats, blank: int) -> NDArray[np.float64]:
    """A checked float64 copy, (T, C)."""
    scores = np.array(log_probabilities, np.float64)
    if scores.ndim != 2 or scores.shape[1] == 0:
        raise ValueError(f"log probabilities must be (frames, classes), got {scores.shape}")
    if not 0 <= blank < scores.shape[1]:
        raise ValueError(f"blank {blank} is not one of {scores.shape[1]} classes")
    # Logits passed by mistake would decode to something; half precision is off by less than this.
    if not np.allclose(np.exp(scores).sum(axis=1), 1.0, atol=0.02):
        raise ValueError("every frame's probabilities must sum to 1: are these logits?")
    return scores
