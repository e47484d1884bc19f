"""The routes of lexicons: signs that a caller teaches. A lexicon belongs to its key; no other can find out about it."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Annotated, Any, ParamSpec, TypeVar

from fastapi import APIRouter, Depends, Path, Request
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response

from glosscast.lexicon.reading import BundleRule, ReadingRule
from glosscast.lexicon.signs import MAX_EXAMPLES, LexiconError
from glosscast.lexicon.signs import TaughtSign as StoredSign
from service.access.auth import Caller
from service.access.keys import Role
from service.inference.engine import Engine
from service.lexicons.lexicons import Lexicons
from service.lexicons.store import StoreError
from service.problems import ProblemError, described, sentence
from service.rest import teaching
from service.rest.authorisation import ACCESS_PROBLEMS, Authorised
from service.rest.bodies import read_json
from service.rest.clips import disconnect_of
from service.rest.schemas import (
    ExampleMotion,
    LexiconList,
    LexiconName,
    LexiconSummary,
    NewGloss,
    NewLexicon,
    TaughtSign,
    TaughtSigns,
    TeachingAnswer,
)
from service.rest.uploads import FIELD, read_form, read_upload
from service.state import RETRY_S, engine_of, state_of

log = logging.getLogger("glosscast.service")

router = APIRouter(prefix="/v1/lexicons", tags=["lexicons"])

Reader = Annotated[Caller, Depends(Authorised())]
Editor = Annotated[Caller, Depends(Authorised(Role.TEACH))]
Name = Annotated[LexiconName, Path(description="of the lexicon")]
Gloss = Annotated[str, Path(description="name of the sign, whatever its capitals")]
ExampleId = Annotated[str, Path(description="of the example")]
Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

STORE_PROBLEMS = ("lexicons_off", "lexicons_busy", "lexicons_damaged", "lexicons_failed")
LEXICON_PROBLEMS = (*STORE_PROBLEMS, "unknown_lexicon", "other_bundle")
LISTING = described(*ACCESS_PROBLEMS, *STORE_PROBLEMS)
READING = described(*ACCESS_PROBLEMS, *LEXICON_PROBLEMS, "invalid_request", "not_ready")
FORM = ("malformed_form", "upload_timeout", "too_large", "unsupported_media", "invalid_request")
CHANGING = (*ACCESS_PROBLEMS, *LEXICON_PROBLEMS, "disk_full", "invalid_request", "not_ready")
CLIPS = ("out_of_memory", "undecodable", "too_long", "no_signer", "no_shoulders", "no_hands", "tracker_failed")
NPZ = "application/octet-stream"


def form_of(fields: dict[str, str], files: str, several: bool = False) -> dict[str, Any]:
    """The description of a form: texts by their names, all but the first optional, and files."""
    file: dict[str, Any] = {"type": "string", "format": "binary"}
    whole = {"type": "array", "items": file, "minItems": 1, "maxItems": MAX_EXAMPLES} if several else file
    texts = {name: {"type": "string", "description": text} for name, text in fields.items()}
    schema = {
        "type": "object",
        "required": [*list(fields)[:1], FIELD],
        "additionalProperties": False,
        "properties": texts | {FIELD: {**whole, "description": files}},
    }
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}


def json_of(model: type[NewLexicon] | type[NewGloss]) -> dict[str, Any]:
    """The description of a body in JSON."""
    content = {"application/json": {"schema": model.model_json_schema()}}
    return {"requestBody": {"required": True, "content": content}}


def lexicons_for(request: Request) -> Lexicons:
    """The lexicons that the service keeps.

    Raises:
        ProblemError: "lexicons_off".
    """
    lexicons = state_of(request).lexicons
    if lexicons is None:
        raise ProblemError("lexicons_off")
    return lexicons


async def rule_for(request: Request, caller: Caller, name: str | None, engine: Engine) -> ReadingRule:
    """The rule that reads with a caller's lexicon; without a name that of the bundle.

    Raises:
        ProblemError: the lexicon cannot be read with.
    """
    if name is None:
        return BundleRule(engine.bundle)
    rule, _ = await told(lexicons_for(request).rule, caller.name, name, engine)
    return rule


async def told(work: Callable[Arguments, Result], *arguments: Arguments.args, **named: Arguments.kwargs) -> Result:
    """What `work` returns, from a thread; its errors become problems.

    Raises:
        ProblemError: of the same code.
    """
    try:
        return await run_in_threadpool(work, *arguments, **named)
    except LexiconError as error:
        raise ProblemError(error.code, sentence(str(error))) from error
    except StoreError as error:
        log.error("lexicons: %s", error)
        headers = {"Retry-After": str(RETRY_S)} if error.code == "lexicons_busy" else None
        raise ProblemError(error.code, headers=headers) from error


@asynccontextmanager
async def at_work(request: Request) -> AsyncIterator[Engine]:
    """The engine, while it is used for a request."""
    engine = engine_of(request)
    with engine.used():
        yield engine


@router.get("", responses=LISTING)
async def list_lexicons(request: Request, caller: Reader) -> LexiconList:
    """The lexicons of the key."""
    found = await told(lexicons_for(request).store.summaries, caller.name)
    return LexiconList(lexicons=[teaching.summary_of(summary) for summary in found])


@router.post(
    "",
    status_code=201,
    responses=described(*CHANGING, "lexicon_exists", "too_many", "unsupported_media", "too_large", "upload_timeout"),
    openapi_extra=json_of(NewLexicon),
)
async def make_lexicon(request: Request, caller: Editor) -> LexiconSummary:
    """Make an empty lexicon; the body is JSON: `{"name": "mine"}`."""
    store = lexicons_for(request).store
    name = (await read_json(request, NewLexicon, state_of(request).settings.max_upload_s)).name
    await told(store.create, caller.name, name, engine_of(request).bundle.id)
    return teaching.summary_of(await told(store.summary, caller.name, name))


@router.delete("/{name}", status_code=204, responses=described(*CHANGING))
async def delete_lexicon(request: Request, caller: Editor, name: Name) -> Response:
    """Forget a lexicon with all its signs; what was stored is overwritten."""
    await told(lexicons_for(request).delete, caller.name, name)
    return Response(status_code=204)


@router.get("/{name}/signs", responses=READING)
async def list_signs(request: Request, caller: Reader, name: Name) -> TaughtSigns:
    """The signs of a lexicon."""
    lexicons = lexicons_for(request)
    async with at_work(request) as engine:
        found = await told(lambda: [teaching.answer(k) for k in lexicons.signs(caller.name, name, engine)])
    return TaughtSigns(signs=found)


@router.post(
    "/{name}/signs",
    status_code=201,
    responses=described(*CHANGING, *FORM, *CLIPS, "bad_gloss", "too_many"),
    openapi_extra=form_of(
        {
            "gloss": "name of the sign; one that is there gets more examples",
            "language": "sign language, as its teacher calls it",
        },
        f"1 to {MAX_EXAMPLES} clips of the one sign: mp4, webm, mov, avi or mkv",
        several=True,
    ),
)
async def teach_sign(request: Request, caller: Editor, name: Name) -> TeachingAnswer:
    """Teach a sign from clips, each of which shows it once.

    All of them become examples, or none: the problem names the file that cannot be used. Of the clips normalised
    keypoints are stored, never pixels. All files of a request are together at most as large as one clip may be.
    """
    lexicons = lexicons_for(request)
    state = state_of(request)
    settings = state.settings
    engine_of(request)  # what can be refused is refused before the body is read
    await told(lexicons.version, caller.name, name)
    with state.upload():
        with state.tracing.span("upload") as span:
            form = await read_form(
                request, settings.max_upload_bytes, settings.max_upload_s, ("gloss", "language"), MAX_EXAMPLES
            )
            span.note(bytes=sum(len(file.content) for file in form.files))
        if "gloss" not in form.texts:
            raise ProblemError("invalid_request", "The form has no field 'gloss'.")
        sign = StoredSign(form.texts["gloss"], form.texts.get("language", ""))
        async with disconnect_of(request) as disconnected, state.classifier(), at_work(request) as engine:
            if disconnected.is_set():
                raise ClientDisconnect
            await told(lexicons.check_gloss, engine, sign.gloss)
            return await told(
                teaching.teach, lexicons, caller.name, name, engine, state, sign, form.files, disconnected
            )


# A gloss may have slashes in it, so addresses that go on after one come first.
@router.get("/{name}/signs/{gloss:path}/examples/{example}", responses=described(*CHANGING, "unknown_gloss"))
async def show_example(request: Request, caller: Reader, name: Name, gloss: Gloss, example: ExampleId) -> ExampleMotion:
    """The points of an example over time, for drawing a skeleton."""
    store = lexicons_for(request).store
    return await told(lambda: teaching.motion(store.example(caller.name, name, gloss, example)))


@router.delete(
    "/{name}/signs/{gloss:path}/examples/{example}",
    status_code=204,
    responses=described(*CHANGING, "unknown_gloss", "unknown_example"),
)
async def delete_example(request: Request, caller: Editor, name: Name, gloss: Gloss, example: ExampleId) -> Response:
    """Forget an example; a sign goes with its last one."""
    await told(lexicons_for(request).store.remove_example, caller.name, name, gloss, example)
    return Response(status_code=204)


@router.get("/{name}/signs/{gloss:path}", responses=READING | described("unknown_lexicon", "unknown_gloss"))
async def show_sign(request: Request, caller: Reader, name: Name, gloss: Gloss) -> TaughtSign:
    """One sign."""
    lexicons = lexicons_for(request)
    async with at_work(request) as engine:
        return teaching.answer(await told(lexicons.known, caller.name, name, engine, gloss))


@router.patch(
    "/{name}/signs/{gloss:path}",
    responses=described(
        *(*CHANGING, "unknown_gloss", "bad_gloss", "gloss_taken", "unsupported_media", "too_large", "upload_timeout")
    ),
    openapi_extra=json_of(NewGloss),
)
async def rename_sign(request: Request, caller: Editor, name: Name, gloss: Gloss) -> TaughtSign:
    """Give a sign another name; the body is JSON: `{"gloss": "new name"}`."""
    lexicons = lexicons_for(request)
    to = (await read_json(request, NewGloss, state_of(request).settings.max_upload_s)).gloss
    async with at_work(request) as engine:
        renamed = await told(lexicons.rename, caller.name, name, engine, gloss, to)
        return teaching.answer(renamed)


@router.delete("/{name}/signs/{gloss:path}", status_code=204, responses=described(*CHANGING, "unknown_gloss"))
async def delete_sign(request: Request, caller: Editor, name: Name, gloss: Gloss) -> Response:
    """Forget a sign with its examples; what was stored is overwritten."""
    await told(lexicons_for(request).store.remove, caller.name, name, gloss)
    return Response(status_code=204)


@router.get(
    "/{name}/export",
    response_class=Response,
    responses=READING | {200: {"description": "The file.", "content": {NPZ: {}}}},
)
async def export_lexicon(request: Request, caller: Reader, name: Name) -> Response:
    """A lexicon as a file for `--lexicon` of the command line, or for `import`."""
    lexicons = lexicons_for(request)
    state = state_of(request)
    with state.upload():  # it takes as much memory as one
        async with state.classifier(), at_work(request) as engine:
            content = await told(teaching.exported, lexicons, caller.name, name, engine)
    headers = {"Content-Disposition": f'attachment; filename="{name}.lexicon.npz"', "Cache-Control": "no-store"}
    return Response(content, media_type=NPZ, headers=headers)


@router.post(
    "/{name}/import",
    responses=described(*CHANGING, *FORM, "bad_file", "bad_gloss", "too_many"),
    openapi_extra=form_of({}, "a file that `export` or the command line wrote"),
)
async def import_lexicon(request: Request, caller: Editor, name: Name) -> LexiconSummary:
    """Make a lexicon of a file, or add its signs to one; the same example counts once. All is stored, or nothing."""
    lexicons = lexicons_for(request)
    state = state_of(request)
    settings = state.settings
    engine_of(request)
    with state.upload():
        content = await read_upload(request, settings.max_upload_bytes, settings.max_upload_s)
        async with state.classifier(), at_work(request) as engine:
            return await told(teaching.imported, lexicons, caller.name, name, engine, content)
