"""The reader of short windows: each is a sign or background, neighbours vote, and repeats collapse to one sign.

After Zuo et al., "Towards Online Continuous Sign Language Recognition and Translation", EMNLP 2024. Here the
neighbours' probabilities are averaged, where the paper counts their votes.
"""

from collections import deque

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip, ClipSpec, cut_window
from glosscast.decoding import Classify, SignEvent
from glosscast.sentences.settings import WindowReader
from glosscast.sentences.teller import ReadSign, SignTeller


class _Run:
    """Windows in a row that were read as the same class.

    Attributes:
        label: the class.
        first_ms: middle of the first window.
        last_ms: middle of the last one.
        count: number of windows.
        closed: whether its final has been sent.
    """

    def __init__(self, label: int, at_ms: float) -> None:
        self.label = label
        self.first_ms = self.last_ms = at_ms
        self.count = 0
        self.closed = False
        self._total: NDArray[np.float64] | float = 0.0

    def add(self, at_ms: float, readout: NDArray[np.float32]) -> None:
        """A further window."""
        self.last_ms = at_ms
        self.count += 1
        self._total = self._total + readout.astype(np.float64)

    def sign(self) -> ReadSign:
        """What it was read as."""
        mean = np.asarray(self._total / self.count, np.float32)
        return ReadSign(self.label, self.first_ms, self.last_ms, mean)


class Windows:
    """Reads one utterance.

    Args:
        spec: timing of a window.
        settings: of the reader.
        background: class of windows that show no sign.
        max_ms: a sign that is longer is final before it ends.
        classify: the model: windows to readouts (N, classes + D).
        first_ms: time of the utterance's first frame.
        teller: makes the events.
    """

    def __init__(
        self,
        spec: ClipSpec,
        settings: WindowReader,
        background: int,
        max_ms: float,
        classify: Classify,
        first_ms: float,
        teller: SignTeller,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._background = background
        self._max_ms = max_ms
        self._classify = classify
        self._first_ms = first_ms
        self._teller = teller
        self._hop_ms = settings.stride * 1000.0 / spec.fps
        self._half_ms = (spec.frames - 1) * 500.0 / spec.fps
        self._read_windows = 0
        self._recent: deque[tuple[int, NDArray[np.float32]]] = deque(maxlen=2 * settings.neighbours + 1)
        self._voted = 0  # windows whose neighbours have voted
        self._run = _Run(background, first_ms)
        self._next: _Run | None = None  # what may follow

    def push(self, clip: Clip) -> list[SignEvent]:
        """Read the windows that the frames of an utterance complete."""
        return self._read(clip, float(clip.t_ms[-1]) - self._half_ms)

    def finish(self, clip: Clip) -> list[SignEvent]:
        """Read the windows whose middle is left in the utterance, and close the sign that is under way."""
        now_ms = float(clip.t_ms[-1])
        events = self._read(clip, now_ms)
        while self._voted < self._read_windows:
            events += self._vote(now_ms)
        return events + self._close(now_ms)

    def _read(self, clip: Clip, until_ms: float) -> list[SignEvent]:
        """Read the windows whose middle comes no later."""
        now_ms = float(clip.t_ms[-1])
        count = int((until_ms - self._first_ms) / self._hop_ms + 1e-6) + 1 if until_ms >= self._first_ms else 0
        new = range(self._read_windows, count)
        if not new:
            return []
        starts = [self._middle_ms(index) - self._half_ms for index in new]
        events = []
        readouts = self._classify([cut_window(clip, start_ms, self._spec) for start_ms in starts])
        for index, readout in zip(new, readouts, strict=True):
            self._recent.append((index, readout))
            self._read_windows += 1
            if index >= self._settings.neighbours:
                events += self._vote(now_ms)
        return events + self._teller.interim(self._run.sign(), now_ms) if self._run.count else events

    def _middle_ms(self, index: int) -> float:
        return self._first_ms + index * self._hop_ms

    def _vote(self, now_ms: float) -> list[SignEvent]:
        """Decide what the next window shows, by its neighbours' probabilities."""
        at_ms = self._middle_ms(self._voted)
        near = [row for index, row in self._recent if abs(index - self._voted) <= self._settings.neighbours]
        self._voted += 1
        readout = np.mean(near, axis=0, dtype=np.float32)
        label = int(self._teller.rule(readout).argmax())
        if label == self._run.label:
            self._next = None
            self._run.add(at_ms, readout)
            return self._close(now_ms) if at_ms - self._run.first_ms >= self._max_ms else []
        if self._next is None or self._next.label != label:
            self._next = _Run(label, at_ms)
        self._next.add(at_ms, readout)
        if self._next.count < self._settings.min_windows:
            return []
        events = self._close(now_ms)
        self._run, self._next = self._next, None
        if label != self._background:
            events += self._teller.start(self._run.first_ms, self._run.last_ms, now_ms)
        return events

    def _close(self, now_ms: float) -> list[SignEvent]:
        """The final of the sign that is under way, if it has none."""
        if self._run.label == self._background or self._run.closed:
            return []
        self._run.closed = True
        return self._teller.final(self._run.sign(), now_ms)
