"""Streams in which nothing is signed: hands that rest, pause and fidget, made from real keypoints.

Real frames of one signer are joined by made-up movements, as in `training.data.streams`. What such streams lack
is everything that people do in front of a camera and that nobody recorded here: eating, telephoning, leaving.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, Pose, Y
from training.config import DataConfig
from training.data.example import DataError, Example
from training.data.sentences import ASPECT, Sentence, seen_by_camera, steady, transition
from training.data.streams import FPS, Rest, fingers_of, frames_in, held

Kind = Literal["resting", "pausing", "fidgeting", "recorded"]
KINDS: tuple[Kind, ...] = get_args(Kind)
MADE_UP = KINDS[:3]

STREAM_S = 60.0
CLIPS_A_STREAM = 20  # a clip lasts 3 s
SAMPLES = 12  # most clips of a signer that frames are taken from
RESTING_MS = (2000.0, 15000.0)
PAUSE_MS = (300.0, 2500.0)  # a hand that was raised on the way to a sign and stops there
RAISED = (0.25, 0.75)  # share of the way from rest to the first frame of a sign
MOVE_MS = (300.0, 1200.0)
TOUCH_MS = (200.0, 2500.0)
FIDGETS = (1, 5)  # places that a hand touches one after the other
# Places of a fidgeting wrist: shoulder widths from mid-shoulder outwards, to the hand's own side, and down. A touching
# hand lies above its wrist.
PLACES = {
    "hair": (0.25, -0.75),
    "glasses": (0.25, -0.45),
    "chin": (0.15, -0.05),
    "neck": (0.2, 0.15),
    "other shoulder": (-0.35, 0.2),
    "other elbow": (-0.5, 0.9),
    "chest": (0.1, 0.6),
    "belly": (0.1, 1.1),
    "desk": (0.5, 1.2),
}
RUBBED = 0.5  # share of the touches in which the hands move: they scratch, rub and smooth
RUB_HZ, RUB_WIDTH = (0.7, 3.0), (0.02, 0.2)  # of that movement, to and fro; shoulder widths
SCATTER = 0.08  # shoulder widths: standard deviation of the place that a hand touches

Frames = NDArray[np.float32]


def draw_idle(
    examples: Sequence[Example], no_sign: Sequence[str], kind: Kind, hours: float, seed: int
) -> Iterator[Sentence]:
    """Streams of a minute each without any sign; the same arguments give the same ones.

    Args:
        examples: clips of one side of a split by signer, none of a sign that is to be read: a hand of "iloveyou" that
            pauses is that sign. Signers are drawn alike.
        no_sign: glosses of clips in which nothing is signed, which "recorded" is made of.
        kind: `resting` hands hang, lie in the lap and tremble; `pausing` ones are raised on the way to a sign, stop and
            are lowered; `fidgeting` ones touch face, hair, arms and desk; `recorded` ones are those of real clips.
        hours: how long all streams are together, to the next full minute.
        seed: of the drawing.

    Raises:
        DataError: no clip can be used; for `recorded`, none is of `no_sign`.
    """
    of_signer: defaultdict[str, list[Example]] = defaultdict(list)
    for example in examples:
        shown = example.shows_shoulders
        if shown and (kind != "recorded" or example.gloss in no_sign):
            of_signer[example.signer].append(example)
    if not of_signer:
        raise DataError(f"no clip can be used for streams of {kind} hands")
    for index in range(int(np.ceil(hours * 3600 / STREAM_S))):
        rng = np.random.default_rng([seed, KINDS.index(kind), index])
        signer = sorted(of_signer)[rng.integers(len(of_signer))]
        clips = of_signer[signer]
        chosen = [clips[i] for i in rng.permutation(len(clips))[:SAMPLES]]
        yield _stream(signer, [steady(e, FPS) for e in chosen], kind, rng)


def idle_examples(examples: Sequence[Example], config: DataConfig, seed: int) -> list[Example]:
    """Clips of `no_sign` cut from such streams of the same signers, as many as the config asks for, of each kind alike.

    Raises:
        DataError: no clip can be used.
    """
    if config.no_sign is None or not config.idle_clips:
        return []
    unread = outside(examples, config.vocabulary, config.no_sign)
    clips: list[Example] = []
    for number, kind in enumerate(MADE_UP):
        wanted = config.idle_clips * (number + 1) // len(MADE_UP) - len(clips)
        hours = np.ceil(wanted / CLIPS_A_STREAM) * STREAM_S / 3600
        cut = []
        for stream in draw_idle(unread, [config.no_sign], kind, hours, seed):
            frames = len(stream.clip.t_ms) // CLIPS_A_STREAM
            for start in range(0, CLIPS_A_STREAM * frames, frames):
                part = slice(start, start + frames)
                clip = Clip(stream.clip.t_ms[part], stream.clip.keypoints[part], stream.clip.aspect)
                cut.append(Example(clip, config.no_sign, stream.signer, share=config.idle_share))
        clips += cut[:wanted]
    return clips


def outside(examples: Sequence[Example], vocabulary: Sequence[str], no_sign: str | None) -> list[Example]:
    """The clips that show no sign of the vocabulary."""
    return [e for e in examples if e.gloss == no_sign or e.gloss not in vocabulary]


def _stream(signer: str, clips: Sequence[Frames], kind: Kind, rng: np.random.Generator) -> Sentence:
    """One minute of one kind."""
    rest = Rest(rng, [])
    pieces: list[Frames] = [rest.still(clips[0][0], (1000.0, 1000.0))]
    frames = len(pieces[0])
    while frames < STREAM_S * FPS:
        piece = _next(clips, kind, rest, pieces[-1][-1], rng)
        pieces.append(piece)
        frames += len(piece)
    points = np.concatenate(pieces)[: int(STREAM_S * FPS)]
    return Sentence(Clip(np.arange(len(points)) * (1000.0 / FPS), seen_by_camera(points), ASPECT), (), signer)


def _next(clips: Sequence[Frames], kind: Kind, rest: Rest, last: Frames, rng: np.random.Generator) -> Frames:
    """The frames that follow the frame `last`."""
    clip = clips[rng.integers(len(clips))]
    if kind == "resting":
        return joined(last, [rest.still(clip[0], RESTING_MS)], rng)
    if kind == "recorded":
        return joined(last, [clip], rng)
    if kind == "pausing":
        lowered = rest.lowered(clip[0])
        on_the_way = transition(lowered, clip[_first_hand(clip)], 19)[int(rng.uniform(*RAISED) * 19)]
        return joined(last, [held(on_the_way, PAUSE_MS, rng), rest.still(clip[0], RESTING_MS)], rng)
    touched = [_touched(_touching(rest.lowered(clip[0]), clip, rng), clip, rng) for _ in range(rng.integers(*FIDGETS))]
    return joined(last, [*touched, rest.still(clip[0], (300.0, 3000.0))], rng)


def joined(last: Frames, pieces: Sequence[Frames], rng: np.random.Generator) -> Frames:
    """Pieces one after the other with a movement before each, the first one from the frame `last`."""
    out: list[Frames] = []
    for piece in pieces:
        out += [transition(last, piece[0], frames_in(rng.uniform(*MOVE_MS))), piece]
        last = piece[-1]
    return np.concatenate(out)


def _first_hand(clip: Frames) -> int:
    """The first frame with a hand, or the first one."""
    return int((clip[:, [LEFT_HAND.start, RIGHT_HAND.start], PRESENCE] > 0).any(axis=1).argmax())


def _touched(frame: Frames, clip: Frames, rng: np.random.Generator) -> Frames:
    """A touch of some length: the hands lie still, or move to and fro with fingers that move as in the clip."""
    frames = held(frame, TOUCH_MS, rng)
    if rng.random() >= RUBBED:
        return frames
    times = np.arange(len(frames)) / FPS
    angle = rng.uniform(0.0, np.pi)
    swing = rng.uniform(*RUB_WIDTH) / 2 * np.sin(2 * np.pi * rng.uniform(*RUB_HZ) * times)
    moved = (swing[:, None, None] * (np.cos(angle), np.sin(angle))).astype(np.float32)
    for wrist, hand in ((Pose.LEFT_WRIST, LEFT_HAND), (Pose.RIGHT_WRIST, RIGHT_HAND)):
        seen = clip[clip[:, hand.start, PRESENCE] > 0]
        if not len(seen) or frames[0, hand.start, PRESENCE] <= 0:
            continue
        there_and_back = np.concatenate([seen, seen[::-1]])
        first = rng.integers(len(there_and_back))
        played = there_and_back[np.arange(first, first + len(frames)) % len(there_and_back)]
        place = frames[:, hand.start : hand.start + 1, :2].copy()
        frames[:, hand] = played[:, hand]
        frames[:, hand, :2] += place - played[:, hand.start : hand.start + 1, :2] + moved
        frames[:, [wrist, *fingers_of(wrist)], :2] += moved
    return frames


def _touching(lowered: Frames, clip: Frames, rng: np.random.Generator) -> Frames:
    """The lowered frame with one or both wrists at a place, the hands as relaxed as they are in the clip."""
    out = lowered.copy()
    for side, (wrist, hand) in enumerate(((Pose.LEFT_WRIST, LEFT_HAND), (Pose.RIGHT_WRIST, RIGHT_HAND))):
        if side != rng.integers(2) and rng.random() < 0.6:
            continue
        across, down = list(PLACES.values())[rng.integers(len(PLACES))]
        place = np.array([across * (1, -1)[side], down]) + rng.normal(0.0, SCATTER, 2)
        fingers = fingers_of(wrist)
        out[fingers, :2] += place - out[wrist, :2]
        out[wrist, :2] = place
        out[[wrist, *fingers], PRESENCE] = 1.0
        seen = clip[clip[:, hand.start, PRESENCE] > 0]
        if len(seen):
            shape = seen[seen[:, hand.start, Y].argmax()]  # where the wrist is lowest, on its way to the sign or back
            out[hand] = shape[hand]
            out[hand, :2] += place - shape[hand.start, :2]
        elbow = Pose.LEFT_ELBOW if side == 0 else Pose.RIGHT_ELBOW
        out[elbow, :2] = (np.array([0.75 * (1, -1)[side], 0.9]) + place) / 2 + (0.3 * (1, -1)[side], 0.3)
    return out
