"""Turns: a fair lock that lets the threads of all streams read their frames one after another.

Without it, dozens of threads with frames to read compete for the interpreter's lock, which has no order. The event loop
and the model's thread then wait among them for tenths of a second, and so does every stream whose sign is with the
model, while its frames are dropped. With it, one thread reads one frame at a time, and the next one is the thread that
has read the fewest. Under overload the streams that send most lose frames: a stream that sends fewer frames than others
get read loses none.
"""

import heapq
import threading
from itertools import count


class Turns:
    """Gives the turn to one thread at a time: the one with the fewest turns, and among equals the longest waiting one.

    Args:
        arrears: turns that a thread may catch up on after it was busy with the model or had no frames. The number is
            limited so that a thread that is new or was idle for long does not starve the others.
    """

    def __init__(self, arrears: int) -> None:
        self._arrears = arrears
        self._lock = threading.Lock()
        self._taken = False
        self._round = 0  # turns of the threads that are not in arrears
        # A heap of (turns, order of arrival, a locked lock that the thread waits for).
        self._queue: list[tuple[int, int, threading.Lock]] = []
        self._arrivals = count()

    @property
    def waiting(self) -> int:
        """Threads that wait for their turn."""
        return len(self._queue)

    def begin(self, had: int) -> int:
        """Wait for this thread's turn, after `had` turns before; the number of turns that count for it now."""
        own = None
        with self._lock:
            had = max(had, self._round - self._arrears)
            if self._taken:
                own = threading.Lock()
                own.acquire()
                heapq.heappush(self._queue, (had, next(self._arrivals), own))
            else:
                self._taken = True
                self._round = max(self._round, had)
        if own is not None:
            own.acquire()
        return had + 1

    def end(self) -> None:
        """Give the turn to the thread that is next; a thread that arrives at this moment cannot take it first."""
        with self._lock:
            if self._queue:
                had, _, other = heapq.heappop(self._queue)
                self._round = max(self._round, had)
                other.release()
            else:
                self._taken = False


class Turn:
    """One thread's turns, each a `with` block."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._had = 0
        self._mine = False

    def __enter__(self) -> None:
        self._had = self._turns.begin(self._had)
        self._mine = True

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self) -> None:
        """End the turn before the block does; a second call does nothing."""
        if self._mine:
            self._mine = False
            self._turns.end()
