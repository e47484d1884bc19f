"""`glosscast classify`: the sign in a clip."""

import argparse
import json
import sys
from pathlib import Path
from time import perf_counter

from glosscast.bundle import Bundle, load_bundle
from glosscast.cli.arguments import Commands, add_bundle, add_clip, add_json, positive
from glosscast.cli.recordings import keypoints_of, warn_of_extractor
from glosscast.clip import Clip, ClipWarning
from glosscast.decoding import ClipReading, SignEvent
from glosscast.lexicon.file import load_lexicon
from glosscast.lexicon.reading import ReadingRule, rule_of
from glosscast.lexicon.teaching import Teacher
from glosscast.ranking import ranked
from glosscast.recogniser import Recogniser
from glosscast.vocabulary import Vocabulary

WARNINGS: dict[ClipWarning, str] = {
    "several_people": "several people are in view; the signs of one of them were read, perhaps the wrong one"
}


def add_command(commands: Commands) -> None:
    """The command line of `classify`."""
    command = commands.add_parser("classify", help="name the sign in a clip")
    add_clip(command, run)
    command.add_argument("--lexicon", type=Path, metavar="FILE", help="taught signs, which are read as well")
    command.add_argument("--top-k", type=positive, default=5, metavar="N", help="how many glosses (default: 5)")
    add_bundle(command)
    add_json(command)


def run(args: argparse.Namespace) -> int:
    """`classify`.

    Raises:
        BundleError, LexiconError, VideoError, NoSignerError, OSError: what was given cannot be used.
    """
    bundle = load_bundle(args.bundle).require_servable()
    recogniser = Recogniser(bundle)
    rule = reading_rule(args.lexicon, bundle, recogniser)
    clip, reading, timings = classify_file(args.clip, recogniser, rule)
    warn_of_extractor(bundle)
    predictions = [
        {**best._asdict(), "confusable_with": rule.confusable_with(best.gloss)}
        for best in ranked(rule.vocabulary, reading.probabilities, args.top_k)
    ]
    if args.json:
        answer = {
            "bundle": bundle.id,
            "duration_ms": round(clip.duration_ms, 1),
            "frames": len(clip.t_ms),
            "predictions": predictions,
            "signs": [_sign(rule.vocabulary, event, float(clip.t_ms[0])) for event in reading.signs],
            "warnings": clip.warnings,
            "timings_ms": timings,
        }
        print(json.dumps(answer, ensure_ascii=False))
    else:
        for p in predictions:
            print(f"{p['confidence']:6.1%}  {p['gloss']}")
        for warning in clip.warnings:
            print(f"{args.clip}: {WARNINGS[warning]}", file=sys.stderr)
    return 0


def reading_rule(lexicon: Path | None, bundle: Bundle, recogniser: Recogniser) -> ReadingRule:
    """The rule for a lexicon's file, whatever bundle it was taught with, or for none.

    Raises:
        LexiconError: `bad_file`; `other_bundle`: the bundle takes no lexicons.
        OSError: it cannot be read.
    """
    if lexicon is None:
        return rule_of(bundle, None)
    return rule_of(bundle, Teacher(bundle, recogniser.readout).embedded(load_lexicon(lexicon)))


def classify_file(path: Path, recogniser: Recogniser, rule: ReadingRule) -> tuple[Clip, ClipReading, dict[str, float]]:
    """Keypoints of a video file, their reading, and the ms of each step, computed as by `POST /v1/classify`.

    Raises:
        VideoError: the file cannot be used.
        NoSignerError: nobody is in view.
        OSError: the file cannot be read.
    """
    began = perf_counter()
    bundle = recogniser.bundle
    clip, decode_s = keypoints_of(path, bundle.manifest.clip.fps, bundle.new_crop())
    extracted = perf_counter()
    reading = bundle.pipeline(recogniser.readout, rule).read(clip)
    steps = {
        "decode": decode_s,
        "keypoints": extracted - began - decode_s,
        "inference": perf_counter() - extracted,
    }
    return clip, reading, {name: round(seconds * 1000, 1) for name, seconds in steps.items()}


def _sign(vocabulary: Vocabulary, final: SignEvent, first_ms: float) -> dict[str, object]:
    """One sign of a clip, with times from the clip's first frame."""
    assert final.probabilities is not None  # a final has them
    (best,) = ranked(vocabulary, final.probabilities, 1)
    return {
        **best._asdict(),
        "start_ms": round(final.start_ms - first_ms, 1),
        "end_ms": round(final.end_ms - first_ms, 1),
    }
