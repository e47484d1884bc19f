"""Turns: the threads of all streams share one interpreter, and read their frames one after another.

Left to themselves, dozens of threads with frames to read fight for the interpreter's lock, which knows no order. The
event loop and the model's thread then wait among them, for tenths of a second, and so does every stream whose sign is
with the model, while its frames are dropped. Here one thread reads one frame, and next is who has read the fewest. What
is too much is taken from those who send most: who sends less than the others get read loses nothing.
"""

import heapq
import threading
from itertools import count


class Turns:
    """One thread at a time: who has had the fewest turns, and of several who has waited longest.

    Args:
        arrears: turns that a thread may catch up on when it was away, with the model or without frames. No more, so
            that one that is new or was away for long does not keep the others from theirs.
    """

    def __init__(self, arrears: int) -> None:
        self._arrears = arrears
        self._lock = threading.Lock()
        self._taken = False
        self._round = 0  # turns had by those who are not in arrears
        self._gates: list[tuple[int, int, threading.Lock]] = []  # a heap; each is held, for its thread to wait at
        self._comers = count()

    @property
    def waiting(self) -> int:
        """Threads that wait for their turn."""
        return len(self._gates)

    def begin(self, had: int) -> int:
        """Wait for this thread's turn, after so many that it had; how many it counts as having had now."""
        gate = None
        with self._lock:
            had = max(had, self._round - self._arrears)
            if self._taken:
                gate = threading.Lock()
                gate.acquire()
                heapq.heappush(self._gates, (had, next(self._comers), gate))
            else:
                self._taken, self._round = True, max(self._round, had)
        if gate is not None:
            gate.acquire()
        return had + 1

    def end(self) -> None:
        """Give the turn to the thread that is next; nobody who comes just now can snatch it."""
        with self._lock:
            if self._gates:
                had, _, gate = heapq.heappop(self._gates)
                self._round = max(self._round, had)
                gate.release()
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
