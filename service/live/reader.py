"""Reads signs from the frames of one stream and makes messages of them, without the websocket and ONNX Runtime.

One frame at a time it finds the same signs as `glosscast.decoding.decode_clip` finds in the whole recording.
"""

from collections.abc import Callable, Sequence
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import Bundle
from glosscast.decoding import Classify, SignEvent
from glosscast.keypoints import LEFT_HAND, POSE, PRESENCE, RIGHT_HAND, UPPER_BODY, X, Y
from glosscast.ranking import RankedGloss, confidence, ranked
from service.access.rates import Bucket
from service.protocol.codes import ErrorCode
from service.protocol.messages import Alternative, Config, Final, Input, Interim, Landmarks, Point, SignStarted, Start
from service.protocol.wire import FrameFault

LANDMARKS_S = 1 / 8  # between two landmarks messages
VISIBLE = 0.5  # visibility from which a pose point is drawn
DIGITS = 4  # of a coordinate; more is noise

Clock = Callable[[], float]
Event = SignStarted | Interim | Final


def inputs_of(bundle: Bundle) -> list[Input]:
    """The inputs that streams may send; a model that looks at pictures cannot read keypoints alone."""
    return ["frames"] if bundle.crop else ["frames", "keypoints"]


def effective_config(start: Start, bundle: Bundle) -> Config:
    """The config in effect for a client's `start`."""
    return Config(
        input=start.input,
        interim=start.interim,
        top_k=min(start.top_k, len(bundle.vocabulary)),
        landmarks=start.landmarks,
        aspect=start.aspect if start.input == "keypoints" else None,
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
    """

    def __init__(
        self,
        bundle: Bundle,
        classify: Classify,
        config: Config,
        clock: Clock = monotonic,
        has_capacity: Callable[[], bool] = lambda: True,
    ) -> None:
        self.signs = 0
        self._bundle = bundle
        self._config = config
        self._clock = clock
        self._decoder = bundle.pipeline(classify).decoder(config.interim, has_capacity)

    def push(
        self,
        t_ms: float,
        keypoints: NDArray[np.float32],
        aspect: float,
        arrived_s: float,
        picture: NDArray[np.uint8] | None = None,
    ) -> list[Event]:
        """Read one frame.

        Args:
            t_ms: its time; later than the frame before.
            keypoints: (171, 4) in image coordinates, finite.
            aspect: frame width / height.
            arrived_s: when it came, by `clock`.
            picture: (S, S, 3) of the signer, for a model that looks at it.

        Raises:
            ValueError: time stands still or goes backwards.
        """
        return self._messages(self._decoder.push(t_ms, keypoints, aspect, picture), arrived_s)

    def finish(self, arrived_s: float) -> list[Event]:
        """Finish the sign that is under way, if any; frames may follow."""
        return self._messages(self._decoder.finish(), arrived_s)

    def _messages(self, events: Sequence[SignEvent], arrived_s: float) -> list[Event]:
        return [self._message(event, arrived_s) for event in events]

    def _message(self, event: SignEvent, arrived_s: float) -> Event:
        if event.probabilities is None:
            return SignStarted(segment=event.segment, t_ms=event.start_ms)
        best, *others = ranked(self._bundle.vocabulary, event.probabilities, self._config.top_k)
        if event.suppressed and self._bundle.vocabulary.no_sign is not None:
            best, others = self._no_sign(event.probabilities), [best, *others][: self._config.top_k - 1]
        times = {"start_ms": event.start_ms, "end_ms": event.end_ms}
        reading = {"segment": event.segment, "gloss": best.gloss, "confidence": best.confidence}
        if event.kind == "interim":
            return Interim.model_validate({"revision": event.revision, "stable": event.stable, **reading, **times})
        self.signs += 1
        return Final.model_validate(
            {
                **reading,
                **times,
                "alternatives": [Alternative(**other._asdict()) for other in others],
                "confusable_with": self._bundle.report.confusable_with(best.gloss),
                "latency_ms": round((self._clock() - arrived_s) * 1000, 1),
            }
        )

    def _no_sign(self, probabilities: NDArray[np.float32]) -> RankedGloss:
        """The "no sign" gloss, for a final that is not to be reported."""
        vocabulary = self._bundle.vocabulary
        assert vocabulary.no_sign is not None, "the manifest is checked for it"
        probability = float(probabilities[vocabulary.id(vocabulary.no_sign)])
        return RankedGloss(vocabulary.no_sign, confidence(probability))


class LandmarksFeed:
    """Makes landmarks messages of keypoints, at most one every `LANDMARKS_S`."""

    def __init__(self, clock: Clock = monotonic) -> None:
        self._clock = clock
        self._due_s = 0.0

    def push(self, t_ms: float, keypoints: NDArray[np.float32]) -> list[Landmarks]:
        """The message for one frame (171, 4), or none."""
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
            )
        ]


def _hand(points: NDArray[np.float32]) -> list[Point] | None:
    return [_point(p) for p in points] if (points[:, PRESENCE] > 0).all() else None


def _point(point: NDArray[np.float32]) -> Point:
    return round(float(point[X]), DIGITS), round(float(point[Y]), DIGITS)
