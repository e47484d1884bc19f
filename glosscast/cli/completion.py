"""`glosscast completion`: what completes the command line in a shell, and what it completes arguments with."""

import argparse
from pathlib import Path
from typing import Any

import argcomplete
from argcomplete.completers import DirectoriesCompleter, FilesCompleter
from argcomplete.shell_integration import shellcode

from glosscast.cli.arguments import Commands
from glosscast.cli.folders import ENDINGS
from glosscast.lexicon.file import load_lexicon
from glosscast.lexicon.signs import LexiconError

SHELLS = ("bash", "zsh", "fish")


def add_command(commands: Commands) -> None:
    """The command line of `completion`."""
    command = commands.add_parser("completion", help="print the script that completes this command line in a shell")
    command.add_argument("shell", choices=SHELLS, metavar="SHELL", help=f"{', '.join(SHELLS[:-1])} or {SHELLS[-1]}")
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """`completion`."""
    print(shellcode(["glosscast"], shell=args.shell))
    return 0


def complete(parser: argparse.ArgumentParser) -> None:
    """Where a shell asks how a line goes on, answer and end the process; otherwise do nothing."""
    _describe(parser)
    argcomplete.autocomplete(parser, always_complete_options=False)


def _describe(parser: argparse.ArgumentParser) -> None:
    """Say how each argument is completed, by what it is called in the help; the others take any file."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _describe(command)
        elif (completer := _completer(action)) is not None:
            action.completer = completer  # type: ignore[attr-defined]  # argcomplete looks for it


def _completer(action: argparse.Action) -> Any:
    match action.metavar:
        case "CLIP" | "PATH":
            return FilesCompleter(tuple(ENDINGS))
        case "DIR":
            return DirectoriesCompleter()
        case "FILE" if action.dest in ("file", "lexicon"):
            return FilesCompleter((".npz",))
        case "GLOSS":
            return _glosses
    return None


def _glosses(parsed_args: argparse.Namespace, **_: object) -> list[str]:
    """The taught signs of the lexicon that is named before them."""
    file: Path | None = getattr(parsed_args, "file", None) or getattr(parsed_args, "lexicon", None)
    try:
        return [] if file is None else [sign.gloss for sign in load_lexicon(Path(file))]
    except (LexiconError, OSError):
        return []
