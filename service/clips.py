"""An uploaded clip to glosses: the work of `POST /v1/classify`, in a thread of its own."""

from collections.abc import Iterator
from threading import Event
from time import perf_counter

from starlette.requests import ClientDisconnect

from glosscast.clip import Clip
from glosscast.decoding import NoSignerError, SignEvent, read_clip
from glosscast.holistic import extract
from glosscast.video import MIB, Frame, VideoError, VideoLimits
from service.decoder import Budget, decoding
from service.engine import Engine, Services
from service.problems import ProblemError
from service.schemas import Classification, ClipSign, Prediction, Timings
from service.session import ranked
from service.settings import Settings
from service.trackers import TrackerLostError


def classify(engine: Engine, services: Services, data: bytes, top_k: int, gone: Event) -> Classification:
    """Read a clip as one sign; blocks.

    Args:
        engine: what recognises.
        services: whose limits hold and whose metrics count.
        data: content of the file.
        top_k: how many glosses to tell.
        gone: set when nobody waits for the answer.

    Raises:
        ProblemError: the clip cannot be read.
        ClientDisconnect: `gone` was set.
    """
    clip, timings = _keypoints(engine, services.settings, data, gone)
    manifest, began = engine.bundle.manifest, perf_counter()
    try:
        reading = read_clip(
            clip,
            manifest.clip,
            manifest.segmenter,
            manifest.decoder,
            engine.classify,
            needs_signer=engine.bundle.needs_signer,
            tagging=engine.bundle.tagging,
        )
    except NoSignerError:
        raise ProblemError("no_signer") from None
    timings.inference = _ms(perf_counter() - began)
    services.metrics.stages.labels("decode").observe(timings.decode / 1000)
    services.metrics.stages.labels("keypoints").observe(timings.keypoints / 1000)
    predictions = [
        Prediction(
            gloss=best.gloss,
            confidence=best.confidence,
            confusable_with=engine.bundle.report.confusable_with(best.gloss),
        )
        for best in ranked(engine.bundle, reading.probabilities, top_k)
    ]
    return Classification(
        bundle=engine.bundle.id,
        duration_ms=round(clip.duration_ms, 1),
        frames=len(clip.t_ms),
        predictions=predictions,
        signs=[_sign(engine, event, float(clip.t_ms[0])) for event in reading.signs],
        timings_ms=timings,
    )


def _sign(engine: Engine, final: SignEvent, first_ms: float) -> ClipSign:
    assert final.probabilities is not None  # a final has them
    (best,) = ranked(engine.bundle, final.probabilities, 1)
    return ClipSign(
        gloss=best.gloss,
        confidence=best.confidence,
        start_ms=round(final.start_ms - first_ms, 1),
        end_ms=round(final.end_ms - first_ms, 1),
    )


def _keypoints(engine: Engine, settings: Settings, data: bytes, gone: Event) -> tuple[Clip, Timings]:
    limits = VideoLimits(max_bytes=settings.max_upload_bytes, max_duration_s=settings.max_clip_s)
    budget = Budget(settings.decode_s, settings.decode_mib * MIB)
    began = perf_counter()
    try:
        with decoding(data, engine.bundle.manifest.clip.fps, limits, budget) as decoded:
            frames = _Frames(decoded, perf_counter() - began, gone)
            with engine.clip_trackers.lease() as tracker:
                leased = perf_counter()
                clip = extract(frames, tracker, engine.bundle.new_crop())
                spent = perf_counter() - leased
    except TrackerLostError:
        raise ProblemError("tracker_failed", headers={"Retry-After": "1"}) from None
    except VideoError as error:
        raise ProblemError(error.code, str(error)) from error
    inside = frames.seconds - frames.before
    return clip, Timings(decode=_ms(frames.seconds), keypoints=_ms(spent - inside), inference=0.0)


class _Frames(Iterator[Frame]):
    """Frames as long as somebody waits, and the time in s to get them: `before` to open the file, `seconds` in all."""

    def __init__(self, frames: Iterator[Frame], before: float, gone: Event) -> None:
        self._frames, self.before, self.seconds, self._gone = frames, before, before, gone

    def __next__(self) -> Frame:
        if self._gone.is_set():
            raise ClientDisconnect
        began = perf_counter()
        try:
            return next(self._frames)
        finally:
            self.seconds += perf_counter() - began


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)
