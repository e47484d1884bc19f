"""The transcripts of sessions, for their captions. They are kept in memory only, until a while after the end."""

import asyncio
import hmac
from collections import deque

from starlette.requests import HTTPConnection

from glosscast.captions import Caption
from service.protocol.messages import Final

MAX_CAPTIONS = 10_000  # of one session, the oldest go first; 0.2 KB each
MAX_KEPT = 1000  # sessions that have ended, the oldest go first


class Transcript:
    """The captions of one session.

    Args:
        session: its id.
        token: its secret.
        no_sign: the gloss that is left out, if there is one.
    """

    def __init__(self, session: str, token: str, no_sign: str | None) -> None:
        self.session = session
        self.token = token
        self.origin_ms = 0.0  # the client's time of its first frame
        self.ended = False
        self.captions: deque[Caption] = deque(maxlen=MAX_CAPTIONS)
        self._no_sign = no_sign

    def add(self, final: Final) -> None:
        """Add a final, unless it is "no sign"."""
        if final.gloss != self._no_sign:
            self.captions.append(Caption(final.start_ms, final.end_ms, final.gloss, final.confidence, final.utterance))


class Transcripts:
    """The transcripts of open sessions and of those that ended a short while ago, at `app.state.transcripts`.

    It belongs to the event loop.

    Args:
        keep_s: for how long a transcript is kept after the end of its session.
    """

    def __init__(self, keep_s: float) -> None:
        self._keep_s = keep_s
        self._open: dict[str, Transcript] = {}
        self._kept: dict[str, Transcript] = {}

    def open(self, transcript: Transcript) -> None:
        """A session has begun."""
        self._open[transcript.session] = transcript

    def close(self, transcript: Transcript) -> None:
        """A session has ended."""
        self._open.pop(transcript.session, None)
        transcript.ended = True
        if not transcript.captions:
            return  # so that empty sessions push out no others
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[transcript.session] = transcript
        asyncio.get_running_loop().call_later(self._keep_s, self._kept.pop, transcript.session, None)

    def find(self, session: str, token: str) -> Transcript | None:
        """A session's captions; None where there are none for this session and this token."""
        found = self._open.get(session) or self._kept.get(session)
        return found if found and hmac.compare_digest(found.token.encode(), token.encode()) else None


def transcripts_of(connection: HTTPConnection) -> Transcripts:
    """The transcripts of the application that a request or websocket belongs to."""
    transcripts: Transcripts = connection.app.state.transcripts
    return transcripts
