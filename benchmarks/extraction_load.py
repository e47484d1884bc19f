"""The cost of an extractor beyond a frame with a signer in it: nobody in view, memory, and two threads instead of one.

    python -m benchmarks.extraction_load VIDEO

Each extractor is measured in a process of its own. Threads are timed by the clock and need two idle cores.
"""

import argparse
import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from glosscast.holistic import EXTRACTORS, Extractor, Tracker, new_tracker, quiet_native_logs
from glosscast.video import RGB, decode_video

FPS = 16
EMPTY_FRAMES = 40
STREAMS = {"litert": 50, "mediapipe": 2}  # further ones, for the memory of each
REPEATS = 5
MIB = 2**20


def main() -> int:
    """Print a table, one column for each extractor."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction_load")
    parser.add_argument("video", type=Path)
    parser.add_argument("--extractor", choices=EXTRACTORS, help="measure this one and print JSON")
    args = parser.parse_args()
    if args.extractor:
        with quiet_native_logs():
            figures = measure(args.extractor, [frame.rgb for frame in decode_video(args.video, FPS)])
        print(json.dumps(figures))
        return 0
    command = [sys.executable, "-m", "benchmarks.extraction_load", str(args.video), "--extractor"]
    columns = [json.loads(subprocess.check_output([*command, extractor])) for extractor in EXTRACTORS]
    print(f"| what | {' | '.join(EXTRACTORS)} |\n|---|---|---|")
    for name in columns[0]:
        print(f"| {name} | {' | '.join(f'{column[name]:.2f}' for column in columns)} |")
    return 0


def measure(extractor: Extractor, frames: list[RGB]) -> dict[str, float]:
    """Figures of one extractor by name."""
    before = resident_mib()
    tracker = new_tracker(extractor)
    follow(tracker, frames)
    first = resident_mib() - before
    others = [new_tracker(extractor) for _ in range(STREAMS[extractor])]
    for other in others:
        follow(other, frames[:3])
    further = (resident_mib() - before - first) / len(others)
    empty = np.full_like(frames[0], 90)
    tracker.reset()
    tracker.track(empty)
    start = time.process_time()
    follow(tracker, [empty] * EMPTY_FRAMES)
    nobody = (time.process_time() - start) / EMPTY_FRAMES * 1000
    pair = [tracker, others[0]]
    one = min(timed(pair[:1], frames) for _ in range(REPEATS))
    two = min(timed(pair, frames) for _ in range(REPEATS))
    return {
        "CPU of a frame with nobody in view, ms": nobody,
        "memory of the first stream with its package, MiB": first,
        "memory of each further stream, MiB": further,
        "frames of two threads against one": 2 * one / two,
    }


def follow(tracker: Tracker, frames: list[RGB]) -> None:
    """Track frames."""
    for frame in frames:
        tracker.track(frame)


def timed(trackers: list[Tracker], frames: list[RGB]) -> float:
    """Seconds that trackers take for all frames, in a thread each."""
    start = time.perf_counter()
    with ThreadPoolExecutor(len(trackers)) as threads:
        list(threads.map(lambda tracker: follow(tracker, frames), trackers))
    return time.perf_counter() - start


def resident_mib() -> float:
    """Memory that this process holds (Linux)."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * 4096 / MIB


if __name__ == "__main__":
    sys.exit(main())
