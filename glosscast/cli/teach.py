"""`glosscast teach`: signs from clips, one sign at a time or a folder of them."""

import argparse
import errno
import json
import os
import signal
import sys
from collections.abc import Iterator
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from glosscast.bundle import load_bundle
from glosscast.cli.arguments import Commands, add_bundle, add_json, positive
from glosscast.cli.course import Course, CourseError, Lesson
from glosscast.cli.exit_codes import INTERRUPTED, SOME_FAILED
from glosscast.cli.folders import is_clip
from glosscast.cli.likeness import sign_as_json, sign_as_text
from glosscast.cli.progress import ProgressLine
from glosscast.cli.recordings import read_all, read_here, usable_cores, warn_of_extractor
from glosscast.lexicon.editing import LexiconFile
from glosscast.lexicon.reading import LexiconRule
from glosscast.lexicon.teaching import Teacher
from glosscast.recogniser import Recogniser
from glosscast.wording import counted


def add_command(commands: Commands) -> None:
    """The command line of `teach`."""
    command = commands.add_parser("teach", help="teach a sign from clips, or many signs from a folder")
    command.add_argument("gloss", nargs="?", metavar="GLOSS", help="the sign's name")
    command.add_argument("clips", nargs="*", type=Path, metavar="CLIP", help="recordings of the sign alone")
    command.add_argument("--folder", type=Path, metavar="DIR", help="of folders of clips, each named as its sign")
    command.add_argument("--lexicon", type=Path, required=True, metavar="FILE", help="is made or added to")
    command.add_argument("--language", default="", metavar="L", help="the sign language, as you call it")
    command.add_argument("--workers", type=positive, metavar="N", help="processes that read clips (default: all cores)")
    add_bundle(command)
    add_json(command)
    command.set_defaults(run=run, usage=command.error, several="clips")


def run(args: argparse.Namespace) -> int:
    """`teach`.

    Raises:
        BundleError, LexiconError: the bundle, the lexicon or the gloss cannot be used.
        CourseError: there are no clips, or they cannot be read or stored any more.
        OSError: the folder or the lexicon cannot be read or written.
    """
    if args.folder is None and not args.clips:
        args.usage("GLOSS and a CLIP, or --folder DIR")
    if args.folder is not None and args.gloss is not None:
        args.usage("--folder names the signs: GLOSS and CLIP are not taken with it")
    if not (folder := args.lexicon.absolute().parent).is_dir():  # before the time of reading clips is spent
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(folder))
    bundle = load_bundle(args.bundle)
    teacher = Teacher(bundle, Recogniser(bundle).readout)
    name = args.lexicon.name.removesuffix(".npz").removesuffix(".lexicon")
    course = Course(
        LexiconFile(args.lexicon, lambda: teacher.new_lexicon(name), teacher.embedded), teacher, args.language
    )
    if args.folder is None:
        lessons = [Lesson(teacher.gloss(args.gloss), clip) for clip in args.clips]
    else:
        lessons = _lessons(args.folder, course)
    warn_of_extractor(bundle)
    interrupted = _take(course, lessons, args.workers)
    rule = LexiconRule(bundle, course.lexicon)
    if args.json:
        print(json.dumps(_answer(args, course, rule), ensure_ascii=False))
    else:
        _print(args, course, rule)
    for failure in course.failures:
        print(f"{failure.clip}: {failure.reason}", file=sys.stderr)
    if interrupted:
        print("interrupted; what was taught is kept: run it again for the rest", file=sys.stderr)
        return INTERRUPTED
    return SOME_FAILED if course.failures else 0


def _lessons(folder: Path, course: Course) -> list[Lesson]:
    """The clips of a folder of folders, by name.

    Raises:
        LexiconError: `too_many` signs.
        CourseError: no clip.
        OSError: the folder cannot be read.
    """
    lessons = []
    for sign in sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith(".")):
        for clip in sorted(sign.iterdir()):
            if is_clip(clip):
                lessons.append(Lesson(sign.name, clip))
    if not lessons:
        raise CourseError(f"{folder}: no clips; they are wanted as {folder / 'GLOSS' / 'NAME.mp4'}")
    return course.checked(lessons)


def _take(course: Course, lessons: list[Lesson], workers: int | None) -> bool:
    """Teach clips one after the other, and say how far it is; whether it was interrupted.

    Raises:
        CourseError: the lexicon cannot be written, or clips cannot be read any more; what was written before stays.
    """
    workers = min(workers or usable_cores(), len(lessons))
    fps = course.teacher.bundle.manifest.clip.fps
    wanted = ((lesson, lesson.clip) for lesson in course.unknown(lessons))
    outcomes = (
        ((lesson, read_here(clip, fps)) for lesson, clip in wanted) if workers == 1 else read_all(wanted, fps, workers)
    )
    progress = _Progress(len(lessons))
    with _terminated_as_by_hand():
        try:
            with closing(outcomes):
                for lesson, outcome in outcomes:
                    course.take(lesson, outcome)
                    progress.show(course)
        except KeyboardInterrupt:
            return True
        except BrokenProcessPool as error:
            raise CourseError(
                "a process that reads clips was killed, perhaps for lack of memory; what was taught is kept: run this "
                "again with fewer --workers",
            ) from error
        finally:
            progress.end()
            course.store()
    return False


class _Progress:
    """A line on stderr: rewritten on a terminal, else written where something was stored."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._line = ProgressLine()
        self._stored = 0

    def show(self, course: Course) -> None:
        """Say how far it is."""
        text = f"{course.done} of {counted(self._count, 'clip')}, {len(course.failures)} failed"
        self._line.show(text)
        if not self._line.terminal and course.stored != self._stored:
            self._stored = course.stored
            print(text, file=sys.stderr, flush=True)

    def end(self) -> None:
        """Leave the line."""
        self._line.clear()


@contextmanager
def _terminated_as_by_hand() -> Iterator[None]:
    """In this block SIGTERM does what Ctrl-C does, so that what was taught is stored."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _answer(args: argparse.Namespace, course: Course, rule: LexiconRule) -> dict[str, Any]:
    return {
        "lexicon": str(args.lexicon),
        "bundle": rule.lexicon.bundle,
        "taught": len(course.taught),
        "known": len(course.known),
        "failed": [
            {"clip": str(f.clip), "gloss": f.gloss, "code": f.code, "reason": f.reason} for f in course.failures
        ],
        "warnings": [{"clip": str(clip), "text": text} for clip, text in course.warnings],
        "signs": [sign_as_json(sign, rule.likeness(sign.gloss)) for sign in course.signs()],
    }


def _print(args: argparse.Namespace, course: Course, rule: LexiconRule) -> None:
    for clip, text in course.warnings:
        print(f"{clip}: {text}", file=sys.stderr)
    names = course.names()
    for sign in course.signs():
        print("\n".join(sign_as_text(sign, rule.likeness(sign.gloss), names)))
    known = f", {len(course.known)} known already" if course.known else ""
    failed = f", {len(course.failures)} failed" if course.failures else ""
    taught = f"{counted(len(course.taught), 'clip')} taught"
    print(f"{args.lexicon}: {taught}{known}{failed}; {counted(len(rule.lexicon), 'sign')}")
