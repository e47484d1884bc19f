"""Short-lived tokens for one stream each, for browsers: a page cannot send a key with a websocket's handshake.

A token is signed and contains its holder and its expiry, so that any replica with the same secret accepts it. The
replica that accepted it remembers it until it has expired, so that it is used once.
"""

import hmac
import secrets
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from time import time

MIN_SECRET = 32  # bytes
MAX_REMEMBERED = 10_000  # used tokens that have not expired; 0.2 KB each

_HEAD = struct.Struct(">d16s32s")  # expiry in seconds since 1970, a random number, the signature; the holder follows
_NONCE_BYTES = 16


class SecretFileError(ValueError):
    """The file with the secret will not do; the message names it and fits on one line."""


def read_secret(path: Path) -> bytes:
    """The content of the file, without white space around it.

    Raises:
        SecretFileError: it cannot be read or is too short.
    """
    try:
        secret = path.read_bytes().strip()
    except OSError as error:
        raise SecretFileError(f"{path}: {error.strerror}") from error
    if len(secret) < MIN_SECRET:
        raise SecretFileError(f"{path}: the secret has {len(secret)} bytes, at least {MIN_SECRET} are needed")
    return secret


class Tokens:
    """Issues tokens and accepts each of them once.

    Args:
        secret: signs them; without one, a random one, so that this replica accepts its own tokens only.
        lifetime_s: from issue to expiry.
        clock: seconds since 1970, the same on all replicas.
        max_remembered: used tokens that are remembered; when so many have not expired, no other is accepted.
    """

    def __init__(
        self,
        secret: bytes | None,
        lifetime_s: float,
        clock: Callable[[], float] = time,
        max_remembered: int = MAX_REMEMBERED,
    ) -> None:
        self._secret = secret or secrets.token_bytes(MIN_SECRET)
        self._lifetime_s = lifetime_s
        self._clock = clock
        self._max_remembered = max_remembered
        self._used: dict[bytes, float] = {}  # random number of a token: its expiry

    def issue(self, holder: str, binding: str) -> tuple[str, float]:
        """A token and its expiry.

        Args:
            holder: whose it is; readable in the token.
            binding: a text that must be the same when the token is used; not in the token.
        """
        expires = self._clock() + self._lifetime_s
        nonce = secrets.token_bytes(_NONCE_BYTES)
        content = _HEAD.pack(expires, nonce, self._sign(expires, nonce, holder, binding)) + holder.encode()
        return urlsafe_b64encode(content).decode().rstrip("="), expires

    def redeem(self, token: str, binding_of: Callable[[str], str | None]) -> str | None:
        """Whose token it is; None where it is no token, has expired, was used before or cannot be remembered.

        Args:
            token: as it came.
            binding_of: the binding for a holder, None for an unknown holder.
        """
        try:
            content = urlsafe_b64decode(token + "=" * (-len(token) % 4))
            expires, nonce, signature = _HEAD.unpack_from(content)
            holder = content[_HEAD.size :].decode()
        except (ValueError, struct.error):
            return None
        binding = binding_of(holder)
        if binding is None or not hmac.compare_digest(signature, self._sign(expires, nonce, holder, binding)):
            return None
        return holder if expires > self._clock() and self._use(nonce, expires) else None

    def _sign(self, expires: float, nonce: bytes, holder: str, binding: str) -> bytes:
        # The part without a fixed length comes last, and a binding has no NUL: two contents are never the same bytes.
        content = struct.pack(">d", expires) + nonce + binding.encode() + b"\0" + holder.encode()
        return hmac.digest(self._secret, content, "sha256")

    def _use(self, nonce: bytes, expires: float) -> bool:
        if nonce in self._used:
            return False
        if len(self._used) >= self._max_remembered:
            now = self._clock()
            self._used = {other: until for other, until in self._used.items() if until > now}
            if len(self._used) >= self._max_remembered:
                return False
        self._used[nonce] = expires
        return True
