"""From keypoints to sign events: segments are cut into windows, windows classified, probabilities pooled.

The service's live streams, clip classification and evaluation all go through a `StreamDecoder`, so they agree by
construction. `Decoder` reads single signs; that of sentences is in `glosscast.sentences.decoder`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import repeat
from math import inf
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from glosscast.caption_filter import CaptionFilter, Reason
from glosscast.clip import Clip, ClipSpec, Window, cut_window, window_starts
from glosscast.keypoints import POSE, PRESENCE, in_square
from glosscast.learned_segmentation import LearnedSegmenter, Tagging
from glosscast.recent import RecentFrames
from glosscast.segmentation import Segment, Segmenter, SegmenterSettings

MAX_FPS = 120.0  # frames a second, by the stream's own clock, beyond which the oldest are forgotten early


class DecoderSettings(BaseModel):
    """The decoder's thresholds; part of the bundle manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    interim_ms: float = Field(gt=0, description="time between interim results inside a sign")
    hop_ms: float = Field(gt=0, description="distance of the windows in a sign longer than one window")
    stable: float = Field(ge=0, le=1, description="an interim at least this sure, and like the one before, is stable")
    reject: float = Field(ge=0, lt=1, description="a final less sure than this is not reported")
    rest_ms: float = Field(
        default=700.0, ge=0, description="hands that rest for less than this between two segments are in the same sign"
    )


class Classify(Protocol):
    """A model, as the decoder calls it."""

    def __call__(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        """Windows to readouts (len(windows), classes + D): probabilities and, where there is one, the embedding."""


Rule = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # the readout of a segment to probabilities (classes,)


def all_of(readout: NDArray[np.float32]) -> NDArray[np.float32]:
    """The rule of a model whose readouts are probabilities alone."""
    return readout


@dataclass(frozen=True, eq=False)
class SignEvent:
    """An event of one sign.

    Attributes:
        kind: "started", then any number of "interim", then exactly one "final".
        segment: 0, 1, 2 … within the stream.
        start_ms: where the sign starts, in the stream's own time.
        end_ms: where it ends, as far as known.
        revision: 1, 2, 3 … for interims, 0 otherwise.
        probabilities: (classes,); None for "started".
        readout: what the probabilities were made of: the mean of the windows' readouts; None for "started".
        stable: an interim that can be shown: see `CaptionFilter.is_stable`.
        reason: why a final names no sign; None where it does, and of other kinds. See `CaptionFilter.judge`.
        label: the class that was read, where a beam search chose it; None: the likeliest of the probabilities.
        utterance: 0, 1, 2 … within the stream, where sentences are read; None where single signs are.
    """

    kind: Literal["started", "interim", "final"]
    segment: int
    start_ms: float
    end_ms: float
    revision: int = 0
    probabilities: NDArray[np.float32] | None = None
    readout: NDArray[np.float32] | None = None
    stable: bool = False
    reason: Reason | None = None
    label: int | None = None
    utterance: int | None = None

    @property
    def suppressed(self) -> bool:
        """Whether it is a final that is not reported: it is too unsure, or continues the sign before it."""
        return self.reason in ("unsure", "continued")


@dataclass(frozen=True, eq=False)
class ClipReading:
    """A recording as it was read.

    Attributes:
        probabilities: (classes,) of the recording taken as one sign; (0,) where sentences are read.
        signs: the "final" events of the signs that were found, in order, without the suppressed ones; empty where none
            were found.
        known: whether a sign of the vocabulary was found: one of `signs`, or the recording taken as one sign where
            there are none. Where none was found, the probabilities are guesses that are not to be reported.
    """

    probabilities: NDArray[np.float32]
    signs: list[SignEvent]
    known: bool


class StreamDecoder(Protocol):
    """A causal decoder of one stream."""

    def push(
        self,
        t_ms: float,
        keypoints: NDArray[np.float32],
        aspect: float,
        picture: NDArray[np.uint8] | None = None,
        people: int = 1,
    ) -> list[SignEvent]:
        """Take one frame; see `Decoder.push`."""

    def finish(self) -> list[SignEvent]:
        """Close what is under way; frames may follow."""

    def use(self, rule: Rule) -> None:
        """Read by another rule from here on."""

    def excerpt(self, start_ms: float, end_ms: float) -> Clip | None:
        """The frames of a time, as far as they are kept, in units of frame height; None for none."""


class Reading(Protocol):
    """The way from keypoints to signs, of single signs (`Pipeline`) or of sentences."""

    def decoder(self, interim: bool = True, has_capacity: Callable[[], bool] = lambda: True) -> StreamDecoder:
        """Return a new decoder, for one stream; `has_capacity` is asked before inference that only an interim needs."""

    def read(self, clip: Clip) -> ClipReading:
        """Read a recording.

        Raises:
            NoSignerError: nobody is in view, and the model needs somebody.
        """


class NoSignerError(ValueError):
    """Nobody is in view anywhere in the clip."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """The way from keypoints to single signs: a segmenter, windows of its segments, a model and thresholds.

    `Bundle.sign_pipeline` makes one of a bundle, `training.config.Config.pipeline` makes one of a model in training.

    Attributes:
        spec: the model's window.
        segmenter: the segmenter's thresholds.
        settings: the decoder's thresholds.
        classify: the model.
        tagging: the learned segmenter; None segments by the rule.
        no_sign: the class of hands that sign nothing; None where the vocabulary has none.
        needs_signer: whether the model needs keypoints, so that it cannot read a clip of nobody.
        rule: how a segment's readout becomes probabilities.
    """

    spec: ClipSpec
    segmenter: SegmenterSettings
    settings: DecoderSettings
    classify: Classify
    tagging: Tagging | None = None
    no_sign: int | None = None
    needs_signer: bool = True
    rule: Rule = all_of

    def decoder(self, interim: bool = True, has_capacity: Callable[[], bool] = lambda: True) -> "Decoder":
        """Return a new decoder, for one stream; see `Decoder`."""
        return Decoder(self, interim, has_capacity)

    def new_segmenter(self) -> Segmenter | LearnedSegmenter:
        """Return a new segmenter, for one stream."""
        return Segmenter(self.segmenter) if self.tagging is None else LearnedSegmenter(self.segmenter, self.tagging)

    def read(self, clip: Clip) -> ClipReading:
        """Read a recording as one sign, and find the signs in it.

        Where the segmenter finds several signs they are pooled by their length; where it finds none, the whole
        recording is read.

        Raises:
            NoSignerError: nobody is in view, and the model needs somebody.
        """
        if self.needs_signer:
            require_signer(clip)
        events = decode_clip(clip, self.decoder(interim=False))
        finals = [e for e in events if e.kind == "final" and e.probabilities is not None]
        if finals:
            signs = [e for e in finals if not e.suppressed]
            return ClipReading(pool(finals), signs, any(self._reports(e.probabilities) for e in signs))
        first_ms = float(clip.t_ms[0])
        last_ms = float(clip.t_ms[-1])
        probabilities = self.rule(self.read_segment(clip, first_ms, last_ms, last_ms))
        return ClipReading(probabilities, [], self._reports(probabilities))

    def _reports(self, probabilities: NDArray[np.float32] | None) -> bool:
        """Whether these probabilities (classes,) are sure enough, and of a sign of the vocabulary."""
        if probabilities is None:
            return False
        best = int(probabilities.argmax())
        return best != self.no_sign and bool(probabilities[best] >= self.settings.reject)

    def read_segment(self, clip: Clip, start_ms: float, end_ms: float, now_ms: float) -> NDArray[np.float32]:
        """The readout of a segment of a clip that is known up to `now_ms`: the mean of its windows'."""
        starts = window_starts(start_ms, end_ms, float(clip.t_ms[0]), now_ms, self.spec, self.settings.hop_ms)
        windows = [cut_window(clip, start, self.spec) for start in starts]
        return np.asarray(self.classify(windows).mean(axis=0), np.float32)


class Decoder:
    """A causal decoder of one stream; push frames in order of time.

    Args:
        pipeline: the model, and how it is read.
        interim: whether interim results are wanted; without them a sign costs inference only at its end.
        has_capacity: asked before each interim; one for which the model has no capacity is postponed to a later frame,
            or never computed.
    """

    def __init__(self, pipeline: Pipeline, interim: bool, has_capacity: Callable[[], bool]) -> None:
        self._pipeline = pipeline
        self._interim = interim
        self._has_capacity = has_capacity
        self._segmenter = pipeline.new_segmenter()
        self._keep_ms = pipeline.segmenter.max_ms + pipeline.segmenter.leave_ms + pipeline.spec.window_ms
        # The limit bounds the frames of a stream whose clock hardly advances.
        self._frames = RecentFrames(limit=int(self._keep_ms / 1000 * MAX_FPS))
        self._segment: int | None = None
        self._end_ms = -inf  # of the last segment that was closed
        self._revision = 0
        self._interim_due_ms = 0.0
        self._rule = pipeline.rule
        self._filter = self._new_filter()

    def use(self, rule: Rule) -> None:
        """Read by another rule from here on; its classes may be others, so repetitions are not recognised across it."""
        self._rule = rule
        self._filter = self._new_filter()

    def _new_filter(self) -> CaptionFilter:
        settings = self._pipeline.settings
        return CaptionFilter(settings.stable, settings.reject, self._pipeline.no_sign)

    def excerpt(self, start_ms: float, end_ms: float) -> Clip | None:
        """The frames from `start_ms` to `end_ms`, as far as they are kept, in units of frame height; None for none."""
        return self._frames.excerpt(start_ms, end_ms)

    def push(
        self,
        t_ms: float,
        keypoints: NDArray[np.float32],
        aspect: float,
        picture: NDArray[np.uint8] | None = None,
        people: int = 1,
    ) -> list[SignEvent]:
        """Take one frame.

        Args:
            t_ms: its time; later than the frame before.
            keypoints: (171, 4) in image coordinates.
            aspect: frame width / height.
            picture: (S, S, 3) of the signer, for a model that looks at it.
            people: in view.

        Raises:
            ValueError: time stands still or goes backwards.
        """
        if len(self._frames) and t_ms <= self._frames.t_ms[-1]:
            raise ValueError(f"t_ms {t_ms} is not after {self._frames.t_ms[-1]}")
        square = in_square(keypoints, aspect)
        self._frames.append(t_ms, square, picture, people)
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
        times = (segment.index, segment.start_ms, segment.end_ms)
        if self._segment != segment.index:
            self._segment = segment.index
            self._revision = 0
            self._interim_due_ms = now_ms + self._pipeline.settings.interim_ms
            rested = segment.rested and segment.start_ms - self._end_ms >= self._pipeline.settings.rest_ms
            self._filter.begin(rested)
            events.append(SignEvent("started", *times))
        if segment.closed:
            self._end_ms = segment.end_ms
            readout, probabilities = self._classify(segment, now_ms)
            reason = self._filter.judge(probabilities)
            events.append(SignEvent("final", *times, 0, probabilities, readout, reason=reason))
        elif self._interim and now_ms >= self._interim_due_ms and self._has_capacity():
            self._revision += 1
            self._interim_due_ms = now_ms + self._pipeline.settings.interim_ms
            readout, probabilities = self._classify(segment, now_ms)
            stable = self._filter.is_stable(probabilities)
            events.append(SignEvent("interim", *times, self._revision, probabilities, readout, stable=stable))
        return events

    def _classify(self, segment: Segment, now_ms: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """The readout and the probabilities of a segment."""
        clip = Clip(self._frames.t_ms, self._frames.keypoints, aspect=1.0, frames=self._frames.pictures)
        readout = self._pipeline.read_segment(clip, segment.start_ms, segment.end_ms, now_ms)
        return readout, self._rule(readout)


def require_signer(clip: Clip) -> None:
    """Check that somebody is seen.

    Raises:
        NoSignerError: nobody is.
    """
    if not (clip.keypoints[:, POSE, PRESENCE] > 0).any():
        raise NoSignerError("nobody is in view")


def decode_clip(clip: Clip, decoder: StreamDecoder) -> list[SignEvent]:
    """All events of a recording."""
    pictures = repeat(None) if clip.frames is None else clip.frames
    events = [
        event
        for t_ms, keypoints, picture in zip(clip.t_ms, clip.keypoints, pictures, strict=False)
        for event in decoder.push(float(t_ms), keypoints, clip.aspect, picture)
    ]
    return events + decoder.finish()


def pool(finals: Iterable[SignEvent]) -> NDArray[np.float32]:
    """Mean of the finals' probabilities, weighted by duration."""
    known = [(e.end_ms - e.start_ms, e.probabilities) for e in finals if e.probabilities is not None]
    weights = np.array([duration for duration, _ in known]) + 1.0
    stacked = np.stack([probabilities for _, probabilities in known])
    return np.asarray((weights[:, None] / weights.sum() * stacked).sum(axis=0), np.float32)
