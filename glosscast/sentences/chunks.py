"""The reader of CTC: overlapping windows of an utterance, and a beam search over their steps.

Steps lie on one grid from the utterance's first frame. A step's probabilities are taken from the first window that
shows enough of what follows it, or from the last window of the utterance. An utterance that is shorter than a window is
read from one that starts with it and whose end is masked, as training pads sentences.
"""

from collections import deque
from math import ceil

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip, ClipSpec, Window, cut_window
from glosscast.ctc import PrefixBeam
from glosscast.decoding import Classify, SignEvent
from glosscast.sentences.language_model import GlossBonus
from glosscast.sentences.settings import ChunkReader
from glosscast.sentences.teller import ReadSign, SignTeller

LEAST = 1e-12  # of a probability, so that its logarithm is finite


class Chunks:
    """Reads one utterance.

    Args:
        spec: timing of a window.
        settings: of the reader.
        stride: frames of a window that make one step.
        blank: class id of the blank, the last one.
        classify: the model: windows to probabilities (N, steps · (blank + 1)).
        bonus: how glosses are favoured; None favours none.
        first_ms: time of the utterance's first frame.
        teller: makes the events.
    """

    def __init__(
        self,
        spec: ClipSpec,
        settings: ChunkReader,
        stride: int,
        blank: int,
        classify: Classify,
        bonus: GlossBonus | None,
        first_ms: float,
        teller: SignTeller,
    ) -> None:
        self._spec = spec
        self._settings = settings
        self._stride = stride
        self._blank = blank
        self._classify = classify
        self._bonus = bonus
        self._first_ms = first_ms
        self._teller = teller
        self._frame_ms = 1000.0 / spec.fps
        self._step_ms = stride * self._frame_ms
        self._steps = spec.frames // stride  # of a window
        self._delay = ceil(settings.delay_ms / self._step_ms)  # steps
        self._windows = 0  # read so far
        self._taken = 0  # steps read so far
        self._rows: deque[NDArray[np.float32]] = deque(maxlen=self._delay + self._steps + 2)
        self._beam = PrefixBeam(blank, settings.width, settings.min_log_probability, bonus)

    def push(self, clip: Clip) -> list[SignEvent]:
        """Read the windows that the frames of an utterance complete."""
        now_ms = float(clip.t_ms[-1])
        due = []
        while self._last_frame_ms(known := (self._windows + 1) * self._settings.hop) <= now_ms + 1e-6:
            self._windows += 1
            if known > self._settings.right:
                due.append((known, known - self._settings.right))
        return self._read(clip, due)

    def finish(self, clip: Clip) -> list[SignEvent]:
        """Read what is left of the utterance, and commit the likeliest reading of it."""
        known = int((clip.t_ms[-1] - self._first_ms) / self._step_ms + 1e-6) + 1
        events = self._read(clip, [(known, known)] if known > self._taken else [])
        if self._bonus is not None:
            self._beam.favour(self._bonus.end)
        best = self._beam.hypotheses()[0]
        now_ms = float(clip.t_ms[-1])
        for label, span in zip(best.labels, best.spans, strict=True):
            self._beam.commit(label)
            events += self._teller.final(self._sign(label, span, now_ms), now_ms)
        return events

    def _last_frame_ms(self, known: int) -> float:
        """Time of the last frame of so many steps."""
        return self._first_ms + known * self._step_ms - self._frame_ms

    def _read(self, clip: Clip, due: list[tuple[int, int]]) -> list[SignEvent]:
        """Read windows that end after so many steps, each up to a step."""
        if not due:
            return []
        events = []
        now_ms = float(clip.t_ms[-1])
        windows = [self._window(clip, known) for known, _ in due]
        rows = self._classify(windows).reshape(len(windows), self._steps, self._blank + 1)
        for (known, end), row in zip(due, rows, strict=True):
            first = max(0, known - self._steps)
            for probabilities in row[self._taken - first : end - first]:
                self._rows.append(probabilities)
                self._beam.push(_logarithms(probabilities))
                self._taken += 1
                events += self._committed(now_ms)
        return events + self._outlook(now_ms)

    def _window(self, clip: Clip, known: int) -> Window:
        start_ms = self._first_ms + max(0, known - self._steps) * self._step_ms
        return cut_window(clip, start_ms, self._spec)

    def _committed(self, now_ms: float) -> list[SignEvent]:
        """The finals of what is decided with the latest step."""
        events: list[SignEvent] = []
        horizon = self._taken - 1 - self._delay
        while (best := self._beam.hypotheses()[0]).labels:
            label = best.labels[0]
            is_over = best.ended or len(best.labels) > 1
            is_agreed = self._beam.next_labels()[label] >= self._settings.agree
            if not (is_over and is_agreed) and best.spans[0][0] > horizon:
                break
            self._beam.commit(label)
            events += self._teller.final(self._sign(label, best.spans[0], now_ms), now_ms)
        # What the likeliest reading has not found by now is not found: so the beam holds no more than the delay.
        self._beam.keep(lambda h: not h.labels or h.spans[0][0] > horizon)
        return events

    def _outlook(self, now_ms: float) -> list[SignEvent]:
        """What is said of the next gloss before it is decided."""
        best = self._beam.hypotheses()[0]
        if not best.labels or self._beam.next_labels().get(None, 0.0) > 1.0 - self._settings.agree:
            return []
        self._beam.keep(lambda h: bool(h.labels))  # from here on a final is certain
        sign = self._sign(best.labels[0], best.spans[0], now_ms)
        return [*self._teller.start(sign.start_ms, sign.end_ms, now_ms), *self._teller.interim(sign, now_ms)]

    def _sign(self, label: int, span: tuple[int, int], now_ms: float) -> ReadSign:
        first, last = (step - self._taken + len(self._rows) for step in span)
        start_ms, end_ms = (self._first_ms + step * self._step_ms for step in (span[0], span[1] + 1))
        readout = np.mean([self._rows[i] for i in range(first, last + 1)], axis=0, dtype=np.float32)
        return ReadSign(label, start_ms, min(end_ms, now_ms), readout)


def _logarithms(probabilities: NDArray[np.float32]) -> NDArray[np.float64]:
    """Natural logarithms of probabilities (C,), which sum to 1 but for rounding."""
    logarithms: NDArray[np.float64] = np.log(np.maximum(probabilities.astype(np.float64), LEAST))
    return logarithms
