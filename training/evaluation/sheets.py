"""Contact sheets of skeletons: a row of moments for each clip, such as suspects beside well-read ones of a label."""

import matplotlib

matplotlib.use("Agg")

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from numpy.typing import NDArray
from PIL import Image

from glosscast.clip import Clip, resample
from glosscast.keypoints import FACE, LEFT_HAND, POINTS, PRESENCE, RIGHT_HAND, SHOULDERS, Pose, normalise

MOMENTS = 8  # of a clip, evenly from its first frame to its last
LEFT, RIGHT, TOP, BOTTOM = -1.6, 1.6, -1.7, 1.6  # the range of a panel, in shoulder widths from between the shoulders
DPI = 80
PALETTE = 32  # colours: three, on white, and what lies between them at the edges of lines
PANEL_IN = 1.5  # width, inches

ARMS = [
    (Pose.LEFT_SHOULDER, Pose.RIGHT_SHOULDER),
    (Pose.LEFT_SHOULDER, Pose.LEFT_ELBOW),
    (Pose.LEFT_ELBOW, Pose.LEFT_WRIST),
    (Pose.RIGHT_SHOULDER, Pose.RIGHT_ELBOW),
    (Pose.RIGHT_ELBOW, Pose.RIGHT_WRIST),
    (Pose.LEFT_SHOULDER, Pose.LEFT_HIP),
    (Pose.RIGHT_SHOULDER, Pose.RIGHT_HIP),
]
# Of a hand's 21 points: each finger from the wrist to its tip, and across the knuckles.
FINGERS = [(0 if i % 4 == 1 else i - 1, i) for i in range(1, 21)] + [(5, 9), (9, 13), (13, 17)]
HEAD = [*range(Pose.NOSE, Pose.MOUTH_RIGHT + 2), *range(FACE.start, FACE.stop)]
HANDS = np.zeros(POINTS, bool)
HANDS[LEFT_HAND] = HANDS[RIGHT_HAND] = True
BODY = ~HANDS
BODY[SHOULDERS] = False
FILLED = 0.7  # of a panel that shows hands alone; its caption has the rest
BONES = {
    "#555555": ARMS,
    "#0072B2": [(LEFT_HAND.start + a, LEFT_HAND.start + b) for a, b in FINGERS],
    "#D55E00": [(RIGHT_HAND.start + a, RIGHT_HAND.start + b) for a, b in FINGERS],
}


class Strip(NamedTuple):
    """A clip on a sheet, with its caption."""

    clip: Clip
    title: str


def draw_sheet(title: str, strips: Sequence[Strip], path: Path) -> None:
    """Write a picture with a row for each clip, the signer's left hand blue and the right one orange.

    Raises:
        OSError: it cannot be written.
    """
    wide = MOMENTS * (RIGHT - LEFT)
    high = len(strips) * (BOTTOM - TOP)
    figure, axes = plt.subplots(
        figsize=(PANEL_IN * MOMENTS, PANEL_IN * high / (RIGHT - LEFT) + 0.4), dpi=DPI, layout="constrained"
    )
    for row, strip in enumerate(strips):
        offset = np.array([0.0, row * (BOTTOM - TOP)])
        _draw_strip(axes, _moments(strip.clip), offset)
        axes.text(0.1, offset[1] + 0.1, strip.title, fontsize=8, va="top")
        axes.axhline(offset[1], color="#cccccc", linewidth=0.6)
    axes.set(xlim=(0, wide), ylim=(high, 0), aspect="equal")
    axes.axis("off")
    axes.set_title(title, fontsize=9)
    drawn = BytesIO()
    figure.savefig(drawn, format="png")
    plt.close(figure)
    # A palette makes the file a quarter as large: reports have a dozen of these.
    with Image.open(drawn) as picture:
        picture.convert("RGB").quantize(PALETTE, dither=Image.Dither.NONE).save(path, format="PNG", optimize=True)


def _moments(clip: Clip) -> NDArray[np.float32]:
    """(MOMENTS, 171, 4) keypoints in shoulder widths, or as large as a panel holds them where hands alone are there."""
    at_ms = np.linspace(clip.t_ms[0], clip.t_ms[-1], MOMENTS)
    keypoints = normalise(resample(clip.t_ms, clip.keypoints, at_ms)[0], clip.aspect)
    there = keypoints[..., PRESENCE] > 0
    if there[:, HANDS].any() and not there[:, BODY].any():
        keypoints[:, SHOULDERS] = 0.0  # made up: the data have none
        places = keypoints[..., :2][there & HANDS]
        low, high = places.min(axis=0), places.max(axis=0)
        scale = min((RIGHT - LEFT, BOTTOM - TOP) / np.maximum(high - low, 1e-6)) * FILLED
        keypoints[..., :2] = (keypoints[..., :2] - (low + high) / 2) * scale + ((LEFT + RIGHT) / 2, (TOP + BOTTOM) / 2)
    return keypoints


def _draw_strip(axes: Axes, keypoints: NDArray[np.float32], offset: NDArray[np.float64]) -> None:
    """The skeletons of a clip, from left to right."""
    columns = np.arange(MOMENTS)[:, None] * np.array([RIGHT - LEFT, 0.0])
    inside = np.clip(keypoints[..., :2], (LEFT, TOP), (RIGHT, BOTTOM))
    places = inside - (LEFT, TOP) + (offset + columns)[:, None]
    there = keypoints[..., PRESENCE] > 0
    for colour, bones in BONES.items():
        ends = np.array(bones)
        lines = places[:, ends][there[:, ends].all(axis=-1)]
        axes.add_collection(LineCollection(list(lines), colors=colour, linewidths=0.9))
    head = places[:, HEAD][there[:, HEAD]]
    axes.scatter(head[:, 0], head[:, 1], s=0.8, c="#555555", linewidths=0)
