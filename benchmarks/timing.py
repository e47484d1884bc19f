"""Times of things that take turns, so that what else the machine does hits all of them alike."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

MOST_ROUNDS = 50

Run = Callable[[], object]


class Spread(NamedTuple):
    """Median, fastest and slowest of so many runs, ms."""

    median_ms: float
    min_ms: float
    max_ms: float
    runs: int


def alternate(cases: Mapping[str, Run], budget_s: float, most: int = MOST_ROUNDS) -> dict[str, Spread]:
    """Run each case once to warm up, then all in turn, forwards and backwards, for as long as the budget lasts.

    Args:
        cases: what to run, by name.
        budget_s: no round begins that would end later than this, warming up included; one is always run.
        most: rounds at most.
    """
    began = time.perf_counter()
    for run in cases.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in cases}
    for index in range(most):
        start = time.perf_counter()
        for name in list(cases)[:: -1 if index % 2 else 1]:
            times[name].append(timed(cases[name]))
        now = time.perf_counter()
        if now + (now - start) > began + budget_s:
            break
    return {name: spread(values) for name, values in times.items()}


def spread(values: list[float]) -> Spread:
    """The spread of times in ms."""
    return Spread(statistics.median(values), min(values), max(values), len(values))


def timed(run: Run) -> float:
    """Wall time of one call, ms."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000
