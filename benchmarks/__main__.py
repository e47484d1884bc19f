"""Measure inference, what the service adds to it and, where a clip is given, every step of classifying it.

`--training`, `--reuse` and `--lexicon` measure other things instead: training steps, what windows of a stream have in
common, and taught signs.
"""

import argparse
import json
import sys
from pathlib import Path

from glosscast.bundle import EMBEDDED, Bundle, BundleError, load_bundle
from glosscast.lexicon.signs import LexiconError
from glosscast.providers import ProviderError
from glosscast.video import VideoError


def main() -> int:
    """Run what was asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="also measure classifying this video")
    parser.add_argument("--service", action="store_true", help="only the service and the clip, not the models")
    parser.add_argument("--compile", action="store_true", help="torch.compile takes part; minutes more for each model")
    parser.add_argument("--bundle-alone", action="store_true", help="without the published SlowFast; two minutes")
    parser.add_argument("--training", action="store_true", help="measure training steps instead (three minutes)")
    parser.add_argument("--reuse", action="store_true", help="what windows of --clip have in common instead")
    parser.add_argument("--lexicon", action="store_true", help="the cost of taught signs instead (ten seconds)")
    parser.add_argument("--folder", type=Path, metavar="DIR", help="with --lexicon: also teach these clips")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.reuse and args.clip is None:
        parser.error("--reuse needs --clip")
    if args.folder is not None and not args.lexicon:
        parser.error("--folder goes with --lexicon")
    try:
        if args.training:
            report_training(args.json)
        elif args.reuse:
            report_reuse(load_bundle(args.bundle), args.clip, args.json)
        elif args.lexicon:
            report_lexicon(load_bundle(args.bundle), args.folder, args.json)
        else:
            report(load_bundle(args.bundle), args)
    except (BundleError, LexiconError, ProviderError, VideoError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def report(bundle: Bundle, args: argparse.Namespace) -> None:
    """Print inference and service; what measures torch needs it, the rest does not."""
    from benchmarks import serving

    times, resident = serving.overheads(bundle), serving.resident_mb(bundle)
    if args.clip is not None:
        from benchmarks.clips import clip_times

        times |= clip_times(bundle, args.clip)
    found: dict[str, object] = {"service": {n: t._asdict() for n, t in times.items()}, "resident_mb": resident}
    text = serving.describe(times, resident)
    if not args.service:
        from benchmarks import inference
        from benchmarks.subjects import SIZES

        sizes = () if args.bundle_alone else SIZES
        comparison = inference.compare(bundle, args.compile, sizes)
        found |= inference.as_json(comparison)
        text = f"{inference.as_markdown(comparison)}\n\n{text}"
    print(json.dumps(found, indent=1) if args.json else text)


def report_training(as_json: bool) -> None:
    """Print the speed of training steps."""
    from benchmarks.training import describe, training_rows

    rows = training_rows()
    print(json.dumps(rows, indent=1) if as_json else describe(rows))


def report_reuse(bundle: Bundle, clip: Path, as_json: bool) -> None:
    """Print what the windows of a recording have in common."""
    from benchmarks.clips import keypoints_of
    from benchmarks.reuse import as_markdown, measure

    found = measure(bundle, keypoints_of(bundle, clip))
    print(json.dumps(found._asdict(), indent=1) if as_json else as_markdown(found))


def report_lexicon(bundle: Bundle, folder: Path | None, as_json: bool) -> None:
    """Print the cost of taught signs."""
    from benchmarks.lexicon import describe, rule_times, teach_folder

    times = rule_times(bundle)
    teaching = None if folder is None else teach_folder(bundle, folder)
    found = {"times": {n: t._asdict() for n, t in times.items()}, "teaching": teaching and teaching._asdict()}
    print(json.dumps(found, indent=1) if as_json else describe(times, teaching))


if __name__ == "__main__":
    sys.exit(main())
