"""The state of one application: what its requests and streams share."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from service.access.auth import Access, AccessError
from service.inference.engine import Connect, Engine, MakeTracker
from service.lexicons.lexicons import Lexicons, lexicons_of
from service.observe.logs import fields
from service.observe.metrics import Metrics
from service.observe.tracing import TracingError, tracing_of
from service.outputs.outputs import outputs_of
from service.problems import ProblemError
from service.settings import Settings, StartError

log = logging.getLogger("glosscast.service")

RETRY_S = 5  # for a client that finds no place or no engine; about the time that a clip or a start takes


@dataclass(eq=False)
class State:
    """One application's state, at `app.state.glosscast`. It belongs to the event loop.

    Attributes:
        lexicons: of the callers; None where the service keeps none.

    Raises:
        StartError: the service would be open to strangers, a file for access is wrong, traces or captions cannot be
            sent where they should go, or the store of lexicons cannot be used.
    """

    settings: Settings
    make_tracker: MakeTracker | None  # None takes the settings' extractor
    metrics: Metrics = field(default_factory=Metrics)
    engine: Engine | None = None
    connect: Connect | None = None  # None loads the recogniser in this process

    def __post_init__(self) -> None:
        try:
            self.access = Access(self.settings)
            self.tracing = tracing_of(self.settings)
        except (AccessError, TracingError) as error:
            raise StartError(str(error)) from error
        self.outputs = outputs_of(self.settings, self.metrics)
        self.lexicons: Lexicons | None = lexicons_of(self.settings, self.metrics)
        self._reloading = asyncio.Lock()
        self._uploads = 0
        self._classifiers = asyncio.Semaphore(self.settings.classifiers)

    def open(self) -> None:
        """Load the engine, unless it is loaded already.

        Raises:
            StartError: it cannot be loaded.
        """
        if self.engine is None:
            self.engine = Engine(self.settings, self.metrics, self.make_tracker, self.connect)
            self._log_bundle(self.engine)

    async def reload(self) -> None:
        """Load the bundle again while the engine in use goes on: new sessions take the new one, open ones keep theirs.

        A bundle that cannot be used changes nothing, and the log says why.
        """
        async with self._reloading:
            replaced = self.engine
            if replaced is None:
                return
            load = partial(Engine, self.settings, self.metrics, self.make_tracker, self.connect, replaced)
            try:
                engine = await run_in_threadpool(load)
            except StartError as error:
                self.metrics.bundle_loads.labels("refused").inc()
                log.error("bundle %s stays: %s", replaced.bundle.id, error, extra=fields(bundle=replaced.bundle.id))
                return
            if self.engine is not replaced:  # the service has been closed in the meantime
                engine.retire()
                return
            self.engine = engine
            replaced.retire()
            self._log_bundle(engine)

    def _log_bundle(self, engine: Engine) -> None:
        model = engine.recogniser
        bundle = engine.bundle.id
        self.metrics.bundle_loads.labels("used").inc()
        log.info(
            "bundle %s on %s in %s",
            *(bundle, ", ".join(model.providers), model.precision),
            extra=fields(bundle=bundle, provider=model.providers[0]),
        )

    @contextmanager
    def upload(self) -> Iterator[None]:
        """Hold one of `max_uploads` places, which bound the memory that uploads take.

        Raises:
            ProblemError: "too_many_requests".
        """
        if self._uploads >= self.settings.max_uploads:
            raise ProblemError("too_many_requests", headers={"Retry-After": str(RETRY_S)})
        self._uploads += 1
        self.metrics.uploads.inc()
        try:
            yield
        finally:
            self._uploads -= 1
            self.metrics.uploads.dec()

    @asynccontextmanager
    async def classifier(self) -> AsyncIterator[None]:
        """Wait for one of `classifiers` places and hold it."""
        with self.tracing.span("wait"):
            await self._classifiers.acquire()
        try:
            yield
        finally:
            self._classifiers.release()

    def close(self) -> None:
        """Stop recognising; from here on the service is not ready."""
        engine = self.engine
        self.engine = None
        if engine is not None:
            engine.close()
        if self.lexicons is not None:
            self.lexicons.close()
        self.tracing.close()


def state_of(connection: HTTPConnection) -> State:
    """The state of the application that a request or websocket belongs to."""
    state: State = connection.app.state.glosscast
    return state


def engine_of(connection: HTTPConnection) -> Engine:
    """The loaded engine.

    Raises:
        ProblemError: "not_ready".
    """
    engine = state_of(connection).engine
    if engine is None:
        raise ProblemError("not_ready", headers={"Retry-After": str(RETRY_S)})
    return engine
