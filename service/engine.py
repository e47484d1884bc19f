"""What all requests share: the bundle, the model behind its batcher, the trackers, and the streams that are open."""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from starlette.concurrency import run_in_threadpool
from starlette.requests import HTTPConnection

from glosscast import __version__
from glosscast.bundle import Bundle, BundleError, load_bundle
from glosscast.holistic import MODULES, ExtractorError, ModelError, Tracker, TrackerPool, mismatch, new_tracker, require
from glosscast.providers import ProviderError
from glosscast.recogniser import Recogniser
from service.access.auth import Access, AccessError
from service.batcher import Batcher, Observe
from service.observe.logs import fields
from service.observe.metrics import Metrics
from service.observe.tracing import TracingError, tracing_of
from service.problems import ProblemError
from service.processes import clip_decoder, sandbox, tracker
from service.processes.tracker import ProcessTracker
from service.remote import Remote
from service.settings import PREFIX, Settings
from service.streams import Streams
from service.transcripts import Transcripts
from service.turns import Turns

log = logging.getLogger("glosscast.service")

MakeTracker = Callable[[], Tracker]
Connect = Callable[[Bundle, Observe], Remote]


class StartError(RuntimeError):
    """The service cannot start; the message is one plain line that names the setting to look at."""


def bundle_of(settings: Settings) -> Bundle:
    """The settings' bundle, checked.

    Raises:
        StartError: it cannot be used.
    """
    try:
        return load_bundle(settings.bundle).require_servable()
    except BundleError as error:
        raise StartError(f"{PREFIX}BUNDLE: {error}") from error


def recogniser_of(settings: Settings, bundle: Bundle) -> Recogniser:
    """The bundle's model on the settings' provider.

    Raises:
        StartError: it cannot be used.
    """
    try:
        return Recogniser(bundle, settings.providers or (), settings.inference_threads, settings.precision)
    except BundleError as error:
        raise StartError(f"{PREFIX}BUNDLE: {error}") from error
    except ProviderError as error:
        raise StartError(f"{PREFIX}PROVIDERS: {error}") from error


class Engine:
    """Loaded and checked: ready to recognise.

    Streams and uploads have trackers of their own, so that neither can keep the other waiting.

    Args:
        settings: what to load.
        metrics: told of it.
        make_tracker: makes what finds keypoints in pictures; None takes the settings' extractor.
        connect: leads to recognisers elsewhere; None loads one here.
        before: the one whose place this takes, with its trackers. What uses it goes on with it.

    Raises:
        StartError: the bundle, an execution provider or the extractor cannot be used.
    """

    recogniser: Recogniser | Remote
    classify: Batcher | Remote
    turns: Turns

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        make_tracker: MakeTracker | None,
        connect: Connect | None = None,
        before: "Engine | None" = None,
    ) -> None:
        self.bundle = bundle_of(settings)
        modules = [clip_decoder.__name__, tracker.__name__]
        of_clips = of_streams = make_tracker
        if of_clips is None or of_streams is None:
            of_clips, of_streams = self._extractor(settings, metrics)
            modules += [MODULES[settings.extractor]] if settings.extractor_processes else []
        sandbox.prepare(modules)
        if connect is None:
            self.recogniser = recogniser_of(settings, self.bundle)
            batcher = self.classify = Batcher(
                self.recogniser, settings.max_batch, budget_s=settings.interim_wait_ms / 1000, observe=metrics.inference
            )
            metrics.windows_waiting.set_function(lambda: batcher.waiting)
        else:
            self.recogniser = self.classify = connect(self.bundle, metrics.inference)
        self.stream_trackers: TrackerPool
        self.clip_trackers: TrackerPool
        if before is not None:
            self.stream_trackers, self.clip_trackers = before.stream_trackers, before.clip_trackers
        else:
            self.stream_trackers = TrackerPool(settings.trackers, of_streams)
            self.clip_trackers = TrackerPool(settings.classifiers, of_clips)
        self.turns = before.turns if before is not None else Turns(settings.queue_frames)
        self._users, self._retired = 0, False
        metrics.bundle.info(
            {
                "bundle": self.bundle.id,
                "provider": self.recogniser.providers[0],
                "precision": self.recogniser.precision,
                "glosscast": __version__,
            }
        )

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the model while the block lasts, also when another takes its place. For the event loop."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._let_go()

    def retire(self) -> None:
        """Another has taken its place: end the model's thread when nothing uses it any more."""
        self._retired = True
        self._let_go()

    def _let_go(self) -> None:
        if self._retired and not self._users:
            self.classify.close()

    def _extractor(self, settings: Settings, metrics: Metrics) -> tuple[MakeTracker, MakeTracker]:
        """What makes the trackers of clips and of streams that the settings ask for, once it is known to work."""
        trained = self.bundle.manifest.keypoints
        try:
            require(settings.extractor)
            if other := mismatch(trained.extractor, trained.models, settings.extractor):
                level = logging.INFO if other.measured else logging.WARNING
                log.log(level, "bundle %s was %s", self.bundle.id, other.text)
        except (ExtractorError, ModelError) as error:
            raise StartError(f"{PREFIX}EXTRACTOR: {error}") from error
        makes = (
            partial(new_tracker, settings.extractor, threads=settings.clip_threads),
            partial(new_tracker, settings.extractor, settings.pose_every),
        )
        if not settings.extractor_processes:
            return makes
        of_clips, of_streams = (
            partial(ProcessTracker, make, settings.extractor_timeout_s, metrics.tracker_lost) for make in makes
        )
        return of_clips, of_streams

    def close(self) -> None:
        """End the model's thread and free the trackers."""
        self.classify.close()
        self.stream_trackers.close()
        self.clip_trackers.close()


@dataclass(eq=False)
class Services:
    """One application's state, at `app.state.services`.

    Raises:
        StartError: the service would be open to strangers, a file for access is wrong, or traces cannot be sent.
    """

    settings: Settings
    make_tracker: MakeTracker | None  # None takes the settings' extractor
    metrics: Metrics = field(default_factory=Metrics)
    engine: Engine | None = None
    uploads: int = 0  # under way
    connect: Connect | None = None  # None loads the recogniser here

    def __post_init__(self) -> None:
        try:
            self.access = Access(self.settings)
            self.tracing = tracing_of(self.settings)
        except (AccessError, TracingError) as error:
            raise StartError(str(error)) from error
        self.streams = Streams(self.settings.max_streams, self.metrics)
        self.transcripts = Transcripts(self.settings.captions_s)
        self._reloading = asyncio.Lock()
        self.classifying = asyncio.Semaphore(self.settings.classifiers)

    def open(self) -> None:
        """Load the engine, unless that was done before.

        Raises:
            StartError: it cannot be loaded.
        """
        if self.engine is None:
            self.engine = Engine(self.settings, self.metrics, self.make_tracker, self.connect)
            self._say_bundle(self.engine)

    async def reload(self) -> None:
        """Load the bundle again, beside the one in use: new sessions take it, those under way go on with theirs.

        One that cannot be used changes nothing, and the log says why.
        """
        async with self._reloading:
            before = self.engine
            if before is None:
                return
            load = partial(Engine, self.settings, self.metrics, self.make_tracker, self.connect, before)
            try:
                engine = await run_in_threadpool(load)
            except StartError as error:
                self.metrics.bundle_loads.labels("refused").inc()
                log.error("bundle %s stays: %s", before.bundle.id, error, extra=fields(bundle=before.bundle.id))
                return
            if self.engine is not before:  # the service has been closed meanwhile
                engine.retire()
                return
            self.engine = engine
            before.retire()
            self._say_bundle(engine)

    def _say_bundle(self, engine: Engine) -> None:
        model, bundle = engine.recogniser, engine.bundle.id
        self.metrics.bundle_loads.labels("used").inc()
        log.info(
            "bundle %s on %s in %s",
            *(bundle, ", ".join(model.providers), model.precision),
            extra=fields(bundle=bundle, provider=model.providers[0]),
        )

    def close(self) -> None:
        """Stop recognising; from here on the service is not ready."""
        engine, self.engine = self.engine, None
        if engine is not None:
            engine.close()
        self.tracing.close()


def services_of(connection: HTTPConnection) -> Services:
    """The state of the application that a request or websocket belongs to."""
    services: Services = connection.app.state.services
    return services


def engine_of(connection: HTTPConnection) -> Engine:
    """The loaded engine.

    Raises:
        ProblemError: "not_ready".
    """
    engine = services_of(connection).engine
    if engine is None:
        raise ProblemError("not_ready", headers={"Retry-After": "5"})
    return engine
