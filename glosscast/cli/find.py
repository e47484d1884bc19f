"""`glosscast find`: a reverse dictionary, from a sign to its possible glosses."""

import argparse
import json
import sys
from pathlib import Path

from glosscast.bundle import load_bundle
from glosscast.cli.arguments import Commands, add_bundle, add_clip, add_json, positive
from glosscast.cli.recordings import keypoints_of, warn_of_extractor
from glosscast.holistic import serving
from glosscast.lexicon.file import load_lexicon
from glosscast.lexicon.reading import find
from glosscast.lexicon.teaching import Teacher
from glosscast.recogniser import Recogniser


def add_command(commands: Commands) -> None:
    """The command line of `find`."""
    command = commands.add_parser("find", help="look a sign up: the taught signs that are most like a clip")
    add_clip(command, run)
    command.add_argument("--lexicon", type=Path, required=True, metavar="FILE", help="the taught signs")
    command.add_argument("--top-k", type=positive, default=10, metavar="N", help="how many glosses (default: 10)")
    add_bundle(command)
    add_json(command)


def run(args: argparse.Namespace) -> int:
    """`find`.

    Raises:
        BundleError, LexiconError, TeachingError, VideoError, OSError: what was given cannot be used.
    """
    bundle = load_bundle(args.bundle)
    teacher = Teacher(bundle, Recogniser(bundle).readout)
    lexicon = teacher.embedded(load_lexicon(args.lexicon))
    effort = serving(bundle.manifest.keypoints.face)
    clip = keypoints_of(args.clip, bundle.manifest.clip.fps, effort=effort).clip
    warn_of_extractor(bundle)
    example, warnings = teacher.example(clip)
    for warning in warnings:
        print(f"{args.clip}: {warning}", file=sys.stderr)
    matches = find(lexicon, example.embedding, args.top_k)
    if args.json:
        found = [{"gloss": gloss, "score": round(score, 4)} for gloss, score in matches]
        print(json.dumps({"matches": found}, ensure_ascii=False))
    else:
        for gloss, score in matches:
            print(f"{score:6.3f}  {gloss}")
    return 0
