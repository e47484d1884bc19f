"""`python -m benchmarks.tracker_processes`: the cost of a process for each tracker, against threads of one process.

For each way in a fresh interpreter: memory of all processes together (PSS, so that what is shared counts once), CPU
time per frame with the decoding of its JPEG, and time from asking for a tracker to its first keypoints. Linux.
"""

import argparse
import io
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

from PIL import Image

from benchmarks.processes import cpu_s, memory_mib
from glosscast.holistic import EXTRACTORS, MODULES, Tracker, new_tracker
from glosscast.video import decode_video
from service.processes import sandbox
from service.processes.tracker import ProcessTracker, track_encoded

FPS = 16
FRAMES = 40
ROUNDS = 3


def measure(clip: Path, extractor: str, processes: bool, count: int) -> dict[str, Any]:
    """Figures of one way, in this interpreter."""
    pictures = [_jpeg(frame.rgb) for frame in list(decode_video(clip, FPS))[:FRAMES]]
    name = next(known for known in EXTRACTORS if known == extractor)
    make = partial(new_tracker, name)
    sandbox.prepare(["service.processes.tracker", *([MODULES[name]] if processes else [])])
    trackers: list[Tracker] = []
    first_s: list[float] = []
    for _ in range(count):
        began = perf_counter()
        trackers.append(ProcessTracker(make, timeout_s=60) if processes else make())
        track_encoded(trackers[-1], pictures[0])
        first_s.append(round(perf_counter() - began, 2))
    _read(trackers, pictures)
    used = cpu_s(os.getpid())
    for _ in range(ROUNDS):
        _read(trackers, pictures)
    frames = ROUNDS * count * len(pictures)
    figures = {
        "extractor": extractor,
        "way": "processes" if processes else "threads",
        "trackers": count,
        "memory_mib": round(memory_mib(os.getpid())),
        "cpu_ms_per_frame": round((cpu_s(os.getpid()) - used) / frames * 1000, 1),
        "first_keypoints_s": first_s,
    }
    for tracker in trackers:
        tracker.close()
    return figures


def _read(trackers: Sequence[Tracker], pictures: Sequence[bytes]) -> None:
    for tracker in trackers:
        for picture in pictures:
            track_encoded(tracker, picture)


def _jpeg(rgb: Any) -> bytes:
    out = io.BytesIO()
    Image.fromarray(rgb).save(out, "JPEG", quality=80)
    return out.getvalue()


def main() -> None:
    """Measure both ways, each in an interpreter of its own, and print a line of JSON for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("clip", type=Path, help="a video of a signer")
    parser.add_argument("--extractor", choices=EXTRACTORS, default="mediapipe")
    parser.add_argument("--trackers", type=int, default=3)
    parser.add_argument("--way", choices=("threads", "processes"), help="this one alone")
    arguments = parser.parse_args()
    if arguments.way is not None:
        processes = arguments.way == "processes"
        print(json.dumps(measure(arguments.clip, arguments.extractor, processes, arguments.trackers)))
        return
    for way in ("threads", "processes"):
        own = [sys.executable, "-m", "benchmarks.tracker_processes", *sys.argv[1:], "--way", way]
        subprocess.run(own, check=True)


if __name__ == "__main__":
    main()
