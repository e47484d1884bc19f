"""`glosscast info`: what a bundle knows."""

import argparse
import json

from glosscast.bundle import load_bundle
from glosscast.cli.arguments import Commands, add_bundle, add_json


def add_command(commands: Commands) -> None:
    """The command line of `info`."""
    command = commands.add_parser("info", help="print the glosses of a bundle and their accuracy")
    add_bundle(command)
    add_json(command)
    command.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """`info`.

    Raises:
        BundleError: the bundle cannot be used.
    """
    bundle = load_bundle(args.bundle)
    manifest, report = bundle.manifest, bundle.report
    if args.json:
        print(json.dumps({"manifest": manifest.model_dump(mode="json"), "report": report.model_dump(mode="json")}))
        return 0
    clip = manifest.clip
    print(f"{bundle.id}  ({bundle.path})")
    print(f"task {manifest.task}, window {clip.window_ms / 1000:g} s at {clip.fps:g} frames a second")
    if bundle.examples:
        print(f"examples of {len(bundle.examples)} signs, which the page shows as moving skeletons")
    print("\ngloss           signers  on strangers  easily taken for")
    for gloss in bundle.vocabulary:
        figure = report.glosses[gloss]
        strangers = "not measured" if figure.accuracy is None else f"{figure.accuracy:.0%}"
        print(f"{gloss:15} {figure.signers:7}  {strangers:>12}  {', '.join(report.confusable_with(gloss)[:3])}")
    return 0
