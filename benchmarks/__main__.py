"""Measure the recogniser and, where a clip is given, every step of classifying it; print a table or JSON."""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from glosscast.bundle import EMBEDDED, Bundle, load_bundle
from glosscast.clip import Clip, Window
from glosscast.decoding import classify_clip
from glosscast.holistic import HolisticTracker, extract, quiet_native_logs
from glosscast.recogniser import Recogniser
from glosscast.video import decode_video

WARM_UP, REPEATS = 5, 50
CLIP_REPEATS = 3

Row = dict[str, str | float]


def main() -> int:
    """Run what can be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="also measure classifying this video")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    bundle = load_bundle(args.bundle)
    rows = recogniser_rows(bundle) + (clip_rows(bundle, args.clip) if args.clip else [])
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    print(f"{os.cpu_count()} cores, bundle {bundle.id}\n")
    print("| what | median | fastest | slowest |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['what']} | {row['median_ms']:.2f} ms | {row['min_ms']:.2f} | {row['max_ms']:.2f} |")
    return 0


def recogniser_rows(bundle: Bundle) -> list[Row]:
    """Windows through the recogniser: one and sixteen, on one core and on two, alternating so that drift hits all."""
    golden = bundle.golden()
    window = Window(golden["keypoints"][0], golden["mask"][0])
    models = {threads: Recogniser(bundle, threads=threads) for threads in (1, 2)}
    cases = {
        f"{count} window{'s' * (count > 1)}, {threads} thread{'s' * (threads > 1)}": (models[threads], [window] * count)
        for count in (1, 16)
        for threads in (1, 2)
    }
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(WARM_UP + REPEATS):
        for name, (model, windows) in cases.items():
            times[name].append(timed(lambda model=model, windows=windows: model(windows)))  # type: ignore[misc]
    return [summary(name, values[WARM_UP:]) for name, values in times.items()]


def clip_rows(bundle: Bundle, path: Path) -> list[Row]:
    """Decoding, keypoints and recognition of one video."""
    manifest, model = bundle.manifest, Recogniser(bundle)
    content = path.read_bytes()
    times: dict[str, list[float]] = {"decode the clip": [], "keypoints of the clip": [], "recognise the clip": []}
    with quiet_native_logs():
        tracker = HolisticTracker()
        for _ in range(1 + CLIP_REPEATS):
            tracker.reset()
            kept: dict[str, Clip] = {}
            frames = list(decode_video(content, manifest.clip.fps))
            times["decode the clip"].append(timed(lambda: list(decode_video(content, manifest.clip.fps))))
            times["keypoints of the clip"].append(
                timed(lambda frames=frames, kept=kept: kept.update(clip=extract(frames, tracker)))  # type: ignore[misc]
            )
            times["recognise the clip"].append(
                timed(
                    lambda kept=kept: classify_clip(  # type: ignore[misc]
                        kept["clip"], manifest.clip, manifest.segmenter, manifest.decoder, model
                    )
                )
            )
        tracker.close()
    return [summary(f"{name} ({len(frames)} frames)", values[1:]) for name, values in times.items()]


def timed(run: Callable[[], object]) -> float:
    """Wall time of one call, ms."""
    start = time.perf_counter()
    run()
    return (time.perf_counter() - start) * 1000


def summary(what: str, values: list[float]) -> Row:
    """Median and range, ms."""
    return {
        "what": what,
        "median_ms": statistics.median(values),
        "min_ms": float(np.min(values)),
        "max_ms": float(np.max(values)),
    }


if __name__ == "__main__":
    sys.exit(main())
