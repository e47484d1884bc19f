"""The lexicon of one stream: followed as it changes, and taught.

It belongs to the thread of the stream's worker, which waits for the store and for the model.
"""

import logging
from collections.abc import Callable
from time import monotonic

from glosscast.clip import Clip
from glosscast.lexicon.reading import BundleRule, ReadingRule
from glosscast.lexicon.signs import MAX_LANGUAGE, LexiconError, SignExample, TaughtSign
from glosscast.lexicon.teaching import Teacher, TeachingError
from service.inference.engine import Engine
from service.lexicons.lexicons import Lexicons
from service.lexicons.store import StoreError
from service.live.queues import Lesson
from service.protocol.codes import ErrorCode, Refusal
from service.protocol.messages import Error, LookAlike, Taught

log = logging.getLogger("glosscast.service")

LOOK_S = 1.0  # between two looks at the store for changes that others made
UNLIKE = "This example is unlike the others."
KNOWN = "This example was there already."


class StreamLexicon:
    """A lexicon that a stream reads with.

    Args:
        lexicons: of the service.
        owner: of the lexicon.
        name: of the lexicon.
        engine: with which the stream reads.
        clock: seconds.

    Raises:
        LexiconError: `unknown_lexicon`, or `other_bundle`: no sign can be taught to the bundle.
        StoreError: the lexicon cannot be read.
    """

    def __init__(
        self, lexicons: Lexicons, owner: str, name: str, engine: Engine, clock: Callable[[], float] = monotonic
    ) -> None:
        self._lexicons = lexicons
        self._owner = owner
        self._name = name
        self._engine = engine
        self._teacher = Teacher(engine.bundle, engine.classify)
        self._clock = clock
        self._looked_s = clock()
        self._fault: str | None = None  # why the lexicon could not be read at the last look
        self.rule: ReadingRule
        self._version: int | None  # None where the lexicon has been deleted
        self.rule, self._version = lexicons.rule(owner, name, engine)

    def catch_up(self) -> list[Error]:
        """Read the lexicon again where it has changed; errors to tell the client, each once.

        It looks at most once every `LOOK_S`. A lexicon that has been deleted is forgotten here as well, and one that
        cannot be read stays as it was.
        """
        now_s = self._clock()
        if now_s - self._looked_s < LOOK_S:
            return []
        self._looked_s = now_s
        before = self._fault
        self._fault = None
        try:
            if self._lexicons.version(self._owner, self._name) != self._version:
                self.rule, self._version = self._lexicons.rule(self._owner, self._name, self._engine)
        except LexiconError as error:
            self._fault, message = error.code, str(error)
            self.rule, self._version = BundleRule(self._engine.bundle), None
        except StoreError as error:
            self._fault, message = ErrorCode.LEXICON_UNREADABLE, ErrorCode.LEXICON_UNREADABLE.meaning
            log.error("a stream keeps its lexicon as it was: %s", error)
        if self._fault in (None, before):
            return []
        return [Error(code=ErrorCode[self._fault.upper()], message=message, retryable=True)]

    def checked(self, lesson: Lesson) -> Lesson:
        """A lesson with the gloss and the language as they are stored.

        Raises:
            LexiconError: `bad_gloss`.
        """
        language = lesson.language.strip()
        if len(language) > MAX_LANGUAGE:
            raise LexiconError("bad_gloss", f"the name of a language has {MAX_LANGUAGE} characters at most")
        return Lesson(self._teacher.gloss(lesson.gloss), language)

    def teach(self, lesson: Lesson, segment: int, clip: Clip | None, start_ms: float, end_ms: float) -> Taught:
        """Make a segment of a clip an example, store it and read with it from here on; the message about it.

        Args:
            lesson: checked.
            segment: its number in the stream.
            clip: the frames of the segment and around it; None where none are left.
            start_ms: where the segment starts.
            end_ms: where it ends.
        """
        try:
            if clip is None:
                raise TeachingError("no_signer", Refusal.NO_SIGNER.meaning)
            example = self._teacher.example_of(clip, start_ms, end_ms)
            return self._stored(lesson, segment, example)
        except (TeachingError, LexiconError) as error:
            reason, message = Refusal[error.code.upper()], str(error)
        except StoreError as error:
            log.error("an example was not stored: %s", error)
            reason = Refusal.DISK_FULL if error.code == Refusal.DISK_FULL else Refusal.NOT_STORED
            message = reason.meaning
        return Taught(segment=segment, gloss=lesson.gloss, accepted=False, reason=reason, message=message)

    def _stored(self, lesson: Lesson, segment: int, example: SignExample) -> Taught:
        sign = TaughtSign(lesson.gloss, lesson.language, (example,))
        taught = self._lexicons.teach(self._owner, self._name, self._engine, sign)
        self.rule, self._version = self._lexicons.rule(self._owner, self._name, self._engine)
        is_outlier = example.id in taught.likeness.outliers
        return Taught(
            segment=segment,
            gloss=taught.sign.gloss,
            accepted=True,
            example=example.id,
            examples=len(taught.sign.examples),
            consistency=taught.likeness.consistency,
            outlier=is_outlier,
            look_alikes=[LookAlike(gloss=o.gloss, taught=o.taught, risk=o.risk) for o in taught.likeness.look_alikes],
            warnings=[UNLIKE] * is_outlier + [KNOWN] * (not taught.added),
        )
