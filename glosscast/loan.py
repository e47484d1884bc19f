"""A lexicon's file, lent to a running service for as long as it is needed."""

import json
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError
from urllib.parse import urlsplit, urlunsplit
from urllib.request import Request, urlopen

from glosscast.protocol import STREAM_PATH

TIMEOUT_S = 60.0
NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")  # of a lexicon in the service
SCHEMES = {"ws": "http", "wss": "https"}


class LoanError(RuntimeError):
    """The service does not take the lexicon; the message gives the reason in one line."""


@contextmanager
def lent(url: str, lexicon: str, key: str | None = None) -> Iterator[str]:
    """A lexicon's name in the service.

    A file is imported under a name that no other lexicon has, which is deleted again at the end. Where there is no such
    file, it is the name of a lexicon that the service has.

    Args:
        url: of the service, as for `glosscast.client.caption`.
        lexicon: a path, or a name.
        key: where the service needs one; a file needs the role `teach`.

    Raises:
        LoanError: the service cannot be reached, or refuses the lexicon.
        OSError: the file cannot be read.
    """
    path = Path(lexicon)
    if not path.exists() and NAME.fullmatch(lexicon):
        yield lexicon
        return
    content = path.read_bytes()
    stem = re.sub(r"[^A-Za-z0-9._-]+", "-", path.name.removesuffix(".npz"))[:40]
    name = f"live-{stem}-{secrets.token_hex(4)}"
    at = f"{_base(url)}/v1/lexicons/{name}"
    boundary = secrets.token_hex(16)
    head = f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="{name}.npz"\r\n'
    kind = "Content-Type: application/octet-stream\r\n\r\n"
    body = (head + kind).encode() + content + f"\r\n--{boundary}--\r\n".encode()
    _send("POST", f"{at}/import", key, body, f"multipart/form-data; boundary={boundary}")
    try:
        yield name
    finally:
        with suppress(LoanError):  # whatever ended the loan is worth more to the caller
            _send("DELETE", at, key)


def _base(url: str) -> str:
    """Where the service's REST interface is.

    Raises:
        LoanError: the address is none of a service.
    """
    parts = urlsplit(url)
    scheme = SCHEMES.get(parts.scheme, parts.scheme)
    if scheme not in ("http", "https") or not parts.netloc:
        raise LoanError(f"{url}: not an address of the form http://HOST:PORT")
    return urlunsplit((scheme, parts.netloc, parts.path.rstrip("/").removesuffix(STREAM_PATH), "", ""))


def _send(method: str, url: str, key: str | None, body: bytes | None = None, content_type: str = "") -> None:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    headers |= {"Content-Type": content_type} if content_type else {}
    try:
        with urlopen(Request(url, body, headers, method=method), timeout=TIMEOUT_S):
            return
    except HTTPError as error:
        raise LoanError(_reason(error)) from error
    except (OSError, HTTPException) as error:
        raise LoanError(f"the service cannot be reached: {getattr(error, 'reason', error)}") from error


def _reason(error: HTTPError) -> str:
    """What the service says, or the status where it says nothing."""
    with suppress(ValueError, TypeError, KeyError, OSError, HTTPException):
        return str(json.loads(error.read())["detail"])
    return f"the service refuses the lexicon: {error.code} {error.reason}"
