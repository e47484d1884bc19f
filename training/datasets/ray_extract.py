"""The driver of `extract` for several machines: Ray Data over a pool of actors, one process and one tracker each.

Every machine reads the recordings and writes the parts itself, so all of them need both folders under the same path.
Through Ray go the clips' records and why one failed, nothing large.

When a process dies, Ray runs its block of clips again in another one. Parts that were written are kept, and a clip
whose process died twice is a failure. The deaths are counted in the results' folder, since the next process may be on
another machine.
"""

import errno
import logging
import os
import pickle
import shutil
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any
from urllib.parse import quote

from training.datasets.extract import Driver, Outcomes, Work
from training.datasets.item import Item

LOCAL = "local"  # instead of an address: a Ray of our own on this machine
DEATHS = 2  # after as many a clip is given up
MAX_BLOCKS = 10_000  # Ray keeps a record of each; a block is one clip where there are no more than this
CONNECT_S = 5.0


class RayError(ValueError):
    """Ray is missing, cannot be reached or gave up; the message says which."""


def on_ray(address: str, out: Path) -> Driver:
    """The driver for a Ray cluster.

    Args:
        address: HOST:PORT of the head of a cluster that this machine is part of, "auto" to find it, or "local".
        out: folder for the results, on a file system that all machines share.

    Raises:
        RayError: Ray is not installed. The driver raises it where the cluster cannot be used.
    """
    # Both are read when Ray is imported. The level is that of its native part, which writes to our stderr.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_BACKEND_LOG_LEVEL": "fatal"}
    try:
        import_module("ray.data")
    except ImportError as error:
        raise RayError(f"--ray needs Ray Data: pip install --group ray ({error})") from error
    return partial(_drive, address=address, deaths=out.absolute() / "deaths")


def _drive(items: Sequence[Item], work: Work, workers: int, *, address: str, deaths: Path) -> Outcomes:
    with _cluster(address, workers) as ray, _fresh_folder(deaths):
        records = [{"item": pickle.dumps(item)} for item in items]
        outcomes = ray.data.from_items(records, override_num_blocks=min(len(records), MAX_BLOCKS)).map(
            _Worker,
            fn_constructor_args=(work, deaths),
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(items)), max_tasks_in_flight_per_actor=2),
            num_cpus=1,
        )
        for outcome in outcomes.iter_rows():
            if outcome["errno"]:
                raise OSError(outcome["errno"], outcome["reason"])
            yield outcome["name"], outcome["reason"] or None


class _Worker:
    """The actor's work on a record, which is skipped where the clip's processes died too often."""

    def __init__(self, work: Work, deaths: Path) -> None:
        self.work = work
        self.deaths = deaths

    def __call__(self, record: dict[str, bytes]) -> dict[str, str | int]:
        item: Item = pickle.loads(record["item"])
        outcome: dict[str, str | int] = {"name": item.name, "reason": "", "errno": 0}
        try:
            outcome["reason"] = self._extract(item) or ""
        except OSError as error:  # as a value: Ray would wrap it
            outcome |= {"reason": str(error), "errno": error.errno or errno.EIO}
        return outcome

    def _extract(self, item: Item) -> str | None:
        # A byte for each process that began the clip and did not end it.
        path = self.deaths / quote(item.name, safe="")
        with path.open("ab") as file:
            deaths = file.tell()
            file.write(b".")
        try:
            return self.work(item) if deaths < DEATHS else f"its process died {deaths} times"
        finally:
            path.unlink(missing_ok=True)


@contextmanager
def _fresh_folder(path: Path) -> Iterator[None]:
    """An empty folder while the block runs; files of a killed run are removed first."""
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _cluster(address: str, workers: int) -> Iterator[Any]:
    """The `ray` module, connected.

    Raises:
        RayError: it cannot be reached, has too few cores, or gave up.
    """
    import ray
    import ray.data

    _connect(ray, address, workers)
    try:
        cores = int(ray.cluster_resources().get("CPU", 0))
        if cores < workers:
            raise RayError(f"--workers {workers}: the Ray cluster at {address} has {cores} cores")
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = context.print_on_execution_start = False  # the bar is ours
        context.execution_no_progress_timeout_s = -1  # half an hour, and a long video takes more
        yield ray
    except ray.exceptions.RayTaskError:
        raise  # a fault of ours, with its traceback
    except ray.exceptions.RayError as error:
        raise RayError(f"Ray at {address} gave up: {str(error).strip().splitlines()[-1]}") from error
    finally:
        ray.shutdown()


def _connect(ray: Any, address: str, workers: int) -> None:
    settings: dict[str, Any] = {}
    if address == LOCAL:
        settings = {"num_cpus": workers, "include_dashboard": False}
    elif address != "auto":
        _probe(address)
    try:
        ray.init(address, log_to_driver=False, logging_level="ERROR", **settings)
    except (RuntimeError, ValueError, OSError, SystemExit) as error:  # SystemExit: no Ray answers there
        raise RayError(f"no Ray cluster at {address}: {_first_line(error)}") from error


def _probe(address: str) -> None:
    """Ray itself takes two minutes to give up on an address where nothing listens, and writes a page about it."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdecimal():
        raise RayError(f"--ray {address}: must be HOST:PORT, auto or {LOCAL}")
    try:
        socket.create_connection((host.strip("[]"), int(port)), CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise RayError(f"no Ray cluster at {address}: {error}") from error


def _first_line(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
