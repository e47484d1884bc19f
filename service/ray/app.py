"""The service on Ray Serve, for models that need more than one machine: `python -m service.ray`.

Front ends are the application of `python -m service` without its model. Recognisers are a deployment of their own,
whose number follows the load. Settings are those of `python -m service`; see docs/how-to/deployment.md.
"""

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from service.inference.engine import MakeTracker, bundle_of
from service.ray.deployments import LOG_FORMAT, FrontEnd, Recognisers
from service.settings import PREFIX, WRONG_SETTING, Settings, SettingsError, StartError, load_settings
from service.state import State

log = logging.getLogger("glosscast.service")

LOCAL = "local"  # in place of an address: start Ray on this machine
APPLICATION = "glosscast"
UNLIMITED = 100_000  # requests and streams at once; the application has limits of its own, so Ray needs none
WAITING = 2.0  # calls under way at each recogniser, above which recognisers are added
REACT_S = 10.0  # for how long the load must be too high before recognisers are added
# Serve logs each request with the client's address, and at INFO every step of its own.
QUIET = {"enable_access_log": False, "log_level": "WARNING"}


class ReplicaPlan(BaseModel):
    """Numbers of front ends and recognisers. The default is one front end, and recognisers by load."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    front_ends: int = Field(default=1, ge=1)
    least: int = Field(default=1, ge=1)  # recognisers
    most: int = Field(default=4, ge=1)
    gpus: float = Field(default=0.0, ge=0)  # of each recogniser


def main() -> int:
    """Run until a signal ends it."""
    arguments = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
    stop = threading.Event()
    try:
        settings = load_settings()
        plan = _plan(arguments)
        with serving(settings, plan, arguments.address) as address:
            for number in (signal.SIGINT, signal.SIGTERM):  # after Ray, which sets handlers of its own
                signal.signal(number, lambda *_: stop.set())
            log.info("ready at http://%s", address)
            stop.wait()
    except (SettingsError, StartError) as error:
        print(error, file=sys.stderr)
        return WRONG_SETTING
    except KeyboardInterrupt:
        pass
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m service.ray", description="Serve on Ray, with the same settings.")
    parser.add_argument(
        "--address", default=LOCAL, metavar="HOST:PORT", help="a Ray cluster that this machine is part of, or auto"
    )
    parser.add_argument("--front-ends", type=int, default=1, metavar="N")
    parser.add_argument("--recognisers", default="1:4", metavar="MIN:MAX", help="default 1:4")
    parser.add_argument("--gpus", type=float, default=0.0, metavar="G", help="of each recogniser; 0.5 shares one")
    return parser


def _plan(arguments: argparse.Namespace) -> ReplicaPlan:
    least, _, most = arguments.recognisers.partition(":")
    if not (least.isdecimal() and (most or least).isdecimal() and 1 <= int(least) <= int(most or least)):
        raise StartError(f"--recognisers {arguments.recognisers}: must be MIN:MAX, as in 1:4")
    if arguments.front_ends < 1 or arguments.gpus < 0:
        raise StartError("--front-ends must be at least 1, and --gpus at least 0")
    return ReplicaPlan(front_ends=arguments.front_ends, least=int(least), most=int(most or least), gpus=arguments.gpus)


@contextmanager
def serving(
    settings: Settings, plan: ReplicaPlan, address: str = LOCAL, make_tracker: MakeTracker | None = None
) -> Iterator[str]:
    """Run the service on Ray for the length of the block; its host and port.

    Args:
        settings: of the service. The bundle and the files for access lie under the same paths on all machines.
        plan: numbers of front ends and recognisers.
        address: HOST:PORT of a Ray cluster that this machine is part of, "auto" to find it, or "local".
        make_tracker: see `create_app`.

    Raises:
        StartError: Ray is missing or cannot be reached, or the service cannot start on it.
    """
    _check(settings, plan)
    ray, serve = _ray()
    _join(ray, address, plan.front_ends + plan.least * _threads(settings))
    try:
        serve.start(
            proxy_location="EveryNode",
            http_options={"host": settings.host, "port": settings.port},
            logging_config=QUIET,
        )
        front_end = _run(serve, application(serve, settings, plan, make_tracker))
        try:
            yield f"{settings.host}:{settings.port}"
        finally:
            grace_s = settings.grace_s
            front_end.broadcast("shut_down", grace_s).results(timeout_s=2 * grace_s, return_exceptions=True)
    finally:
        serve.shutdown()
        ray.shutdown()


def application(serve: Any, settings: Settings, plan: ReplicaPlan, make_tracker: MakeTracker | None) -> Any:
    """The application that Ray Serve runs: front ends, bound to their recognisers."""
    threads = _threads(settings)
    recognisers = serve.deployment(
        Recognisers,
        autoscaling_config={
            "min_replicas": plan.least,
            "max_replicas": plan.most,
            "target_ongoing_requests": WAITING,
            "upscale_delay_s": REACT_S,
        },
        max_ongoing_requests=plan.front_ends * (settings.max_streams + settings.classifiers),
        ray_actor_options={"num_cpus": threads, "num_gpus": plan.gpus},
        logging_config=QUIET,
    ).bind(settings.model_copy(update={"inference_threads": threads}))
    return serve.deployment(
        serve.ingress()(FrontEnd),
        num_replicas=plan.front_ends,
        max_ongoing_requests=UNLIMITED,
        graceful_shutdown_timeout_s=settings.grace_s,
        ray_actor_options={"num_cpus": 1},
        logging_config=QUIET,
    ).bind(settings, recognisers, make_tracker)


def _threads(settings: Settings) -> int:
    """Threads of one recogniser. More cores are used by more recognisers, so that none takes the cores of another."""
    return max(1, settings.inference_threads)


def _check(settings: Settings, plan: ReplicaPlan) -> None:
    """Raise here what would otherwise be raised on another machine."""
    State(settings, None).close()
    bundle_of(settings)
    if settings.port == 0:
        raise StartError(f"{PREFIX}PORT: 0 does not work on Ray; name a free port")
    if plan.front_ends > 1 and settings.api_keys_file and settings.token_secret_file is None:
        raise StartError(
            f"{PREFIX}TOKEN_SECRET_FILE: front ends would not take each other's tokens; give them a common secret"
        )


def _ray() -> tuple[Any, Any]:
    """The modules `ray` and `ray.serve`."""
    # Ray reads these when it is imported, and so do the processes that it starts. It must not report its usage, and not
    # drop a line of the log because another stream has logged a similar one.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"}
    try:
        return import_module("ray"), import_module("ray.serve")
    except ImportError as error:
        raise StartError(f"this needs Ray Serve: pip install --group scale ({error})") from error


def _join(ray: Any, address: str, cores: int) -> None:
    """Connect to a cluster, or start Ray here with at least so many cores, so that all deployments can be placed."""
    own: dict[str, Any] = {}
    if address == LOCAL:
        own = {"include_dashboard": False, "num_cpus": max(cores, os.cpu_count() or 1)}
    try:
        ray.init(address, logging_level="WARNING", **own)
    except (RuntimeError, ValueError, OSError, SystemExit) as error:  # SystemExit: no Ray answers there
        raise StartError(f"--address {address}: no Ray cluster there: {error}") from error


def _run(serve: Any, target: Any) -> Any:
    """Deploy; the handle of the front ends."""
    try:
        return serve.run(target, name=APPLICATION, route_prefix="/")
    except RuntimeError as error:
        raise StartError(str(error)) from error
