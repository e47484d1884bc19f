from itertools import accumulate

from hypothesis import given
from hypothesis import strategies as st

from service.access.rates import Bucket

RATES = st.floats(0.1, 100)
CAPACITIES = st.floats(1, 50)
PAUSES = st.lists(st.floats(0, 5), min_size=1, max_size=80)


@given(RATES, CAPACITIES, PAUSES)
def test_no_stretch_of_time_lets_more_pass_than_rate_and_capacity_allow(rate, capacity, pauses):
    bucket = Bucket(rate, capacity)
    passed = [now for now in accumulate(pauses) if not bucket.take(now)]

    for first, since in enumerate(passed):
        for last, until in enumerate(passed[first:], first):
            assert last - first + 1 <= capacity + (until - since) * rate + 1e-6


@given(RATES, CAPACITIES, PAUSES)
def test_a_caller_that_waits_the_given_time_passes(rate, capacity, pauses):
    bucket = Bucket(rate, capacity)
    for now in accumulate(pauses):
        wait = bucket.take(now)
    if wait:
        assert bucket.take(now + 0.9 * wait) > 0
        assert bucket.take(now + wait + 1e-6) == 0


def test_after_a_pause_the_capacity_comes_at_once():
    bucket = Bucket(rate=1, capacity=3)

    assert [bucket.take(100.0) for _ in range(4)] == [0, 0, 0, 1]
    assert [bucket.take(1000.0) for _ in range(4)] == [0, 0, 0, 1]
