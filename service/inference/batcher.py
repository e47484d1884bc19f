"""One thread owns the model and batches windows across streams: many small inferences cost more than few large ones.

Nothing waits for a batch to fill. Requests queue up while one inference runs, and the next one takes the queue, one
window from each caller in turn, so that a long clip does not delay a live stream.

Interim results are optional: a stream skips one that would have to wait for longer than a budget. So when many people
sign, interims become rarer and finals do not become later.

Where the model is too slow even for the finals, all streams wait for it before they read on (`catch_up`). A stream that
waited alone, with its final queued here, would lose frames that the others do not lose.
"""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Window
from glosscast.decoding import Classify

SMOOTHING = 0.1  # weight of the newest inference in the mean duration of a window

Observe = Callable[[int, float], None]


def unobserved(windows: int, seconds: float) -> None:
    """Do nothing; for callers that need no figures."""


class BatcherClosedError(RuntimeError):
    """The service is shutting down; no more windows are read."""


class _Job:
    """The windows of one call, and those of their probabilities that have been computed."""

    def __init__(self, windows: Sequence[Window], observe: Observe) -> None:
        self.windows = windows
        self.observe = observe
        self.taken = 0  # windows handed to the model so far
        self._rows: dict[int, NDArray[np.float32]] = {}
        self.answer: Future[NDArray[np.float32]] = Future()

    def put(self, index: int, row: NDArray[np.float32]) -> None:
        self._rows[index] = row
        if len(self._rows) == len(self.windows):
            self.answer.set_result(np.stack([self._rows[i] for i in range(len(self.windows))]))


class Batcher:
    """Runs `model` in a thread of its own, from construction to `close`.

    Args:
        model: windows to readouts (len(windows), numbers), as `Recogniser.readout` gives them.
        max_batch: windows in one inference.
        max_waiting: windows that may wait; further callers block until some have been read.
        budget_s: the longest wait for which `has_capacity` is true.
        backlog_s: `catch_up` waits while windows of callers that have had none read need more time than this.
        observe: called with the size and the duration in s of each inference.
    """

    def __init__(
        self,
        model: Classify,
        max_batch: int,
        max_waiting: int = 1024,
        budget_s: float = 0.05,
        backlog_s: float = 0.25,
        observe: Observe = unobserved,
    ) -> None:
        self._model = model
        self._max_batch = max_batch
        self._max_waiting = max_waiting
        self._observe = observe
        self._budget_s = budget_s
        self._backlog_s = backlog_s
        self._window_s = 0.0
        self._reading = 0  # windows in the inference that is running
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._waiting = 0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="batcher", daemon=True)
        self._thread.start()

    def __call__(self, windows: Sequence[Window], observe: Observe = unobserved) -> NDArray[np.float32]:
        """Readouts (len(windows), numbers); blocks. For any number of threads at once, never for an event loop.

        Args:
            windows: to read.
            observe: called in the batcher's thread with the size and the duration in s of each inference with some of
                them.

        Raises:
            BatcherClosedError: the batcher is closed, or was before these windows were read.
            Exception: whatever the model raises for these windows.
        """
        if not windows:
            raise ValueError("there must be at least one window")
        job = _Job(windows, observe)
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting < self._max_waiting)
            if self._closed:
                raise BatcherClosedError("the batcher is closed")
            self._waiting += len(windows)
            self._jobs.append(job)
            self._changed.notify_all()
        return job.answer.result()

    def has_capacity(self) -> bool:
        """Whether an optional window would be read within the budget."""
        with self._changed:
            return (self._waiting + self._reading) * self._window_s <= self._budget_s

    def catch_up(self) -> None:
        """Wait while callers that have had no window read would keep the model busy for too long; blocks."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._behind())

    def _behind(self) -> bool:
        # Only the first window of a long clip counts, since later callers come before its other windows.
        return sum(job.taken == 0 for job in self._jobs) * self._window_s > self._backlog_s

    @property
    def waiting(self) -> int:
        """Windows that wait."""
        return self._waiting

    def close(self) -> None:
        """Finish the running inference, refuse waiting windows, and end the thread. A second call does nothing."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        self._thread.join()

    def _run(self) -> None:
        while batch := self._take():
            self._read(batch)
            with self._changed:
                self._reading = 0
        for job in self._jobs:
            job.answer.set_exception(BatcherClosedError("the batcher was closed"))

    def _take(self) -> list[tuple[_Job, int]]:
        """The next windows, as (job, index); empty when closed."""
        batch: list[tuple[_Job, int]] = []
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._jobs)
            if self._closed:
                return []
            while self._jobs and len(batch) < self._max_batch:
                job = self._jobs.popleft()
                batch.append((job, job.taken))
                job.taken += 1
                if job.taken < len(job.windows):
                    self._jobs.append(job)
            self._waiting -= len(batch)
            self._reading = len(batch)
            self._changed.notify_all()
        return batch

    def _read(self, batch: list[tuple[_Job, int]]) -> None:
        began = perf_counter()
        try:
            rows = self._model([job.windows[index] for job, index in batch])
            if len(rows) != len(batch):
                raise RuntimeError(f"{len(rows)} answers for {len(batch)} windows")
        except Exception as error:
            self._isolate(batch, error)
            return
        took_s = perf_counter() - began
        self._observe(len(batch), took_s)
        self._window_s += SMOOTHING * (took_s / len(batch) - self._window_s)
        for job in {job for job, _ in batch}:
            job.observe(len(batch), took_s)
        for (job, index), row in zip(batch, rows, strict=True):
            job.put(index, row)

    def _isolate(self, batch: list[tuple[_Job, int]], error: Exception) -> None:
        """Find the caller whose windows the model cannot read, so that the others in the batch do not fail with it."""
        jobs = {id(job): job for job, _ in batch}
        if len(jobs) > 1:
            for job in jobs.values():
                self._read([part for part in batch if part[0] is job])
            return
        job = batch[0][0]
        with self._changed:
            if job in self._jobs:
                self._jobs.remove(job)
                self._waiting -= len(job.windows) - job.taken
                self._changed.notify_all()
        job.answer.set_exception(error)
