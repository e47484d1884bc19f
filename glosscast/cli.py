"""The command line: `glosscast classify CLIP`, `glosscast live` and `glosscast info`."""

import argparse
import json
import os
import sys
from pathlib import Path
from time import perf_counter

from glosscast import __version__, live
from glosscast.bundle import EMBEDDED, Bundle, BundleError, load_bundle
from glosscast.clip import Clip
from glosscast.decoding import ClipReading, NoSignerError, SignEvent
from glosscast.holistic import ExtractorError, ModelError, chosen, extract, mismatch, new_tracker, quiet_native_logs
from glosscast.providers import ProviderError
from glosscast.ranking import ranked
from glosscast.recogniser import Recogniser
from glosscast.video import TimedFrames, VideoError, decode_video

NOBODY_READS = 141  # what a shell reports of other programs whose output nobody reads any more: 128 + SIGPIPE


def main(argv: list[str] | None = None) -> int:
    """Run a command; a clip or bundle that cannot be used ends with one line on stderr and exit code 2.

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
    except VideoError as error:
        print(f"{args.clip}: {error}", file=sys.stderr)
    except (BundleError, ExtractorError, ModelError, ProviderError, live.LiveError) as error:
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
    classify = commands.add_parser("classify", help="name the sign in a clip")
    classify.add_argument("clip", type=Path, metavar="CLIP", help="an mp4, mov, webm, mkv or avi file")
    classify.add_argument("--top-k", type=positive, default=5, metavar="N", help="how many glosses (default: 5)")
    captions = commands.add_parser("live", help="captions of a camera or a clip, from a running service")
    live.add_arguments(captions)
    captions.set_defaults(run=live.run)
    info = commands.add_parser("info", help="print the glosses of a bundle and their accuracy")
    for command, run in ((classify, run_classify), (info, run_info)):
        command.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR", help="default: the embedded one")
        command.add_argument("--json", action="store_true", help="print JSON")
        command.set_defaults(run=run)
    return top


def positive(text: str) -> int:
    """A whole number from 1 on."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def run_classify(args: argparse.Namespace) -> int:
    """`classify`."""
    bundle = load_bundle(args.bundle).require_servable()
    clip, reading, timings = classify_file(args.clip, bundle)
    trained = bundle.manifest.keypoints
    if (other := mismatch(trained.extractor, trained.models, chosen())) and not other.measured:
        print(f"bundle {bundle.id} was {other.text}", file=sys.stderr)
    predictions = [
        {**best._asdict(), "confusable_with": bundle.report.confusable_with(best.gloss)}
        for best in ranked(bundle.vocabulary, reading.probabilities, args.top_k)
    ]
    if args.json:
        answer = {
            "bundle": bundle.id,
            "duration_ms": round(clip.duration_ms, 1),
            "frames": len(clip.t_ms),
            "predictions": predictions,
            "signs": [_sign(bundle, event, float(clip.t_ms[0])) for event in reading.signs],
            "timings_ms": timings,
        }
        print(json.dumps(answer, ensure_ascii=False))
    else:
        for p in predictions:
            print(f"{p['confidence']:6.1%}  {p['gloss']}")
    return 0


def _sign(bundle: Bundle, final: SignEvent, first_ms: float) -> dict[str, object]:
    """One sign of a clip, with times from the clip's first frame."""
    assert final.probabilities is not None  # a final has them
    (best,) = ranked(bundle.vocabulary, final.probabilities, 1)
    return {
        **best._asdict(),
        "start_ms": round(final.start_ms - first_ms, 1),
        "end_ms": round(final.end_ms - first_ms, 1),
    }


def classify_file(path: Path, bundle: Bundle) -> tuple[Clip, ClipReading, dict[str, float]]:
    """Keypoints of a video file, their reading, and the ms of each step, computed as by `POST /v1/classify`.

    Raises:
        VideoError: the file cannot be used.
        NoSignerError: nobody is in view.
        OSError: the file cannot be read.
    """
    began = perf_counter()
    frames = TimedFrames(decode_video(path, bundle.manifest.clip.fps))
    with quiet_native_logs():
        tracker = new_tracker(threads=os.cpu_count() or 1)
        try:
            clip = extract(frames, tracker, bundle.new_crop())
        finally:
            tracker.close()
    extracted = perf_counter()
    reading = bundle.pipeline(Recogniser(bundle)).read(clip)
    steps = {
        "decode": frames.seconds,
        "keypoints": extracted - began - frames.seconds,
        "inference": perf_counter() - extracted,
    }
    return clip, reading, {name: round(seconds * 1000, 1) for name, seconds in steps.items()}


def run_info(args: argparse.Namespace) -> int:
    """`info`."""
    bundle = load_bundle(args.bundle)
    manifest, report = bundle.manifest, bundle.report
    if args.json:
        print(json.dumps({"manifest": manifest.model_dump(mode="json"), "report": report.model_dump(mode="json")}))
        return 0
    clip = manifest.clip
    print(f"{bundle.id}  ({bundle.path})")
    print(f"task {manifest.task}, window {clip.window_ms / 1000:g} s at {clip.fps:g} frames a second")
    print("\ngloss           signers  on strangers  easily taken for")
    for gloss in bundle.vocabulary:
        figure = report.glosses[gloss]
        strangers = "not measured" if figure.accuracy is None else f"{figure.accuracy:.0%}"
        print(f"{gloss:15} {figure.signers:7}  {strangers:>12}  {', '.join(report.confusable_with(gloss)[:3])}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
