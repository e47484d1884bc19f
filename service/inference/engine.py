"""The engine: a loaded bundle, its model behind a batcher, and the trackers."""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from glosscast import __version__
from glosscast.bundle import Bundle, BundleError, load_bundle
from glosscast.holistic import (
    MODULES,
    Effort,
    ExtractorError,
    ModelError,
    Tracker,
    TrackerPool,
    mismatch,
    new_tracker,
    require,
    serving,
)
from glosscast.providers import ProviderError
from glosscast.recogniser import Recogniser
from service.inference.batcher import Batcher, Observe
from service.inference.pace import Pace
from service.inference.remote import Remote
from service.inference.turns import Turns
from service.observe.metrics import Metrics
from service.processes import clip_decoder, sandbox, tracker
from service.processes.tracker import ProcessTracker
from service.settings import PREFIX, Settings, StartError

log = logging.getLogger("glosscast.service")

MakeTracker = Callable[[], Tracker]
Connect = Callable[[Bundle, Observe], Remote]


def bundle_of(settings: Settings) -> Bundle:
    """The settings' bundle, checked.

    Raises:
        StartError: it cannot be used.
    """
    try:
        return load_bundle(settings.bundle)
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


class Trackers:
    """The trackers of streams and those of clips, for as many engines as need the same work of them.

    Args:
        streams: for streams.
        clips: for clips.
        effort: the work that they do.
    """

    def __init__(self, streams: TrackerPool, clips: TrackerPool, effort: Effort) -> None:
        self.streams = streams
        self.clips = clips
        self.effort = effort
        self._engines = 1

    def share(self) -> "Trackers":
        """The same trackers for another engine."""
        self._engines += 1
        return self

    def leave(self) -> None:
        """One engine needs them no more; after the last one they are freed."""
        self._engines -= 1
        if not self._engines:
            self.close()

    def close(self) -> None:
        """Free them."""
        self.streams.close()
        self.clips.close()


class Engine:
    """A loaded and checked bundle, ready to recognise.

    Streams and uploads have separate trackers, so that neither can keep the other waiting.

    Args:
        settings: what to load.
        metrics: receive the figures of the model and the trackers.
        make_tracker: makes a tracker, which finds keypoints in pictures; None takes the settings' extractor.
        connect: connects to recognisers in other processes; None loads one in this process.
        replaced: the engine that this one replaces; its trackers are taken over, unless this bundle needs other work of
            them, and its users keep using it.

    Raises:
        StartError: the bundle, an execution provider or the extractor cannot be used.
    """

    recogniser: Recogniser | Remote
    classify: Batcher | Remote
    turns: Turns
    pace: Pace
    _trackers: Trackers

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        make_tracker: MakeTracker | None,
        connect: Connect | None = None,
        replaced: "Engine | None" = None,
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
                self.recogniser.readout,
                settings.max_batch,
                budget_s=settings.interim_wait_ms / 1000,
                observe=metrics.inference,
            )
            metrics.windows_waiting.set_function(lambda: batcher.waiting)
        else:
            self.recogniser = self.classify = connect(self.bundle, metrics.inference)
        effort = serving(self.bundle.manifest.keypoints.face)
        self._trackers = (
            replaced._trackers.share()
            if replaced is not None and replaced._trackers.effort == effort
            else Trackers(
                TrackerPool(settings.trackers, of_streams), TrackerPool(settings.classifiers, of_clips), effort
            )
        )
        self.stream_trackers = self._trackers.streams
        self.clip_trackers = self._trackers.clips
        self.pace = replaced.pace if replaced is not None else Pace(settings.queue_frames, metrics.rate_lowered.set)
        self.turns = replaced.turns if replaced is not None else Turns(settings.queue_frames)
        self._users = 0
        self._retired = False
        self._closed = False
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
        """Keep the model open while the block lasts, even if another engine replaces this one. For the event loop."""
        self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._close_if_unused()

    def retire(self) -> None:
        """Another engine has replaced this one: end the model's thread and leave the trackers when nothing uses it."""
        self._retired = True
        self._close_if_unused()

    def _close_if_unused(self) -> None:
        if self._retired and not self._users and not self._closed:
            self._closed = True
            self.classify.close()
            self._trackers.leave()

    def _extractor(self, settings: Settings, metrics: Metrics) -> tuple[MakeTracker, MakeTracker]:
        """Makers of the trackers for clips and for streams, after a check that the settings' extractor works."""
        trained = self.bundle.manifest.keypoints
        effort = serving(trained.face)
        try:
            require(settings.extractor)
            if other := mismatch(trained.extractor, trained.models, settings.extractor):
                level = logging.INFO if other.measured else logging.WARNING
                log.log(level, "bundle %s was %s", self.bundle.id, other.text)
        except (ExtractorError, ModelError) as error:
            raise StartError(f"{PREFIX}EXTRACTOR: {error}") from error
        makes = (
            partial(new_tracker, settings.extractor, effort, settings.clip_threads),
            partial(new_tracker, settings.extractor, effort),
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
        self._trackers.close()
