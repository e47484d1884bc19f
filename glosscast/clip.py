"""A clip of keypoints, and the choice of frames for a model's window.

Frames are chosen by timestamp, never by index: cameras deliver 10 to 60 frames a second with gaps, models were trained
on exactly `ClipSpec.fps`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from glosscast.keypoints import CHANNELS, POINTS, PRESENCE, normalise

MAX_GAP_MS = 500.0  # a longer stretch without a frame is a pause of the camera; 10 frames a second have 100
SEVERAL = 0.5  # share of frames with more than one person from which it is not sure whose signs were read

ClipWarning = Literal["several_people"]


class ClipSpec(BaseModel):
    """The timing of a model's window; part of the bundle manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    window_ms: float = Field(gt=0, le=3_600_000, description="length of a window, ms")
    fps: float = Field(gt=0, le=1000, description="frame rate of the fast pathway")
    alpha: int = Field(gt=0, description="the slow pathway takes every alpha-th frame of the fast one")

    @model_validator(mode="after")
    def _the_slow_pathway_sees_a_frame(self) -> "ClipSpec":
        if self.frames < self.alpha:
            raise ValueError(f"a window of {self.frames} frames has none for the slow pathway (alpha {self.alpha})")
        return self

    @property
    def frames(self) -> int:
        """Frames in a window's fast pathway (2,000 ms at 16 fps: 32)."""
        return round(self.window_ms / 1000 * self.fps)

    @property
    def times_ms(self) -> NDArray[np.float64]:
        """Frame times relative to the window's start, (frames,) in ms."""
        return np.arange(self.frames) * (1000.0 / self.fps)


@dataclass(frozen=True, eq=False)
class Clip:
    """Keypoints of a recording, in image coordinates.

    Attributes:
        t_ms: (T,) timestamps in ms, strictly increasing.
        keypoints: (T, 171, 4) float32, see `glosscast.keypoints`.
        aspect: frame width / height.
        frames: T pictures (S, S, 3) uint8 of the signer, see `glosscast.crop`, where a model looks at them.
        people: (T,) number of people in view, see `Tracker.people`; None where nobody counted.
    """

    t_ms: NDArray[np.float64]
    keypoints: NDArray[np.float32]
    aspect: float
    frames: Sequence[NDArray[np.uint8]] | None = None
    people: NDArray[np.int64] | None = None

    def __post_init__(self) -> None:
        if self.keypoints.shape != (len(self.t_ms), POINTS, CHANNELS):
            raise ValueError(f"keypoints must be ({len(self.t_ms)}, {POINTS}, {CHANNELS}), got {self.keypoints.shape}")
        if len(self.t_ms) == 0 or not np.isfinite(self.t_ms).all() or np.any(np.diff(self.t_ms) <= 0):
            raise ValueError("timestamps must be finite and strictly increasing, at least one")
        if not (np.isfinite(self.aspect) and self.aspect > 0):
            raise ValueError(f"aspect must be a positive number, got {self.aspect}")
        if self.frames is not None and len(self.frames) != len(self.t_ms):
            raise ValueError(f"there must be {len(self.t_ms)} pictures, got {len(self.frames)}")
        if self.people is not None and self.people.shape != self.t_ms.shape:
            raise ValueError(f"people must be counted in {len(self.t_ms)} frames, got {self.people.shape}")

    @property
    def duration_ms(self) -> float:
        """Time from the first to the last frame, in ms."""
        return float(self.t_ms[-1] - self.t_ms[0])

    @property
    def warnings(self) -> list[ClipWarning]:
        """What makes a reading of the clip doubtful."""
        return ["several_people"] if self.shows_several() else []

    def shows_several(self, start_ms: float = -np.inf, end_ms: float = np.inf) -> bool:
        """Whether more than one person is in view in half of the frames from `start_ms` to `end_ms`, or more."""
        part = (self.t_ms >= start_ms) & (self.t_ms <= end_ms)
        return self.people is not None and bool(part.any()) and float((self.people[part] > 1).mean()) >= SEVERAL


@dataclass(frozen=True, eq=False)
class Window:
    """The part of a clip that a model reads at once.

    Attributes:
        keypoints: (T, 171, 4) float32, normalised.
        mask: (T,) float32, 0 outside the recording.
        start_ms: where it starts, in the clip's own time: pictures of the same instants are found by it.
        frames: T pictures (S, S, 3) uint8, the clip's own and no copies, where it has any.
    """

    keypoints: NDArray[np.float32]
    mask: NDArray[np.float32]
    start_ms: float = 0.0
    frames: Sequence[NDArray[np.uint8]] | None = None


def cut_window(clip: Clip, start_ms: float, spec: ClipSpec) -> Window:
    """Take the window of `clip` that starts at `start_ms`; beyond the recording's ends frames are held and masked."""
    at_ms = start_ms + spec.times_ms
    keypoints, mask = resample(clip.t_ms, clip.keypoints, at_ms)
    pictures = None if clip.frames is None else [clip.frames[i] for i in nearest(clip.t_ms, at_ms)]
    return Window(normalise(keypoints, clip.aspect), mask, start_ms, pictures)


def window_starts(
    start_ms: float, end_ms: float, first_ms: float, now_ms: float, spec: ClipSpec, hop_ms: float
) -> list[float]:
    """The starts, in ms, of the windows of a segment.

    A segment that fits into a window is centred in it, as far as the recording allows: a window reaches neither beyond
    `now_ms` nor, which comes first, before `first_ms`. A longer one is covered by windows about `hop_ms` apart.
    """
    margin_ms = spec.window_ms - (end_ms - start_ms)
    if margin_ms < 0:
        count = int(np.ceil(-margin_ms / hop_ms)) + 1
        return [float(s) for s in np.linspace(start_ms, end_ms - spec.window_ms, count)]
    return [max(min(start_ms - margin_ms / 2, now_ms - spec.window_ms), first_ms)]


def sample_recording(clip: Clip, fps: float) -> NDArray[np.float32]:
    """Normalised keypoints (T, 171, 4) of a whole recording at `fps`, from its first frame on.

    One window over everything: place and size are medians over the recording, and across a pause of the camera frames
    are held.
    """
    frames = int(clip.duration_ms * fps / 1000.0 + 1e-6) + 1  # rounding must not cost a clip its last frame
    keypoints, _ = resample(clip.t_ms, clip.keypoints, clip.t_ms[0] + np.arange(frames) * (1000.0 / fps))
    return normalise(keypoints, clip.aspect)


def resample(
    t_ms: NDArray[np.float64], keypoints: NDArray[np.float32], at_ms: NDArray[np.float64]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Keypoints at given times: linear between two frames where a point is present in both, else the nearer frame's.

    Nothing is made up across a pause of the camera: frames further apart than `MAX_GAP_MS` are held, and the time
    between them counts as outside the recording.

    Args:
        t_ms: (T,) increasing.
        keypoints: (T, 171, 4).
        at_ms: (M,) wanted times.

    Returns:
        (M, 171, 4) keypoints and (M,) mask, 0 for times outside the recording by more than half a frame interval. A
        recording of one frame is a photo: it has no interval, and is held for as long as is asked.
    """
    left, right = _around(t_ms, at_ms)
    gap = np.maximum(t_ms[right] - t_ms[left], 1e-9)
    weight = np.clip((at_ms - t_ms[left]) / gap, 0.0, 1.0).astype(np.float32)[:, None, None]
    a, b = keypoints[left], keypoints[right]
    nearer = np.where(weight < 0.5, a, b)
    paused = gap > MAX_GAP_MS
    both = (a[..., PRESENCE:] > 0) & (b[..., PRESENCE:] > 0) & ~paused[:, None, None]
    mixed = np.where(both, a + weight * (b - a), nearer)
    slack = 0.5 * np.median(np.diff(t_ms)) if len(t_ms) > 1 else np.inf
    inside = (at_ms >= t_ms[0] - slack) & (at_ms <= t_ms[-1] + slack)
    inside &= ~paused | (at_ms - t_ms[left] <= slack) | (t_ms[right] - at_ms <= slack)
    return mixed.astype(np.float32), inside.astype(np.float32)


def nearest(t_ms: NDArray[np.float64], at_ms: NDArray[np.float64]) -> NDArray[np.intp]:
    """Indices (M,) of the frames nearest to given times: pictures cannot be mixed as keypoints can.

    Args:
        t_ms: (T,) increasing.
        at_ms: (M,) wanted times; beyond the ends the first or the last frame is taken.
    """
    left, right = _around(t_ms, at_ms)
    return np.where(at_ms - t_ms[left] < t_ms[right] - at_ms, left, right)


def _around(t_ms: NDArray[np.float64], at_ms: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Indices of the two frames around each time; at and beyond the ends the two outermost."""
    right = np.clip(np.searchsorted(t_ms, at_ms), 1, max(len(t_ms) - 1, 1))
    return right - 1, np.minimum(right, len(t_ms) - 1)
