"""The two bounded queues of a stream: frames on their way in, messages on their way out.

Neither can grow, whatever the client does: old frames give way to new ones, and unsent messages that a newer one has
overtaken are replaced.
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
class Break:
    """The client wants the sign that is under way closed; `last` where the stream ends with it."""

    arrived_s: float
    last: bool = False


@dataclass(eq=False)
class _Slot:
    arrival: Arrival
    wish: Break | None  # made before this frame came


class Inbox:
    """Frames from the event loop to a worker thread; when full, the oldest frame goes.

    The client's wishes keep their place among the frames and are never dropped. Several with no frame left between
    them are one.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._changed = threading.Condition()
        self._slots: deque[_Slot] = deque()
        self._wish: Break | None = None  # made after all these frames came
        self._closed = False

    def put(self, arrival: Arrival) -> int:
        """Add a frame; the number of frames that had to go for it, 0 or 1."""
        with self._changed:
            self._slots.append(_Slot(arrival, self._wish))
            self._wish = None
            dropped = len(self._slots) > self._size
            if dropped:
                oldest = self._slots.popleft()
                self._slots[0].wish = self._slots[0].wish or oldest.wish
            self._changed.notify()
        return int(dropped)

    def put_break(self, wish: Break) -> None:
        """Add a wish after the frames that are there."""
        with self._changed:
            self._wish = wish
            self._changed.notify()

    def close(self) -> None:
        """Forget everything; who waits in `get` gets None."""
        with self._changed:
            self._closed = True
            self._slots.clear()
            self._changed.notify()

    def get(self) -> Arrival | Break | None:
        """The next frame or wish; blocks until there is one. None when closed."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._slots or self._wish)
            if self._closed:
                return None
            if not self._slots:
                wish, self._wish = self._wish, None
                return wish
            first = self._slots[0]
            if first.wish is not None:
                wish, first.wish = first.wish, None
                return wish
            return self._slots.popleft().arrival


class Outbox:
    """Messages to the client; belongs to the event loop.

    A newer interim or landmarks replaces an unsent one, a final its sign's unsent interim, and warnings of one code
    add up.
    """

    def __init__(self) -> None:
        self._messages: deque[ServerMessage] = deque()
        self._changed = asyncio.Event()
        self._finished = False

    def put(self, message: ServerMessage) -> bool:
        """Add a message; False where the client reads so slowly that there is no room."""
        if isinstance(message, StreamWarning):
            unsent = sum(m.count for m in self._messages if _overtakes(message, m) and isinstance(m, StreamWarning))
            message = message.model_copy(update={"count": message.count + unsent})
        kept = [m for m in self._messages if not _overtakes(message, m)]
        if len(kept) >= MAX_UNSENT:
            return False
        self._messages = deque([*kept, message])
        self._changed.set()
        return True

    def finish(self) -> None:
        """Nothing more will be put; `get` gives what is there and then None."""
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


def _overtakes(new: ServerMessage, old: ServerMessage) -> bool:
    if isinstance(old, Interim):
        return isinstance(new, Interim | Final)
    if isinstance(old, StreamWarning):
        return isinstance(new, StreamWarning) and new.code == old.code
    return isinstance(old, Landmarks) and isinstance(new, Landmarks)
