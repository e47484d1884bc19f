"""Reads the one file of a multipart form into memory, within limits; nothing of it touches a disk."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from glosscast.video import MIB
from service.problems import ProblemError

FIELD = "file"
MAX_FRAMING = 16 * 1024  # bytes of a form that are not the file: boundaries, headers of the parts


async def read_upload(request: Request, max_bytes: int, max_s: float) -> bytes:
    """Content of the field `file`.

    Args:
        request: its body must not have been read.
        max_bytes: size of the file; reading stops there, whatever Content-Length says.
        max_s: time for the whole body to arrive, in seconds.

    Raises:
        ProblemError: "too_large", "unsupported_media", "malformed_form", "invalid_request" or
            "upload_timeout".
        ClientDisconnect: the client has gone.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise ProblemError("unsupported_media", f"Send the clip as multipart/form-data, in the field {FIELD}.")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > max_bytes + MAX_FRAMING:
        raise _too_large(max_bytes)
    try:
        async with asyncio.timeout(max_s):
            chunks = [chunk async for chunk in _limited(request, max_bytes)]
    except TimeoutError:
        raise ProblemError("upload_timeout") from None
    # Parsing and copying 50 MB would block the event loop, and with it every stream.
    content = await run_in_threadpool(_file_in, chunks, content_type)
    if len(content) > max_bytes:
        raise _too_large(max_bytes)
    return content


async def _limited(request: Request, max_bytes: int) -> AsyncIterator[bytes]:
    total = 0
    async for chunk in request.stream():
        total += len(chunk)
        if total > max_bytes + MAX_FRAMING:
            raise _too_large(max_bytes)
        yield chunk


def _file_in(body: Iterable[bytes], content_type: str) -> bytes:
    _, options = parse_options_header(content_type)
    form = _Form()
    try:
        parser = MultipartParser(
            options[b"boundary"],
            {
                "on_header_field": form.on_header_field,
                "on_header_value": form.on_header_value,
                "on_header_end": form.on_header_end,
                "on_headers_finished": form.on_headers_finished,
                "on_part_data": form.on_part_data,
                "on_end": form.on_end,
            },
        )
        for chunk in body:
            parser.write(chunk)
    except (KeyError, FormParserError):
        raise ProblemError("malformed_form") from None
    if not form.complete:
        raise ProblemError("malformed_form", "The form ends before its last boundary.")
    if not form.has_file:
        raise _no_file()
    return b"".join(form.content)


class _Form:
    """Receives the parser's callbacks, and raises a problem for anything but one file."""

    def __init__(self) -> None:
        self.content: list[memoryview] = []
        self.has_file = self.complete = False
        self._name = self._value = self._disposition = b""

    def on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def on_header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            self._disposition = self._value
        self._name = self._value = b""

    def on_headers_finished(self) -> None:
        _, options = parse_options_header(self._disposition)
        self._disposition = b""
        field = options.get(b"name", b"").decode(errors="replace")
        if field != FIELD:
            raise ProblemError("invalid_request", f"The form has a field {field[:50]!r}; it takes {FIELD!r} alone.")
        if b"filename" not in options:
            raise _no_file()
        if self.has_file:
            raise ProblemError("invalid_request", "The form has more than one file; send one clip at a time.")
        self.has_file = True

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self.content.append(memoryview(data)[start:end])

    def on_end(self) -> None:
        self.complete = True


def _no_file() -> ProblemError:
    return ProblemError("invalid_request", f"The form has no file in its field {FIELD}.")


def _too_large(max_bytes: int) -> ProblemError:
    return ProblemError("too_large", f"The file is larger than {max_bytes / MIB:g} MiB.")
