"""How often the page says "Not a sign I know", rightly and wrongly, with real signs that the bundle does not know.

    python -m benchmarks.unknown_signs CLIPS [--streams N] [--hours H]

CLIPS is a folder of videos with a `manifest.csv` (columns `file`, `gloss`, `signer`, `single_sign`). Their keypoints
are made into streams as in training: six signs with rests between them, and hands that rest, pause and fidget.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.page_session import single_signs
from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.decoding import Pipeline, SignEvent, decode_clip
from glosscast.holistic import extract, new_tracker, quiet_native_logs, serving
from glosscast.recogniser import Recogniser
from glosscast.video import decode_video
from training.config import StreamConfig
from training.data.example import Example
from training.data.idle import MADE_UP, draw_idle
from training.data.sentences import Sentence
from training.data.streams import draw_streams

SHORTEST_MS = 400  # as in service/web/js/captions.js
SIGNS = 6  # a stream
SEED = 1


def examples(folder: Path, known: Sequence[str], fps: float) -> Iterator[Example]:
    """The keypoints of the clips whose gloss is not among the known ones."""
    with quiet_native_logs():
        tracker = new_tracker(effort=serving(face=False))
        for gloss, signer, path in single_signs(folder):
            if gloss not in known:
                tracker.reset()
                yield Example(extract(list(decode_video(path, fps)), tracker), gloss, signer)
        tracker.close()


def finals(stream: Sentence, pipeline: Pipeline) -> list[SignEvent]:
    """The finals of a stream."""
    return [e for e in decode_clip(stream.clip, pipeline.decoder(interim=False)) if e.kind == "final"]


def is_told(event: SignEvent) -> bool:
    """Whether the page would say of a final that it is not a sign that it knows."""
    return event.reason == "unsure" and event.end_ms - event.start_ms >= SHORTEST_MS


def outcomes(stream: Sentence, pipeline: Pipeline) -> Iterator[str]:
    """What is said of each sign of a stream, and "between" for each notice beside all signs."""
    found = finals(stream, pipeline)
    for sign in stream.signs:
        of_sign = [e for e in found if e.start_ms < sign.end_ms and e.end_ms > sign.start_ms]
        if any(e.reason is None for e in of_sign):
            yield "a gloss"
        else:
            yield "not known" if any(map(is_told, of_sign)) else "nothing"
    for event in filter(is_told, found):
        if all(event.end_ms <= s.start_ms or event.start_ms >= s.end_ms for s in stream.signs):
            yield "between"


def main() -> int:
    """Print what is said of signs, and how often an hour it is said of hands that sign nothing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.unknown_signs")
    parser.add_argument("clips", type=Path, metavar="CLIPS")
    parser.add_argument("--streams", type=int, default=60)
    parser.add_argument("--hours", type=float, default=1.0, help="of each kind of idle hands")
    args = parser.parse_args()
    bundle = load_bundle(EMBEDDED)
    pipeline = bundle.sign_pipeline(Recogniser(bundle))
    try:
        others = list(examples(args.clips, list(bundle.vocabulary), bundle.manifest.clip.fps))
    except (OSError, KeyError) as error:
        print(error, file=sys.stderr)
        return 2
    config = StreamConfig(signs=(SIGNS, SIGNS), direct=0.0)
    streams = draw_streams(others, sorted({e.gloss for e in others}), [], config, args.streams, SEED)
    print(dict(Counter(said for stream in streams for said in outcomes(stream, pipeline))))
    for kind in MADE_UP:
        idle = draw_idle(others, [], kind, args.hours, SEED)
        told = sum(is_told(event) for stream in idle for event in finals(stream, pipeline))
        print(f"{kind} hands: {told / args.hours:.0f} an hour")
    return 0


if __name__ == "__main__":
    sys.exit(main())
