import threading
import time
from types import SimpleNamespace

import numpy as np
import pytest

from glosscast.bundle import load_bundle
from service.inference.pace import Pace
from service.inference.turns import Turn, Turns
from service.live.queues import Arrival, FinishSign, FrameQueue
from service.live.reader import effective_config
from service.live.worker import Hooks, Worker
from service.observe.metrics import Metrics
from service.observe.tracing import Span
from service.protocol.messages import Start
from service.protocol.wire import FrameMessage
from tests.bundles import ASPECT, signing
from tests.service.serving import TIMEOUT_S, wait_until

TICKS, QUEUE = 60, 8


def in_thread(work):
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def queue_up(turns, order, names):
    """Threads that note a letter each in their turn; one after another they stand in line, behind who has it now."""
    threads = []
    for name, turn in names.items():
        before = turns.waiting

        def work(name=name, turn=turn):
            with turn:
                order.append(name)

        threads.append(in_thread(work))
        wait_until(lambda before=before: turns.waiting == before + 1)
    return threads


def join(threads):
    for thread in threads:
        thread.join(TIMEOUT_S)
        assert not thread.is_alive()


def test_of_equals_the_longest_waiting_thread_is_next():
    turns = Turns(QUEUE)
    order = []
    with Turn(turns):
        threads = queue_up(turns, order, {name: Turn(turns) for name in "abcd"})
    join(threads)

    assert order == ["a", "b", "c", "d"]


def test_a_thread_that_returns_at_once_queues_behind_the_others():
    turns = Turns(QUEUE)
    order = []
    greedy = Turn(turns)
    with greedy:
        threads = queue_up(turns, order, {"other": Turn(turns)})
    with greedy:
        order.append("greedy")
    join(threads)

    assert order == ["other", "greedy"]


def test_the_thread_with_fewer_turns_is_next():
    turns = Turns(QUEUE)
    order = []
    often, seldom = Turn(turns), Turn(turns)
    for _ in range(3):
        with often:
            pass
    with Turn(turns):
        threads = queue_up(turns, order, {"often": often, "seldom": seldom})
    join(threads)

    assert order == ["seldom", "often"]


def test_turns_of_long_ago_are_not_caught_up_on():
    turns = Turns(2)
    order = []
    late = Turn(turns)
    others = [Turn(turns) for _ in range(2)]
    for _ in range(50):
        for other in others:
            with other:
                pass
    for _ in range(3):
        with late:
            pass
    with others[0]:
        threads = queue_up(turns, order, {"other": others[1], "late": late})
    join(threads)

    assert order == ["other", "late"]


def test_a_turn_that_was_ended_early_is_not_ended_twice():
    turns = Turns(QUEUE)
    turn = Turn(turns)
    with turn:
        turn.end()
        turns.begin(0)  # somebody else's
    order = []
    threads = queue_up(turns, order, {"late": Turn(turns)})
    assert order == []
    turns.end()
    join(threads)

    assert order == ["late"]


def test_an_error_ends_the_turn():
    turns = Turns(QUEUE)
    with pytest.raises(RuntimeError, match="in between"), Turn(turns):
        raise RuntimeError("in between")
    with Turn(turns):
        assert turns.waiting == 0


class Crowd:
    """Streams whose frames come in ticks, and readers of which so many can read in each."""

    def __init__(self, every: list[int], reads: int) -> None:
        self.every = every
        self.reads = reads
        self.sent, self.dropped, self.read = ([0] * len(every) for _ in range(3))
        self._turns = Turns(QUEUE)
        self._inboxes = [FrameQueue(QUEUE) for _ in every]
        self._may = threading.Semaphore(0)
        self._done = threading.Semaphore(0)

    def run(self) -> None:
        threads = [in_thread(lambda index=index: self._work(index)) for index in range(len(self.every))]
        for tick in range(TICKS):
            for index, every in enumerate(self.every):
                if tick % every == 0:
                    self.sent[index] += 1
                    self.dropped[index] += self._inboxes[index].put(Arrival(FrameMessage(tick, tick, b""), tick))
            for _ in range(self.reads):
                self._read_one()
        for inbox in self._inboxes:
            inbox.close()
        for _ in threads:  # those that have a frame in hand
            self._may.release()
        join(threads)

    def _read_one(self) -> None:
        """One read, when all who have a frame stand in line: so the order does not depend on the machine's."""
        counts = zip(self.sent, self.dropped, self.read, strict=True)
        ready = sum(sent - dropped - read > 0 for sent, dropped, read in counts)
        while self._turns.waiting < ready - 1:
            time.sleep(0)
        self._may.release()
        assert self._done.acquire(timeout=TIMEOUT_S)

    def _work(self, index: int) -> None:
        turn = Turn(self._turns)
        while self._inboxes[index].get() is not None:
            with turn:
                self._may.acquire()
                self.read[index] += 1
                self._done.release()


def test_streams_that_send_too_much_are_read_alike():
    crowd = Crowd([1] * 12, reads=5)
    crowd.run()

    assert sum(crowd.dropped) > 12 * TICKS / 3
    assert max(crowd.read) - min(crowd.read) <= 2


def test_a_stream_that_sends_less_than_its_share_loses_nothing():
    crowd = Crowd([1] * 11 + [3], reads=5)  # five twelfths of a frame a tick and stream
    crowd.run()

    assert crowd.dropped[-1] == 0
    assert min(crowd.dropped[:-1]) > TICKS / 3
    assert max(crowd.read[:-1]) - min(crowd.read[:-1]) <= 2


class Model:
    """Answers when `go` is set; `entered` is set when it is asked."""

    def __init__(self, classes: int) -> None:
        self.entered = threading.Event()
        self.go = threading.Event()
        self._classes = classes
        self.caught_up = 0

    def __call__(self, windows, observe):
        self.entered.set()
        assert self.go.wait(TIMEOUT_S)
        return np.full((len(windows), self._classes), 1 / self._classes, np.float32)

    def has_capacity(self):
        return False

    def catch_up(self):
        self.caught_up += 1


def worker(bundle, model, turns, messages):
    """A stream's worker that runs, and its inbox."""
    engine = SimpleNamespace(bundle=bundle, classify=model, turns=turns, pace=Pace(8))
    config = effective_config(Start(type="start", input="keypoints", aspect=ASPECT), bundle)
    inbox = FrameQueue(1000)

    def ignore(*_):
        pass

    hooks = Hooks(
        ready=ignore,
        messages=messages.extend,
        fault=ignore,
        left_out=ignore,
        refused=ignore,
        failed=lambda: messages.append("failed"),
        ended=lambda signs: None,
    )
    metrics = Metrics()
    Worker(engine, metrics, Span(), config, inbox, hooks).start()
    return inbox, metrics


def read(metrics):
    return metrics.registry.get_sample_value("glosscast_frames_processed_total", {"input": "keypoints"})


def put(inbox, frames):
    for seq, (t_ms, keypoints) in enumerate(frames):
        inbox.put(Arrival(FrameMessage(seq, t_ms, keypoints), 0.0))


def test_a_stream_is_read_while_another_waits_for_the_model(bundle_folder):
    bundle = load_bundle(bundle_folder)
    turns = Turns(QUEUE)
    received = []
    others = []
    model, free = Model(3), Model(3)
    free.go.set()
    waiting, _ = worker(bundle, model, turns, received)
    put(waiting, signing("east"))
    assert model.entered.wait(TIMEOUT_S)
    reading, metrics = worker(bundle, free, turns, others)
    frames = signing("west")
    put(reading, frames)
    wait_until(lambda: read(metrics) == len(frames))
    assert [m.type for m in received] == ["sign_started"]
    model.go.set()
    for inbox in (waiting, reading):
        inbox.put_request(FinishSign(0.0, last=True))
    wait_until(lambda: [m.type for m in received] == [m.type for m in others] == ["sign_started", "final"])


def test_a_worker_reads_frames_in_its_turn_only(bundle_folder):
    bundle = load_bundle(bundle_folder)
    turns = Turns(QUEUE)
    received = []
    model = Model(3)
    model.go.set()
    turns.begin(0)
    inbox, metrics = worker(bundle, model, turns, received)
    frames = signing("east")
    put(inbox, frames)
    wait_until(lambda: turns.waiting == 1)
    assert read(metrics) == model.caught_up == 0
    turns.end()
    wait_until(lambda: read(metrics) == len(frames))
    assert model.caught_up == len(frames)  # the model is asked first, within the turn
    inbox.put_request(FinishSign(0.0, last=True))
