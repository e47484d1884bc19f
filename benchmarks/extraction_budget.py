"""The CPU time of a frame by step: each model, cutting out, decoding; while somebody signs, rests, and nobody is there.

    python -m benchmarks.extraction_budget FOLDER [--every N]

FOLDER has clips. Frames in which a wrist is raised count as signing. The first picture of a clip, in which the hands
rest, is repeated with the noise of a camera for resting; grey pictures with that noise show nobody. Two trackers take
turns, one that does all work and one as streams are served. One thread; a busy machine slows all alike.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray

from glosscast.activity import ActivityMeter
from glosscast.bundle import EMBEDDED, load_bundle
from glosscast.holistic import FULL, quiet_native_logs, serving
from glosscast.holistic.litert import LiteRtTracker
from glosscast.holistic.movement import Movement
from glosscast.holistic.networks import Network, NetworkPool, shared_networks
from glosscast.holistic.region import Region
from glosscast.keypoints import in_square
from glosscast.manifest import Manifest
from glosscast.sources import jpeg
from glosscast.video import RGB, Frame, decode_image, decode_video

NOISE = 2.0  # grey levels, standard deviation
SETTLED = 20  # frames after which a rest, or an empty picture, is no longer new
STILL = 48
GREY = 110
MODELS = {
    "pose_landmark": "pose",
    "pose_detection": "people",
    "hand_recrop": "re-crop",
    "hand_landmark": "hands",
    "face_detection": "face detection",
    "face_landmark": "face mesh",
}
CUTTING, MOVEMENT, JPEG = "cutting regions out", "comparing pictures", "decoding JPEG"
STATES = "signing", "resting", "nobody there"
EFFORTS = {"all work": FULL, "as served": serving(face=False)}

Timed = dict[str, float]


class Budget:
    """Sums of CPU seconds by state, effort and step, and the number of frames."""

    def __init__(self) -> None:
        self.seconds: dict[tuple[str, str], Timed] = {}
        self.frames: dict[tuple[str, str], int] = {}

    def add(self, state: str, effort: str, steps: Timed) -> None:
        """Count a frame."""
        sums = self.seconds.setdefault((state, effort), {})
        for name, seconds in steps.items():
            sums[name] = sums.get(name, 0.0) + seconds
        self.frames[state, effort] = self.frames.get((state, effort), 0) + 1

    def ms(self, state: str, effort: str, step: str) -> float:
        """CPU ms of a step in a frame."""
        return 1000 * self.seconds[state, effort].get(step, 0.0) / self.frames[state, effort]


def main() -> int:
    """Print the table of docs/explanation/extraction.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction_budget")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--every", type=int, default=10, metavar="N", help="one clip of N (default: %(default)s)")
    args = parser.parse_args()
    manifest = load_bundle(EMBEDDED).manifest
    budget = Budget()
    networks = shared_networks()
    steps: Timed = {}
    with quiet_native_logs(), timers(networks, steps):
        trackers = {name: LiteRtTracker(networks, effort) for name, effort in EFFORTS.items()}
        for path in sorted(args.folder.glob("*.mp4"))[:: args.every]:
            clip = [frame.rgb for frame in decode_video(path, manifest.clip.fps)]
            still = noisy(clip[0]), noisy(np.full_like(clip[0], GREY))
            for name, tracker in trackers.items():
                measure(tracker, name, clip, manifest, budget, steps)
                for state, pictures in zip(STATES[1:], still, strict=True):
                    tracker.reset()
                    for index, picture in enumerate(pictures):
                        taken = timed(tracker, picture, steps)[1]
                        if index >= SETTLED:
                            budget.add(state, name, taken)
    print("\n".join(table(budget)))
    return 0


def measure(
    tracker: LiteRtTracker, name: str, clip: Sequence[RGB], manifest: Manifest, budget: Budget, steps: Timed
) -> None:
    """Track a clip, and count its frames with a raised hand as signing."""
    tracker.reset()
    meter = ActivityMeter(manifest.segmenter.follow_ms, manifest.segmenter.visible)
    for index, picture in enumerate(clip):
        keypoints, taken = timed(tracker, picture, steps)
        aspect = picture.shape[1] / picture.shape[0]
        activity = meter.measure(index * 1000 / manifest.clip.fps, in_square(keypoints, aspect))
        if activity.height < manifest.segmenter.leave_height:
            budget.add(STATES[0], name, taken)


def timed(tracker: LiteRtTracker, picture: RGB, steps: Timed) -> tuple[NDArray[np.float32], Timed]:
    """Keypoints of a frame that comes as JPEG, and the CPU seconds of each step."""
    data = jpeg(Frame(picture, 0.0))
    began = time.thread_time()
    decoded = decode_image(data)
    decoding = time.thread_time() - began
    steps.clear()
    began = time.thread_time()
    keypoints = tracker.track(decoded)
    tracking = time.thread_time() - began
    return keypoints, {
        **steps,
        "all else": tracking - sum(steps.values()),
        JPEG: decoding,
        "in all": tracking + decoding,
    }


def noisy(picture: RGB) -> list[RGB]:
    """A picture again and again, as a camera sees it."""
    random = np.random.default_rng(0)
    noise = random.normal(0, NOISE, (SETTLED + STILL, *picture.shape))
    return list(np.clip(picture + noise, 0, 255).astype(np.uint8))


@contextmanager
def timers(pool: NetworkPool, steps: Timed) -> Iterator[None]:
    """Add the CPU seconds of models and of work on pictures to `steps` while the block lasts."""
    names = {}
    for exact in (True, False):
        with pool.lease(exact) as networks:
            names.update({network: MODELS[name] for name, network in vars(networks).items()})

    def timing(function: Callable[..., Any], name_of: Callable[[Any], str]) -> Callable[..., Any]:
        def call(owner: Any, *args: Any, **options: Any) -> Any:
            began = time.thread_time()
            try:
                return function(owner, *args, **options)
            finally:
                name = name_of(owner)
                steps[name] = steps.get(name, 0.0) + time.thread_time() - began

        return call

    with ExitStack() as stack:
        for owner, method, name_of in (
            (Network, "__call__", names.__getitem__),
            (Region, "crop", lambda region: CUTTING),
            (Movement, "seen_in", lambda movement: MOVEMENT),
        ):
            stack.enter_context(patch.object(owner, method, timing(getattr(owner, method), name_of)))
        yield


def table(budget: Budget) -> Iterator[str]:
    """One row for each step, two columns for each state."""
    columns = [(state, effort) for state in STATES for effort in EFFORTS]
    yield "| CPU ms of a frame | " + " | ".join(f"{state}, {effort}" for state, effort in columns) + " |"
    yield "|---|" + "---|" * len(columns)
    for step in (*MODELS.values(), CUTTING, MOVEMENT, "all else", JPEG, "in all"):
        yield f"| {step} | " + " | ".join(f"{budget.ms(*column, step):.1f}" for column in columns) + " |"
    yield "| frames | " + " | ".join(str(budget.frames[column]) for column in columns) + " |"


if __name__ == "__main__":
    sys.exit(main())
