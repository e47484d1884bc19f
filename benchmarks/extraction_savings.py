"""Hold a tracker that leaves out work against one that does all of it: CPU time, glosses, and when finals come.

    python -m benchmarks.extraction_savings FOLDER                    # each saving alone, and all together
    python -m benchmarks.extraction_savings FOLDER --only all         # all together
    python -m benchmarks.extraction_savings FOLDER --rest 2           # two seconds of rest around each clip
    python -m benchmarks.extraction_savings FOLDER --fps 8            # of a stream that is read at half the rate

FOLDER has clips and, for accuracy, `manifest.csv` (`file`, `gloss`). Each clip is read by all trackers in turn, in
one process and one thread, so that a busy machine slows all alike. Finals come from the live decoder of the embedded
bundle; two clips agree where the same glosses are reported in the same order.
"""

import argparse
import csv
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import EMBEDDED, Bundle, load_bundle
from glosscast.clip import Clip
from glosscast.decoding import Pipeline
from glosscast.holistic import FULL, Tracker, new_tracker, quiet_native_logs, serving
from glosscast.recogniser import Recogniser
from glosscast.video import Frame, decode_video

NOISE = 2.0  # grey levels, standard deviation, of the camera in pictures that are repeated
SAVINGS = {
    "all work": FULL,
    "no face": FULL._replace(face=False),
    "no hands outside the picture": FULL._replace(outside=False),
    "frames at rest held": FULL._replace(rest=False),
    "hands in int8": FULL._replace(exact=False),
    "all": serving(face=False),
}


@dataclass
class Readings:
    """The clips as one tracker saw them.

    Attributes:
        tracker: with the effort that is measured.
        cpu_s: for all frames.
        frames: their number.
        glosses: reported, by clip.
        finals_ms: when each final came, in the clip's time, by clip.
        likeliest: of the clip taken as one sign, by clip.
    """

    tracker: Tracker
    cpu_s: float = 0.0
    frames: int = 0
    glosses: dict[str, list[str]] = field(default_factory=dict)
    finals_ms: dict[str, list[float]] = field(default_factory=dict)
    likeliest: dict[str, str] = field(default_factory=dict)


def main() -> int:
    """Print the table of docs/explanation/extraction.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction_savings")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--only", choices=list(SAVINGS)[1:], help="this saving alone")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="one clip of N")
    parser.add_argument("--rest", type=float, default=0.0, metavar="S", help="seconds of rest before and after")
    parser.add_argument("--fps", type=float, help="rate of the trackers that save; default: the bundle's")
    args = parser.parse_args()
    bundle = load_bundle(EMBEDDED)
    pipeline = bundle.sign_pipeline(Recogniser(bundle, threads=1))
    fps = bundle.manifest.clip.fps
    chosen = [name for name in SAVINGS if args.only in (None, name) or SAVINGS[name] is FULL]
    with quiet_native_logs():
        readings = {name: Readings(new_tracker("litert", SAVINGS[name])) for name in chosen}
        for path in sorted(args.folder.glob("*.mp4"))[:: args.every]:
            for name, reading in readings.items():
                rate = fps if args.fps is None or SAVINGS[name] is FULL else args.fps
                watch(path, padded(list(decode_video(path, rate)), args.rest), reading, pipeline, bundle)
    print("\n".join(table(readings, labels(args.folder), bundle)))
    return 0


def padded(frames: list[Frame], rest_s: float) -> list[Frame]:
    """A clip with its first picture before it and its last one after it, as a camera would see them."""
    step_ms = float(np.median(np.diff([frame.t_ms for frame in frames])))
    count = round(rest_s * 1000 / step_ms)
    pictures = [frames[0].rgb] * count + [frame.rgb for frame in frames] + [frames[-1].rgb] * count
    random = np.random.default_rng(0)
    noise = random.normal(0, NOISE, frames[0].rgb.shape) if count else np.zeros(frames[0].rgb.shape)
    seen = []
    for index, picture in enumerate(pictures):
        if count:
            shifted = np.roll(noise, index * 7919, axis=1)  # another noise in each frame, at little cost
            picture = np.clip(picture + shifted, 0, 255).astype(np.uint8)
        seen.append(Frame(picture, index * step_ms))
    return seen


def watch(path: Path, frames: Sequence[Frame], reading: Readings, pipeline: Pipeline, bundle: Bundle) -> None:
    """Track and read one clip, and note what came of it."""
    reading.tracker.reset()
    aspect = frames[0].rgb.shape[1] / frames[0].rgb.shape[0]
    began = time.thread_time()
    keypoints = [reading.tracker.track(frame.rgb) for frame in frames]
    reading.cpu_s += time.thread_time() - began
    reading.frames += len(frames)
    t_ms = np.array([frame.t_ms for frame in frames])
    vocabulary = bundle.manifest.vocabulary
    read = pipeline.read(Clip(t_ms, np.stack(keypoints), aspect))
    reading.likeliest[path.name] = vocabulary[int(read.probabilities.argmax())]
    finals = list(finals_of(pipeline, t_ms, keypoints, aspect))
    reading.finals_ms[path.name] = [at_ms for at_ms, _ in finals]
    reading.glosses[path.name] = [vocabulary[best] for _, best in finals if best is not None]


def finals_of(
    pipeline: Pipeline, t_ms: NDArray[np.float64], keypoints: Sequence[NDArray[np.float32]], aspect: float
) -> Iterator[tuple[float, int | None]]:
    """When each final came, and the class that it reports; None where it is no sign."""
    decoder = pipeline.decoder()
    for at_ms, points in [*zip(t_ms, keypoints, strict=True), (t_ms[-1], None)]:
        events = decoder.finish() if points is None else decoder.push(float(at_ms), points, aspect)
        for event in events:
            if event.kind == "final" and event.probabilities is not None:
                yield float(at_ms), None if event.reason else int(event.probabilities.argmax())


def labels(folder: Path) -> dict[str, str]:
    """Glosses by file name, where the folder has a manifest."""
    path = folder / "manifest.csv"
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["gloss"] for row in csv.DictReader(file)}


def table(readings: dict[str, Readings], known: dict[str, str], bundle: Bundle) -> Iterator[str]:
    """One row for each saving, against the tracker that does all work."""
    full = next(iter(readings.values()))
    of_bundle = {name: gloss for name, gloss in known.items() if gloss in bundle.manifest.vocabulary}
    yield f"{len(full.glosses)} clips, {full.frames} frames\n"
    yield "| work | CPU of a frame | of all work | same glosses | finals later | p95 | known signs | false alarms |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, reading in readings.items():
        ms, of_all = (1000 * r.cpu_s / r.frames for r in (reading, full))
        same = sum(reading.glosses[clip] == full.glosses[clip] for clip in full.glosses)
        pairs = [(reading.finals_ms[clip], full.finals_ms[clip]) for clip in full.glosses]
        later = [a - b for ours, theirs in pairs if len(ours) == len(theirs) for a, b in zip(ours, theirs, strict=True)]
        right = [clip in of_bundle and reading.likeliest[clip] == of_bundle[clip] for clip in reading.likeliest]
        alarms = sum(bool(found) for clip, found in reading.glosses.items() if clip not in of_bundle)
        total = sum(clip in of_bundle for clip in reading.likeliest)
        yield (
            f"| {name} | {ms:.1f} ms | {ms / of_all:.2f} | {same} of {len(full.glosses)} "
            f"| {np.mean(later or [0]):+.0f} ms | {np.percentile(later or [0], 95):+.0f} ms "
            f"| {sum(right)} of {total} | {alarms} |"
        )
    yield ""
    for name, reading in readings.items():
        for clip, theirs in full.glosses.items():
            if (ours := reading.glosses[clip]) != theirs:
                yield f"{name}: {clip}: {' '.join(ours) or 'no sign'} instead of {' '.join(theirs) or 'no sign'}"


if __name__ == "__main__":
    sys.exit(main())
