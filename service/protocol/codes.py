"""The codes of websocket `/v1/stream`, each with its meaning: why a stream closes, and what an `error` is about.

The whole lists; `/docs` shows them.
"""

from enum import IntEnum, StrEnum
from typing import Self

# A client closes with this code when it will not resume its session. It is not 1001, which proxies that stop send on
# behalf of clients that will.
CLIENT_CLOSED = 1000


class CloseCode(IntEnum):
    """Why the server closes a stream."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """A code that knows its meaning."""
        member = int.__new__(cls, code)
        member._value_, member.meaning = code, meaning
        return member

    DONE = 1000, "The client said stop; everything was read."
    SHUTTING_DOWN = 1001, "The service is shutting down."
    TOO_BIG = 1009, "A message was larger than max_frame_bytes."
    INTERNAL = 1011, "Something went wrong in the service."
    OVERLOADED = 1013, "The service has no place or no tracker free, or the client does not read what it is sent."
    BAD_MESSAGE = 4000, "The client does not keep to the protocol; the error before says how."
    NOT_AUTHENTICATED = 4001, "There is no key or token, or none that may open streams; the error before says which."
    EXPIRED = 4008, "The session lasted as long as a session may, or there is none to resume."
    RESUMED = 4009, "The session goes on over another connection."
    TOO_MANY_STREAMS = 4029, "The key has as many streams open as it may have, or asks too often."
    IDLE = 4031, "Nothing was received for too long."


class ErrorCode(StrEnum):
    """What an `error` message is about."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """A code that knows its meaning."""
        member = str.__new__(cls, code)
        member._value_, member.meaning = code, meaning
        return member

    BAD_TIME = "bad_time", "A frame's t_ms is not finite, or not after that of the frame before; the frame is left out."
    BAD_KEYPOINTS = (
        "bad_keypoints",
        "A frame's keypoints are not finite or far from any picture; the frame is left out.",
    )
    UNDECODABLE = "undecodable", "A frame is no JPEG, WebP or PNG picture that can be decoded; it is left out."
    TOO_LARGE = "too_large", "A frame's picture has more pixels than the service takes; it is left out."
    OUT_OF_MEMORY = "out_of_memory", "There is not enough memory to decode a frame's picture; it is left out."
    BAD_MESSAGE = "bad_message", "The client does not keep to the protocol; the stream ends with 4000."
    UNSUPPORTED_INPUT = (
        "unsupported_input",
        "The model cannot read such input, see `inputs` of `GET /v1/bundle`; the stream ends with 4000.",
    )
    FRAME_TOO_BIG = "frame_too_big", "A message is larger than max_frame_bytes; the stream ends with 1009."
    NOT_AUTHENTICATED = (
        "not_authenticated",
        "There is no key, or the key or token is not known, has expired or was used; the stream ends with 4001.",
    )
    NOT_ALLOWED = "not_allowed", "The key may not open streams; the stream ends with 4001."
    TOO_MANY_REQUESTS = "too_many_requests", "The key asks too often; the stream ends with 4029."
    TOO_MANY_STREAMS = (
        "too_many_streams",
        "The key has as many streams open as it may have; this one ends with 4029.",
    )
    OVERLOADED = (
        "overloaded",
        "All places are taken, or no tracker is free for another stream of pictures; this one ends with 1013.",
    )
    SLOW_READER = "slow_reader", "The client does not read what it is sent; the stream ends with 1013."
    IDLE = "idle", "Nothing was received for too long; the stream ends with 4031."
    SESSION_EXPIRED = "session_expired", "The session lasted as long as a session may; the stream ends with 4008."
    NO_SESSION = (
        "no_session",
        "There is no such session to resume: it has ended, or the token is not its own; the stream ends with 4008.",
    )
    RESUMED = "resumed", "The session goes on over another connection; this one ends with 4009."
    SHUTTING_DOWN = "shutting_down", "The service is shutting down; the stream ends with 1001."
    INTERNAL = "internal", "Something went wrong in the service; the stream ends with 1011."
