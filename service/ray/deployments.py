"""The two deployments of Ray Serve: front ends, which are the whole application without its model, and recognisers.

Ray imports this module where it runs the deployments; the module itself does not import Ray.
"""

import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
from fastapi import FastAPI
from numpy.typing import NDArray

from glosscast.bundle import Bundle, sha256
from glosscast.clip import Window
from glosscast.manifest import MANIFEST
from service.app import create_app
from service.inference.batcher import Batcher, Observe
from service.inference.engine import MakeTracker, bundle_of, recogniser_of
from service.inference.remote import Facts, Remote
from service.live.registry import Registry
from service.live.views import Views
from service.settings import PREFIX, Settings, StartError

log = logging.getLogger("glosscast.service")

ATTEMPTS = 3  # to have windows read, when a recogniser dies with them
LOG_FORMAT = "%(asctime)s %(levelname)s %(message)s"


class Recognisers:
    """One recogniser, which batches the windows of all front ends.

    Raises:
        StartError: the bundle or an execution provider cannot be used on this machine.
    """

    def __init__(self, settings: Settings) -> None:
        self._recogniser = recogniser_of(settings, bundle_of(settings))
        self._batcher = Batcher(self._recogniser.readout, settings.max_batch)

    def read(self, windows: list[Window]) -> NDArray[np.float32]:
        """Readouts (len(windows), numbers); blocks, so Ray calls it in threads."""
        return self._batcher(windows)

    def facts(self) -> Facts:
        """The properties of this recogniser that front ends need."""
        model = self._recogniser
        return Facts(
            bundle=model.bundle.id,
            sha256=sha256(model.bundle.path / MANIFEST),
            providers=model.providers,
            precision=model.precision,
        )

    def __del__(self) -> None:
        if hasattr(self, "_batcher"):
            self._batcher.close()


class FrontEnd:
    """The application, with its streams and trackers, in front of `recognisers`.

    Args:
        settings: of the service.
        recognisers: Ray's handle of them.
        make_tracker: see `create_app`.

    Raises:
        StartError: something cannot be used on this machine, or the bundle here is not the recognisers'.
    """

    def __init__(self, settings: Settings, recognisers: Any, make_tracker: MakeTracker | None) -> None:
        logging.basicConfig(level=logging.INFO, format=LOG_FORMAT)
        self._settings = settings
        self._recognisers = recognisers
        self._make_tracker = make_tracker

    async def __serve_build_asgi_app__(self) -> FastAPI:  # Ray's name; it is called once
        """The application, after a call for the properties of the recognisers."""
        facts: Facts = await self._recognisers.facts.remote()
        connect = partial(_connect, self._settings, self._recognisers, facts)
        self._application = create_app(self._settings, self._make_tracker, connect)
        return self._application

    async def shut_down(self, timeout_s: float) -> None:
        """Have every session send its last messages, for so long at most."""
        registry: Registry = self._application.state.registry
        views: Views = self._application.state.views
        await registry.shut_down(timeout_s)
        views.close()


def _connect(settings: Settings, recognisers: Any, facts: Facts, bundle: Bundle, observe: Observe) -> Remote:
    if facts.sha256 != sha256(bundle.path / MANIFEST):
        raise StartError(f"{PREFIX}BUNDLE: {bundle.path} is {bundle.id}, other than the recognisers' {facts.bundle}")
    return Remote(partial(_ask, recognisers), facts, settings.interim_wait_ms / 1000, observe)


def _ask(recognisers: Any, windows: Sequence[Window]) -> NDArray[np.float32]:
    """Have windows read by the recogniser with the least load.

    Reading changes no state, so the call is repeated where a recogniser died with the windows.
    """
    from ray.exceptions import RayActorError

    rows: NDArray[np.float32]
    for _ in range(ATTEMPTS - 1):
        try:
            rows = recognisers.read.remote(list(windows)).result()
        except RayActorError:
            log.warning("a recogniser died; another one is asked")
        else:
            return rows
    rows = recognisers.read.remote(list(windows)).result()
    return rows
