"""The REST interface: a clip to a gloss, the bundle's description, and what monitoring asks."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from time import perf_counter
from typing import Annotated

from fastapi import APIRouter, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response

from glosscast.clip import Clip
from glosscast.decoding import NoSignerError, classify_clip
from glosscast.holistic import extract
from glosscast.keypoints import CHANNELS, POINTS
from glosscast.video import Frame, VideoError, VideoLimits, decode_video
from service.engine import Engine, Services, engine_of, services_of
from service.problems import ProblemError, described
from service.schemas import (
    BundleDescription,
    Classification,
    ClipLimits,
    GlossEntry,
    KeypointLayout,
    Prediction,
    Timings,
)
from service.session import ranked
from service.settings import Settings
from service.upload import FIELD, read_upload

router = APIRouter()

RETRY_S = 5  # for a client that is turned away; about the time that a clip takes
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "properties": {
                        FIELD: {"type": "string", "format": "binary", "description": "mp4, webm, mov, avi or mkv"}
                    },
                }
            }
        },
    }
}
CLASSIFY_PROBLEMS = described(
    *(
        "malformed_form",
        "upload_timeout",
        "too_large",
        "unsupported_media",
        "invalid_request",
        "undecodable",
        "too_long",
    ),
    *("no_signer", "too_many_requests", "not_ready"),
)


@router.post("/v1/classify", responses=CLASSIFY_PROBLEMS, openapi_extra=UPLOAD_BODY, tags=["recognition"])
async def classify(
    request: Request, top_k: Annotated[int, Query(ge=1, le=100, description="how many glosses to tell")] = 5
) -> Classification:
    """Read a recorded clip as one sign. The clip is kept in memory only, and only until the answer is sent."""
    engine, services = engine_of(request), services_of(request)
    settings = services.settings
    async with _place(services):
        data = await read_upload(request, settings.max_upload_bytes, settings.max_upload_s)
        async with services.classifying:
            return await run_in_threadpool(_classify, engine, services, data, top_k)


@asynccontextmanager
async def _place(services: Services) -> AsyncIterator[None]:
    """One of `max_uploads` places, taken before the body is read: that is what bounds the memory."""
    if services.uploads >= services.settings.max_uploads:
        raise ProblemError("too_many_requests", headers={"Retry-After": str(RETRY_S)})
    services.uploads += 1
    try:
        yield
    finally:
        services.uploads -= 1


def _classify(engine: Engine, services: Services, data: bytes, top_k: int) -> Classification:
    clip, timings = _keypoints(engine, services.settings, data)
    manifest, began = engine.bundle.manifest, perf_counter()
    try:
        found = classify_clip(clip, manifest.clip, manifest.segmenter, manifest.decoder, engine.classify)
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
        for best in ranked(engine.bundle, found, top_k)
    ]
    return Classification(
        bundle=engine.bundle.id,
        duration_ms=round(clip.duration_ms, 1),
        frames=len(clip.t_ms),
        predictions=predictions,
        timings_ms=timings,
    )


def _keypoints(engine: Engine, settings: Settings, data: bytes) -> tuple[Clip, Timings]:
    limits = VideoLimits(max_bytes=settings.max_upload_bytes, max_duration_s=settings.max_clip_s)
    began = perf_counter()
    try:
        frames = _Timed(decode_video(data, engine.bundle.manifest.clip.fps, limits), perf_counter() - began)
        with engine.clip_trackers.lease() as tracker:
            leased = perf_counter()
            clip = extract(frames, tracker)
            spent = perf_counter() - leased
    except VideoError as error:
        raise ProblemError(error.code, str(error)) from error
    inside = frames.seconds - frames.before
    return clip, Timings(decode=_ms(frames.seconds), keypoints=_ms(spent - inside), inference=0.0)


class _Timed(Iterator[Frame]):
    """Frames, and the time in s that it took to get them: `before` for opening the file, `seconds` in all."""

    def __init__(self, frames: Iterator[Frame], before: float) -> None:
        self._frames, self.before, self.seconds = frames, before, before

    def __next__(self) -> Frame:
        began = perf_counter()
        try:
            return next(self._frames)
        finally:
            self.seconds += perf_counter() - began


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 1)


@router.get("/v1/bundle", responses=described("not_ready"), tags=["recognition"])
async def bundle(request: Request) -> BundleDescription:
    """What the service recognises, and how well."""
    engine, settings = engine_of(request), services_of(request).settings
    manifest, report = engine.bundle.manifest, engine.bundle.report
    known = report.glosses
    return BundleDescription(
        name=manifest.name,
        version=manifest.version,
        task=manifest.task,
        vocabulary=[
            GlossEntry(
                gloss=gloss,
                signers=known[gloss].signers if gloss in known else None,
                accuracy=known[gloss].accuracy if gloss in known else None,
                clips=known[gloss].clips if gloss in known else 0,
                confusable_with=report.confusable_with(gloss),
            )
            for gloss in engine.bundle.vocabulary
        ],
        no_sign=manifest.no_sign,
        confusable=list(report.confusable),
        metrics=report.metrics,
        clip=manifest.clip,
        keypoints=KeypointLayout(
            layout=manifest.keypoints.layout,
            points=POINTS,
            channels=CHANNELS,
            normalisation=manifest.keypoints.normalisation,
            extractor=manifest.keypoints.extractor,
        ),
        limits=ClipLimits(max_upload_bytes=settings.max_upload_bytes, max_clip_s=settings.max_clip_s),
        providers=list(engine.recogniser.providers),
    )


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", tags=["monitoring"])
async def healthz() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=described("not_ready"), tags=["monitoring"])
async def readyz(request: Request) -> dict[str, str]:
    """Ready: the bundle is loaded and its golden check passed."""
    return {"status": "ready", "bundle": engine_of(request).bundle.id}


@router.get("/metrics", tags=["monitoring"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    return Response(services_of(request).metrics.text(), media_type=METRICS_TYPE)
