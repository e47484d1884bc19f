"""From keypoints to sign events: segments are cut into windows, windows classified, probabilities pooled.

The service's live streams, clip classification and evaluation all go through `Decoder`, so they agree by construction.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glosscast.clip import Clip, ClipSpec, Window, cut_window
from glosscast.keypoints import POSE, PRESENCE, X, Z
from glosscast.learned_segmentation import LearnedSegmenter, Tagging
from glosscast.recent import RecentFrames
from glosscast.segmentation import Segment, Segmenter, SegmenterSettings
from glosscast.telling import Teller

MAX_FPS = 120.0  # frames a second, by the stream's own clock, beyond which the oldest are forgotten early


class DecoderSettings(BaseModel):
    """How segments are read; part of the bundle manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    interim_ms: float = Field(gt=0, description="time between interim results inside a sign")
    hop_ms: float = Field(gt=0, description="distance of the windows in a sign longer than one window")
    stable: float = Field(ge=0, le=1, description="an interim at least this sure, and like the one before, is stable")
    reject: float = Field(ge=0, lt=1, description="a final less sure than this is not reported")


class Classify(Protocol):
    """What the decoder needs of a model."""

    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Windows to probabilities (len(windows), classes)."""


@dataclass(frozen=True, eq=False)
class SignEvent:
    """Something known about one sign.

    Attributes:
        kind: "started", then any number of "interim", then exactly one "final".
        segment: 0, 1, 2 … within the stream.
        start_ms: where the sign starts, in the stream's own time.
        end_ms: where it ends, as far as known.
        revision: 1, 2, 3 … for interims, 0 otherwise.
        probabilities: (classes,); None for "started".
        stable: an interim that can be shown: see `Teller.is_stable`.
        quiet: a final that is not to be reported: too unsure, or the sign before it going on.
    """

    kind: Literal["started", "interim", "final"]
    segment: int
    start_ms: float
    end_ms: float
    revision: int = 0
    probabilities: NDArray[np.float32] | None = None
    stable: bool = False
    quiet: bool = False


@dataclass(frozen=True, eq=False)
class ClipReading:
    """A recording as it was read.

    Attributes:
        probabilities: (classes,) of the recording taken as one sign.
        signs: the "final" events of the signs that the segmenter found, in order, without those that are not to be
            reported; none where it found none.
    """

    probabilities: NDArray[np.float32]
    signs: list[SignEvent]


class NoSignerError(ValueError):
    """Nobody is in view anywhere in the clip."""


class Decoder:
    """A causal reader of one stream; push frames in order of time.

    Args:
        spec: the model's window.
        segmenter: its thresholds.
        settings: how segments are read.
        classify: the model.
        interim: whether interim results are wanted; without them a sign costs inference only at its end.
        tagging: the learned segmenter, to use instead of the rule.
        no_sign: the class that stands for hands that say nothing; None where the vocabulary has none.
        spare: asked before each interim; while there is nothing to spare it is put off, to a later frame or for good.
    """

    def __init__(
        self,
        spec: ClipSpec,
        segmenter: SegmenterSettings,
        settings: DecoderSettings,
        classify: Classify,
        interim: bool = True,
        tagging: Tagging | None = None,
        no_sign: int | None = None,
        spare: Callable[[], bool] = lambda: True,
    ) -> None:
        self.spec, self.settings, self.interim, self._spare = spec, settings, interim, spare
        self._classify = classify
        self._segmenter = Segmenter(segmenter) if tagging is None else LearnedSegmenter(segmenter, tagging)
        self._keep_ms = segmenter.max_ms + segmenter.leave_ms + spec.window_ms
        # A clock that crawls would let them grow without end.
        self._frames = RecentFrames(limit=int(self._keep_ms / 1000 * MAX_FPS))
        self._open: int | None = None
        self._revision, self._interim_due = 0, 0.0
        self._teller = Teller(settings.stable, settings.reject, no_sign)

    def push(
        self, t_ms: float, keypoints: NDArray[np.float32], aspect: float, picture: NDArray[np.uint8] | None = None
    ) -> list[SignEvent]:
        """Take one frame.

        Args:
            t_ms: its time; later than the frame before.
            keypoints: (171, 4) in image coordinates.
            aspect: frame width / height.
            picture: (S, S, 3) of the signer, for a model that looks at it.

        Raises:
            ValueError: time stands still or goes backwards.
        """
        if len(self._frames) and t_ms <= self._frames.t_ms[-1]:
            raise ValueError(f"t_ms {t_ms} is not after {self._frames.t_ms[-1]}")
        square = keypoints.astype(np.float32, copy=True)
        square[:, [X, Z]] *= aspect  # from here on x, y and z share one scale, whatever shape later frames have
        self._frames.append(t_ms, square, picture)
        segment = self._segmenter.push(t_ms, square)
        events = [] if segment is None else self._read(segment, t_ms)
        self._frames.drop_before(t_ms - self._keep_ms)  # only now: after a pause the last sign is read first
        return events

    def finish(self) -> list[SignEvent]:
        """Close the sign that is under way, if any."""
        segment = self._segmenter.finish()
        return [] if segment is None else self._read(segment, float(self._frames.t_ms[-1]))

    def _read(self, segment: Segment, now_ms: float) -> list[SignEvent]:
        events = []
        if self._open != segment.index:
            self._open, self._revision = segment.index, 0
            self._interim_due = now_ms + self.settings.interim_ms
            self._teller.begin(segment.rested)
            events.append(SignEvent("started", *_where(segment)))
        if segment.closed:
            pooled = self._classified(segment, now_ms)
            quiet = not self._teller.is_reported(pooled)
            events.append(SignEvent("final", *_where(segment), probabilities=pooled, quiet=quiet))
        elif self.interim and now_ms >= self._interim_due and self._spare():
            self._revision += 1
            self._interim_due = now_ms + self.settings.interim_ms
            pooled = self._classified(segment, now_ms)
            stable = self._teller.is_stable(pooled)
            events.append(SignEvent("interim", *_where(segment), self._revision, pooled, stable=stable))
        return events

    def _classified(self, segment: Segment, now_ms: float) -> NDArray[np.float32]:
        """Probabilities (classes,) of a segment, as far as it goes."""
        clip = Clip(self._frames.t_ms, self._frames.keypoints, aspect=1.0, frames=self._frames.pictures)
        first_ms = float(clip.t_ms[0])
        starts = window_starts(segment.start_ms, segment.end_ms, first_ms, now_ms, self.spec, self.settings.hop_ms)
        windows = [cut_window(clip, start, self.spec) for start in starts]
        return np.asarray(self._classify(windows).mean(axis=0), np.float32)


def _where(segment: Segment) -> tuple[int, float, float]:
    return segment.index, segment.start_ms, segment.end_ms


def window_starts(
    start_ms: float, end_ms: float, first_ms: float, now_ms: float, spec: ClipSpec, hop_ms: float
) -> list[float]:
    """Where to cut windows for a segment.

    A segment that fits into a window is centred in it, as far as the recording allows: a window reaches neither beyond
    `now_ms` nor, which comes first, before `first_ms`. A longer one is covered by windows about `hop_ms` apart.
    """
    spare = spec.window_ms - (end_ms - start_ms)
    if spare < 0:
        count = int(np.ceil(-spare / hop_ms)) + 1
        return [float(s) for s in np.linspace(start_ms, end_ms - spec.window_ms, count)]
    return [max(min(start_ms - spare / 2, now_ms - spec.window_ms), first_ms)]


def decode_clip(clip: Clip, decoder: Decoder) -> list[SignEvent]:
    """All events of a recording."""
    pictures = repeat(None) if clip.frames is None else clip.frames
    events = [
        event
        for t_ms, keypoints, picture in zip(clip.t_ms, clip.keypoints, pictures, strict=False)
        for event in decoder.push(float(t_ms), keypoints, clip.aspect, picture)
    ]
    return events + decoder.finish()


def read_clip(
    clip: Clip,
    spec: ClipSpec,
    segmenter: SegmenterSettings,
    settings: DecoderSettings,
    classify: Classify,
    needs_signer: bool = True,
    tagging: Tagging | None = None,
    no_sign: int | None = None,
) -> ClipReading:
    """A recording taken as one sign, and the signs in it.

    Where the segmenter finds several signs they are pooled by their length; where it finds none, the whole recording is
    read.

    Args:
        clip: the recording.
        spec: the model's window.
        segmenter: its thresholds.
        settings: how segments are read.
        classify: the model.
        needs_signer: whether the model looks at keypoints, and can say nothing without any.
        tagging: the learned segmenter, to use instead of the rule.
        no_sign: the class that stands for hands that say nothing; None where the vocabulary has none.

    Raises:
        NoSignerError: nobody is in view, and the model needs somebody.
    """
    if needs_signer and not (clip.keypoints[:, POSE, PRESENCE] > 0).any():
        raise NoSignerError("nobody is in view")
    decoder = Decoder(spec, segmenter, settings, classify, interim=False, tagging=tagging, no_sign=no_sign)
    events = decode_clip(clip, decoder)
    finals = [e for e in events if e.kind == "final" and e.probabilities is not None]
    if finals:
        return ClipReading(pool(finals), [e for e in finals if not e.quiet])
    first, last = float(clip.t_ms[0]), float(clip.t_ms[-1])
    starts = window_starts(first, last, first, last, spec, settings.hop_ms)
    windows = [cut_window(clip, start, spec) for start in starts]
    return ClipReading(np.asarray(classify(windows).mean(axis=0), np.float32), [])


def classify_clip(
    clip: Clip,
    spec: ClipSpec,
    segmenter: SegmenterSettings,
    settings: DecoderSettings,
    classify: Classify,
    needs_signer: bool = True,
    tagging: Tagging | None = None,
) -> NDArray[np.float32]:
    """Probabilities (classes,) for a recording taken as one sign; see `read_clip`."""
    return read_clip(clip, spec, segmenter, settings, classify, needs_signer, tagging).probabilities


def pool(finals: Iterable[SignEvent]) -> NDArray[np.float32]:
    """Mean of the finals' probabilities, weighted by duration."""
    known = [(e.end_ms - e.start_ms, e.probabilities) for e in finals if e.probabilities is not None]
    weights = np.array([duration for duration, _ in known]) + 1.0
    stacked = np.stack([probabilities for _, probabilities in known])
    return np.asarray((weights[:, None] / weights.sum() * stacked).sum(axis=0), np.float32)
