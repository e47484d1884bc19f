"""Recognisers in other processes, with the interface of a `Batcher`. This module does not know how they are reached.

Windows are batched where they are read, so that windows of all front ends share batches.
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
    """The properties of a recogniser that front ends need.

    Attributes:
        bundle: name and version.
        sha256: of the manifest, which has those of all other files.
        providers: ONNX Runtime execution providers in use, best first.
        precision: the precision in which they compute.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    bundle: str
    sha256: str
    providers: tuple[str, ...]
    precision: Precision


class Remote:
    """Asks recognisers elsewhere. Safe to call from several threads at once.

    Args:
        ask: windows to readouts (len(windows), numbers), as `Recogniser.readout` gives them; blocks.
        facts: of the recognisers.
        budget_s: the longest wait for which `has_capacity` is true.
        observe: called with the number of windows and the duration in s of each call.
    """

    def __init__(self, ask: Ask, facts: Facts, budget_s: float, observe: Observe) -> None:
        self._ask = ask
        self._budget_s = budget_s
        self._observe = observe
        self.providers = facts.providers
        self.precision = facts.precision
        self._lock = threading.Lock()
        self._asked = 0  # windows that are under way
        self._window_s = 0.0
        self._closed = False

    def __call__(self, windows: Sequence[Window], observe: Observe = unobserved) -> NDArray[np.float32]:
        """Readouts (len(windows), numbers); blocks. Never for an event loop.

        Args:
            windows: to read.
            observe: called with their number and the duration in s of the call, transport included.

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
        # Little's law: while N windows are under way and each takes T, one returns every T / N. This accounts for the
        # load of other front ends and the number of recognisers, neither of which is known here.
        with self._lock:
            self._window_s += SMOOTHING * (took_s / asked - self._window_s)
        self._observe(len(windows), took_s)
        observe(len(windows), took_s)
        return rows

    def catch_up(self) -> None:
        """Return at once, since the backlog of the recognisers is not known here."""

    def has_capacity(self) -> bool:
        """Whether an optional window would be read within the budget."""
        with self._lock:
            return self._asked * self._window_s <= self._budget_s

    def close(self) -> None:
        """Refuse windows from here on."""
        with self._lock:
            self._closed = True
