"""Errors of the REST interface: RFC 9457 problem documents with a stable `code`, never an exception's own text."""

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

log = logging.getLogger("glosscast.service")

MEDIA_TYPE = "application/problem+json"
CLIENT_GONE = 499  # nginx's status for it; nobody reads the answer, but the metrics count it

# code: (status, meaning). The list is complete; `/docs` shows it.
CODES: dict[str, tuple[int, str]] = {
    "invalid_request": (422, "A parameter or field is missing, unknown or wrong; `detail` names it."),
    "malformed_form": (400, "The request body is not the multipart form that its header announces."),
    "too_large": (413, "The upload, or its picture, is larger than the service takes."),
    "unsupported_media": (
        415,
        "The file is no MP4, MOV, WebM, MKV or AVI video, or the request is not of the type that this takes.",
    ),
    "out_of_memory": (413, "Decoding the clip takes more memory than the service gives it; make its picture smaller."),
    "undecodable": (422, "The file is empty, damaged, cut off or holds no video."),
    "too_long": (422, "The clip is longer than the service takes."),
    "no_signer": (422, "Nobody is in view in the clip."),
    "no_shoulders": (422, "The shoulders of the person in the clip are not in view, so it cannot be an example."),
    "no_hands": (422, "No hand was found in the clip, so it cannot be an example of a sign."),
    "several_people": (422, "Several people are in view in the clip, and it is not sure who signs."),
    "bad_gloss": (422, "A sign cannot have this name: it is empty, too long, or has characters that nobody can see."),
    "too_many": (422, "These are more signs, examples, files or lexicons than there may be; `detail` says how many."),
    "bad_file": (422, "The file is no lexicon, is damaged, or is too large."),
    "unknown_lexicon": (404, "There is no such lexicon, or it is another key's."),
    "unknown_gloss": (404, "There is no such sign."),
    "unknown_example": (404, "The sign has no such example."),
    "lexicon_exists": (409, "There is a lexicon of this name already."),
    "gloss_taken": (409, "Another sign of the lexicon has this name already."),
    "other_bundle": (409, "No sign can be taught to the bundle that the service reads with."),
    "lexicons_off": (404, "The service keeps no lexicons, unless GLOSSCAST_LEXICONS says where."),
    "disk_full": (507, "The service has no room to store this; nothing has changed."),
    "lexicons_busy": (503, "Another program keeps changing the lexicons; nothing has changed, try again."),
    "lexicons_damaged": (
        500,
        "The file of the lexicons is damaged or of a later version; whoever runs the service can restore it.",
    ),
    "lexicons_failed": (500, "The file of the lexicons cannot be read or written; the log has the details."),
    "upload_timeout": (408, "The upload did not arrive in time."),
    "too_many_requests": (429, "Too many clips are under way, or the key asks too often; see Retry-After, in seconds."),
    "not_authenticated": (401, "The header Authorization with a key is missing, or the key is not known."),
    "not_allowed": (403, "The key has not the role that this takes."),
    "tracker_failed": (503, "What finds keypoints crashed or hung over this clip and was replaced; try again."),
    "not_ready": (503, "The service is starting or stopping; try again after Retry-After seconds."),
    "no_session": (404, "There are no captions of this session, or the token is not its own."),
    "origin_not_allowed": (403, "A page of another site may not use the service, unless it is set up for that."),
    "host_not_allowed": (421, "The service does not answer to this host name, unless it is set up for that."),
    "subprotocol_required": (400, "The websocket must offer the subprotocol glosscast.v1."),
    "not_found": (404, "There is nothing at this address."),
    "method_not_allowed": (405, "This address does not take that method."),
    "http_error": (400, "Another HTTP error; `status` tells which."),
    "internal": (500, "Something went wrong in the service. The log has the details."),
}


class Problem(BaseModel):
    """An RFC 9457 problem document."""

    type: str = Field(description="where the code is explained, relative to this service", examples=["/docs#too_large"])
    title: str
    status: int
    detail: str = Field(description="what happened, for a person to read")
    code: str = Field(description="stable, for a program to decide by")


class ProblemError(Exception):
    """Raise it to answer with a problem. `detail` is shown to the client; without one, the code's meaning is."""

    def __init__(self, code: str, detail: str | None = None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail or CODES[code][1]
        self.headers = headers
        self.response = problem(code, self.detail, headers=headers)


def sentence(text: str) -> str:
    """A message with a capital letter and a full stop, as a `detail` has them."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def problem(
    code: str, detail: str | None = None, status: int | None = None, headers: Mapping[str, str] | None = None
) -> JSONResponse:
    """The response for a code."""
    usual, meaning = CODES[code]
    status = status or usual
    document = Problem(
        type=f"/docs#{code}", title=HTTPStatus(status).phrase, status=status, detail=detail or meaning, code=code
    )
    return JSONResponse(document.model_dump(), status, headers, MEDIA_TYPE)


def described(*codes: str) -> dict[int | str, dict[str, Any]]:
    """`responses` of a route, for its OpenAPI description."""
    content = {MEDIA_TYPE: {"schema": Problem.model_json_schema()}}
    by_status: dict[int | str, dict[str, Any]] = {}
    for code in codes:
        status, meaning = CODES[code]
        entry = by_status.setdefault(status, {"description": "", "content": content})
        entry["description"] = f"{entry['description']} `{code}`: {meaning}".strip()
    return by_status


async def _on_problem(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ProblemError)
    return error.response


async def _on_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    code = {404: "not_found", 405: "method_not_allowed"}.get(error.status_code, "http_error")
    detail = None if code != "http_error" else f"{HTTPStatus(error.status_code).phrase}."
    return problem(code, detail, error.status_code, error.headers)


async def _on_invalid(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    first = error.errors()[0]
    return problem("invalid_request", f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}.")


async def _on_gone(request: Request, error: Exception) -> Response:
    return Response(status_code=CLIENT_GONE)


def install(app: FastAPI) -> None:
    """Make every error of an application a problem."""
    app.add_exception_handler(ProblemError, _on_problem)
    app.add_exception_handler(HTTPException, _on_http)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(ClientDisconnect, _on_gone)
    app.add_middleware(_Unexpected)


class _Unexpected:
    """ASGI middleware for errors that nobody foresaw; inside the others, so that they count and complete its answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except Exception:
            log.exception("unexpected error")
            if started:
                raise  # half an answer is out; the server breaks the connection
            await problem("internal")(scope, receive, send)
