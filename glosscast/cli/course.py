"""Many clips taught to one file, which is stored every few seconds."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import monotonic

from glosscast.bundle import sha256
from glosscast.cli.recordings import Recording, Unusable
from glosscast.lexicon.editing import LexiconFile
from glosscast.lexicon.signs import MAX_EXAMPLES, MAX_SIGNS, Lexicon, LexiconError, SignExample, TaughtSign, folded
from glosscast.lexicon.teaching import Teacher, TeachingError
from glosscast.wording import counted

STORE_S = 3.0  # what a kill may lose
SHARE = 2.0  # times as long as storing takes, lest a large lexicon be stored all the time


class CourseError(RuntimeError):
    """Clips cannot be taught any more; the message gives the reason in one line."""


@dataclass(frozen=True)
class Lesson:
    """A clip of a sign.

    Attributes:
        gloss: the sign.
        clip: a video file.
        source: sha256 of the file; empty until it was read.
    """

    gloss: str
    clip: Path
    source: str = ""


@dataclass(frozen=True)
class Failure:
    """A clip that was not taught, and why, for programs and for people."""

    gloss: str
    clip: Path
    code: str
    reason: str


class Course:
    """Teaches clips to a lexicon's file; other programs may change the file meanwhile.

    Args:
        file: of the lexicon.
        teacher: makes examples.
        language: the sign language of all clips; may be empty.

    Attributes:
        taught: clips that were taught, with the ids of their examples.
        known: clips that had been taught before, likewise.
        failures: clips that were not.
        warnings: clips with something odd about them, and what it is.
        stored: how often the file was written.

    Raises:
        LexiconError: `bad_file`.
        OSError: the file cannot be read.
    """

    def __init__(self, file: LexiconFile, teacher: Teacher, language: str) -> None:
        self.teacher = teacher
        self.taught: dict[Lesson, str] = {}
        self.known: dict[Lesson, str] = {}
        self.failures: list[Failure] = []
        self.warnings: list[tuple[Path, str]] = []
        self.stored = 0
        self._file = file
        self._language = language
        self._pending: list[tuple[Lesson, SignExample]] = []
        self._counts: Counter[str] = Counter()
        for sign in self.lexicon:
            self._counts[folded(sign.gloss)] = len(sign.examples)
        self._store_at = monotonic() + STORE_S

    @property
    def done(self) -> int:
        """Clips that were looked at, stored or not."""
        return len(self.taught) + len(self._pending) + len(self.known) + len(self.failures)

    @property
    def lexicon(self) -> Lexicon:
        """The lexicon as it is stored."""
        return self._file.read()

    def checked(self, lessons: Sequence[Lesson]) -> list[Lesson]:
        """The lessons whose sign can be taught, with their gloss as it is stored; the others are failures.

        Raises:
            LexiconError: `too_many` signs for one lexicon.
        """
        fit = []
        for lesson in lessons:
            try:
                fit.append(replace(lesson, gloss=self.teacher.gloss(lesson.gloss)))
            except LexiconError as error:
                self._fail(lesson, error.code, str(error))
        count = len({folded(lesson.gloss) for lesson in fit} | set(self._counts))
        if count > MAX_SIGNS:
            raise LexiconError("too_many", f"a lexicon holds {MAX_SIGNS} signs at most, this would make {count}")
        return fit

    def unknown(self, lessons: Sequence[Lesson]) -> Iterator[Lesson]:
        """The lessons that were not taught yet, with their source, as far as each sign has room for examples."""
        known = {(folded(sign.gloss), e.source): e.id for sign in self.lexicon for e in sign.examples if e.source}
        for lesson in lessons:
            gloss = folded(lesson.gloss)
            try:
                lesson = replace(lesson, source=sha256(lesson.clip))
            except OSError as error:
                self._fail(lesson, "unreadable", error.strerror or str(error))
                continue
            if (example := known.get((gloss, lesson.source))) is not None:
                self.known[lesson] = example
            elif self._counts[gloss] >= MAX_EXAMPLES:
                self._fail(lesson, "too_many", f"a sign has {MAX_EXAMPLES} examples at most")
            else:
                self._counts[gloss] += 1
                yield lesson

    def take(self, lesson: Lesson, outcome: Recording | Unusable) -> None:
        """Teach a clip that was read, or note why it was not; stores what is to be stored, now and then.

        Raises:
            LexiconError: `bad_file`: somebody else damaged the file.
            CourseError: the file cannot be written.
        """
        if isinstance(outcome, Unusable):
            self._drop(lesson, outcome.code, outcome.reason)
        else:
            try:
                example, warnings = self.teacher.example(outcome.clip)
            except TeachingError as error:
                self._drop(lesson, error.code, str(error))
            else:
                self.warnings += [(lesson.clip, text) for text in warnings]
                self._pending.append((lesson, replace(example, source=lesson.source)))
        if monotonic() >= self._store_at:
            self.store()

    def store(self) -> None:
        """Store what was taught since the last time.

        Raises:
            LexiconError: `bad_file`: somebody else damaged the file.
            CourseError: the file cannot be written; it stays as it is, and what was taught is still to be stored.
        """
        if not self._pending:
            return
        began = monotonic()
        refused: dict[Lesson, LexiconError] = {}

        def add(lexicon: Lexicon) -> Lexicon:
            for lesson, example in self._pending:
                try:
                    lexicon = lexicon.with_examples(lesson.gloss, (example,), self._language)
                except LexiconError as error:
                    refused[lesson] = error
            return lexicon

        try:
            self._file.change(add)
        except OSError as error:
            raise CourseError(
                f"{error.filename}: {error.strerror}; {counted(len(self.taught), 'clip')} of this run stored, "
                f"{counted(len(self._pending), 'clip')} not stored: put that right and run this again"
            ) from error
        for lesson, example in self._pending:
            if lesson in refused:
                self._drop(lesson, refused[lesson].code, str(refused[lesson]))
            else:
                self.taught[lesson] = example.id
        self._pending.clear()
        self.stored += 1
        now = monotonic()
        self._store_at = now + max(STORE_S, SHARE * (now - began))

    def signs(self) -> list[TaughtSign]:
        """The signs of the clips that are taught, now or before."""
        lexicon = self.lexicon
        glosses = dict.fromkeys(folded(lesson.gloss) for lesson in (*self.known, *self.taught))
        found = [lexicon.find(gloss) for gloss in glosses]
        return [sign for sign in found if sign is not None]

    def names(self) -> dict[str, str]:
        """Clips by the ids of their examples."""
        return {example: str(lesson.clip) for lesson, example in (*self.known.items(), *self.taught.items())}

    def _drop(self, lesson: Lesson, code: str, reason: str) -> None:
        """A failure of a lesson for which there was room."""
        self._counts[folded(lesson.gloss)] -= 1
        self._fail(lesson, code, reason)

    def _fail(self, lesson: Lesson, code: str, reason: str) -> None:
        self.failures.append(Failure(lesson.gloss, lesson.clip, code, reason))
