"""The parts of the protocol of websocket `/v1/stream` that the service and its clients share.

They are its address, its subprotocol, the codes with which a stream closes and the framing of binary messages. The
messages themselves are in `service.protocol`; `python -m service.typescript` writes the codes for the page.
"""

import json
import struct
from enum import IntEnum
from typing import Self

STREAM_PATH = "/v1/stream"
SUBPROTOCOL = "glosscast.v1"
HEADER_LENGTH = struct.Struct("<I")

# A client closes with this code when it will not resume its session. It is not 1001, which proxies that stop send on
# behalf of clients that will.
CLIENT_CLOSED = 1000


class CloseCode(IntEnum):
    """Why the server closes a stream."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        """A code that knows its meaning."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
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


def pack_frame(seq: int, t_ms: float, payload: bytes) -> bytes:
    """A frame as a binary message: its number, its time in ms, and a picture or keypoints."""
    header = json.dumps({"seq": seq, "t_ms": t_ms}).encode()
    return HEADER_LENGTH.pack(len(header)) + header + payload
