"""The endings of sessions and connections: the close code, and the error that is sent before."""

from dataclasses import dataclass

from glosscast.lexicon.signs import LexiconError
from glosscast.protocol import CloseCode
from service.problems import ProblemError
from service.protocol.codes import ErrorCode
from service.protocol.messages import Error


@dataclass(frozen=True)
class Ending:
    """The ending of a session or a connection.

    Attributes:
        code: close code; None where the client has gone.
        error: sent before the close.
        drain: whether waiting frames are still read, the open sign is finished and `ended` is sent.
    """

    code: int | None
    error: Error | None = None
    drain: bool = False


def _error(code: ErrorCode, message: str, retryable: bool, retry_after_s: float | None = None) -> Error:
    return Error(code=code, message=message, retryable=retryable, retry_after_s=retry_after_s)


DONE = Ending(CloseCode.DONE, drain=True)
CLIENT_GONE = Ending(None, drain=True)  # the client will not resume; its captions are still completed
SHUTTING_DOWN = Ending(
    CloseCode.SHUTTING_DOWN, _error(ErrorCode.SHUTTING_DOWN, "The service is shutting down.", True, 5.0), drain=True
)
EXPIRED = Ending(
    CloseCode.EXPIRED, _error(ErrorCode.SESSION_EXPIRED, "The session has expired; start a new one.", True), drain=True
)
IDLE = Ending(CloseCode.IDLE, _error(ErrorCode.IDLE, "Nothing was received for too long.", True), drain=True)
NO_SESSION = Ending(
    CloseCode.EXPIRED, _error(ErrorCode.NO_SESSION, "There is no such session to resume; start a new one.", True)
)
RESUMED_ERROR = _error(ErrorCode.RESUMED, "The session goes on over another connection.", False)
FULL = Ending(CloseCode.OVERLOADED, _error(ErrorCode.OVERLOADED, "All places are taken; try again later.", True, 5.0))
KEY_FULL = Ending(
    CloseCode.TOO_MANY_STREAMS,
    _error(ErrorCode.TOO_MANY_STREAMS, "This key has as many streams open as it may have.", True, 5.0),
)
NO_TRACKER = Ending(
    CloseCode.OVERLOADED, _error(ErrorCode.OVERLOADED, "No tracker is free; try again later.", True, 5.0)
)
SLOW_READER = Ending(CloseCode.OVERLOADED, _error(ErrorCode.SLOW_READER, "Messages are not read fast enough.", True))
INTERNAL_ERROR = _error(ErrorCode.INTERNAL, "Something went wrong in the service.", True)
INTERNAL = Ending(CloseCode.INTERNAL, INTERNAL_ERROR)
# These two end nothing.
TEACHING_NOT_ALLOWED = _error(ErrorCode.NOT_ALLOWED, "This key has not the role teach.", True)
LEXICON_REQUIRED = _error(ErrorCode.LEXICON_REQUIRED, "To teach a sign, name a lexicon in start.", True)


PICTURES_REQUIRED = Ending(
    CloseCode.BAD_MESSAGE,
    _error(
        ErrorCode.UNSUPPORTED_INPUT,
        "These signs are read from pictures, and keypoints alone are not enough: start with input frames.",
        False,
    ),
)


LEXICONS_OFF = Ending(
    CloseCode.BAD_MESSAGE,
    _error(ErrorCode.LEXICONS_OFF, "This service keeps no lexicons, so a stream cannot read with one.", False),
)
LEXICON_UNREADABLE = Ending(
    CloseCode.INTERNAL, _error(ErrorCode.LEXICON_UNREADABLE, "The lexicon cannot be read from its storage.", False)
)


def lexicon_refused(error: LexiconError) -> Ending:
    """The stream cannot read with the lexicon that its client named."""
    return Ending(CloseCode.BAD_MESSAGE, _error(ErrorCode[error.code.upper()], str(error), False))


def violation(message: str) -> Ending:
    """The client does not keep to the protocol, as `message` says."""
    return Ending(CloseCode.BAD_MESSAGE, _error(ErrorCode.BAD_MESSAGE, message, False))


def refused(problem: ProblemError) -> Ending:
    """The caller is not authorised, for the reason that `service.access.auth` gives."""
    again_s = problem.response.headers.get("retry-after")
    code = CloseCode.NOT_AUTHENTICATED if again_s is None else CloseCode.TOO_MANY_STREAMS
    error = _error(
        ErrorCode[problem.code.upper()],
        problem.detail,
        again_s is not None,
        None if again_s is None else float(again_s),
    )
    return Ending(code, error)


def too_big(max_bytes: int) -> Ending:
    """A message had more than `max_bytes`."""
    return Ending(
        CloseCode.TOO_BIG, _error(ErrorCode.FRAME_TOO_BIG, f"A message has at most {max_bytes} bytes.", False)
    )
