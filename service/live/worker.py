"""The thread of one stream: takes frames from the inbox, finds keypoints, lets the session read them.

A thread each keeps a stream's frames in order and its tracker in one place, and a stream that is busy or stuck holds up
no other. The number of threads is bounded by the number of streams.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Window
from glosscast.holistic import Tracker
from glosscast.video import VideoError
from service.access.rates import Bucket
from service.inference.engine import Engine
from service.inference.turns import Turn
from service.live.queues import Arrival, Break, Inbox
from service.live.reader import LandmarksFeed, Session
from service.observe import logs
from service.observe.metrics import Metrics
from service.observe.tracing import Span, Step, batch
from service.processes.tracker import TrackedFrame, TrackerLostError, track_encoded
from service.protocol.codes import ErrorCode
from service.protocol.messages import Config, ServerMessage, StreamWarning
from service.protocol.wire import FrameFault

log = logging.getLogger("glosscast.service")

# A picture that brings its tracker down could do so with every frame, and a restart costs a second of a core.
RESTARTS_AT_ONCE = 3
RESTART_EVERY_S = 20.0

PICTURE_FAULTS = {"too_large": ErrorCode.TOO_LARGE, "out_of_memory": ErrorCode.OUT_OF_MEMORY}


@dataclass(frozen=True)
class Hooks:
    """How a worker speaks to its stream. Called in the worker's thread.

    Attributes:
        ready: the tracker is there, frames may come.
        messages: what the session says.
        fault: a frame could not be used.
        busy: no tracker is free; the worker ends.
        failed: something went wrong that is not the client's fault; the worker ends.
        ended: always called last, with the number of signs.
    """

    ready: Callable[[], None]
    messages: Callable[[list[ServerMessage]], None]
    fault: Callable[[FrameFault], None]
    busy: Callable[[], None]
    failed: Callable[[], None]
    ended: Callable[[int], None]


class Worker:
    """Reads one stream in a thread, until a last `Break` or the inbox's end."""

    def __init__(
        self, engine: Engine, metrics: Metrics, span: Span, config: Config, inbox: Inbox, hooks: Hooks
    ) -> None:
        self._engine, self._metrics, self._span = engine, metrics, span
        self._config, self._inbox, self._hooks = config, inbox, hooks
        self._turn = Turn(engine.turns)
        self._session = Session(engine.bundle, self._classify, config, spare=engine.classify.spare)
        self._crop = engine.bundle.new_crop()
        self._batches: list[Step] = []  # of the frame that is read now
        self._landmarks = LandmarksFeed()
        self._restarts = Bucket(1 / RESTART_EVERY_S, RESTARTS_AT_ONCE)
        self._thread = logs.thread(self._run, "stream")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        try:
            if self._config.input == "keypoints":
                self._read(None)
            else:
                self._read_pictures()
        except Exception:
            log.exception("a stream failed")
            self._hooks.failed()
        finally:
            self._hooks.ended(self._session.signs)

    def _read_pictures(self) -> None:
        pool = self._engine.stream_trackers
        try:
            tracker = pool.acquire(timeout=0)
        except TimeoutError:
            self._hooks.busy()
            return
        try:
            self._read(tracker)
        finally:
            pool.release(tracker)

    def _read(self, tracker: Tracker | None) -> None:
        self._hooks.ready()
        processed = self._metrics.frames_processed.labels(self._config.input)
        while (item := self._inbox.get()) is not None:
            queue = Step("queue", item.arrived_s, monotonic())
            self._batches.clear()
            if isinstance(item, Break):
                with self._turn:
                    found = self._session.finish(item.arrived_s)
                self._say_signs(found, queue)
                if item.last:
                    return
                continue
            self._metrics.stages.labels("queue").observe(queue.ended_s - queue.began_s)
            try:
                seen = self._look(item, tracker)
            except FrameFault as fault:
                self._hooks.fault(fault)
                continue
            except TrackerLostError:
                self._metrics.frames_dropped.labels("tracker_lost").inc()
                if self._restarts.take(monotonic()) > 0:
                    raise
                self._say([StreamWarning(code="tracker_restarted", count=1)])
                continue
            looked = Step("frame_keypoints", queue.ended_s, monotonic())
            t_ms = item.frame.t_ms
            if self._config.landmarks:
                self._say([*self._landmarks.push(t_ms, seen.keypoints)])
            with self._turn:
                self._engine.classify.catch_up()
                found = self._session.push(t_ms, seen.keypoints, seen.aspect, item.arrived_s, seen.crop)
            self._say_signs(found, queue, looked)
            processed.inc()

    def _classify(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        self._turn.end()  # others read while the model works
        return self._engine.classify(windows, observe=self._on_batch)

    def _on_batch(self, windows: int, seconds: float) -> None:
        self._batches.append(batch(windows, seconds))

    def _say_signs(self, messages: Sequence[ServerMessage], *before: Step) -> None:
        """Say what came of a frame or a break, after the steps that came before it was recognised.

        A span each for frames would be too many to keep: the one that ends a sign stands for them.
        """
        recognised = Step("recognition", before[-1].ended_s, monotonic(), tuple(self._batches))
        for message in messages:
            if message.type == "final":
                self._metrics.stages.labels("final").observe(message.latency_ms / 1000)
                parts = (*before, recognised)
                self._span.step(
                    Step("final", before[0].began_s, recognised.ended_s, parts, {"segment": message.segment})
                )
        self._say([*messages])

    def _say(self, messages: list[ServerMessage]) -> None:
        if messages:
            self._hooks.messages(messages)

    def _look(self, item: Arrival, tracker: Tracker | None) -> TrackedFrame:
        payload = item.frame.payload
        if tracker is None or not isinstance(payload, bytes):
            assert isinstance(payload, np.ndarray)
            assert self._config.aspect is not None
            return TrackedFrame(payload, self._config.aspect)
        try:
            with self._metrics.stage("frame_keypoints"):
                return track_encoded(tracker, payload, self._crop)
        except VideoError as error:
            raise FrameFault(PICTURE_FAULTS.get(error.code, ErrorCode.UNDECODABLE), str(error)) from error
