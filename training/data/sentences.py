"""Sentences made of isolated clips: continuous signing with glosses and times that are known exactly.

Real clips of one signer are joined by movements made up between them. A sentence never mixes signers, so one made of a
split's clips belongs to that split. What such sentences lack: signs that change beside their neighbours, and grammar.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip, sample_recording
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, Pose, X, Y, Z
from training.config import SentenceConfig
from training.data.example import DataError, Example

# The camera that looks at every sentence: clips are brought to one place and size first, else the signer would jump.
ASPECT = 4 / 3
SHOULDERS_AT = (0.5, 0.5)
SHOULDER_WIDTH = 0.25  # of the frame's height


@dataclass(frozen=True)
class Sign:
    """A gloss, and the times of its first and last frame in ms."""

    gloss: str
    start_ms: float
    end_ms: float


@dataclass(frozen=True, eq=False)
class Sentence:
    """Continuous signing of one signer; between its signs the hands only move to the next one."""

    clip: Clip
    signs: tuple[Sign, ...]
    signer: str

    @property
    def glosses(self) -> tuple[str, ...]:
        """The signed glosses, in order."""
        return tuple(sign.gloss for sign in self.signs)


def draw_sentences(
    examples: Sequence[Example], glosses: Collection[str], config: SentenceConfig, count: int, seed: int
) -> list[Sentence]:
    """Draw sentences; the same arguments give the same ones, and a larger `count` only adds to them.

    Signers are drawn alike, then each sign from the signer's glosses alike, then one of its clips. A gloss may follow
    itself, as it does in signing.

    Args:
        examples: clips of one side of a split by signer; those that never show both shoulders are left out.
        glosses: those that sentences are made of; leave out the one that means "no sign".
        config: how many signs, and how far apart.
        count: how many sentences.
        seed: of the drawing.

    Raises:
        DataError: no clip that can be used has one of `glosses`.
    """
    clips: defaultdict[str, defaultdict[str, list[Example]]] = defaultdict(lambda: defaultdict(list))
    for example in examples:
        if example.gloss in glosses and example.shows_shoulders:
            clips[example.signer][example.gloss].append(example)
    if not clips:
        raise DataError("no clip has a gloss that sentences are to be made of")
    sentences = []
    for index in range(count):
        rng = np.random.default_rng([seed, index])
        of_signer = clips[sorted(clips)[rng.integers(len(clips))]]
        known = sorted(of_signer)
        drawn = [of_signer[known[g]] for g in rng.integers(len(known), size=rng.integers(*config.signs, endpoint=True))]
        chosen = [same[rng.integers(len(same))] for same in drawn]
        sentences.append(join(chosen, rng.uniform(*config.transition_ms, len(chosen) - 1), config.fps))
    return sentences


def join(examples: Sequence[Example], transitions_ms: Sequence[float] | NDArray[np.float64], fps: float) -> Sentence:
    """Join clips into a sentence that starts at 0 ms.

    Args:
        examples: clips of one signer, at least one.
        transitions_ms: (len(examples) - 1) times from one clip's last frame to the next one's first; each becomes a
            whole number of frame intervals, at least one.
        fps: frame rate of the sentence; clips are resampled to it by their timestamps.

    Raises:
        ValueError: no clips, several signers, or another number of transitions.
        DataError: a clip in which both shoulders are never seen; it has no place and size to be brought to.
    """
    signers = {e.signer for e in examples}
    if len(signers) != 1:
        raise ValueError(f"a sentence has one signer, got {', '.join(sorted(signers)) or 'no clips'}")
    if len(transitions_ms) != len(examples) - 1:
        raise ValueError(f"{len(examples)} clips have {len(examples) - 1} transitions, got {len(transitions_ms)}")
    pieces: list[NDArray[np.float32]] = []
    signs: list[Sign] = []
    frames = 0
    for example, pause in zip(examples, (0.0, *transitions_ms), strict=True):
        sign = steady(example, fps)
        if pieces:
            between = transition(pieces[-1][-1], sign[0], max(round(pause * fps / 1000.0), 1) - 1)
            pieces.append(between)
            frames += len(between)
        pieces.append(sign)
        signs.append(Sign(example.gloss, frames * 1000.0 / fps, (frames + len(sign) - 1) * 1000.0 / fps))
        frames += len(sign)
    keypoints = seen_by_camera(np.concatenate(pieces))
    return Sentence(Clip(np.arange(frames) * (1000.0 / fps), keypoints, ASPECT), tuple(signs), examples[0].signer)


def transition(before: NDArray[np.float32], after: NDArray[np.float32], frames: int) -> NDArray[np.float32]:
    """Made-up frames between two real ones.

    Points that both frames have move from one to the other with minimum jerk, the course of human reaching (Flash and
    Hogan 1985). A point that only one of them has is there in the half next to it: a hand travels with the wrist of the
    pose, everything else stays where it is.

    Args:
        before: (171, 4) normalised keypoints.
        after: (171, 4), likewise.
        frames: how many are wanted; they part the time between the two evenly.

    Returns:
        (frames, 171, 4) float32.
    """
    time = np.linspace(0.0, 1.0, frames + 2, dtype=np.float32)[1:-1, None, None]
    eased = time**3 * (10 - 15 * time + 6 * time**2)
    both = (before[:, PRESENCE:] > 0) & (after[:, PRESENCE:] > 0)
    moving = np.where(both, before + eased * (after - before), 0.0)
    first, second = (np.repeat(frame[None], frames, axis=0) for frame in (before, after))
    for held, frame in ((first, before), (second, after)):
        for hand, wrist in ((LEFT_HAND, Pose.LEFT_WRIST), (RIGHT_HAND, Pose.RIGHT_WRIST)):
            if both[wrist] and frame[hand, PRESENCE].any():
                held[:, hand, :PRESENCE] += moving[:, [wrist], :PRESENCE] - frame[wrist, :PRESENCE]
    nearer = np.where(time < 0.5, first, second)
    return np.where(both, moving, nearer).astype(np.float32)


def steady(example: Example, fps: float) -> NDArray[np.float32]:
    """A clip's keypoints (T, 171, 4) at `fps`, normalised over the whole clip."""
    points = sample_recording(example.clip, fps)
    if not points.any():
        raise DataError(f"a clip of {example.gloss} by {example.signer} never shows both shoulders")
    return points


def seen_by_camera(points: NDArray[np.float32]) -> NDArray[np.float32]:
    """Normalised keypoints in image coordinates, as a `Clip` holds them; missing points stay zero."""
    out = points.copy()
    out[..., [X, Y, Z]] *= SHOULDER_WIDTH
    out[..., [X, Z]] /= ASPECT
    out[..., [X, Y]] += np.array(SHOULDERS_AT, np.float32)
    out[points[..., PRESENCE] <= 0] = 0.0
    return out
