"""Arguments that several commands share."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from glosscast.bundle import EMBEDDED

Commands = Any  # what `argparse.ArgumentParser.add_subparsers` returns; its class is private


def add_bundle(command: argparse.ArgumentParser) -> None:
    """`--bundle`."""
    command.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR", help="default: the embedded one")


def add_json(command: argparse.ArgumentParser) -> None:
    """`--json`."""
    command.add_argument("--json", action="store_true", help="print JSON")


def add_clip(command: argparse.ArgumentParser, run: Callable[[argparse.Namespace], int]) -> None:
    """One clip that a command looks at."""
    command.add_argument("clip", type=Path, metavar="CLIP", help="an mp4, mov, webm, mkv or avi file")
    command.set_defaults(run=run)


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)
