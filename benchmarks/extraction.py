"""Hold the LiteRT tracker against MediaPipe on real recordings: what each finds, how far apart, at what cost.

    python -m benchmarks.extraction VIDEO_OR_FOLDER ...

With `--brighter`, MediaPipe is held against itself on frames one grey level brighter: what the smallest change of a
picture does to it, as a measure for the rest.

Both look at every recording in turn, in one process, so that a busy machine slows both alike. Cost is the process's CPU
time, which includes MediaPipe's own threads.
"""

import argparse
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glosscast.bundle import EMBEDDED, Bundle, load_bundle
from glosscast.clip import Clip
from glosscast.decoding import NoSignerError
from glosscast.holistic import FULL, Tracker, new_tracker, quiet_native_logs, serving
from glosscast.keypoints import (
    FACE,
    HAND_MIDDLE_KNUCKLE,
    HAND_WRIST,
    LEFT_HAND,
    PRESENCE,
    RIGHT_HAND,
    SHOULDERS,
    UPPER_BODY,
    X,
)
from glosscast.recogniser import Recogniser
from glosscast.video import RGB, Frame, VideoError, decode_video

Keypoints = NDArray[np.float64]
WARM_UP = 2  # frames of a recording after which CPU time counts: a reset MediaPipe loads its models again
PARTS = {"pose": UPPER_BODY, "left hand": LEFT_HAND, "right hand": RIGHT_HAND, "face": FACE}
UNITS = {"pose": "shoulder width", "left hand": "hand size", "right hand": "hand size", "face": "face width"}


@dataclass(frozen=True)
class Seen:
    """One recording as both trackers see it.

    Attributes:
        t_ms: (T,).
        size: width and height of a frame, pixels.
        reference: (T, 171, 4) by MediaPipe.
        ours: (T, 171, 4) by LiteRT.
        cpu_ms: (T, 2) of MediaPipe and LiteRT.
    """

    t_ms: NDArray[np.float64]
    size: tuple[int, int]
    reference: NDArray[np.float32]
    ours: NDArray[np.float32]
    cpu_ms: NDArray[np.float64]


def main() -> int:
    """Print the tables of docs/explanation/extraction.md."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction")
    parser.add_argument("videos", type=Path, nargs="+", metavar="VIDEO_OR_FOLDER")
    parser.add_argument("--brighter", action="store_true", help="hold MediaPipe against itself")
    parser.add_argument("--serving", action="store_true", help="LiteRT as streams and clips are served")
    args = parser.parse_args()
    bundle = load_bundle(EMBEDDED)
    paths = [p for given in args.videos for p in (sorted(given.glob("*.mp4")) if given.is_dir() else [given])]
    try:
        with quiet_native_logs():
            other = (
                Brighter(new_tracker("mediapipe"))
                if args.brighter
                else new_tracker("litert", serving(face=False) if args.serving else FULL)
            )
            trackers = new_tracker("mediapipe"), other
            seen = [watch(path, bundle.manifest.clip.fps, *trackers) for path in paths]
    except (VideoError, OSError) as error:
        print(error, file=sys.stderr)
        return 2
    name = "MediaPipe, brighter" if args.brighter else "LiteRT"
    print("\n".join([*agreement(seen, name), "", *glosses(seen, bundle), "", *cost(seen, name)]))
    return 0


class Brighter:
    """Sees every frame one grey level brighter."""

    def __init__(self, tracker: Tracker) -> None:
        self._tracker = tracker
        self.broken = False
        self.people = 0
        self.reset = tracker.reset
        self.close = tracker.close

    def track(self, rgb: RGB) -> NDArray[np.float32]:
        """See `Tracker.track`."""
        return self._tracker.track(np.minimum(rgb, 254) + np.uint8(1))


def watch(path: Path, fps: float, reference: Tracker, ours: Tracker) -> Seen:
    """Both trackers on one recording, one after the other."""
    frames = list(decode_video(path, fps))
    (one, one_ms), (two, two_ms) = (run(tracker, frames) for tracker in (reference, ours))
    height, width = frames[0].rgb.shape[:2]
    t_ms = np.array([frame.t_ms for frame in frames])
    return Seen(t_ms, (width, height), one, two, np.stack([one_ms, two_ms], -1))


def run(tracker: Tracker, frames: list[Frame]) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Keypoints (T, 171, 4) of a recording and the CPU time (T,) of each frame, ms."""
    tracker.reset()
    marks = [time.process_time()]
    keypoints = []
    for frame in frames:
        keypoints.append(tracker.track(frame.rgb))
        marks.append(time.process_time())
    clock = np.array(marks)
    return np.stack(keypoints), (clock[1:] - clock[:-1]) * 1000


def agreement(seen: list[Seen], name: str) -> Iterator[str]:
    """The share of frames in which each extractor finds a part, and the distance of its points where both find it."""
    reference, ours = (np.concatenate([getattr(s, name) for s in seen]) for name in ("reference", "ours"))
    pixels = np.concatenate([np.broadcast_to(s.size, (len(s.t_ms), 1, 2)) for s in seen])
    a, b = reference[..., : X + 2] * pixels, ours[..., : X + 2] * pixels
    yield f"{len(seen)} recordings, {len(reference)} frames\n"
    yield f"| part | MediaPipe finds it | {name} finds it | and where MediaPipe does | unit | median | p90 | p99 |"
    yield "|---|---|---|---|---|---|---|---|"
    for title, part in PARTS.items():
        one, two = ((points[:, part, PRESENCE] > 0).any(1) for points in (reference, ours))
        both = one & two
        if not both.any():
            continue
        apart = np.linalg.norm(a[both, part] - b[both, part], axis=-1).mean(1) / unit(title, a[both])
        shares = f"{one.mean():.2%} | {two.mean():.2%} | {both.sum() / max(one.sum(), 1):.2%}"
        yield (
            f"| {title} | {shares} | {UNITS[title]} | "
            + " | ".join(f"{value:.2%}" for value in np.percentile(apart, (50, 90, 99)))
            + " |"
        )


def unit(name: str, points: Keypoints) -> Keypoints:
    """Size of the part in each frame, pixels; points (T, 171, 2)."""
    part = points[:, PARTS[name]]
    if name == "pose":
        left, right = (points[:, shoulder] for shoulder in SHOULDERS)
        return np.asarray(np.linalg.norm(left - right, axis=-1))
    if name == "face":
        return np.asarray(np.ptp(part[..., X], axis=1))
    return np.asarray(np.linalg.norm(part[:, HAND_WRIST] - part[:, HAND_MIDDLE_KNUCKLE], axis=-1))


def glosses(seen: list[Seen], bundle: Bundle) -> Iterator[str]:
    """Whether the embedded bundle reads the same gloss from both."""
    # The published figures were measured with segments of the rule.
    pipeline = replace(bundle.sign_pipeline(Recogniser(bundle)), tagging=None)
    same = 0
    apart = []
    for s in seen:
        pair = []
        for keypoints in (s.reference, s.ours):
            clip = Clip(s.t_ms, keypoints, s.size[0] / s.size[1])
            try:
                pair.append(pipeline.read(clip).probabilities)
            except NoSignerError:
                pair.append(np.zeros(len(bundle.vocabulary), np.float32))
        same += int(pair[0].argmax() == pair[1].argmax())
        apart.append(float(np.abs(pair[0] - pair[1]).max()))
    yield f"The embedded bundle reads the same gloss from both in {same} of {len(seen)} recordings;"
    yield f"its probabilities differ by {np.median(apart):.4f} (median), {max(apart):.4f} at most."


def cost(seen: list[Seen], name: str) -> Iterator[str]:
    """CPU time a frame by what is in view."""
    cpu = np.concatenate([s.cpu_ms[WARM_UP:] for s in seen])
    reference = np.concatenate([s.reference[WARM_UP:] for s in seen])
    hands, face = (
        np.stack([(reference[:, part, PRESENCE] > 0).any(1) for part in parts]).all(0)
        for parts in ((LEFT_HAND, RIGHT_HAND), (FACE,))
    )
    yield f"| in view | frames | MediaPipe | {name} | ratio |\n|---|---|---|---|---|"
    for title, which in (("both hands and the face", hands & face), ("anything", np.ones(len(cpu), bool))):
        one, two = cpu[which].mean(0) if which.any() else (np.nan, np.nan)
        yield f"| {title} | {which.sum()} | {one:.1f} ms | {two:.1f} ms | {two / one:.2f} |"


if __name__ == "__main__":
    sys.exit(main())
