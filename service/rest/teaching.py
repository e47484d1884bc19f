"""Lexicons of requests: clips to examples, and stored signs to answers. Everything here blocks."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from io import BytesIO
from threading import Event

import numpy as np
from numpy.typing import NDArray

from glosscast.keypoints import LEFT_HAND, POSE, PRESENCE, RIGHT_HAND, UPPER_BODY, X, Y
from glosscast.lexicon.file import read_lexicon, write_lexicon
from glosscast.lexicon.signs import SignExample
from glosscast.lexicon.signs import TaughtSign as StoredSign
from glosscast.lexicon.teaching import Teacher, TeachingError
from service.inference.engine import Engine
from service.lexicons.lexicons import Known, Lexicons
from service.lexicons.rows import Summary
from service.live.reader import VISIBLE
from service.problems import ProblemError, sentence
from service.protocol.messages import LookAlike, Point
from service.rest.clips import keypoints_of
from service.rest.schemas import ExampleMotion, LexiconSummary, TaughtExample, TaughtSign, TeachingAnswer
from service.rest.uploads import File
from service.state import State

DIGITS = 4  # of a point, in shoulder widths, and of a similarity


def teach(
    lexicons: Lexicons,
    owner: str,
    name: str,
    engine: Engine,
    state: State,
    sign: StoredSign,
    files: Sequence[File],
    disconnected: Event,
) -> TeachingAnswer:
    """Make each clip an example of a sign and store all of them, or none.

    Args:
        lexicons: of the service.
        owner: of the lexicon.
        name: of the lexicon.
        engine: what finds keypoints and reads them.
        state: of the application.
        sign: its gloss and language.
        files: the clips.
        disconnected: set when the client has disconnected.

    Raises:
        ProblemError: a clip cannot be an example; it names the clip.
        LexiconError: `unknown_lexicon`, `bad_gloss`, `too_many`, `other_bundle`.
        StoreError: nothing could be stored.
        ClientDisconnect: `disconnected` was set.
    """
    teacher = Teacher(engine.bundle, engine.classify)
    examples: list[SignExample] = []
    warnings = []
    for index, file in enumerate(files, 1):
        label = f"file {index} ({file.name!r})"
        example, told = _example(teacher, engine, state, file, label, disconnected)
        warnings += [f"{label}: {warning}" for warning in told]
        examples.append(example)
    taught = lexicons.teach(owner, name, engine, replace(sign, examples=tuple(examples)))
    added = set(taught.added)
    for index, (file, example) in enumerate(zip(files, examples, strict=True), 1):
        label = f"file {index} ({file.name!r})"
        if example.id not in added:
            warnings.append(f"{label}: this example was there already")
        elif example.id in taught.likeness.outliers:
            warnings.append(f"{label}: this example is unlike the others")
        added.discard(example.id)
    return TeachingAnswer(
        **answer(taught).model_dump(), added=list(taught.added), warnings=[sentence(warning) for warning in warnings]
    )


def _example(
    teacher: Teacher, engine: Engine, state: State, file: File, label: str, disconnected: Event
) -> tuple[SignExample, list[str]]:
    try:
        with state.tracing.span("extraction") as span:
            clip, _ = keypoints_of(engine, state.settings, file.content, disconnected, span)
        example, warnings = teacher.example(clip)
    except ProblemError as error:
        raise ProblemError(error.code, sentence(f"{label}: {error.detail}"), error.headers) from error
    except TeachingError as error:
        raise ProblemError(error.code, sentence(f"{label}: {error}")) from error
    return replace(example, source=hashlib.sha256(file.content).hexdigest()), warnings


def answer(known: Known) -> TaughtSign:
    """A sign, as answers describe it."""
    sign, likeness = known.sign, known.likeness
    return TaughtSign(
        gloss=sign.gloss,
        language=sign.language,
        examples=[TaughtExample(id=e.id, duration_ms=round(e.end_ms - e.start_ms, 1)) for e in sign.examples],
        consistency=None if likeness.consistency is None else round(likeness.consistency, DIGITS),
        outliers=list(likeness.outliers),
        look_alikes=[
            LookAlike(gloss=o.gloss, taught=o.taught, risk=round(o.risk, DIGITS)) for o in likeness.look_alikes
        ],
    )


def motion(example: SignExample) -> ExampleMotion:
    """The points of an example."""
    return ExampleMotion(
        t_ms=[round(float(t), 1) for t in example.t_ms],
        start_ms=round(example.start_ms, 1),
        end_ms=round(example.end_ms, 1),
        pose=[[_point(p) if p[PRESENCE] >= VISIBLE else None for p in f[POSE][UPPER_BODY]] for f in example.keypoints],
        left_hand=[_hand(frame[LEFT_HAND]) for frame in example.keypoints],
        right_hand=[_hand(frame[RIGHT_HAND]) for frame in example.keypoints],
    )


def exported(lexicons: Lexicons, owner: str, name: str, engine: Engine) -> bytes:
    """A lexicon as a file.

    Raises:
        LexiconError: `unknown_lexicon`, or `other_bundle`.
        StoreError: it cannot be read.
    """
    file = BytesIO()
    write_lexicon(lexicons.whole(owner, name, engine), file)
    return file.getvalue()


def imported(lexicons: Lexicons, owner: str, name: str, engine: Engine, content: bytes) -> LexiconSummary:
    """Make a lexicon of a file, or add the file's signs to one.

    Raises:
        LexiconError: `bad_file`, `bad_gloss`, `too_many`, `other_bundle`; then nothing has changed.
        StoreError: it cannot be stored.
    """
    lexicon = read_lexicon(BytesIO(content), lexicons.store.max_bytes)
    return summary_of(lexicons.merge(owner, name, engine, lexicon))


def summary_of(summary: Summary) -> LexiconSummary:
    """A lexicon, as answers describe it."""
    return LexiconSummary.model_validate(summary, from_attributes=True)


def _hand(points: NDArray[np.float16]) -> list[Point] | None:
    return [_point(point) for point in points] if (points[:, PRESENCE] > 0).all() else None


def _point(point: NDArray[np.float16]) -> Point:
    return round(float(point[X]), DIGITS), round(float(point[Y]), DIGITS)
