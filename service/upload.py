"""Reads the one file of a multipart form into memory, within limits; nothing of it touches a disk."""

import asyncio
from collections.abc import AsyncGenerator

from starlette.datastructures import UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

from glosscast.video import MIB
from service.problems import ProblemError

FIELD = "file"
MAX_FRAMING = 16 * 1024  # bytes of a form that are not the file: boundaries, headers of the parts


class _InMemoryParser(MultiPartParser):
    spool_max_size = 0  # for SpooledTemporaryFile: never roll over to a file


async def read_upload(request: Request, max_bytes: int, max_s: float) -> bytes:
    """Content of the field `file`.

    Args:
        request: its body must not have been read.
        max_bytes: size of the file; reading stops there, whatever Content-Length says.
        max_s: time for the whole body to arrive, in seconds.

    Raises:
        ProblemError: "too_large", "unsupported_media", "malformed_form", "invalid_request" or "upload_timeout".
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "multipart/form-data":
        raise ProblemError("unsupported_media", f"Send the clip as multipart/form-data, in the field {FIELD}.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + MAX_FRAMING:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(max_s):
            body = _limited(request, max_bytes)
            form = await _InMemoryParser(request.headers, body, max_files=1, max_fields=8).parse()
    except TimeoutError:
        raise ProblemError("upload_timeout") from None
    except (MultiPartException, ClientDisconnect):
        raise ProblemError("malformed_form") from None
    file = form.get(FIELD)
    if not isinstance(file, UploadFile):
        raise ProblemError("invalid_request", f"The form has no file in its field {FIELD}.")
    if (file.size or 0) > max_bytes:
        raise _too_large(max_bytes)
    return await file.read()


async def _limited(request: Request, max_bytes: int) -> AsyncGenerator[bytes, None]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes + MAX_FRAMING:
            raise _too_large(max_bytes)
        yield chunk


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError("too_large", f"The file is larger than {max_bytes / MIB:g} MiB.")
