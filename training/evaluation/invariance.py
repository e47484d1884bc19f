"""The invariance of readings to the camera and to the signer's handedness: the same clips, transformed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip, resample
from glosscast.keypoints import LEFT_HAND, MIRROR, PRESENCE, RIGHT_HAND, SHOULDERS, X, Y, Z
from training.data import DataError, Example
from training.evaluation.reading import RecogniserReader, window_clips
from training.evaluation.seeds import mean_and_std
from training.models.checkpoint import Checkpoint

PORTRAIT, LANDSCAPE = 9 / 16, 16 / 9
EVERY = 3  # of the clips, every third is read: all conditions read the same ones
PIXEL = 1 / 480  # of the frame's height: how far off a point of somebody small in the picture may be


def as_it_is(clip: Clip) -> Clip:
    """The clip itself."""
    return clip


def mirrored(clip: Clip) -> Clip:
    """Left and right swapped, as a left-handed signer or a mirroring camera shows it."""
    keypoints = clip.keypoints[:, MIRROR].copy()
    keypoints[..., X] = np.where(keypoints[..., PRESENCE] > 0, 1.0 - keypoints[..., X], 0.0)
    return replace(clip, keypoints=keypoints)


def reshaped(clip: Clip, aspect: float) -> Clip:
    """The same scene in a frame of another shape, as high as before; what lies outside the frame is lost."""
    keypoints = clip.keypoints.copy()
    keypoints[..., X] = 0.5 + (keypoints[..., X] - 0.5) * clip.aspect / aspect
    keypoints[..., Z] *= clip.aspect / aspect
    return replace(clip, keypoints=_in_view(keypoints, clip.keypoints), aspect=aspect)


def zoomed(clip: Clip, factor: float) -> Clip:
    """The signer nearer or farther, mid-shoulder kept in place; what lies outside the frame is lost.

    Points of somebody farther away are placed no better than before in pixels, so they are rounded.
    """
    middle = _middle(clip)
    if middle is None:
        return clip
    keypoints = clip.keypoints.copy()
    keypoints[..., [X, Y]] = middle + (keypoints[..., [X, Y]] - middle) * factor
    keypoints[..., Z] *= factor
    if factor < 1.0:
        unit = np.array([PIXEL / clip.aspect, PIXEL])
        keypoints[..., [X, Y]] = np.round(keypoints[..., [X, Y]] / unit) * unit
    return replace(clip, keypoints=_in_view(keypoints, clip.keypoints))


def turned(clip: Clip, degrees: float) -> Clip:
    """The picture turned about mid-shoulder, as by a tilted camera; what lies outside the frame is lost."""
    middle = _middle(clip)
    if middle is None:
        return clip
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    square = (clip.keypoints[..., [X, Y]] - middle) * np.array([clip.aspect, 1.0])
    keypoints = clip.keypoints.copy()
    keypoints[..., [X, Y]] = middle + square @ np.array([[cos, sin], [-sin, cos]]) / np.array([clip.aspect, 1.0])
    return replace(clip, keypoints=_in_view(keypoints, clip.keypoints))


def at_rate(clip: Clip, fps: float) -> Clip:
    """The same movement filmed at another frame rate."""
    at_ms = np.arange(clip.t_ms[0], clip.t_ms[-1] + 1e-6, 1000.0 / fps)
    return replace(clip, t_ms=at_ms, keypoints=resample(clip.t_ms, clip.keypoints, at_ms)[0])


def _middle(clip: Clip) -> NDArray[np.float32] | None:
    """(2,) median place between the shoulders, or None where they were never found."""
    shoulders = clip.keypoints[:, SHOULDERS]
    found = (shoulders[..., PRESENCE] > 0).all(axis=1)
    if not found.any():
        return None
    middle: NDArray[np.float32] = np.median(shoulders[found, :, :2].mean(axis=1), axis=0)
    return middle


def _in_view(keypoints: NDArray[np.float32], before: NDArray[np.float32]) -> NDArray[np.float32]:
    """Hands of which half lies outside are lost whole, as the tracker loses them; missing points stay zero."""
    outside = ((keypoints[..., [X, Y]] < 0) | (keypoints[..., [X, Y]] > 1)).any(axis=-1)
    for hand in (LEFT_HAND, RIGHT_HAND):
        keypoints[outside[:, hand].mean(axis=1) > 0.5, hand] = 0.0
    keypoints[before[..., PRESENCE] <= 0] = 0.0
    return keypoints


Conditions = dict[str, tuple[int, int]]  # by condition: clips, and how many were read rightly

CONDITIONS: Mapping[str, Callable[[Clip], Clip]] = {
    "as recorded": as_it_is,
    "mirrored": mirrored,
    "portrait, 9:16": partial(reshaped, aspect=PORTRAIT),
    "landscape, 16:9": partial(reshaped, aspect=LANDSCAPE),
    **{f"{fps:g} frames a second": partial(at_rate, fps=fps) for fps in (8.0, 10.0, 24.0, 30.0)},
    "near, 1.5 times as large": partial(zoomed, factor=1.5),
    "far, 0.5 times as large": partial(zoomed, factor=0.5),
    "turned by +20°": partial(turned, degrees=20.0),
    "turned by -20°": partial(turned, degrees=-20.0),
}


def read_conditions(checkpoint: Checkpoint, examples: Sequence[Example]) -> Conditions:
    """For each condition how many clips of the vocabulary's signs were read, and how many of them rightly.

    What is counted is the likeliest gloss, "no sign" left out, so that it does not depend on a calibration.

    Raises:
        DataError: no clip has a gloss of the vocabulary.
    """
    data = checkpoint.config.data
    glosses = [gloss for gloss in data.vocabulary if gloss != data.no_sign]
    columns = [data.vocabulary.index(gloss) for gloss in glosses]
    chosen = [e for e in examples if e.gloss in glosses][::EVERY]
    if not chosen:
        raise DataError("no clip has a gloss of the vocabulary")
    reader = RecogniserReader(checkpoint)
    labels = np.array([glosses.index(e.gloss) for e in chosen])
    found = {}
    for name, change in CONDITIONS.items():
        seen = window_clips([replace(e, clip=change(e.clip)) for e in chosen], checkpoint.config)
        probabilities = reader(seen).probabilities[:, columns]
        right = (probabilities.argmax(axis=1) == labels) & probabilities.any(axis=1)
        found[name] = len(chosen), int(right.sum())
    return found


def table(seeds: Sequence[Sequence[Conditions]]) -> str:
    """Markdown: the share of all folds' clips read rightly in each condition, and how that differs, over seeds."""
    lines = ["| condition | clips | right, % | against as recorded |", "|---|---|---|---|"]
    recorded: list[float] = []
    for name in CONDITIONS:
        clips = sum(fold[name][0] for fold in seeds[0])
        shares = [100 * sum(f[name][1] for f in folds) / sum(f[name][0] for f in folds) for folds in seeds]
        recorded = recorded or shares
        lines.append(f"| {name} | {clips} | {mean_and_std(shares, 1)} | {np.mean(shares) - np.mean(recorded):+.1f} |")
    return "\n".join(lines)
