"""An uploaded clip to glosses: the work of `POST /v1/classify`, in a thread of its own."""

from functools import partial
from threading import Event
from time import monotonic

from glosscast.clip import Clip
from glosscast.decoding import ClipReading, NoSignerError, SignEvent
from glosscast.lexicon.reading import ReadingRule
from glosscast.ranking import confidence, ranked
from service.inference.engine import Engine
from service.observe.tracing import Span, batch
from service.problems import ProblemError
from service.rest.clips import keypoints_of, ms_of
from service.rest.schemas import Classification, ClipSign, Prediction
from service.state import State


def classify(
    engine: Engine, state: State, data: bytes, top_k: int, disconnected: Event, rule: ReadingRule
) -> Classification:
    """Read a clip as one sign, or as sentences; blocks.

    Args:
        engine: what recognises.
        state: of the application.
        data: content of the file.
        top_k: number of glosses in the answer.
        disconnected: set when the client has disconnected.
        rule: by which it is read, with or without taught signs.

    Raises:
        ProblemError: the clip cannot be read.
        ClientDisconnect: `disconnected` was set.
    """
    with state.tracing.span("extraction") as span:
        clip, timings = keypoints_of(engine, state.settings, data, disconnected, span)
    began = monotonic()
    with state.tracing.span("recognition") as span:
        reading = _read(engine, rule, clip, span)
    timings.inference = ms_of(monotonic() - began)
    state.metrics.stages.labels("decode").observe(timings.decode / 1000)
    state.metrics.stages.labels("keypoints").observe(timings.keypoints / 1000)
    predictions = [
        Prediction(
            gloss=best.gloss,
            confidence=best.confidence,
            confusable_with=rule.confusable_with(best.gloss),
        )
        for best in ranked(rule.vocabulary, reading.probabilities, top_k)
    ]
    signs = [_sign(rule, event, float(clip.t_ms[0])) for event in reading.signs]
    return Classification(
        bundle=engine.bundle.id,
        duration_ms=round(clip.duration_ms, 1),
        frames=len(clip.t_ms),
        known=reading.known,
        threshold=confidence(engine.bundle.manifest.decoder.reject),
        no_sign=rule.vocabulary.no_sign,
        predictions=predictions,
        signs=signs,
        glosses=[sign.gloss for sign in signs if sign.gloss != rule.vocabulary.no_sign],
        warnings=clip.warnings,
        timings_ms=timings,
    )


def _read(engine: Engine, rule: ReadingRule, clip: Clip, span: Span) -> ClipReading:
    def observe(windows: int, seconds: float) -> None:
        span.step(batch(windows, seconds))

    try:
        return engine.bundle.pipeline(partial(engine.classify, observe=observe), rule).read(clip)
    except NoSignerError:
        raise ProblemError("no_signer") from None


def _sign(rule: ReadingRule, final: SignEvent, first_ms: float) -> ClipSign:
    assert final.probabilities is not None  # a final has them
    (best,) = ranked(rule.vocabulary, final.probabilities, 1, final.label)
    return ClipSign(
        gloss=best.gloss,
        confidence=best.confidence,
        start_ms=round(final.start_ms - first_ms, 1),
        end_ms=round(final.end_ms - first_ms, 1),
        utterance=final.utterance,
    )
