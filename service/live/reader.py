"""Reads signs from the frames of one stream and makes messages of them, without the websocket and ONNX Runtime.

One frame at a time it finds the same signs as `glosscast.decoding.decode_clip` finds in the whole recording.
"""

from collections.abc import Callable, Iterator, Sequence
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import Bundle
from glosscast.decoding import Classify, SignEvent
from glosscast.keypoints import LEFT_HAND, POSE, PRESENCE, RIGHT_HAND, UPPER_BODY, X, Y
from glosscast.lexicon.reading import BundleRule, ReadingRule
from glosscast.lexicon.signs import LexiconError
from glosscast.ranking import RankedGloss, confidence, ranked
from service.access.rates import Bucket
from service.live.lexicon import StreamLexicon
from service.live.queues import Lesson
from service.protocol.codes import ErrorCode
from service.protocol.messages import (
    Alternative,
    Config,
    Error,
    Final,
    Input,
    Interim,
    Landmarks,
    NoSignReason,
    Point,
    SignStarted,
    Start,
    Taught,
)
from service.protocol.wire import FrameFault

LANDMARKS_S = 1 / 8  # between two landmarks messages
VISIBLE = 0.5  # visibility from which a pose point is drawn
DIGITS = 4  # of a coordinate; more is noise

Clock = Callable[[], float]
Event = SignStarted | Interim | Final | Taught


def inputs_of(bundle: Bundle) -> list[Input]:
    """The inputs that streams may send; a model that looks at pictures cannot read keypoints alone."""
    return ["frames"] if bundle.crop else ["frames", "keypoints"]


def effective_config(start: Start, bundle: Bundle) -> Config:
    """The config in effect for a client's `start`."""
    return Config(
        input=start.input,
        interim=start.interim,
        top_k=start.top_k if start.lexicon is not None else min(start.top_k, len(bundle.vocabulary)),
        landmarks=start.landmarks,
        aspect=start.aspect if start.input == "keypoints" else None,
        lexicon=start.lexicon,
    )


class FrameLimiter:
    """Checks the rate and the order of frames before any work is done on them.

    A second's worth of frames may come at once, so that a stutter of the network costs no frames.
    """

    def __init__(self, max_fps: float) -> None:
        self._bucket = Bucket(max_fps, max(1.0, max_fps))
        self.last_ms: float | None = None  # time of the last frame that was accepted

    def accept(self, t_ms: float, now_s: float) -> bool:
        """Whether a frame is accepted, by its own time and the monotonic clock's; False where it came too fast.

        Raises:
            FrameFault: its time is not after that of the last frame accepted.
        """
        if self.last_ms is not None and t_ms <= self.last_ms:
            raise FrameFault(ErrorCode.BAD_TIME, f"t_ms must grow: {t_ms:g} is not after {self.last_ms:g}")
        if self._bucket.take(now_s) > 0:
            return False
        self.last_ms = t_ms
        return True


class SignReader:
    """Reads the signs of one stream. It blocks while the model works and must be used by one thread only.

    Args:
        bundle: the model's bundle.
        classify: the bundle's model.
        config: of the stream.
        clock: seconds, for `latency_ms`.
        has_capacity: whether the model has time for an interim now.
        lexicon: to read with and to teach.
    """

    def __init__(
        self,
        bundle: Bundle,
        classify: Classify,
        config: Config,
        clock: Clock = monotonic,
        has_capacity: Callable[[], bool] = lambda: True,
        lexicon: StreamLexicon | None = None,
    ) -> None:
        self.signs = 0
        self._config = config
        self._clock = clock
        self._lexicon = lexicon
        self._rule: ReadingRule = BundleRule(bundle) if lexicon is None else lexicon.rule
        self._decoder = bundle.pipeline(classify, self._rule).decoder(config.interim, has_capacity)
        self._margin_ms = bundle.manifest.clip.window_ms  # around a sign, which the model may look at
        self._lesson: Lesson | None = None
        self._lesson_of_sign: Lesson | None = None  # when the sign began
        self._in_sign = False

    def teach(self, lesson: Lesson | None) -> list[Error]:
        """Make the signs that begin from here on examples, or no examples any more; errors where that cannot be."""
        self._lesson = None
        if lesson is not None and self._lexicon is not None:
            try:
                self._lesson = self._lexicon.checked(lesson)
            except LexiconError as error:
                return [Error(code=ErrorCode[error.code.upper()], message=str(error), retryable=True)]
        return []

    def catch_up(self) -> list[Error]:
        """Take up changes of the lexicon, unless a sign is under way; errors to tell the client."""
        if self._lexicon is None or self._in_sign:
            return []
        errors = self._lexicon.catch_up()
        self._use_rule()
        return errors

    def _use_rule(self) -> None:
        if self._lexicon is not None and self._lexicon.rule is not self._rule:
            self._rule = self._lexicon.rule
            self._decoder.use(self._rule)

    def push(
        self,
        t_ms: float,
        keypoints: NDArray[np.float32],
        aspect: float,
        arrived_s: float,
        picture: NDArray[np.uint8] | None = None,
        people: int = 1,
    ) -> list[Event]:
        """Read one frame.

        Args:
            t_ms: its time; later than the frame before.
            keypoints: (171, 4) in image coordinates, finite.
            aspect: frame width / height.
            arrived_s: when it came, by `clock`.
            picture: (S, S, 3) of the signer, for a model that looks at it.
            people: in view.

        Raises:
            ValueError: time stands still or goes backwards.
        """
        return self._messages(self._decoder.push(t_ms, keypoints, aspect, picture, people), arrived_s)

    def finish(self, arrived_s: float) -> list[Event]:
        """Finish the sign that is under way, if any; frames may follow."""
        return self._messages(self._decoder.finish(), arrived_s)

    def _messages(self, events: Sequence[SignEvent], arrived_s: float) -> list[Event]:
        return [message for event in events for message in self._messages_of(event, arrived_s)]

    def _messages_of(self, event: SignEvent, arrived_s: float) -> Iterator[Event]:
        if event.probabilities is None:
            self._in_sign = True
            self._lesson_of_sign = self._lesson
            yield SignStarted(segment=event.segment, t_ms=event.start_ms, utterance=event.utterance)
            return
        lesson = self._lesson if self._lesson == self._lesson_of_sign else None
        if event.kind == "final":
            self._in_sign = False
            self.signs += 1
            yield self._final(event, event.probabilities, arrived_s, is_example=lesson is not None)
            if lesson is not None:
                yield self._taught(lesson, event)
        elif lesson is None:
            yield self._interim(event, event.probabilities)

    def _interim(self, event: SignEvent, probabilities: NDArray[np.float32]) -> Interim:
        (best,) = ranked(self._rule.vocabulary, probabilities, 1, event.label)
        return Interim(
            segment=event.segment,
            revision=event.revision,
            gloss=best.gloss,
            confidence=best.confidence,
            stable=event.stable,
            start_ms=event.start_ms,
            end_ms=event.end_ms,
        )

    def _final(
        self, event: SignEvent, probabilities: NDArray[np.float32], arrived_s: float, *, is_example: bool
    ) -> Final:
        best, *others = ranked(self._rule.vocabulary, probabilities, self._config.top_k, event.label)
        reason: NoSignReason | None = "example" if is_example else event.reason
        no_sign = self._no_sign(probabilities) if reason is not None else None
        if no_sign is not None and no_sign != best:
            best, others = no_sign, [best, *others][: self._config.top_k - 1]
        return Final(
            segment=event.segment,
            utterance=event.utterance,
            gloss=best.gloss,
            confidence=best.confidence,
            reason=None if no_sign is None else reason,
            start_ms=event.start_ms,
            end_ms=event.end_ms,
            alternatives=[Alternative(gloss=other.gloss, confidence=other.confidence) for other in others],
            confusable_with=self._rule.confusable_with(best.gloss),
            latency_ms=round((self._clock() - arrived_s) * 1000, 1),
        )

    def _no_sign(self, probabilities: NDArray[np.float32]) -> RankedGloss | None:
        """The "no sign" gloss, for a final that is not to be reported; None where the bundle has none."""
        vocabulary = self._rule.vocabulary
        if vocabulary.no_sign is None or vocabulary.no_sign_id is None:
            return None
        return RankedGloss(vocabulary.no_sign, confidence(float(probabilities[vocabulary.no_sign_id])))

    def _taught(self, lesson: Lesson, event: SignEvent) -> Taught:
        assert self._lexicon is not None  # there is no lesson without one
        clip = self._decoder.excerpt(event.start_ms - self._margin_ms, event.end_ms + self._margin_ms)
        taught = self._lexicon.teach(lesson, event.segment, clip, event.start_ms, event.end_ms)
        self._use_rule()
        return taught


class LandmarksFeed:
    """Makes landmarks messages of keypoints, at most one every `LANDMARKS_S`."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._due_s = 0.0

    def push(self, t_ms: float, keypoints: NDArray[np.float32], people: int) -> list[Landmarks]:
        """The message for one frame (171, 4) with so many people in view, or none."""
        now_s = self._clock()
        if now_s < self._due_s:
            return []
        self._due_s = now_s + LANDMARKS_S
        pose = keypoints[POSE][UPPER_BODY]
        return [
            Landmarks(
                t_ms=t_ms,
                pose=[_point(p) if p[PRESENCE] >= VISIBLE else None for p in pose],
                left_hand=_hand(keypoints[LEFT_HAND]),
                right_hand=_hand(keypoints[RIGHT_HAND]),
                people=people,
            )
        ]


def _hand(points: NDArray[np.float32]) -> list[Point] | None:
    return [_point(p) for p in points] if (points[:, PRESENCE] > 0).all() else None


def _point(point: NDArray[np.float32]) -> Point:
    return round(float(point[X]), DIGITS), round(float(point[Y]), DIGITS)
