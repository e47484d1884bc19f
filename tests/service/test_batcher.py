import threading
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for_all

import numpy as np
import pytest

from glosscast.clip import Window
from service.inference.batcher import Batcher, BatcherClosedError

TIMEOUT_S = 10


def window(value):
    return Window(np.full((1, 1, 4), value, np.float32), np.ones(1, np.float32))


class Model:
    """Answers (value, 2·value) for each window. `hold` keeps it inside an inference until `go` is set."""

    def __init__(self, hold=False):
        self.batches = []
        self.entered = threading.Event()
        self.go = threading.Event()
        if not hold:
            self.go.set()

    def __call__(self, windows):
        values = [float(w.keypoints[0, 0, 0]) for w in windows]
        self.batches.append(values)
        self.entered.set()
        assert self.go.wait(TIMEOUT_S)
        if any(v < 0 for v in values):
            raise ValueError("this window cannot be read")
        return np.array([[v, 2 * v] for v in values], np.float32)


@pytest.fixture
def pool():
    with ThreadPoolExecutor(16) as executor:
        yield executor


def hold_up(batcher, model, pool):
    """Start an inference that lasts until `model.go`; its future."""
    first = pool.submit(batcher, [window(100)])
    assert model.entered.wait(TIMEOUT_S)
    return first


def submit(batcher, pool, *jobs):
    """Calls that wait in the batcher, in this order."""
    futures = []
    for values in jobs:
        before = batcher._waiting
        futures.append(pool.submit(batcher, [window(v) for v in values]))
        while batcher._waiting == before:
            pass
    return futures


def test_each_caller_gets_its_own_rows_in_its_own_order(pool):
    batcher = Batcher(Model(), max_batch=3)
    jobs = [[float(i * 10 + j) for j in range(i % 5 + 1)] for i in range(40)]
    futures = [pool.submit(batcher, [window(v) for v in job]) for job in jobs]

    for job, future in zip(jobs, futures, strict=True):
        np.testing.assert_array_equal(future.result(TIMEOUT_S), [[v, 2 * v] for v in job])
    batcher.close()


def test_windows_that_arrive_during_an_inference_are_read_together(pool):
    model = Model(hold=True)
    seen = []
    batcher = Batcher(model, max_batch=16, observe=lambda size, seconds: seen.append(size))
    hold_up(batcher, model, pool)
    futures = submit(batcher, pool, [1], [2], [3])
    model.go.set()
    wait_for_all(futures, TIMEOUT_S)
    batcher.close()

    assert model.batches == [[100], [1, 2, 3]]
    assert seen == [1, 3]


def test_a_caller_is_notified_of_each_inference_with_windows_of_its_own(pool):
    model = Model(hold=True)
    observed = []
    others = []
    batcher = Batcher(model, max_batch=3)
    first = hold_up(batcher, model, pool)
    second = pool.submit(batcher, [window(v) for v in (1, 2, 3, 4)], lambda size, seconds: observed.append(size))
    while batcher.waiting < 4:
        pass
    third = pool.submit(batcher, [window(5)], lambda size, seconds: others.append(size))
    while batcher.waiting < 5:
        pass
    model.go.set()
    wait_for_all([first, second, third], TIMEOUT_S)
    batcher.close()

    assert model.batches == [[100], [1, 5, 2], [3, 4]]
    assert (observed, others) == ([3, 2], [3])


def test_a_long_clip_does_not_hold_up_a_stream(pool):
    model = Model(hold=True)
    batcher = Batcher(model, max_batch=4)
    hold_up(batcher, model, pool)
    futures = submit(batcher, pool, [1, 2, 3, 4, 5, 6, 7], [50])
    model.go.set()
    wait_for_all(futures, TIMEOUT_S)
    batcher.close()

    assert model.batches[1] == [1, 50, 2, 3]
    assert [len(b) for b in model.batches] == [1, 4, 4]


def test_an_error_reaches_only_its_caller(pool):
    model = Model(hold=True)
    batcher = Batcher(model, max_batch=16)
    hold_up(batcher, model, pool)
    good, bad, other = submit(batcher, pool, [1], [-1, 5], [2])
    model.go.set()

    np.testing.assert_array_equal(good.result(TIMEOUT_S), [[1, 2]])
    np.testing.assert_array_equal(other.result(TIMEOUT_S), [[2, 4]])
    with pytest.raises(ValueError, match="cannot be read"):
        bad.result(TIMEOUT_S)
    np.testing.assert_array_equal(batcher([window(3)]), [[3, 6]])  # and the thread lives on
    batcher.close()


def test_the_rest_of_a_failed_call_is_not_read(pool):
    model = Model(hold=True)
    batcher = Batcher(model, max_batch=2)
    hold_up(batcher, model, pool)
    (bad,) = submit(batcher, pool, [-1, 2, 3, 4, 5, 6])
    model.go.set()
    with pytest.raises(ValueError, match="cannot be read"):
        bad.result(TIMEOUT_S)
    batcher([window(9)])
    batcher.close()

    assert model.batches == [[100], [-1, 2], [9]]
    assert batcher._waiting == 0


def test_a_wrong_number_of_answers_is_an_error():
    batcher = Batcher(lambda windows: np.zeros((5, 2), np.float32), max_batch=4)
    with pytest.raises(RuntimeError, match="5 answers for 1"):
        batcher([window(1)])
    batcher.close()


def test_no_window_is_the_callers_mistake():
    batcher = Batcher(Model(), max_batch=4)
    with pytest.raises(ValueError, match="at least one"):
        batcher([])
    batcher.close()


def test_callers_are_held_when_too_much_waits(pool):
    model = Model(hold=True)
    batcher = Batcher(model, max_batch=1, max_waiting=2)
    hold_up(batcher, model, pool)
    submit(batcher, pool, [1], [2])
    late = pool.submit(batcher, [window(3)])
    done, _ = wait_for_all([late], 0.1)

    assert not done
    assert batcher._waiting == 2
    model.go.set()
    np.testing.assert_array_equal(late.result(TIMEOUT_S), [[3, 6]])
    batcher.close()


def test_closing_refuses_waiting_and_new_windows(pool):
    model = Model(hold=True)
    batcher = Batcher(model, max_batch=1, max_waiting=1)
    running = hold_up(batcher, model, pool)
    (waiting,) = submit(batcher, pool, [1])
    held = pool.submit(batcher, [window(2)])
    closing = pool.submit(batcher.close)
    with pytest.raises(BatcherClosedError):
        held.result(TIMEOUT_S)
    model.go.set()
    closing.result(TIMEOUT_S)

    np.testing.assert_array_equal(running.result(TIMEOUT_S), [[100, 200]])
    with pytest.raises(BatcherClosedError):
        waiting.result(TIMEOUT_S)
    with pytest.raises(BatcherClosedError):
        batcher([window(3)])
    batcher.close()


def test_interims_are_left_out_while_they_would_wait_too_long(pool):
    model = Model(hold=True)
    batcher = Batcher(model, max_batch=16, budget_s=0.0)
    assert batcher.has_capacity()
    first = hold_up(batcher, model, pool)
    assert batcher.has_capacity()  # nothing is known yet about how long a window takes
    model.go.set()
    first.result(TIMEOUT_S)
    model.go.clear()
    model.entered.clear()
    second = hold_up(batcher, model, pool)
    assert not batcher.has_capacity()  # one is being read
    waiting = submit(batcher, pool, [1])
    assert not batcher.has_capacity()
    model.go.set()
    wait_for_all([second, *waiting], TIMEOUT_S)
    batcher.close()
    assert batcher.has_capacity()


def test_a_budget_leaves_room_for_some(pool):
    model = Model(hold=True)
    batcher = Batcher(model, max_batch=16, budget_s=3600.0)
    model.go.set()
    batcher([window(0)])
    model.go.clear()
    model.entered.clear()
    first = hold_up(batcher, model, pool)
    assert batcher.has_capacity()
    model.go.set()
    first.result(TIMEOUT_S)
    batcher.close()


def known(model, pool, **settings):
    """A batcher that knows how long a window takes, and whose model is held."""
    batcher = Batcher(model, max_batch=1, **settings)
    model.go.set()
    batcher([window(0)])
    model.go.clear()
    model.entered.clear()
    return batcher


def test_catching_up_waits_while_finals_would_be_late(pool):
    model = Model(hold=True)
    batcher = known(model, pool, backlog_s=0.0)
    first = hold_up(batcher, model, pool)
    pool.submit(batcher.catch_up).result(TIMEOUT_S)  # what is being read does not count
    (waiting,) = submit(batcher, pool, [1])
    behind = pool.submit(batcher.catch_up)
    done, _ = wait_for_all([behind], 0.1)
    assert not done
    model.go.set()
    behind.result(TIMEOUT_S)
    wait_for_all([first, waiting], TIMEOUT_S)
    batcher.close()


def test_the_rest_of_a_long_clip_is_no_backlog(pool):
    model = Model(hold=True)
    batcher = known(model, pool, backlog_s=0.0)
    clip = pool.submit(batcher, [window(v) for v in range(5)])
    assert model.entered.wait(TIMEOUT_S)
    assert batcher.waiting == 4
    pool.submit(batcher.catch_up).result(TIMEOUT_S)
    (stream,) = submit(batcher, pool, [50])
    behind = pool.submit(batcher.catch_up)
    done, _ = wait_for_all([behind], 0.1)
    assert not done
    model.go.set()
    wait_for_all([clip, stream, behind], TIMEOUT_S)
    batcher.close()


def test_a_short_line_is_no_backlog(pool):
    model = Model(hold=True)
    batcher = known(model, pool, backlog_s=3600.0)
    first = hold_up(batcher, model, pool)
    futures = submit(batcher, pool, [1], [2], [3])
    pool.submit(batcher.catch_up).result(TIMEOUT_S)
    model.go.set()
    wait_for_all([first, *futures], TIMEOUT_S)
    batcher.close()


def test_closing_releases_threads_that_catch_up(pool):
    model = Model(hold=True)
    batcher = known(model, pool, backlog_s=0.0)
    hold_up(batcher, model, pool)
    submit(batcher, pool, [1])
    behind = pool.submit(batcher.catch_up)
    closing = pool.submit(batcher.close)
    behind.result(TIMEOUT_S)
    model.go.set()
    closing.result(TIMEOUT_S)
