"""Measure the recogniser and, where a clip is given, every step of classifying it; or measure training."""

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import EMBEDDED, Bundle, BundleError, load_bundle
from glosscast.clip import Window
from glosscast.decoding import Classify, classify_clip
from glosscast.holistic import extract, new_tracker, quiet_native_logs
from glosscast.recogniser import Recogniser
from glosscast.video import VideoError, decode_video

WARM_UP, REPEATS = 5, 50
CLIP_REPEATS = 3

Row = dict[str, str | float]


def main() -> int:
    """Run what can be run."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("--bundle", type=Path, default=EMBEDDED, metavar="DIR")
    parser.add_argument("--clip", type=Path, metavar="FILE", help="also measure classifying this video")
    parser.add_argument("--training", action="store_true", help="measure training steps instead (three minutes)")
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    if args.training:
        return report_training(args.json)
    try:
        bundle = load_bundle(args.bundle)
        rows = recogniser_rows(bundle) + (clip_rows(bundle, args.clip) if args.clip else [])
    except (BundleError, VideoError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    if args.json:
        print(json.dumps(rows, indent=1))
        return 0
    print(f"{os.cpu_count()} cores, bundle {bundle.id}\n")
    print("| what | median | fastest | slowest |\n|---|---|---|---|")
    for row in rows:
        print(f"| {row['what']} | {row['median_ms']:.2f} ms | {row['min_ms']:.2f} | {row['max_ms']:.2f} |")
    return 0


def report_training(as_json: bool) -> int:
    """Print the speed of training steps. What measures it needs torch, the rest does not."""
    from benchmarks.training import describe, training_rows

    rows = training_rows()
    print(json.dumps(rows, indent=1) if as_json else describe(rows))
    return 0


def recogniser_rows(bundle: Bundle) -> list[Row]:
    """Windows through the recogniser and, as its peer, through the torch model that it was exported from.

    One and sixteen windows, on one core and on two, taken in turn so that drift of the machine hits all alike.
    """
    golden = bundle.golden()
    cases: dict[str, Callable[[], object]] = {}
    for threads in (1, 2):
        runs: dict[str, Classify] = {"ONNX Runtime": Recogniser(bundle, threads=threads)}
        runs |= torch_peer(bundle, threads)
        for count in (1, 16):
            windows = [Window(golden["keypoints"][0], golden["mask"][0])] * count
            for name, model in runs.items():
                cases[f"{count} window(s), {threads} thread(s), {name}"] = partial(model, windows)
    times: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(WARM_UP + REPEATS):
        for name, run in cases.items():
            times[name].append(timed(run))
    return [summary(name, values[WARM_UP:]) for name, values in times.items()]


def torch_peer(bundle: Bundle, threads: int) -> dict[str, Classify]:
    """The checkpoint beside the bundle, run by torch; nothing where either is missing."""
    checkpoint = bundle.path / "checkpoint.pt"
    if find_spec("torch") is None or not checkpoint.is_file():
        return {}
    import torch

    from training.checkpoint import load_checkpoint
    from training.evaluate import TorchClassifier

    classify = TorchClassifier(load_checkpoint(checkpoint).build(), len(bundle.vocabulary))

    def run(windows: Sequence[Window]) -> NDArray[np.float32]:
        torch.set_num_threads(threads)
        return classify(windows)

    return {"torch": run}


def clip_rows(bundle: Bundle, path: Path) -> list[Row]:
    """Decoding, keypoints and recognition of one video."""
    manifest, model = bundle.manifest, Recogniser(bundle)
    content = path.read_bytes()
    frames = list(decode_video(content, manifest.clip.fps))
    with quiet_native_logs():
        tracker = new_tracker()
        clip = extract(frames, tracker)

        def track() -> None:
            tracker.reset()
            extract(frames, tracker)

        steps: dict[str, Callable[[], object]] = {
            "decode the clip": lambda: list(decode_video(content, manifest.clip.fps)),
            "keypoints of the clip": track,
            "recognise the clip": lambda: classify_clip(
                clip, manifest.clip, manifest.segmenter, manifest.decoder, model
            ),
        }
        rows = [
            summary(f"{name} ({len(frames)} frames)", [timed(step) for _ in range(CLIP_REPEATS)])
            for name, step in steps.items()
        ]
        tracker.close()
    return rows


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
