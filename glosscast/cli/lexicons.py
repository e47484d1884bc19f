"""`glosscast lexicon`: what is in a lexicon's file, and changes of it."""

import argparse
import json
from collections.abc import Callable
from pathlib import Path

from glosscast.bundle import load_bundle
from glosscast.cli.arguments import Commands, add_bundle, add_json
from glosscast.cli.likeness import examples_as_json, sign_as_json, sign_as_text
from glosscast.lexicon.editing import LexiconFile
from glosscast.lexicon.file import load_lexicon
from glosscast.lexicon.reading import LexiconRule
from glosscast.lexicon.signs import Lexicon
from glosscast.lexicon.teaching import Teacher
from glosscast.recogniser import Recogniser
from glosscast.wording import counted


def add_command(commands: Commands) -> None:
    """The command line of `lexicon`."""
    command = commands.add_parser("lexicon", help="list, check and change taught signs")
    actions = command.add_subparsers(required=True, metavar="ACTION")
    for name, run, text in (
        ("list", run_list, "print the signs of a lexicon"),
        ("check", run_check, "check the file, how alike the examples of each sign are, and which signs look alike"),
        ("remove", run_remove, "remove a sign, or one of its examples"),
        ("rename", run_rename, "give a sign another name"),
    ):
        action = actions.add_parser(name, help=text)
        action.add_argument("file", type=Path, metavar="FILE", help="the lexicon")
        action.set_defaults(run=run)
        if name in ("list", "check"):
            add_json(action)
        else:
            action.add_argument("gloss", metavar="GLOSS", help="the sign")
        if name == "check":
            add_bundle(action)
        if name == "remove":
            action.add_argument("--example", metavar="ID", help="only this example, by its id in `list --json`")
        if name == "rename":
            action.add_argument("to", metavar="NAME", help="its new name")


def run_list(args: argparse.Namespace) -> int:
    """`lexicon list`.

    Raises:
        LexiconError, OSError: the file cannot be used.
    """
    lexicon = load_lexicon(args.file)
    if args.json:
        signs = [examples_as_json(sign) for sign in lexicon]
        print(json.dumps({"name": lexicon.name, "bundle": lexicon.bundle, "signs": signs}, ensure_ascii=False))
        return 0
    print(f"{lexicon.name}: {counted(len(lexicon), 'sign')}, taught with {lexicon.bundle}")
    for sign in lexicon:
        print(f"{len(sign.examples):3}  {sign.gloss}" + (f"  ({sign.language})" if sign.language else ""))
    return 0


def run_check(args: argparse.Namespace) -> int:
    """`lexicon check`.

    Raises:
        BundleError, LexiconError, OSError: the file or the bundle cannot be used.
    """
    stored = load_lexicon(args.file)
    bundle = load_bundle(args.bundle)
    lexicon = Teacher(bundle, Recogniser(bundle).readout).embedded(stored)
    rule = LexiconRule(bundle, lexicon)
    found = [(sign, rule.likeness(sign.gloss)) for sign in lexicon]
    if args.json:
        signs = [sign_as_json(sign, likeness) for sign, likeness in found]
        print(json.dumps({"name": lexicon.name, "bundle": stored.bundle, "signs": signs}, ensure_ascii=False))
        return 0
    anew = "" if lexicon is stored else f", read with {bundle.id}"
    print(f"{args.file}: sound; {counted(len(lexicon), 'sign')}, taught with {stored.bundle}{anew}")
    for sign, likeness in found:
        print("\n".join(sign_as_text(sign, likeness, {})))
    return 0


def run_remove(args: argparse.Namespace) -> int:
    """`lexicon remove`.

    Raises:
        LexiconError: `unknown_gloss`, or `bad_file`.
        OSError: the file cannot be read or written.
    """

    def without(lexicon: Lexicon) -> Lexicon:
        return (
            lexicon.without(args.gloss) if args.example is None else lexicon.without_example(args.gloss, args.example)
        )

    return _change(args.file, without)


def run_rename(args: argparse.Namespace) -> int:
    """`lexicon rename`.

    Raises:
        LexiconError: `unknown_gloss`, `gloss_taken`, `bad_gloss` or `bad_file`.
        OSError: the file cannot be read or written.
    """
    return _change(args.file, lambda lexicon: lexicon.renamed(args.gloss, args.to))


def _change(path: Path, change: Callable[[Lexicon], Lexicon]) -> int:
    file = LexiconFile(path)
    file.read()  # where there is no file, before a lock is made beside it
    file.change(change)
    return 0
