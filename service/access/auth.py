"""The authorisation of callers, and the limits of their use.

A server sends its key with every request and websocket handshake: `Authorization: Bearer KEY`. A page cannot do that
for a websocket. It gets a token from `POST /v1/tokens` with the key and offers it as a subprotocol beside the
service's own: `new WebSocket(url, ["glosscast.v1", "bearer." + token])`. A token opens one stream, soon after it was
issued. Neither keys nor tokens are taken from an address, since addresses end up in logs.

Without keys, as on one's own machine, the service is open to everyone there and looks at none of this.
"""

import math
import socket
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from time import monotonic, time
from typing import Any

from starlette.requests import HTTPConnection

from service.access.keys import Key, KeyFile, KeyFileError, Role, find
from service.access.rates import Bucket
from service.access.tokens import SecretFileError, Tokens, read_secret
from service.problems import ProblemError
from service.settings import PREFIX, Settings

TOKEN_PREFIX = "bearer."
BEARER = {"WWW-Authenticate": "Bearer"}  # the scheme that a 401 demands
OPEN_DETAIL = "Without keys the service answers on the machine itself alone."


class AccessError(ValueError):
    """The service would be open to strangers, or a file for access is wrong; one line that names the setting."""


@dataclass(frozen=True)
class Caller:
    """The caller: the holder of a key, or anyone where there are no keys.

    Attributes:
        name: of the key.
        roles: of the key; all of them where there are no keys.
        max_streams: that the holder may have open at the same time.
        binding: the holder's tokens are bound to it, so that they end with the key.
    """

    name: str
    roles: frozenset[Role]
    max_streams: int
    binding: str = field(repr=False)


class Access:
    """Authorises callers.

    Args:
        settings: of the service.
        clock: monotonic seconds, for rates.
        wall_clock: seconds since 1970, for tokens.

    Raises:
        AccessError: there are no keys and the service would listen for others than this machine, or a file is wrong.
    """

    def __init__(
        self, settings: Settings, clock: Callable[[], float] = monotonic, wall_clock: Callable[[], float] = time
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._file: KeyFile | None = None
        self._buckets: dict[Key, Bucket] = {}
        if settings.api_keys_file is None and not is_loopback(settings.host):
            raise AccessError(
                f"{PREFIX}API_KEYS_FILE: without keys the service would be open to everyone who can reach "
                f"{settings.host}; make some with `python -m service keys add`, or listen on 127.0.0.1"
            )
        try:
            if settings.api_keys_file is not None:
                self._file = KeyFile(settings.api_keys_file)
            secret = read_secret(settings.token_secret_file) if settings.token_secret_file else None
        except KeyFileError as error:
            raise AccessError(f"{PREFIX}API_KEYS_FILE: {error}") from error
        except SecretFileError as error:
            raise AccessError(f"{PREFIX}TOKEN_SECRET_FILE: {error}") from error
        self._tokens = Tokens(secret, settings.token_s, wall_clock)

    def authorise(self, connection: HTTPConnection, role: Role | None) -> Caller:
        """The caller, where they may do this.

        Args:
            connection: a request, or a websocket that may carry a token instead of a key.
            role: the role that the caller's key must have; None where any key will do.

        Raises:
            ProblemError: "not_authenticated", "not_allowed" or "too_many_requests".
        """
        if self._file is None:
            return self._anyone(connection.scope.get("server"))
        keys = {key.name: key for key in self._file.current()}
        secret = bearer(connection.headers)
        key = self._by_token(connection.scope, keys) if secret is None else find(keys.values(), secret)
        if key is None:
            raise ProblemError("not_authenticated", headers=BEARER)
        if role is not None and role not in key.roles:
            raise ProblemError("not_allowed", f"This key has not the role {role}.")
        if secret is not None:  # a token was counted when it was issued
            self._count(key, keys)
        return Caller(key.name, key.roles, key.streams or self._settings.key_streams, key.sha256)

    def issue(self, caller: Caller) -> tuple[str, float]:
        """A token for one stream of the caller's, and when it expires, in seconds since 1970."""
        return self._tokens.issue(caller.name, caller.binding)

    def _anyone(self, server: tuple[str, int | None] | None) -> Caller:
        # Whatever the settings say, another program, such as uvicorn's own command, may listen for this application.
        if server is None or (server[1] is not None and not _is_loopback_address(server[0])):
            raise ProblemError("not_allowed", OPEN_DETAIL)
        return Caller("", frozenset(Role), self._settings.max_streams, "")

    def _by_token(self, scope: Mapping[str, Any], keys: Mapping[str, Key]) -> Key | None:
        token = _offered_token(scope.get("subprotocols", ()))
        holder = self._tokens.redeem(token, lambda name: keys[name].sha256 if name in keys else None)
        return None if holder is None else keys[holder]

    def _count(self, key: Key, keys: Mapping[str, Key]) -> None:
        per_minute = key.requests_per_minute or self._settings.key_requests_per_minute
        wait_s = self._buckets.setdefault(key, Bucket(per_minute / 60, per_minute)).take(self._clock())
        if len(self._buckets) > len(keys):  # the file has changed
            self._buckets = {known: bucket for known, bucket in self._buckets.items() if keys.get(known.name) == known}
        if wait_s:
            headers = {"Retry-After": str(math.ceil(wait_s))}
            raise ProblemError("too_many_requests", f"This key may ask {per_minute} times a minute.", headers)


def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach an address to listen on, or every address of a name."""
    try:
        found = {str(info[4][0]) for info in socket.getaddrinfo(host, None)}
    except (OSError, UnicodeError):
        return False
    return all(map(_is_loopback_address, found))


def _is_loopback_address(address: str) -> bool:
    try:
        return ip_address(address).is_loopback
    except ValueError:
        return False


def bearer(headers: Mapping[str, str]) -> str | None:
    """The bearer token of the header Authorization, "" for another scheme; None where there is no such header."""
    header = headers.get("authorization")
    if header is None:
        return None
    scheme, _, secret = header.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _offered_token(subprotocols: Iterable[str]) -> str:
    return next((p.removeprefix(TOKEN_PREFIX) for p in subprotocols if p.startswith(TOKEN_PREFIX)), "")
