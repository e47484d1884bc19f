"""The parsing of a client's messages, and the two ways in which it fails."""

import json
import math
from dataclasses import dataclass
from typing import Annotated, Any, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from glosscast.keypoints import CHANNELS, POINTS
from glosscast.protocol import HEADER_LENGTH
from service.protocol.codes import ErrorCode
from service.protocol.messages import CLIENT_MESSAGES, ClientMessage, Input

MAX_TEXT_CHARS = 4096
MAX_HEADER_BYTES = 1024
KEYPOINT_BYTES = POINTS * CHANNELS * 4  # float32
MAX_COORDINATE = 100.0  # frame widths; a point that far away is damage, and its square must stay finite in the model

CLIENT_TYPES = ", ".join(get_args(model.model_fields["type"].annotation)[0] for model in CLIENT_MESSAGES)
_CLIENT_MESSAGE: TypeAdapter[ClientMessage] = TypeAdapter(Annotated[ClientMessage, Field(discriminator="type")])


class ProtocolViolation(Exception):  # noqa: N818 - it is the client's error, not ours
    """The client does not speak the protocol; the stream ends. The message is for the client."""


class FrameFault(Exception):  # noqa: N818
    """One frame cannot be used; it is left out and the stream goes on. The message is for the client."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


@dataclass(frozen=True, eq=False)
class FrameMessage:
    """A binary message: its number, its time in ms by the client's clock, and a picture or keypoints (171, 4)."""

    seq: int
    t_ms: float
    payload: bytes | NDArray[np.float32]


class _Header(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)

    seq: int = Field(ge=0)
    t_ms: float


def parse_text(text: str) -> ClientMessage:
    """A client's text message.

    Raises:
        ProtocolViolation: not JSON, or an unknown type or field, or a wrong value.
    """
    if len(text) > MAX_TEXT_CHARS:
        raise ProtocolViolation(f"a text message has at most {MAX_TEXT_CHARS} characters")
    try:
        return _CLIENT_MESSAGE.validate_json(text)
    except ValidationError as error:
        raise ProtocolViolation(_explain(error)) from None


def parse_frame(data: bytes, kind: Input) -> FrameMessage:
    """A client's binary message; `service.protocol.messages` describes it.

    Raises:
        ProtocolViolation: malformed header, or a payload that cannot be keypoints by its size.
        FrameFault: a time or keypoints that are not finite.
    """
    if len(data) < HEADER_LENGTH.size:
        raise ProtocolViolation("a binary message starts with the length of its header, 4 bytes")
    (length,) = HEADER_LENGTH.unpack_from(data)
    end = HEADER_LENGTH.size + length
    if length > MAX_HEADER_BYTES or end > len(data):
        raise ProtocolViolation(f"header length {length} is beyond the message or {MAX_HEADER_BYTES} bytes")
    header = _parse_header(data[HEADER_LENGTH.size : end])
    if not math.isfinite(header.t_ms):
        raise FrameFault(ErrorCode.BAD_TIME, "t_ms must be a finite number")
    payload = data[end:]
    return FrameMessage(header.seq, header.t_ms, payload if kind == "frames" else _parse_keypoints(payload))


def _parse_header(data: bytes) -> _Header:
    try:
        # json, not pydantic: it also reads NaN and Infinity, which are one frame's fault and no violation.
        content: Any = json.loads(data)
    except (ValueError, RecursionError):
        raise ProtocolViolation("the header is not JSON") from None
    try:
        return _Header.model_validate(content)
    except ValidationError as error:
        raise ProtocolViolation(f"header: {_explain(error)}") from None


def _parse_keypoints(payload: bytes) -> NDArray[np.float32]:
    if len(payload) != KEYPOINT_BYTES:
        raise ProtocolViolation(
            f"keypoints are {POINTS} x {CHANNELS} float32, {KEYPOINT_BYTES} bytes, not {len(payload)}"
        )
    keypoints = np.frombuffer(payload, "<f4").reshape(POINTS, CHANNELS).astype(np.float32)
    if not np.all(np.abs(keypoints) <= MAX_COORDINATE):  # also false for NaN
        raise FrameFault(
            ErrorCode.BAD_KEYPOINTS, f"keypoints must be finite numbers, at most {MAX_COORDINATE:g} in size"
        )
    return keypoints


def _explain(error: ValidationError) -> str:
    """Pydantic's first error; it names the field and does not repeat the client's message at length."""
    first = error.errors(include_url=False, include_input=False)[0]
    if first["type"].startswith("union_tag"):
        return f"type must be one of {CLIENT_TYPES}"
    where = "".join(f"{part}: " for part in first["loc"])
    return (where + first["msg"].removeprefix("Value error, "))[:200]
