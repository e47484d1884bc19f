"""Reads the bodies of requests into memory, within limits."""

import asyncio
from collections.abc import AsyncIterator
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from glosscast.faults import first_fault
from service.problems import ProblemError

MAX_JSON = 4096  # bytes

Content = TypeVar("Content", bound=BaseModel)


async def read_body(request: Request, max_bytes: int, max_s: float, too_large: ProblemError) -> list[bytes]:
    """The body of a request, in pieces.

    Args:
        request: its body must not have been read.
        max_bytes: reading stops there, whatever Content-Length says.
        max_s: time for it to arrive, in seconds.
        too_large: raised for a larger one.

    Raises:
        ProblemError: `too_large`, or "upload_timeout".
        ClientDisconnect: the client has gone.
    """
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes:
        raise too_large
    try:
        async with asyncio.timeout(max_s):
            return [chunk async for chunk in _limited(request, max_bytes, too_large)]
    except TimeoutError:
        raise ProblemError("upload_timeout") from None


async def read_json(request: Request, model: type[Content], max_s: float) -> Content:
    """The JSON of a request.

    Raises:
        ProblemError: "unsupported_media", "too_large", "upload_timeout" or "invalid_request".
        ClientDisconnect: the client has gone.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise ProblemError("unsupported_media", "Send JSON, as application/json.")
    too_large = ProblemError("too_large", f"The JSON is larger than {MAX_JSON} bytes.")
    body = b"".join(await read_body(request, MAX_JSON, max_s, too_large))
    try:
        return model.model_validate_json(body)
    except ValidationError as error:
        raise ProblemError("invalid_request", f"{first_fault(error)}.") from None


async def _limited(request: Request, max_bytes: int, too_large: ProblemError) -> AsyncIterator[bytes]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes:
            raise too_large
        yield chunk
