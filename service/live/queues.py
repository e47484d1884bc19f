"""The two bounded queues of a stream: frames from the client, and messages to it.

Neither can grow without bound, whatever the client does: when the queue of frames is full the oldest frame is dropped,
and an unsent message is replaced by a newer one that supersedes it.
"""

import asyncio
import threading
from collections import deque
from dataclasses import dataclass

from service.protocol.messages import Final, Interim, Landmarks, ServerMessage, StreamWarning
from service.protocol.wire import FrameMessage

MAX_UNSENT = 256  # messages that may not be replaced; a client that reads at all never comes near it


@dataclass(frozen=True, eq=False)
class Arrival:
    """A frame and when it came, in s of the monotonic clock."""

    frame: FrameMessage
    arrived_s: float


@dataclass(frozen=True)
class FinishSign:
    """A request to finish the sign that is under way; `last` where the stream ends with it."""

    arrived_s: float
    last: bool = False


@dataclass(frozen=True)
class Lesson:
    """The sign that the next signs of a stream are examples of."""

    gloss: str
    language: str


@dataclass(frozen=True)
class Teaching:
    """A request to make the next signs examples; `lesson` is None where they are none any more."""

    lesson: Lesson | None


Request = FinishSign | Teaching


@dataclass(eq=False)
class _Slot:
    arrival: Arrival
    requests: list[Request]  # that came before this frame


class FrameQueue:
    """Frames from the event loop to a worker thread; when it is full, the oldest frame is dropped.

    Requests keep their place among the frames. Those that change nothing, since no frame is left between them and
    another one, are left out; no others are dropped.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._slots: deque[_Slot] = deque()
        self._requests: list[Request] = []  # that came after all these frames
        self._closed = False

    def put(self, arrival: Arrival) -> int:
        """Add a frame; the number of frames that were dropped for it, 0 or 1."""
        with self._changed:
            self._slots.append(_Slot(arrival, self._requests))
            self._requests = []
            dropped = len(self._slots) > self._size
            if dropped:
                oldest = self._slots.popleft()
                first = self._slots[0]
                for request in first.requests:
                    _add(oldest.requests, request)
                first.requests = oldest.requests
            self._changed.notify()
        return int(dropped)

    def put_request(self, request: Request) -> None:
        """Add a request, after the frames that are there."""
        with self._changed:
            _add(self._requests, request)
            self._changed.notify()

    def close(self) -> None:
        """Drop everything; a thread that waits in `get` gets None."""
        with self._changed:
            self._closed = True
            self._slots.clear()
            self._changed.notify()

    def get(self) -> Arrival | Request | None:
        """The next frame or request; blocks until there is one. None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._slots or self._requests)
            if self._closed:
                return None
            requests = self._slots[0].requests if self._slots else self._requests
            return requests.pop(0) if requests else self._slots.popleft().arrival


def _add(requests: list[Request], new: Request) -> None:
    """Add a request to others without a frame between them; at most three remain.

    The first one to finish the sign leaves none to finish, and of two to teach that follow each other the last counts.
    """
    if isinstance(new, FinishSign):
        for index, request in enumerate(requests):
            if isinstance(request, FinishSign):
                requests[index] = new
                return
    elif requests and isinstance(requests[-1], Teaching):
        requests.pop()
    requests.append(new)


class MessageQueue:
    """Messages to the client; belongs to the event loop.

    A newer interim or landmarks message replaces an unsent one, a final replaces the unsent interim of its sign, and
    warnings of one code are added up.
    """

    def __init__(self) -> None:
        self._messages: deque[ServerMessage] = deque()
        self._changed = asyncio.Event()
        self._finished = False

    def put(self, message: ServerMessage) -> bool:
        """Add a message; False where the client reads so slowly that there is no room."""
        if isinstance(message, StreamWarning):
            unsent = sum(m.count for m in self._messages if _supersedes(message, m) and isinstance(m, StreamWarning))
            message = message.model_copy(update={"count": message.count + unsent})
        kept = [m for m in self._messages if not _supersedes(message, m)]
        if len(kept) >= MAX_UNSENT:
            return False
        self._messages = deque([*kept, message])
        self._changed.set()
        return True

    def finish(self) -> None:
        """Mark the end of the messages: `get` returns the remaining ones and then None."""
        self._finished = True
        self._changed.set()

    async def get(self) -> ServerMessage | None:
        """The next message; waits for one. None at the end."""
        while not self._messages:
            if self._finished:
                return None
            self._changed.clear()
            await self._changed.wait()
        return self._messages.popleft()


def _supersedes(new: ServerMessage, old: ServerMessage) -> bool:
    if isinstance(old, Interim):
        return isinstance(new, Interim | Final)
    if isinstance(old, StreamWarning):
        return isinstance(new, StreamWarning) and new.code == old.code
    return isinstance(old, Landmarks) and isinstance(new, Landmarks)
