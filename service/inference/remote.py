"""Recognisers in other processes, behind the face that a `Batcher` has. Knows nothing of how they are reached.

Windows of streams that ask at the same time are batched where they are read, so that those of all front ends meet.
"""

import threading
from collections.abc import Callable, Sequence
from time import perf_counter

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from glosscast.clip import Window
from glosscast.manifest import Precision
from service.inference.batcher import SMOOTHING, BatcherClosedError, Observe, unobserved

Ask = Callable[[Sequence[Window]], NDArray[np.float32]]


class Facts(BaseModel):
    """What a recogniser says of itself.

    Attributes:
        bundle: name and version.
        sha256: of the manifest, which has those of all other files.
        providers: ONNX Runtime execution providers in use, best first.
        precision: what they compute in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    sha256: str
    providers: tuple[str, ...]
    precision: Precision


class Remote:
    """Asks recognisers elsewhere. Safe to call from several threads at once.

    Args:
        ask: windows to probabilities (len(windows), classes); blocks.
        facts: of the recognisers.
        budget_s: how long what can be left out may have to wait.
        observe: told the windows and the duration in s of each call.
    """

    def __init__(self, ask: Ask, facts: Facts, budget_s: float, observe: Observe) -> None:
        self._ask, self._budget_s, self._observe = ask, budget_s, observe
        self.providers, self.precision = facts.providers, facts.precision
        self._lock = threading.Lock()
        self._asked = 0  # windows that are under way
        self._window_s = 0.0
        self._closed = False

    def __call__(self, windows: Sequence[Window], observe: Observe = unobserved) -> NDArray[np.float32]:
        """Probabilities (len(windows), classes); blocks. Never for an event loop.

        Args:
            windows: to read.
            observe: told their number and the duration in s of the call, which includes the way there and back.

        Raises:
            BatcherClosedError: the service is shutting down.
            Exception: whatever the recogniser raises for these windows.
        """
        if not windows:
            raise ValueError("there must be at least one window")
        with self._lock:
            if self._closed:
                raise BatcherClosedError("the service is shutting down")
            self._asked += len(windows)
            asked = self._asked
        began = perf_counter()
        try:
            rows = self._ask(windows)
            took_s = perf_counter() - began
        finally:
            with self._lock:
                self._asked -= len(windows)
        # Little's law: while N are under way and each takes so long, one comes back every so-long / N. It counts in
        # what other front ends ask and how many recognisers there are, neither of which is known here.
        with self._lock:
            self._window_s += SMOOTHING * (took_s / asked - self._window_s)
        self._observe(len(windows), took_s)
        observe(len(windows), took_s)
        return rows

    def catch_up(self) -> None:
        """Return at once: what waits elsewhere is not known here."""

    def spare(self) -> bool:
        """Whether a window that could be left out would be read within the budget."""
        with self._lock:
            return self._asked * self._window_s <= self._budget_s

    def close(self) -> None:
        """Refuse windows from here on."""
        with self._lock:
            self._closed = True
