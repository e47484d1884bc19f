"""The streams of the live benchmark: real clips, one after another, with half a second of rest between them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import resample
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, SHOULDERS, WRISTS, Y
from glosscast.sources import FPS, jpeg
from glosscast.video import decode_video
from training.data import load_npz

KEYPOINTS = "asl_webcam_research.npz"
# of that file, as its README says
RECORDED_FPS = 15.0
ASPECT = 4 / 3
CLIPS = 60
REST_FRAMES = 8
LOWERED = 2.0  # shoulder widths below the shoulders
PICTURED = ("no", "please", "thankyou", "water", "yes")  # of the videos, those from rest to rest
STEP_MS = 1000 / FPS


@dataclass(frozen=True)
class Material:
    """Frames of all clips in a row, ready to be sent: JPEG pictures, or keypoints as float32."""

    payloads: Sequence[bytes]

    def frames(self, stream: int, streams: int) -> Iterator[tuple[float, bytes]]:
        """Time in ms and payload of each frame, without end; each stream begins elsewhere in the row."""
        first = len(self.payloads) * stream // streams
        for index in count():
            yield index * STEP_MS, self.payloads[(first + index) % len(self.payloads)]


def keypoint_material(data: Path) -> Material:
    """Clips of webcam signers."""
    examples = load_npz(data / KEYPOINTS, RECORDED_FPS, ASPECT)
    chosen = [example.clip for example in examples if example.gloss != "-"][:: max(1, len(examples) // CLIPS)]
    row: list[NDArray[np.float32]] = []
    for clip in chosen:
        at_ms = np.arange(0.0, clip.duration_ms, STEP_MS)
        signed, _ = resample(clip.t_ms, clip.keypoints, at_ms)
        row += [*signed, *[rest(signed[-1])] * REST_FRAMES]
    return Material([frame.astype("<f4").tobytes() for frame in row])


def rest(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """The same person (171, 4) with the arms down: no hands seen, and both wrists low."""
    lowered = keypoints.copy()
    lowered[LEFT_HAND] = lowered[RIGHT_HAND] = 0.0
    shoulders = keypoints[SHOULDERS]
    width = abs(float(shoulders[0, 0] - shoulders[1, 0])) * ASPECT
    lowered[WRISTS, Y] = shoulders[:, Y].mean() + LOWERED * width
    lowered[WRISTS, PRESENCE] = 1.0
    return lowered


def picture_material(data: Path) -> Material:
    """Videos of a signer who begins and ends with the arms down."""
    row: list[bytes] = []
    for path in sorted((data / "clips").glob("*.mp4")):
        if path.name.split("_")[0] in PICTURED:
            pictures = [jpeg(frame) for frame in decode_video(path, FPS)]
            row += [*pictures, *[pictures[-1]] * REST_FRAMES]
    return Material(row)
