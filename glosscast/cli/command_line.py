"""The commands, and what their errors become."""

import argparse
import os
import sys

from glosscast import __version__, live
from glosscast.bundle import BundleError
from glosscast.cli import classify, find, info, lexicons, teach
from glosscast.cli.course import CourseError
from glosscast.decoding import NoSignerError
from glosscast.holistic import ExtractorError, ModelError
from glosscast.lexicon.signs import LexiconError
from glosscast.lexicon.teaching import TeachingError
from glosscast.providers import ProviderError
from glosscast.video import VideoError

NOBODY_READS = 141  # what a shell reports of other programs whose output nobody reads any more: 128 + SIGPIPE


def main(argv: list[str] | None = None) -> int:
    """Run a command; a clip, bundle or lexicon that cannot be used ends with one line on stderr and exit code 2.

    Where the reader of the output has read enough, as `head` has, the command ends without a word.
    """
    try:
        try:
            return _run(parser().parse_args(argv))
        finally:
            print(end="", flush=True)  # what print has kept back, so that it fails here and not when Python ends
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # Python flushes once more when it ends
        return NOBODY_READS


def _run(args: argparse.Namespace) -> int:
    """The command's exit code; its errors become a line on stderr."""
    try:
        return int(args.run(args))
    except NoSignerError:
        print(f"{args.clip}: nobody is in view", file=sys.stderr)
    except (VideoError, TeachingError) as error:
        print(f"{args.clip}: {error}", file=sys.stderr)
    except (BundleError, CourseError, ExtractorError, LexiconError, ModelError, ProviderError, live.LiveError) as error:
        print(error, file=sys.stderr)
    except BrokenPipeError:
        raise
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
    return 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="glosscast", description="Read signs from recorded clips and from a camera.")
    top.add_argument("--version", action="version", version=f"glosscast {__version__}")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    for command in (classify, live, teach, find, lexicons, info):
        command.add_command(commands)
    return top
