"""From frame-wise probabilities to a sequence of glosses: decoding of connectionist temporal classification (CTC).

An alignment gives every frame a label or the blank; collapsing its repeats and then dropping blanks gives the labelling
that it stands for. Many alignments stand for one labelling, and its probability is the sum of theirs. Source: Graves et
al., "Connectionist temporal classification", ICML 2006; the beam search is that of Hannun et al., arXiv:1408.2873.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import Floats

Labels = tuple[int, ...]
Spans = tuple[tuple[int, int], ...]  # the first and the last frame in which each label is emitted
Bonus = Callable[[Labels], NDArray[np.float64]]
HISTORY = 16  # committed labels that a bonus sees; longer than any n-gram


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
    beam = PrefixBeam(blank, width, min_log_probability)
    for frame in scores:
        beam.push(frame)
    return [Labelling(h.labels, h.log_probability) for h in beam.hypotheses()[:best]]


class Hypothesis(NamedTuple):
    """A labelling that a beam holds.

    Attributes:
        labels: those that have not been committed.
        log_probability: of all its alignments, with what the bonus added.
        spans: where its best alignment emits each of them, in frames since the beam began.
        ended: whether this alignment emits a blank now, so that the last label is over.
    """

    labels: Labels
    log_probability: float
    spans: Spans
    ended: bool


class _Path(NamedTuple):
    """The best alignment of a prefix that ends in a given way, and where it emits the labels."""

    score: float
    spans: Spans


NO_PATH = _Path(-np.inf, ())


class _Prefix(NamedTuple):
    """A labelling so far: log probabilities of its alignments that end in a blank and in a label, and the best two."""

    labels: Labels
    in_blank: float
    in_label: float
    blank_path: _Path
    label_path: _Path

    @property
    def total(self) -> float:
        return float(np.logaddexp(self.in_blank, self.in_label))

    @property
    def path(self) -> _Path:
        return max(self.blank_path, self.label_path, key=lambda path: path.score)


class PrefixBeam:
    """The beam search, frame by frame, over a stream that may have no end.

    Labels that are decided are committed: labellings that begin otherwise are dropped, and the rest hold what follows.

    Args:
        blank: class id of the blank.
        width: how many prefixes are kept from frame to frame.
        min_log_probability: see `beam_search`.
        bonus: what is added to the log probability of a labelling when a class (C,) follows these labels; None adds
            nothing.
    """

    def __init__(
        self, blank: int, width: int, min_log_probability: float = -np.inf, bonus: Bonus | None = None
    ) -> None:
        self._blank = blank
        self._width = width
        self._floor = min_log_probability
        self._bonus = bonus
        self._history: Labels = ()  # what has been committed last
        self._frames = 0
        self._prefixes = [_Prefix((), 0.0, -np.inf, _Path(0.0, ()), NO_PATH)]

    def hypotheses(self) -> list[Hypothesis]:
        """The labellings in the beam, the likeliest first; ties keep the order of the class ids."""
        ordered = sorted(self._prefixes, key=lambda prefix: -prefix.total)
        return [Hypothesis(p.labels, p.total, p.path.spans, p.blank_path.score >= p.label_path.score) for p in ordered]

    def next_labels(self) -> dict[int | None, float]:
        """The share of the beam's probability by the label that comes next; None where there is none so far."""
        total = np.array([p.total for p in self._prefixes])
        weights = np.exp(total - total.max())
        shares: dict[int | None, float] = {}
        for prefix, share in zip(self._prefixes, weights / weights.sum(), strict=True):
            label = prefix.labels[0] if prefix.labels else None
            shares[label] = shares.get(label, 0.0) + float(share)
        return shares

    def push(self, log_probabilities: NDArray[np.float64]) -> None:
        """Take the next frame, (C,) natural logs of probabilities that sum to 1."""
        frame = np.where(
            (log_probabilities < self._floor) & (log_probabilities < log_probabilities.max()),
            -np.inf,
            log_probabilities,
        )
        self._prefixes = self._advanced(frame)
        self._frames += 1

    def commit(self, label: int) -> None:
        """Decide that `label` comes next; at least one hypothesis must begin with it."""
        self._history = (*self._history, label)[-HISTORY:]
        self._prefixes = [
            p._replace(labels=p.labels[1:], blank_path=_later(p.blank_path), label_path=_later(p.label_path))
            for p in self._prefixes
            if p.labels[:1] == (label,)
        ]

    def keep(self, wanted: Callable[[Hypothesis], bool]) -> None:
        """Drop all hypotheses but these; at least one must be wanted."""
        kept = {h.labels for h in self.hypotheses() if wanted(h)}
        self._prefixes = [p for p in self._prefixes if p.labels in kept]

    def favour(self, extra: Callable[[Labels], float]) -> None:
        """Add to the log probability of each labelling what `extra` says of its labels, the committed ones included."""
        self._prefixes = [
            p._replace(in_blank=p.in_blank + more, in_label=p.in_label + more)
            for p in self._prefixes
            for more in [extra(self._history + p.labels)]
        ]

    def _advanced(self, frame: NDArray[np.float64]) -> list[_Prefix]:
        """Every prefix stays as it is or grows by a label; the `width` likeliest outcomes are kept."""
        prefixes = self._prefixes
        total = np.array([p.total for p in prefixes])
        last = [self._last(p) for p in prefixes]
        gain = np.tile(frame, (len(prefixes), 1))  # of each class that may follow
        if self._bonus is not None:
            gain += np.stack([self._bonus(self._history + p.labels) for p in prefixes])
        gain[:, self._blank] = -np.inf
        grown = total[:, None] + gain
        in_blank = total + frame[self._blank]
        in_label = np.full(len(prefixes), -np.inf)
        for i, prefix in enumerate(prefixes):
            if last[i] is not None:
                in_label[i] = prefix.in_label + frame[last[i]]
                grown[i, last[i]] = prefix.in_blank + gain[i, last[i]]  # a repeat is a second sign only after a blank
        where = {prefix.labels: i for i, prefix in enumerate(prefixes)}
        parents = [where.get(prefix.labels[:-1]) if prefix.labels else None for prefix in prefixes]
        for i, parent in enumerate(parents):
            if parent is not None:  # a shorter prefix grows into this one: the same labelling, so one entry
                in_label[i] = np.logaddexp(in_label[i], grown[parent, last[i]])
                grown[parent, last[i]] = -np.inf
        outcomes = np.concatenate([np.logaddexp(in_blank, in_label), grown.ravel()])
        possible = np.flatnonzero(outcomes > -np.inf)
        kept = possible[np.argsort(-outcomes[possible], kind="stable")[: self._width]]
        advanced = []
        for outcome in kept.tolist():
            if outcome < len(prefixes):
                i, parent = outcome, parents[outcome]
                came = NO_PATH if parent is None else self._grown(prefixes[parent], last[i], gain[parent])
                advanced.append(self._stayed(prefixes[i], in_blank[i], in_label[i], frame, came))
            else:
                i, label = divmod(outcome - len(prefixes), len(frame))
                path = self._grown(prefixes[i], label, gain[i])
                advanced.append(_Prefix((*prefixes[i].labels, label), -np.inf, float(grown[i, label]), NO_PATH, path))
        return advanced

    def _last(self, prefix: _Prefix) -> int | None:
        """The label that may go on: the last one, even where it has been committed."""
        return prefix.labels[-1] if prefix.labels else self._history[-1] if self._history else None

    def _stayed(
        self, prefix: _Prefix, in_blank: float, in_label: float, frame: NDArray[np.float64], came: _Path
    ) -> _Prefix:
        """A prefix that got no label in this frame; `came` is the best alignment by which a shorter one became it."""
        last = self._last(prefix)
        blank_path = _Path(prefix.path.score + float(frame[self._blank]), prefix.path.spans)
        label_path = came
        if last is not None:
            score, spans = prefix.label_path
            stays = _Path(score + float(frame[last]), (*spans[:-1], (spans[-1][0], self._frames)) if spans else ())
            label_path = max(stays, came, key=lambda path: path.score)
        return _Prefix(prefix.labels, float(in_blank), float(in_label), blank_path, label_path)

    def _grown(self, prefix: _Prefix, label: int | None, gain: NDArray[np.float64]) -> _Path:
        """The best alignment of a prefix that gets a label in this frame."""
        path = prefix.blank_path if label == self._last(prefix) else prefix.path
        return _Path(path.score + float(gain[label]), (*path.spans, (self._frames, self._frames)))


def _later(path: _Path) -> _Path:
    """The same alignment without its first label."""
    return _Path(path.score, path.spans[1:])


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
