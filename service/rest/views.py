"""The captions of a session for others, who have its viewing token: as events, and as segments for video players."""

from collections.abc import AsyncIterator
from time import time
from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Query, Request
from fastapi.sse import EventSourceResponse, ServerSentEvent
from starlette.responses import Response

from service.access.auth import BEARER, bearer
from service.access.origins import check_origin
from service.live.views import View, Viewer, views_of
from service.problems import ProblemError, described
from service.rest import players
from service.state import state_of

router = APIRouter(tags=["captions"])

PLAYLIST_TYPE = "application/vnd.apple.mpegurl"
VTT_TYPE = "text/vtt; charset=utf-8"
LARGEST_NUMBER = 2**53
PROBLEMS = ("not_authenticated", "origin_not_allowed", "no_session", "invalid_request")

Token = Annotated[
    str | None, Query(alias="view", max_length=64, description="the viewing token, for clients that can send no header")
]
Origin = Annotated[
    int | None,
    Query(ge=0, le=LARGEST_NUMBER, description="Unix time in ms at which the timestamps of the player's video are 0"),
]


async def _view_of(request: Request, session: str, token: Token = None) -> View:
    """The view that the caller may read. `Authorization` takes the viewing token, before the query does.

    Raises:
        ProblemError: "origin_not_allowed", "not_authenticated" or "no_session".
    """
    check_origin(request, state_of(request).settings.allowed_origins)
    given = bearer(request.headers)
    if given is None:
        given = token
    if given is None:
        raise ProblemError("not_authenticated", "Authorization must have the viewing token of the session.", BEARER)
    view = views_of(request).find(session, given)
    if view is None:
        raise ProblemError("no_session")
    return view


# Dependencies that are no coroutines would run in threads, and views belong to the event loop.
Viewed = Annotated[View, Depends(_view_of)]


async def _viewer_of(
    request: Request,
    view: Viewed,
    last: Annotated[
        int, Header(alias="Last-Event-ID", ge=0, le=LARGEST_NUMBER, description="of the last event that was received")
    ] = 0,
) -> AsyncIterator[Viewer]:
    with views_of(request).watching(view, last) as viewer:
        yield viewer


@router.get(
    "/v1/sessions/{session}/events",
    response_class=EventSourceResponse,
    responses=described(*PROBLEMS, "too_many_requests", "not_ready"),
)
async def events(viewer: Annotated[Viewer, Depends(_viewer_of)]) -> AsyncIterator[ServerSentEvent]:
    """The captions of a session as server-sent events, from the first that is kept, for as long as they are kept.

    `Authorization` takes the viewing token, `view.token` of the session's `started`, and the address `view.session`. A
    client that connects again sends the header `Last-Event-ID` and misses no caption. The events are `started`,
    `sign_started`, `interim`, `final`, `no_sign` and `ended`; docs/reference/messages.md describes their data.
    """
    async for entry in viewer:
        number = None if entry.number is None else str(entry.number)
        yield ServerSentEvent(event=entry.event.type, id=number, raw_data=entry.event.model_dump_json())


@router.get(
    "/v1/sessions/{session}/captions.m3u8",
    response_class=Response,
    responses=described(*PROBLEMS) | {200: {"description": "The playlist.", "content": {PLAYLIST_TYPE: {}}}},
)
async def playlist(view: Viewed, token: Token = None, origin: Origin = None) -> Response:
    """The last minute of captions as a live HLS playlist of WebVTT segments, a rendition for video players."""
    query = {"view": token, "origin": None if origin is None else str(origin)}
    asked = {name: value for name, value in query.items() if value is not None}
    return Response(players.playlist(time(), asked), media_type=PLAYLIST_TYPE)


@router.get(
    "/v1/sessions/{session}/segment-{number}.vtt",
    response_class=Response,
    responses=described(*PROBLEMS, "not_found") | {200: {"description": "The segment.", "content": {VTT_TYPE: {}}}},
)
async def segment(
    view: Viewed, number: Annotated[int, Path(ge=0, le=LARGEST_NUMBER)], origin: Origin = None
) -> Response:
    """Two seconds of captions as WebVTT; one that the playlist does not list yet is not found."""
    if number > players.last_listed(time()):
        raise ProblemError("not_found")
    return Response(players.segment(number, view.finals(), origin or 0), media_type=VTT_TYPE)
