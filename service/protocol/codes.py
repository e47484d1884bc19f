"""The codes of `error` and `taught` messages of websocket `/v1/stream`, each with its meaning.

The lists are complete; `/docs` shows them. The codes with which a stream closes are in `glosscast.protocol`.
"""

from enum import StrEnum
from typing import Self


class _Code(StrEnum):
    """A code that knows its meaning."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """A code with its meaning."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member


class ErrorCode(_Code):
    """The subject of an `error` message."""

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
    LEXICONS_OFF = (
        "lexicons_off",
        "The service keeps no lexicons (`GLOSSCAST_LEXICONS`); a stream that asks for one ends with 4000.",
    )
    UNKNOWN_LEXICON = (
        "unknown_lexicon",
        "There is no such lexicon, or it is another key's, and the stream ends with 4000; where it was deleted while "
        "the stream read with it, the stream goes on with the signs of the bundle alone.",
    )
    OTHER_BUNDLE = "other_bundle", "No sign can be taught to the service's bundle; the stream ends with 4000."
    LEXICON_UNREADABLE = (
        "lexicon_unreadable",
        "The stored lexicon is damaged, or its storage fails, and the stream ends with 1011; one that reads with the "
        "lexicon already goes on with it as it was.",
    )
    LEXICON_REQUIRED = (
        "lexicon_required",
        "A sign is taught to a lexicon, and `start` named none; the stream goes on.",
    )
    BAD_GLOSS = (
        "bad_gloss",
        "A sign cannot have this name: it is empty, too long, or has characters that nobody can see, or the language "
        "is too long; nothing is taught, and the stream goes on.",
    )
    FRAME_TOO_BIG = "frame_too_big", "A message is larger than max_frame_bytes; the stream ends with 1009."
    NOT_AUTHENTICATED = (
        "not_authenticated",
        "There is no key, or the key or token is not known, has expired or was used; the stream ends with 4001.",
    )
    NOT_ALLOWED = (
        "not_allowed",
        "The key may not open streams, and the stream ends with 4001; or it may not teach, and the stream goes on.",
    )
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


class Refusal(_Code):
    """The reason for which a sign became no example."""

    NO_SIGNER = "no_signer", "Nobody was in view."
    NO_SHOULDERS = "no_shoulders", "Both shoulders were never in view at once."
    NO_HANDS = "no_hands", "No hand was found."
    SEVERAL_PEOPLE = "several_people", "Several people were in view, and it is not sure who signed."
    TOO_LONG = "too_long", "The sign took too long for an example."
    TOO_MANY = "too_many", "The sign has as many examples as it may have, or the lexicon as many signs."
    UNKNOWN_LEXICON = "unknown_lexicon", "The lexicon has been deleted."
    DISK_FULL = "disk_full", "There is no room to store it."
    NOT_STORED = "not_stored", "The storage of lexicons failed."
