import threading

import numpy as np
import pytest

from service.inference import remote as module
from service.inference.batcher import SMOOTHING, BatcherClosedError
from service.inference.remote import Facts, Remote

FACTS = Facts(bundle="compass@1", sha256="0" * 64, providers=("CPUExecutionProvider",), precision="fp32")
PATIENCE_S = 10


class Clock:
    now_s = 0.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(module, "perf_counter", clock)
    return clock


def remote(ask, budget_s=0.05, observe=lambda windows, seconds: None):
    return Remote(ask, FACTS, budget_s, observe)


def test_answers_come_back_and_are_counted(clock):
    seen = []

    def ask(windows):
        clock.now_s += 0.25
        return np.array([[w, -w] for w in windows], np.float32)

    reader = remote(ask, observe=lambda windows, seconds: seen.append((windows, seconds)))

    assert reader([3, 4]).tolist() == [[3, -3], [4, -4]]
    assert seen == [(2, 0.25)]
    observed = []
    reader([5], observe=lambda windows, seconds: observed.append((windows, seconds)))
    assert observed == seen[1:] == [(1, 0.25)]
    assert (reader.providers, reader.precision) == (("CPUExecutionProvider",), "fp32")


def test_no_windows_are_refused():
    with pytest.raises(ValueError, match="at least one"):
        remote(lambda windows: np.zeros((0, 2)))([])


def test_a_closed_one_refuses():
    reader = remote(lambda windows: np.zeros((len(windows), 2)))
    reader.close()
    reader.close()
    with pytest.raises(BatcherClosedError):
        reader([0])


class Held:
    """Answers when it is let."""

    def __init__(self, clock, took_s):
        self.entered = threading.Semaphore(0)
        self.go = threading.Semaphore(0)
        self._clock = clock
        self._took_s = took_s

    def __call__(self, windows):
        self.entered.release()
        assert self.go.acquire(timeout=PATIENCE_S)
        self._clock.now_s += self._took_s
        return np.zeros((len(windows), 2), np.float32)


def test_there_is_capacity_only_while_the_waiting_windows_fit_into_the_budget(clock):
    took_s = 0.1
    ask = Held(clock, took_s)
    budget_s = SMOOTHING * took_s * 1.5  # a window and a half, after one answer
    reader = remote(ask, budget_s)
    ask.go.release()
    reader([0])
    ask.entered.acquire()

    threads = []
    free = [reader.has_capacity()]
    for _ in range(2):
        threads.append(threading.Thread(target=reader, args=([0],)))
        threads[-1].start()
        assert ask.entered.acquire(timeout=PATIENCE_S)
        free.append(reader.has_capacity())
    ask.go.release(2)
    for thread in threads:
        thread.join(PATIENCE_S)

    assert free == [True, True, False]
    assert reader.has_capacity()


def test_windows_that_come_back_together_count_as_quick(clock):
    def ask(windows):
        clock.now_s += 1.0
        return np.zeros((len(windows), 2), np.float32)

    alone, together = remote(ask), remote(ask)
    alone([0])
    together([0] * 10)

    assert alone._window_s == pytest.approx(SMOOTHING * 1.0)
    assert together._window_s == pytest.approx(SMOOTHING * 0.1)


def test_failed_work_is_not_counted_as_running(clock):
    def ask(windows):
        clock.now_s += 1.0
        if windows == [1]:
            raise RuntimeError("broken")
        return np.zeros((len(windows), 2), np.float32)

    reader = remote(ask, budget_s=0.0)
    reader([0])
    with pytest.raises(RuntimeError, match="broken"):
        reader([1])

    assert reader.has_capacity()
