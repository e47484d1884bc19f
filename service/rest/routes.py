"""The REST interface: a clip to a gloss, the bundle's description, and what monitoring asks."""

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from glosscast.keypoints import CHANNELS, POINTS
from service.access.auth import BEARER, Caller, bearer
from service.access.keys import Role
from service.access.origins import check_origin
from service.live.reader import inputs_of
from service.live.registry import registry_of
from service.live.transcripts import transcripts_of
from service.problems import ProblemError, described, sentence
from service.rest import classification
from service.rest.authorisation import ACCESS_PROBLEMS, Authorised
from service.rest.captions import CAPTION_FORMS, CaptionForm
from service.rest.clips import disconnect_of
from service.rest.lexicons import LEXICON_PROBLEMS, rule_for
from service.rest.schemas import (
    BundleDescription,
    Classification,
    ClassifyQuery,
    ClipLimits,
    ExampleMotion,
    GlossEntry,
    KeypointLayout,
    StreamToken,
)
from service.rest.teaching import motion
from service.rest.uploads import FIELD, read_upload
from service.state import RETRY_S, engine_of, state_of

router = APIRouter()

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"

UPLOAD_BODY = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": [FIELD],
                    "additionalProperties": False,
                    "properties": {
                        FIELD: {"type": "string", "format": "binary", "description": "mp4, webm, mov, avi or mkv"}
                    },
                }
            }
        },
    }
}
CAPTION_FILES: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {kind: {} for kind, _ in CAPTION_FORMS.values()}}
}
CLASSIFY_PROBLEMS = described(
    *ACCESS_PROBLEMS,
    *(
        "malformed_form",
        "upload_timeout",
        "too_large",
        "out_of_memory",
        "unsupported_media",
        "invalid_request",
        "undecodable",
        "too_long",
    ),
    *("no_signer", "tracker_failed", "not_ready"),
    *LEXICON_PROBLEMS,
)


@router.post(
    "/v1/classify",
    responses=CLASSIFY_PROBLEMS,
    openapi_extra=UPLOAD_BODY,
    tags=["recognition"],
)
async def classify(
    request: Request,
    caller: Annotated[Caller, Depends(Authorised(Role.CLASSIFY))],
    query: Annotated[ClassifyQuery, Query()],
) -> Classification:
    """Read a recorded clip as one sign, or as sentences where the bundle reads those.

    The clip is kept in memory only, and only until the answer is sent.
    """
    state = state_of(request)
    settings = state.settings
    await rule_for(request, caller, query.lexicon, engine_of(request))  # refuse before the body is read
    with state.upload():
        with state.tracing.span("upload") as span:
            data = await read_upload(request, settings.max_upload_bytes, settings.max_upload_s)
            span.note(bytes=len(data))
        async with disconnect_of(request) as disconnected, state.classifier():
            if disconnected.is_set():
                raise ClientDisconnect
            engine = engine_of(request)
            with engine.used():
                rule = await rule_for(request, caller, query.lexicon, engine)
                return await run_in_threadpool(
                    classification.classify, engine, state, data, query.top_k, disconnected, rule
                )


@router.post("/v1/tokens", responses=described(*ACCESS_PROBLEMS), tags=["access"])
async def tokens(request: Request, caller: Annotated[Caller, Depends(Authorised(Role.STREAM))]) -> StreamToken:
    """A token that opens one stream, for a page: offer the subprotocol `bearer.TOKEN` beside `glosscast.v1`."""
    token, expires = state_of(request).access.issue(caller)
    return StreamToken(token=token, expires_at=datetime.fromtimestamp(expires, UTC))


@router.get(
    "/v1/bundle",
    responses=described(*ACCESS_PROBLEMS, "not_ready"),
    tags=["recognition"],
    dependencies=[Depends(Authorised())],
)
async def bundle(request: Request) -> BundleDescription:
    """The bundle that the service recognises signs with, and its figures."""
    engine = engine_of(request)
    settings = state_of(request).settings
    manifest, report = engine.bundle.manifest, engine.bundle.report
    known = report.glosses
    return BundleDescription(
        name=manifest.name,
        version=manifest.version,
        task=manifest.task,
        vocabulary=[
            GlossEntry(
                gloss=gloss,
                signers=known[gloss].signers,
                accuracy=known[gloss].accuracy,
                clips=known[gloss].clips,
                confusable_with=report.confusable_with(gloss),
                example=gloss in engine.bundle.examples,
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
        inputs=inputs_of(engine.bundle),
        limits=ClipLimits(max_upload_bytes=settings.max_upload_bytes, max_clip_s=settings.max_clip_s),
        providers=list(engine.recogniser.providers),
        precision=engine.recogniser.precision,
    )


@router.get(
    "/v1/bundle/signs/{gloss:path}/example",
    responses=described(*ACCESS_PROBLEMS, "unknown_gloss", "unknown_example", "not_ready"),
    tags=["recognition"],
    dependencies=[Depends(Authorised())],
)
async def example(
    request: Request, gloss: Annotated[str, Path(description="of the bundle's vocabulary")]
) -> ExampleMotion:
    """The points of an example of a sign over time, for drawing a skeleton.

    `example` of `GET /v1/bundle` says of which signs there is one. Whose recordings they were made of is in the
    bundle's model card.
    """
    bundle = engine_of(request).bundle
    if gloss not in bundle.vocabulary:
        raise ProblemError("unknown_gloss", sentence(f"{gloss!r} is not in the vocabulary of {bundle.id}"))
    if gloss not in bundle.examples:
        raise ProblemError("unknown_example", sentence(f"{bundle.id} has no example of {gloss!r}"))
    return motion(bundle.examples[gloss])


@router.get(
    "/v1/sessions/{session}/captions.{form}",
    responses=described("not_authenticated", "origin_not_allowed", "no_session", "invalid_request") | CAPTION_FILES,
    tags=["captions"],
)
async def captions(request: Request, session: str, form: CaptionForm) -> Response:
    """The captions of a session as a file, while it lasts and for ten minutes after.

    `Authorization` takes the `token` of the session's `started` message. Times of WebVTT and SRT begin with the
    session's first frame. Hands that say nothing are left out.
    """
    state = state_of(request)
    check_origin(request, state.settings.allowed_origins)
    token = bearer(request.headers)
    if token is None:
        raise ProblemError("not_authenticated", "Authorization must have the session's token.", BEARER)
    found = transcripts_of(request).find(session, token)
    if found is None:
        raise ProblemError("no_session")
    kind, write = CAPTION_FORMS[form]
    return Response(write(found), media_type=kind, headers={"Cache-Control": "no-store"})


@router.head("/healthz", include_in_schema=False)
@router.get("/healthz", tags=["monitoring"])
async def healthz() -> dict[str, str]:
    """Alive."""
    return {"status": "ok"}


@router.head("/readyz", include_in_schema=False)
@router.get("/readyz", responses=described("not_ready"), tags=["monitoring"])
async def readyz(request: Request) -> dict[str, str]:
    """Ready: the bundle is loaded, its golden check passed, and the service is not stopping."""
    engine = engine_of(request)
    if registry_of(request).stopping:
        raise ProblemError("not_ready", headers={"Retry-After": str(RETRY_S)})
    return {"status": "ready", "bundle": engine.bundle.id}


@router.get("/metrics", tags=["monitoring"], response_class=Response, responses={200: {"content": {"text/plain": {}}}})
async def metrics(request: Request) -> Response:
    """Figures for Prometheus; needs no key, so a proxy should not pass it on."""
    return Response(state_of(request).metrics.text(), media_type=METRICS_TYPE)
