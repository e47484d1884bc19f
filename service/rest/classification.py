"""An uploaded clip to glosses: the work of `POST /v1/classify`, in a thread of its own."""

import math
from collections.abc import Iterator
from functools import partial
from threading import Event
from time import monotonic

from starlette.requests import ClientDisconnect

from glosscast.clip import Clip
from glosscast.decoding import ClipReading, NoSignerError, SignEvent
from glosscast.holistic import extract
from glosscast.ranking import ranked
from glosscast.video import MIB, Frame, TimedFrames, VideoError, VideoLimits
from service.inference.engine import Engine
from service.observe.tracing import Span, Step, batch
from service.problems import ProblemError
from service.processes.clip_decoder import Budget, decoding
from service.processes.tracker import TrackerLostError
from service.rest.schemas import Classification, ClipSign, Prediction, Timings
from service.settings import Settings
from service.state import State

MAX_FPS = 240.0  # of a clip, on average; slow motion of phones


def classify(engine: Engine, state: State, data: bytes, top_k: int, disconnected: Event) -> Classification:
    """Read a clip as one sign; blocks.

    Args:
        engine: what recognises.
        state: of the application.
        data: content of the file.
        top_k: number of glosses in the answer.
        disconnected: set when the client has disconnected.

    Raises:
        ProblemError: the clip cannot be read.
        ClientDisconnect: `disconnected` was set.
    """
    with state.tracing.span("extraction") as span:
        clip, timings = _keypoints(engine, state.settings, data, disconnected, span)
    began = monotonic()
    with state.tracing.span("recognition") as span:
        reading = _read(engine, clip, span)
    timings.inference = _ms(monotonic() - began)
    state.metrics.stages.labels("decode").observe(timings.decode / 1000)
    state.metrics.stages.labels("keypoints").observe(timings.keypoints / 1000)
    predictions = [
        Prediction(
            gloss=best.gloss,
            confidence=best.confidence,
            confusable_with=engine.bundle.report.confusable_with(best.gloss),
        )
        for best in ranked(engine.bundle.vocabulary, reading.probabilities, top_k)
    ]
    return Classification(
        bundle=engine.bundle.id,
        duration_ms=round(clip.duration_ms, 1),
        frames=len(clip.t_ms),
        predictions=predictions,
        signs=[_sign(engine, event, float(clip.t_ms[0])) for event in reading.signs],
        timings_ms=timings,
    )


def _read(engine: Engine, clip: Clip, span: Span) -> ClipReading:
    def observe(windows: int, seconds: float) -> None:
        span.step(batch(windows, seconds))

    try:
        return engine.bundle.pipeline(partial(engine.classify, observe=observe)).read(clip)
    except NoSignerError:
        raise ProblemError("no_signer") from None


def _sign(engine: Engine, final: SignEvent, first_ms: float) -> ClipSign:
    assert final.probabilities is not None  # a final has them
    (best,) = ranked(engine.bundle.vocabulary, final.probabilities, 1)
    return ClipSign(
        gloss=best.gloss,
        confidence=best.confidence,
        start_ms=round(final.start_ms - first_ms, 1),
        end_ms=round(final.end_ms - first_ms, 1),
    )


def _keypoints(
    engine: Engine, settings: Settings, data: bytes, disconnected: Event, span: Span
) -> tuple[Clip, Timings]:
    limits = VideoLimits(
        max_bytes=settings.max_upload_bytes,
        max_duration_s=settings.max_clip_s,
        max_frames=math.ceil(settings.max_clip_s * MAX_FPS),
    )
    budget = Budget(settings.decode_s, settings.decode_mib * MIB)
    began = monotonic()
    try:
        with decoding(data, engine.bundle.manifest.clip.fps, limits, budget) as decoded:
            opened = monotonic()
            frames = _ClientFrames(decoded, opened - began, disconnected)
            with engine.clip_trackers.lease() as tracker:
                leased = monotonic()
                clip = extract(frames, tracker, engine.bundle.new_crop())
                ended = monotonic()
    except TrackerLostError:
        raise ProblemError("tracker_failed", headers={"Retry-After": "1"}) from None
    except VideoError as error:
        raise ProblemError(error.code, str(error)) from error
    between_s = frames.seconds - (opened - began)  # spent on frames while the tracker was leased
    timings = Timings(decode=_ms(frames.seconds), keypoints=_ms(ended - leased - between_s), inference=0.0)
    # A frame is decoded when the one before has been read, so the two steps alternate, each for its `busy_ms` in all.
    span.note(frames=len(clip.t_ms))
    span.step(Step("decode", began, ended, notes={"busy_ms": timings.decode}))
    span.step(Step("tracker", opened, leased))
    span.step(Step("keypoints", leased, ended, notes={"busy_ms": timings.keypoints}))
    return clip, timings


class _ClientFrames(TimedFrames):
    """Frames of a client's clip, until the client disconnects."""

    def __init__(self, frames: Iterator[Frame], seconds: float, disconnected: Event) -> None:
        super().__init__(frames, seconds)
        self._disconnected = disconnected

    def __next__(self) -> Frame:
        if self._disconnected.is_set():
            raise ClientDisconnect
        return super().__next__()


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
