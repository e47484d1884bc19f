"""The pool of trackers, on a tracker that counts."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from glosscast.holistic import TrackerPool
from tests.glosscast.trackers import BLANK, CountingTracker


@pytest.fixture
def made():
    return []


@pytest.fixture
def pool(made):
    def make():
        made.append(CountingTracker())
        return made[-1]

    return TrackerPool(2, make)


def test_trackers_are_made_when_needed_and_then_reused(pool, made):
    assert made == []
    for _ in range(3):
        with pool.lease():
            pass
    assert len(made) == 1
    with pool.lease() as one, pool.lease() as two:
        assert one is not two
    assert len(made) == 2


def test_a_reused_tracker_remembers_nothing(pool):
    with pool.lease() as tracker:
        tracker.track(BLANK)
    with pool.lease() as same:
        assert same is tracker
        assert same.track(BLANK)[0, 0] == 1


def test_waiting_ends_after_the_timeout(pool):
    with pool.lease(), pool.lease():
        start = time.monotonic()
        with pytest.raises(TimeoutError):
            pool.acquire(timeout=0.05)
        assert 0.04 < time.monotonic() - start < 2


def test_a_returned_tracker_goes_to_the_next_waiting_thread(pool):
    first, second = pool.acquire(), pool.acquire()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.acquire, 30)
        time.sleep(0.05)
        assert not waiting.done()
        pool.release(second)
        assert waiting.result(timeout=30) is second
    pool.release(first)


def test_a_broken_tracker_is_replaced(pool, made):
    def use():
        with pool.lease() as tracker:
            tracker.broken = True
            raise RuntimeError("graph error")

    with pytest.raises(RuntimeError, match="graph"):
        use()
    (tracker,) = made
    assert tracker.closed
    with pool.lease() as one, pool.lease() as two:
        assert tracker not in (one, two)
    assert len(made) == 3


def test_an_error_that_is_not_the_trackers_does_not_cost_it(pool, made):
    with pytest.raises(KeyError), pool.lease() as tracker:
        raise KeyError
    with pool.lease() as same:
        assert same is tracker
    assert not tracker.closed


def test_a_tracker_that_cannot_be_reset_is_replaced(pool, made):
    with pool.lease() as tracker:
        tracker.unresettable = True
    with pool.lease() as other:
        assert other is not tracker
    assert tracker.closed


def test_a_failed_start_does_not_use_up_a_place():
    attempts = []

    def make():
        attempts.append(1)
        if len(attempts) < 3:
            raise OSError("no memory")
        return CountingTracker()

    pool = TrackerPool(1, make)
    for _ in range(2):
        with pytest.raises(OSError, match="no memory"):
            pool.acquire(timeout=0)
    with pool.lease(timeout=0):
        pass


def test_giving_back_twice_is_a_mistake(pool):
    tracker = pool.acquire()
    pool.release(tracker)
    with pytest.raises(ValueError, match="not in use"):
        pool.release(tracker)
    with pytest.raises(ValueError, match="not in use"):
        pool.release(CountingTracker())


def test_closing_ends_idle_trackers_now_and_used_ones_later(pool):
    used, idle = pool.acquire(), pool.acquire()
    pool.release(idle)
    pool.close()
    assert idle.closed
    assert not used.closed
    pool.release(used)
    assert used.closed
    with pytest.raises(RuntimeError, match="closed"):
        pool.acquire(timeout=0)


def test_closing_wakes_waiting_threads(pool):
    pool.acquire()
    pool.acquire()
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(pool.acquire, 30)
        time.sleep(0.05)
        pool.close()
        with pytest.raises(RuntimeError, match="closed"):
            waiting.result(timeout=5)


def test_many_threads_never_share_a_tracker(pool, made):
    busy = set()
    lock = threading.Lock()
    shared = []

    def work(_):
        with pool.lease(timeout=60) as tracker:
            with lock:
                shared.append(tracker in busy)
                busy.add(tracker)
            time.sleep(0.001)
            with lock:
                busy.remove(tracker)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(200)))
    assert len(shared) == 200
    assert not any(shared)
    assert len(made) <= 2


def test_a_pool_needs_a_place():
    with pytest.raises(ValueError, match="at least one"):
        TrackerPool(0)
