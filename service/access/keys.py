"""API keys: their holders, their roles, and the file that stores their hashes.

A key is 256 random bits, so one round of SHA-256 is enough: there is nothing to guess that a slow hash would protect.
The file is TOML, one table a key, and may be edited by hand:

    [[key]]
    name = "kiosk"
    roles = ["classify", "stream"]
    sha256 = "…"
    requests_per_minute = 60  # this and the next only where the service's own setting is not meant
    streams = 2
"""

import hashlib
import logging
import os
import secrets
import tomllib
from collections.abc import Iterable
from enum import StrEnum
from hmac import compare_digest
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from glosscast.faults import first_fault

log = logging.getLogger("glosscast.service")

PREFIX = "glosscast_"  # by which scanners for leaked secrets can know a key
KEY_BYTES = 32


class KeyFileError(ValueError):
    """The file of keys cannot be read or written; the message names it and fits on one line."""


class Role(StrEnum):
    """A use of keys."""

    CLASSIFY = "classify"
    STREAM = "stream"
    TEACH = "teach"


class Key(BaseModel):
    """An entry of the key file; it never holds the key itself."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")
    roles: frozenset[Role] = Field(min_length=1)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)
    requests_per_minute: int | None = Field(default=None, ge=1, le=1_000_000)
    streams: int | None = Field(default=None, ge=1, le=10_000)


class _Content(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    key: tuple[Key, ...] = ()

    @model_validator(mode="after")
    def _all_different(self) -> Self:
        for what in ("name", "sha256"):
            if len({getattr(key, what) for key in self.key}) < len(self.key):
                raise ValueError(f"two keys have the same {what}")
        return self


def read_keys(path: Path) -> tuple[Key, ...]:
    """The keys in a file.

    Raises:
        KeyFileError: it cannot be read, or something in it is wrong.
    """
    try:
        return _Content.model_validate(tomllib.loads(path.read_text(encoding="utf-8"))).key
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise KeyFileError(f"{path}: {first_fault(error)}") from None
    except ValueError as error:  # not TOML, or not UTF-8
        raise KeyFileError(f"{path}: {error}") from error


def find(keys: Iterable[Key], presented: str) -> Key | None:
    """The key that somebody presents, in constant time; None where it is not known."""
    digest = _hash(presented)
    found = None
    for key in keys:
        if compare_digest(key.sha256, digest):
            found = key
    return found


def add_key(
    path: Path, name: str, roles: Iterable[Role], requests_per_minute: int | None = None, streams: int | None = None
) -> str:
    """Make a key and append its hash to the file, which is made where there is none.

    Appends in place: a file that is mounted into a container by itself would not be seen anew after a replacement.

    Returns:
        The key. It is nowhere else, and cannot be found out again.

    Raises:
        KeyFileError: there is such a name already, the name or a limit will not do, or the file cannot be used.
    """
    secret = PREFIX + secrets.token_urlsafe(KEY_BYTES)
    limits = {"requests_per_minute": requests_per_minute, "streams": streams}
    try:
        key = Key.model_validate({"name": name, "roles": frozenset(roles), "sha256": _hash(secret), **limits})
    except ValidationError as error:
        raise KeyFileError(first_fault(error)) from None
    if path.exists() and any(other.name == name for other in read_keys(path)):
        raise KeyFileError(f"{path}: there is a key {name} already")
    try:
        # Hashes of random keys reveal nothing, but the names of their holders are private as well.
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600), "a", encoding="utf-8") as file:
            file.write(_table(key))
    except OSError as error:
        raise KeyFileError(f"{path}: {error.strerror}") from error
    return secret


def _table(key: Key) -> str:
    roles = ", ".join(f'"{role}"' for role in sorted(key.roles))
    lines = ["", "[[key]]", f'name = "{key.name}"', f"roles = [{roles}]", f'sha256 = "{key.sha256}"']
    limits = key.model_dump(include={"requests_per_minute", "streams"}, exclude_none=True)
    return "\n".join([*lines, *(f"{name} = {value}" for name, value in limits.items()), ""])


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


class KeyFile:
    """The keys in force: those of the file, read again whenever it changes.

    While the file is missing or wrong, for example because it is being written, the keys read last stay in force.

    Raises:
        KeyFileError: at the start, the file cannot be read or is wrong.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._state = self._look()
        self._keys = read_keys(path)

    def current(self) -> tuple[Key, ...]:
        """The keys in force now."""
        state = self._look()  # before reading, so that a change in between is seen next time
        if state != self._state:
            self._state = state
            try:
                self._keys = read_keys(self._path)
                log.info("API keys read again; there are %d", len(self._keys))
            except KeyFileError as error:
                log.error("API keys stay as they were: %s", error)
        return self._keys

    def _look(self) -> tuple[int, ...]:
        try:
            found = self._path.stat()
        except OSError:
            return ()
        return found.st_ino, found.st_size, found.st_mtime_ns
