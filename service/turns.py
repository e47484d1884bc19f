"""Turns: the threads of all streams share one interpreter, and read their frames one after another.

Left to themselves, dozens of threads with frames to read fight for the interpreter's lock, which knows no order. The
event loop and the model's thread then wait among them, for tenths of a second, and so does every stream whose sign is
with the model, while its frames are dropped. Here one thread reads one frame and then stands behind the others. What is
too much is taken from those who send most: who sends less than the others get read loses nothing.
"""

import threading
from collections import deque


class Turns:
    """One thread at a time, first come, first served."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._gates: deque[threading.Lock] = deque()  # each held, for its thread to wait at

    @property
    def waiting(self) -> int:
        """Threads that wait for their turn."""
        return len(self._gates)

    def begin(self) -> None:
        """Wait for this thread's turn."""
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            gate = threading.Lock()
            gate.acquire()
            self._gates.append(gate)
        gate.acquire()

    def end(self) -> None:
        """Give the turn to the thread that has waited longest; nobody who comes just now can snatch it."""
        with self._lock:
            if self._gates:
                self._gates.popleft().release()
            else:
                self._taken = False


class Turn:
    """One thread's turns, each a `with` block."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self._mine = False

    def __enter__(self) -> None:
        self._turns.begin()
        self._mine = True

    def __exit__(self, *exception: object) -> None:
        self.end()

    def end(self) -> None:
        """End the turn before the block does; a second call does nothing."""
        if self._mine:
            self._mine = False
            self._turns.end()
