"""`glosscast classify`: the signs in clips."""

import argparse
import sys
from collections.abc import Generator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import closing
from functools import partial
from pathlib import Path
from time import perf_counter

from glosscast.bundle import Bundle, load_bundle
from glosscast.cli.answers import COLUMNS, FORMATS, Answer
from glosscast.cli.arguments import Commands, add_bundle, positive
from glosscast.cli.exit_codes import INTERRUPTED, SOME_FAILED, UNUSABLE
from glosscast.cli.folders import FoundClip, clips_in
from glosscast.cli.progress import ProgressLine
from glosscast.cli.recordings import (
    Recording,
    Unusable,
    read_all,
    read_here,
    read_in_worker,
    usable_cores,
    warn_of_extractor,
)
from glosscast.clip import ClipWarning
from glosscast.decoding import NoSignerError
from glosscast.holistic import serving
from glosscast.lexicon.file import load_lexicon
from glosscast.lexicon.reading import ReadingRule, rule_of
from glosscast.lexicon.teaching import Teacher
from glosscast.ranking import confidence
from glosscast.recogniser import Recogniser
from glosscast.wording import counted

WARNINGS: dict[ClipWarning, str] = {
    "several_people": "several people are in view; the signs of one of them were read, perhaps the wrong one"
}

Answers = Generator[tuple[FoundClip, Answer | Unusable], None, None]


class ClassifyError(RuntimeError):
    """Clips cannot be read any more; the message gives the reason in one line."""


def add_command(commands: Commands) -> None:
    """The command line of `classify`."""
    command = commands.add_parser("classify", help="name the signs in clips")
    command.add_argument(
        "paths",
        type=Path,
        nargs="+",
        metavar="PATH",
        help="a clip (mp4, m4v, mov, webm, mkv or avi), or a folder: its clips are read, also in folders inside it",
    )
    command.add_argument("--lexicon", type=Path, metavar="FILE", help="taught signs, which are read as well")
    command.add_argument("--top-k", type=positive, default=5, metavar="N", help="how many guesses (default: 5)")
    forms = command.add_mutually_exclusive_group()
    forms.add_argument("--format", choices=FORMATS, default="table", help="what is printed (default: table)")
    forms.add_argument("--json", action="store_const", const="json", dest="format", help="the same as --format json")
    command.add_argument("--out", type=Path, metavar="DIR", help="where --format vtt makes a file for each clip")
    command.add_argument("--workers", type=positive, metavar="N", help="processes that read clips (default: all cores)")
    add_bundle(command)
    command.set_defaults(run=run, usage=command.error, several="paths")


def run(args: argparse.Namespace) -> int:
    """`classify`.

    Raises:
        BundleError, LexiconError, ExtractorError, ModelError: what was given or is installed cannot be used.
        ClassifyError: clips cannot be read any more.
        OSError: the lexicon cannot be read, or a file cannot be written.
    """
    clips, empty = clips_in(args.paths)
    output = Output(args.format, _files(args, clips), named=[clip.path for clip in clips] != args.paths[:1])
    for folder in empty:
        print(f"{folder}: no clips", file=sys.stderr)
    bundle = load_bundle(args.bundle)
    reader = Reader(bundle, args.lexicon, args.top_k)
    warn_of_extractor(bundle)
    progress = ProgressLine()
    read = failed = 0
    try:
        with closing(reader.answers(clips, args.workers)) as found:
            progress.show(f"reading {counted(len(clips), 'clip')}")
            for clip, answer in found:
                progress.clear()
                if isinstance(answer, Answer):
                    read += 1
                    output.show(clip, answer)
                else:
                    failed += 1
                    print(f"{clip.path}: {answer.reason}", file=sys.stderr)
                progress.show(f"{read + failed} of {counted(len(clips), 'clip')}, {failed} failed")
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        progress.clear()
    if failed or empty:
        return SOME_FAILED if read else UNUSABLE
    return 0


def _files(args: argparse.Namespace, clips: Sequence[FoundClip]) -> dict[Path, Path]:
    """The file that is made of each clip, where files are."""
    if args.out is None:
        if args.format == "vtt" and len(clips) > 1:
            args.usage("captions of several clips are files: say where to make them, with --out DIR")
        return {}
    if args.format != "vtt":
        args.usage("--out is for --format vtt")
    files: dict[Path, Path] = {}
    for clip in clips:
        file = args.out / clip.name.with_suffix(".vtt")
        if file in files:
            args.usage(f"{files[file]} and {clip.path} would both become {file}")
        files[file] = clip.path
    return {clip: file for file, clip in files.items()}


class Output:
    """Prints answers, or writes each into a file.

    Args:
        form: one of `FORMATS`.
        files: what is made of each clip; empty prints.
        named: whether a table says which clip an answer is of.
    """

    def __init__(self, form: str, files: dict[Path, Path], named: bool) -> None:
        self._form = form
        self._files = files
        self._named = named
        self._begun = False

    def show(self, clip: FoundClip, answer: Answer) -> None:
        """Say what was read in a clip.

        Raises:
            OSError: the file cannot be written.
        """
        text = FORMATS[self._form](answer)
        if self._form != "json":  # which has them
            for warning in answer.recording.clip.warnings:
                print(f"{clip.path}: {WARNINGS[warning]}", file=sys.stderr)
        if self._files:
            file = self._files[clip.path]
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
            return
        if self._form == "csv" and not self._begun:
            print(",".join(COLUMNS))
        if self._form == "table" and self._named:
            text = f"{clip.path}\n" + "".join(f"  {line}\n" for line in text.splitlines())
        self._begun = True
        print(text, end="", flush=True)


class Reader:
    """Reads clips with a bundle and, where one was given, a lexicon.

    Args:
        bundle: of the model.
        lexicon: file of taught signs, whatever bundle they were taught with.
        top_k: number of glosses in an answer.

    Raises:
        LexiconError: `bad_file`; `other_bundle`: the bundle takes no lexicons.
        OSError: the lexicon cannot be read.
    """

    def __init__(self, bundle: Bundle, lexicon: Path | None, top_k: int) -> None:
        recogniser = Recogniser(bundle)
        taught = None if lexicon is None else Teacher(bundle, recogniser.readout).embedded(load_lexicon(lexicon))
        self._bundle = bundle
        self._rule: ReadingRule = rule_of(bundle, taught)
        self._pipeline = bundle.pipeline(recogniser.readout, self._rule)
        self._top_k = top_k

    def answers(self, clips: Sequence[FoundClip], workers: int | None) -> Answers:
        """Read clips, in several processes where there are several clips, and yield the answers in the clips' order.

        Raises:
            ClassifyError: a process that reads clips was killed.
            ExtractorError, ModelError: no clip can be read.
        """
        workers = min(workers or usable_cores(), len(clips))
        fps, crop = self._bundle.manifest.clip.fps, self._bundle.crop
        effort = serving(self._bundle.manifest.keypoints.face)
        read = partial(read_in_worker, crop=crop, effort=effort)
        if workers <= 1:
            for clip in clips:
                yield clip, self._answer(clip.path, read_here(clip.path, fps, crop, effort))
            return
        numbered = ((number, clip.path) for number, clip in enumerate(clips))
        ready: dict[int, Answer | Unusable] = {}
        place = 0
        try:
            with closing(read_all(numbered, fps, workers, read)) as outcomes:
                for number, outcome in outcomes:
                    ready[number] = self._answer(clips[number].path, outcome)
                    while place in ready:
                        yield clips[place], ready.pop(place)
                        place += 1
        except BrokenProcessPool as error:
            raise ClassifyError(
                "a process that reads clips was killed, perhaps for lack of memory: run this again with fewer --workers"
            ) from error

    def _answer(self, path: Path, outcome: Recording | Unusable) -> Answer | Unusable:
        if isinstance(outcome, Unusable):
            return outcome
        began = perf_counter()
        try:
            reading = self._pipeline.read(outcome.clip)
        except NoSignerError as error:
            return Unusable("no_signer", str(error))
        return Answer(
            path,
            outcome,
            reading,
            self._rule,
            self._top_k,
            bundle=self._bundle.id,
            threshold=confidence(self._bundle.manifest.decoder.reject),
            inference_s=perf_counter() - began,
        )
