"""Batches that are prepared while the model learns from the one before."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def one_ahead(jobs: Iterable[Callable[[], T]]) -> Iterator[T]:
    """The results of the jobs, in order; the next one is worked on in a thread meanwhile."""
    with ThreadPoolExecutor(max_workers=1) as worker:
        waiting = None
        for job in jobs:
            upcoming = worker.submit(job)
            if waiting is not None:
                yield waiting.result()
            waiting = upcoming
        if waiting is not None:
            yield waiting.result()
