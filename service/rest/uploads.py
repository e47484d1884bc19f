"""Reads multipart forms with files into memory, within limits; nothing of them touches a disk."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from glosscast.video import MIB
from service.problems import ProblemError
from service.rest.bodies import read_body

FIELD = "file"
MAX_FRAMING = 16 * 1024  # bytes of a form that are not its files: boundaries, headers of the parts, other fields
MAX_TEXT = 1024  # bytes of another field
MAX_NAME = 80  # characters of a file's name that are kept


@dataclass(frozen=True)
class File:
    """A file of a form.

    Attributes:
        name: as the client calls it.
        content: of the file.
    """

    name: str
    content: bytes


@dataclass(frozen=True)
class Form:
    """The content of a form.

    Attributes:
        texts: of the other fields, by their names.
        files: in their order; one at least.
    """

    texts: dict[str, str]
    files: tuple[File, ...]


async def read_upload(request: Request, max_bytes: int, max_s: float) -> bytes:
    """The one file of a form that has nothing else; see `read_form`."""
    return (await read_form(request, max_bytes, max_s)).files[0].content


async def read_form(
    request: Request, max_bytes: int, max_s: float, texts: Collection[str] = (), max_files: int = 1
) -> Form:
    """The content of a form with files in the field `file`.

    Args:
        request: its body must not have been read.
        max_bytes: size of all files together; reading stops there, whatever Content-Length says.
        max_s: time for the whole body to arrive, in seconds.
        texts: names of other fields that the form may have.
        max_files: number of files that it may have.

    Raises:
        ProblemError: "too_large", "unsupported_media", "malformed_form", "invalid_request", "too_many" or
            "upload_timeout".
        ClientDisconnect: the client has gone.
    """
    content_type = request.headers.get("content-type", "")
    if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
        raise ProblemError("unsupported_media", f"Send a file as multipart/form-data, in the field {FIELD}.")
    whose = "The file is" if max_files == 1 else "The files are together"
    too_large = ProblemError("too_large", f"{whose} larger than {max_bytes / MIB:g} MiB.")
    body = await read_body(request, max_bytes + MAX_FRAMING, max_s, too_large)
    # Parsing and copying 50 MB would block the event loop, and with it every stream.
    form = await run_in_threadpool(_parsed, body, content_type, texts, max_files)
    if sum(len(file.content) for file in form.files) > max_bytes:
        raise too_large
    return form


def _parsed(body: Iterable[bytes], content_type: str, texts: Collection[str], max_files: int) -> Form:
    _, options = parse_options_header(content_type)
    parts = _Parts(texts, max_files)
    try:
        parser = MultipartParser(
            options[b"boundary"],
            {
                "on_header_field": parts.on_header_field,
                "on_header_value": parts.on_header_value,
                "on_header_end": parts.on_header_end,
                "on_headers_finished": parts.on_headers_finished,
                "on_part_data": parts.on_part_data,
                "on_end": parts.on_end,
            },
        )
        for chunk in body:
            parser.write(chunk)
    except (KeyError, FormParserError):
        raise ProblemError("malformed_form") from None
    if not parts.complete:
        raise ProblemError("malformed_form", "The form ends before its last boundary.")
    if not parts.files:
        raise _no_file()
    return Form(
        {name: _text(name, b"".join(content)) for name, content in parts.texts.items()},
        tuple(File(part.name, b"".join(part.content)) for part in parts.files),
    )


@dataclass
class _FilePart:
    name: str
    content: list[memoryview] = field(default_factory=list)


class _Parts:
    """Receives the parser's callbacks, and raises a problem for anything that the form may not have."""

    def __init__(self, texts: Collection[str], max_files: int) -> None:
        self.files: list[_FilePart] = []
        self.texts: dict[str, list[memoryview]] = {}
        self.complete = False
        self._allowed = texts
        self._max_files = max_files
        self._name = self._value = self._disposition = b""
        self._content: list[memoryview] = []  # of the part that is being read

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
        name = options.get(b"name", b"").decode(errors="replace")
        if name == FIELD:
            self._content = self._new_file(options).content
        elif name not in self._allowed:
            names = " and ".join(map(repr, (FIELD, *self._allowed))) + (" alone" if not self._allowed else "")
            raise ProblemError("invalid_request", f"The form has a field {name[:50]!r}; it takes {names}.")
        elif name in self.texts:
            raise ProblemError("invalid_request", f"The form has the field {name!r} twice.")
        else:
            self._content = self.texts[name] = []

    def _new_file(self, options: dict[bytes, bytes]) -> _FilePart:
        if b"filename" not in options:
            raise _no_file()
        if len(self.files) == self._max_files:
            if self._max_files == 1:
                raise ProblemError("invalid_request", "The form has more than one file; send one at a time.")
            raise ProblemError("too_many", f"The form has more than {self._max_files} files.")
        self.files.append(_FilePart(options[b"filename"].decode(errors="replace")[:MAX_NAME]))
        return self.files[-1]

    def on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._content.append(memoryview(data)[start:end])

    def on_end(self) -> None:
        self.complete = True


def _text(name: str, content: bytes) -> str:
    if len(content) > MAX_TEXT:
        raise ProblemError("invalid_request", f"The field {name!r} is longer than {MAX_TEXT} bytes.")
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise ProblemError("invalid_request", f"The field {name!r} is not in UTF-8.") from None


def _no_file() -> ProblemError:
    return ProblemError("invalid_request", f"The form has no file in its field {FIELD}.")
