"""The thread of one stream: takes frames from the queue, finds keypoints and reads signs from them.

One thread for each stream keeps its frames in order and its tracker in one place, and a stream that is busy or stuck
does not delay any other. The number of threads is bounded by the number of streams.
"""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Window
from glosscast.holistic import Tracker
from glosscast.lexicon.signs import LexiconError
from glosscast.video import VideoError
from service.access.rates import Bucket
from service.inference.engine import Engine
from service.inference.pace import Thinning
from service.inference.turns import Turn
from service.lexicons.store import StoreError
from service.live import endings
from service.live.endings import Ending
from service.live.lexicon import StreamLexicon
from service.live.queues import Arrival, FinishSign, FrameQueue, Teaching
from service.live.reader import LandmarksFeed, SignReader
from service.observe import logs
from service.observe.metrics import Metrics
from service.observe.tracing import Span, Step, batch
from service.processes.tracker import TrackedFrame, TrackerLostError, track_encoded
from service.protocol.codes import ErrorCode
from service.protocol.messages import Config, ServerMessage, StreamWarning
from service.protocol.wire import FrameFault

log = logging.getLogger("glosscast.service")

# A picture that crashes its tracker could do so in every frame, and a restart costs a second of a core.
RESTARTS_AT_ONCE = 3
RESTART_EVERY_S = 20.0

PICTURE_FAULTS = {"too_large": ErrorCode.TOO_LARGE, "out_of_memory": ErrorCode.OUT_OF_MEMORY}


@dataclass(frozen=True)
class Hooks:
    """The functions that a worker calls in its thread.

    Attributes:
        ready: the worker has its tracker, frames may come.
        messages: messages for the client.
        fault: a frame could not be used.
        left_out: a frame was left out, since the rate is lowered.
        refused: the client cannot have what it wants, for one since no tracker is free; the worker ends.
        failed: an error that is not the client's fault; the worker ends.
        ended: always called last, with the number of signs.
    """

    ready: Callable[[], None]
    messages: Callable[[list[ServerMessage]], None]
    fault: Callable[[FrameFault], None]
    left_out: Callable[[], None]
    refused: Callable[[Ending], None]
    failed: Callable[[], None]
    ended: Callable[[int], None]


class Worker:
    """Reads one stream in a thread, until a last `FinishSign` or the end of the queue.

    Args:
        engine: loaded.
        metrics: receive the figures of the stream.
        span: of the stream.
        config: of the stream.
        frames: the stream's frames, and requests among them.
        hooks: what the worker tells.
        open_lexicon: opens the lexicon that the stream reads with; called in the thread.
    """

    def __init__(
        self,
        engine: Engine,
        metrics: Metrics,
        span: Span,
        config: Config,
        frames: FrameQueue,
        hooks: Hooks,
        open_lexicon: Callable[[], StreamLexicon | None] = lambda: None,
    ) -> None:
        self._engine = engine
        self._metrics = metrics
        self._span = span
        self._config = config
        self._frames = frames
        self._hooks = hooks
        self._open_lexicon = open_lexicon
        self._turn = Turn(engine.turns)
        self._thinning = Thinning(engine.pace)
        self._crop = engine.bundle.new_crop()
        self._batches: list[Step] = []  # of the frame that is read now
        self._landmarks = LandmarksFeed()
        self._restarts = Bucket(1 / RESTART_EVERY_S, RESTARTS_AT_ONCE)
        self._thread = logs.thread(self._run, "stream")

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def _run(self) -> None:
        reader = None
        try:
            reader = self._new_reader()
            if reader is not None and self._config.input == "keypoints":
                self._read(reader, None)
            elif reader is not None:
                self._read_pictures(reader)
        except Exception:
            log.exception("a stream failed")
            self._hooks.failed()
        finally:
            self._hooks.ended(0 if reader is None else reader.signs)

    def _new_reader(self) -> SignReader | None:
        """A reader of the stream; None where its client is refused."""
        try:
            lexicon = self._open_lexicon()
        except LexiconError as error:
            self._hooks.refused(endings.lexicon_refused(error))
            return None
        except StoreError as error:
            log.error("a stream cannot read its lexicon: %s", error)
            self._hooks.refused(endings.LEXICON_UNREADABLE)
            return None
        has_capacity = self._engine.classify.has_capacity
        return SignReader(self._engine.bundle, self._classify, self._config, has_capacity=has_capacity, lexicon=lexicon)

    def _read_pictures(self, reader: SignReader) -> None:
        pool = self._engine.stream_trackers
        try:
            tracker = pool.acquire(timeout=0)
        except TimeoutError:
            self._hooks.refused(endings.NO_TRACKER)
            return
        try:
            self._read(reader, tracker)
        finally:
            pool.release(tracker)

    def _read(self, reader: SignReader, tracker: Tracker | None) -> None:
        self._hooks.ready()
        processed = self._metrics.frames_processed.labels(self._config.input)
        while (item := self._frames.get()) is not None:
            if isinstance(item, Teaching):
                self._send([*reader.teach(item.lesson)])
                continue
            queue = Step("queue", item.arrived_s, monotonic())
            self._batches.clear()
            self._send([*reader.catch_up()])
            if isinstance(item, FinishSign):
                with self._turn:
                    found = reader.finish(item.arrived_s)
                self._send_signs(found, queue)
                if item.last:
                    return
                continue
            self._metrics.stages.labels("queue").observe(queue.ended_s - queue.began_s)
            if tracker is not None and self._leaves_out(item, queue.ended_s - queue.began_s):
                self._hooks.left_out()
                continue
            try:
                tracked = self._track(item, tracker)
            except FrameFault as fault:
                self._hooks.fault(fault)
                continue
            except TrackerLostError:
                self._metrics.frames_dropped.labels("tracker_lost").inc()
                if self._restarts.take(monotonic()) > 0:
                    raise
                self._send([StreamWarning(code="tracker_restarted", count=1)])
                continue
            tracking = Step("frame_keypoints", queue.ended_s, monotonic())
            t_ms = item.frame.t_ms
            if self._config.landmarks:
                self._send([*self._landmarks.push(t_ms, tracked.keypoints, tracked.people)])
            with self._turn:
                self._engine.classify.catch_up()
                found = reader.push(
                    t_ms, tracked.keypoints, tracked.aspect, item.arrived_s, tracked.crop, tracked.people
                )
            self._send_signs(found, queue, tracking)
            processed.inc()

    def _leaves_out(self, picture: Arrival, waited_s: float) -> bool:
        """Whether a picture is left out, since keypoints are found more slowly than pictures come."""
        self._engine.pace.take(waited_s)
        return self._thinning.leaves_out(picture.frame.t_ms)

    def _classify(self, windows: Sequence[Window]) -> NDArray[np.float32]:
        self._turn.end()  # the threads of other streams read while the model works
        return self._engine.classify(windows, observe=self._on_batch)

    def _on_batch(self, windows: int, seconds: float) -> None:
        self._batches.append(batch(windows, seconds))

    def _send_signs(self, messages: Sequence[ServerMessage], *before: Step) -> None:
        """Send the messages that a frame or the end of a sign led to, after the steps before its recognition.

        A span for every frame would be too many to keep, so only the frame that ends a sign has spans.
        """
        recognised = Step("recognition", before[-1].ended_s, monotonic(), tuple(self._batches))
        for message in messages:
            if message.type == "final":
                self._metrics.stages.labels("final").observe(message.latency_ms / 1000)
                parts = (*before, recognised)
                self._span.step(
                    Step("final", before[0].began_s, recognised.ended_s, parts, {"segment": message.segment})
                )
        self._send([*messages])

    def _send(self, messages: list[ServerMessage]) -> None:
        if messages:
            self._hooks.messages(messages)

    def _track(self, item: Arrival, tracker: Tracker | None) -> TrackedFrame:
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
