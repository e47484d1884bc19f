"""The commands, and what their errors become."""

import argparse
import os
import sys
from pathlib import Path

from glosscast import __version__, live
from glosscast.bundle import BundleError
from glosscast.cli import classify, completion, find, info, lexicons, teach
from glosscast.cli.classify import ClassifyError
from glosscast.cli.course import CourseError
from glosscast.cli.exit_codes import NOBODY_READS, UNUSABLE
from glosscast.decoding import NoSignerError
from glosscast.holistic import ExtractorError, ModelError
from glosscast.lexicon.signs import LexiconError
from glosscast.lexicon.teaching import TeachingError
from glosscast.providers import ProviderError
from glosscast.video import VideoError

# Errors whose message says all, what they are about included.
STATED = (
    BundleError,
    ClassifyError,
    CourseError,
    ExtractorError,
    LexiconError,
    ModelError,
    ProviderError,
    live.LiveError,
)


def main(argv: list[str] | None = None) -> int:
    """Run a command; a clip, bundle or lexicon that cannot be used ends with one line on stderr and exit code 2.

    Where the reader of the output has read enough, as `head` has, the command ends without a word.
    """
    try:
        try:
            commands = parser()
            completion.complete(commands)
            return _run(parsed(commands, argv))
        finally:
            print(end="", flush=True)  # what print has kept back, so that it fails here and not when Python ends
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return NOBODY_READS


def parsed(commands: argparse.ArgumentParser, argv: list[str] | None) -> argparse.Namespace:
    """The arguments; where a command takes `several` paths, those after an option are added to those before it.

    argparse takes all positional arguments from one place, so that `teach tea --lexicon FILE CLIP` would be refused.
    """
    args, rest = commands.parse_known_args(argv)
    several = getattr(args, "several", None)
    if rest and (several is None or any(word.startswith("-") for word in rest)):
        return commands.parse_args(argv)  # it says what is wrong
    if several is not None:
        setattr(args, several, [*getattr(args, several), *map(Path, rest)])
    return args


def _run(args: argparse.Namespace) -> int:
    """The command's exit code; its errors become a line on stderr."""
    try:
        return int(args.run(args))
    except NoSignerError:
        print(f"{args.clip}: nobody is in view", file=sys.stderr)
    except (VideoError, TeachingError) as error:
        print(f"{args.clip}: {error}", file=sys.stderr)
    except STATED as error:
        print(error, file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    return UNUSABLE


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="glosscast", description="Read signs from recorded clips and from a camera.")
    top.add_argument("--version", action="version", version=f"glosscast {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (classify, live, teach, find, lexicons, info, completion):
        command.add_command(commands)
    return top
