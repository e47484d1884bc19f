"""`glosscast live`: captions of a camera or a clip in the terminal."""

import argparse
import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any, TextIO

from glosscast.wording import counted, installing


class LiveError(RuntimeError):
    """There can be no captions; the message gives the reason in one line."""


CLEAR_LINE = "\r\x1b[K"
URL = "http://127.0.0.1:8000"


def add_command(commands: Any) -> None:
    """The command line of `live`.

    Args:
        commands: what `argparse.ArgumentParser.add_subparsers` returned.
    """
    command = commands.add_parser("live", help="captions of a camera or a clip, from a running service")
    command.set_defaults(run=run)
    source = command.add_mutually_exclusive_group()
    source.add_argument("clip", type=Path, nargs="?", metavar="CLIP", help="a video file instead of a camera")
    source.add_argument("--camera", type=int, default=0, metavar="N", help="index of the camera (default: 0)")
    command.add_argument("--url", default=URL, help=f"of the service (default: {URL})")
    command.add_argument("--api-key-file", type=Path, metavar="FILE", help="holds the key, if the service needs one")
    command.add_argument(
        "--lexicon",
        metavar="FILE",
        help="taught signs, which are read as well; or the name of a lexicon of the service",
    )
    command.add_argument("--keypoints", action="store_true", help="find keypoints here; no picture leaves this machine")
    command.add_argument("--fast", action="store_true", help="send a clip as fast as the service takes it")
    command.add_argument("--json", action="store_true", help="print every message of the service, one a line")


def run(args: argparse.Namespace) -> int:
    """Print captions until the clip ends or Ctrl-C is pressed.

    Raises:
        LiveError: the service refuses or cannot be reached, the camera cannot be used, or websockets is not installed.
        VideoError, OSError, ExtractorError, ModelError: the clip or the extractor cannot be used.
    """
    try:
        # `glosscast classify` needs none of these modules.
        from glosscast.client import CaptionError, caption
        from glosscast.loan import LoanError, lent
        from glosscast.sources import SourceError
    except ModuleNotFoundError as error:
        raise LiveError(f"{error.name} is not installed: {installing('client')}") from error
    try:
        key = args.api_key_file.read_text(encoding="utf-8").strip() if args.api_key_file else None
        with (
            lent(args.url, args.lexicon, key) if args.lexicon else nullcontext() as lexicon,
            suppress(KeyboardInterrupt),
        ):
            asyncio.run(_show(args, caption, key, lexicon))
    except (CaptionError, LoanError, SourceError) as error:
        raise LiveError(str(error)) from error
    return 0


async def _show(
    args: argparse.Namespace,
    caption: Callable[..., AsyncIterator[dict[str, Any]]],
    key: str | None,
    lexicon: str | None,
) -> None:
    printer = Printer(sys.stdout, args.json)
    source = args.camera if args.clip is None else args.clip
    options = {"api_key": key, "keypoints": args.keypoints, "realtime": not args.fast, "lexicon": lexicon}
    async for message in caption(args.url, source, **options):
        printer.show(message)


class Printer:
    """Writes a line for each sign; on a terminal, also dots while it is signed, and a stable interim gloss."""

    def __init__(self, out: TextIO, as_json: bool) -> None:
        self._out = out
        self._as_json = as_json
        self._terminal = out.isatty()
        self._no_sign: str | None = None

    def show(self, message: dict[str, Any]) -> None:
        """Write a message of the service."""
        kind = message["type"]
        if self._as_json:
            self._write(json.dumps(message, ensure_ascii=False) + "\n")
        elif kind == "started":
            self._no_sign = message["no_sign"]
        elif kind == "sign_started" and self._terminal:
            self._write(f"{CLEAR_LINE}…")
        elif kind == "interim" and self._terminal and message["stable"]:
            self._write(f"{CLEAR_LINE}{message['gloss']} …")
        elif kind == "final":
            self._write((CLEAR_LINE if self._terminal else "") + self._line(message))
        elif kind in ("warning", "error"):
            print(message.get("message") or f"{counted(message['count'], 'frame')} dropped", file=sys.stderr)

    def _line(self, final: dict[str, Any]) -> str:
        if final["gloss"] == self._no_sign:
            return ""
        return f"{final['start_ms'] / 1000:8.2f} s  {final['confidence']:4.0%}  {final['gloss']}\n"

    def _write(self, text: str) -> None:
        self._out.write(text)
        self._out.flush()
