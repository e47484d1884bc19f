"""Streams made of isolated clips: signs with rests and direct transitions between them, at times known exactly.

As in `training.data.sentences`, real clips of one signer are joined by movements made up between them; here the hands
also go down, rest and come up again. A sign lasts from the first to the last frame of its clip in which a hand is seen.
"""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, Pose, X, Y
from training.config import DataConfig, StreamConfig
from training.data.example import DataError, Example
from training.data.sampling import gloss_weights, thinned
from training.data.sentences import ASPECT, Sentence, Sign, seen_by_camera, steady, transition

FPS = 16.0
DIRECT_MS = (200.0, 600.0)  # from one sign to the next with the hands up
LOWER_MS = (250.0, 600.0)  # from a sign to the rest, and back
REST_MS = (400.0, 2500.0)
HOLD_MS = (300.0, 2000.0)
HOLD_AT = (0.3, 0.7)  # share of a sign after which it may be held
SIGN_MIN_MS = 250.0  # a shorter part of a clip is no sign
TREMBLE = 0.006  # shoulder widths: standard deviation of the points of a hand at rest
# Places of wrists at rest, hanging or in the lap: shoulder widths from mid-shoulder outwards and down.
HANG_ACROSS, HANG_DOWN = (0.1, 0.9), (1.35, 2.4)
ELBOWS = {Pose.LEFT_ELBOW: (0.75, 1.15), Pose.RIGHT_ELBOW: (-0.75, 1.15)}
SEEN_AT_REST = 0.5  # share of the streams in which the hand model sees the hands at rest
HUNG_VISIBILITY = (0.02, 1.0)
TAUGHT_CLIPS = 12  # of a signer's gloss, that streams to learn from are made of: all would take gigabytes
HAND_OF_POSE = slice(17, 23)  # pose points of the fingers, which travel with the wrists: left ones are odd

Frames = NDArray[np.float32]


def draw_streams(
    examples: Sequence[Example],
    glosses: Sequence[str],
    no_sign: Sequence[str],
    config: StreamConfig,
    count: int,
    seed: int,
) -> list[Sentence]:
    """Draw streams; the same arguments give the same ones, and a larger `count` only adds to them.

    Each begins and ends at rest. Signers are drawn alike, then each sign from the signer's glosses alike, then one
    of its clips. A gloss follows itself only after a rest: without one it cannot be known where it was repeated.

    Args:
        examples: clips of one side of a split by signer.
        glosses: those that are signs.
        no_sign: glosses of clips in which nothing is signed; they may take the place of a rest.
        config: see there.
        count: how many.
        seed: of the drawing.

    Raises:
        DataError: no clip can be used.
    """
    maker = StreamMaker(examples, glosses, no_sign)
    return [maker.draw(config, np.random.default_rng([seed, index])) for index in range(count)]


class StreamMaker:
    """Draws streams from clips that it has prepared once.

    Args:
        examples: clips of one side of a split by signer.
        glosses: those that are signs.
        no_sign: glosses of clips in which nothing is signed; they may take the place of a rest.
        weights: how often each gloss is drawn, whoever signs it; None draws signers alike, and then their glosses.

    Raises:
        DataError: no clip can be used.
    """

    def __init__(
        self,
        examples: Sequence[Example],
        glosses: Collection[str],
        no_sign: Collection[str],
        weights: Mapping[str, float] | None = None,
    ) -> None:
        self._clips: defaultdict[str, defaultdict[str, list[Frames]]] = defaultdict(lambda: defaultdict(list))
        self._idle: defaultdict[str, list[Frames]] = defaultdict(list)
        self._weights = weights
        for example in examples:
            if not example.shows_shoulders:
                continue
            if example.gloss in no_sign:
                self._idle[example.signer].append(steady(example, FPS))
            elif example.gloss in glosses and (sign := signed(steady(example, FPS))) is not None:
                self._clips[example.signer][example.gloss].append(sign)
        if not self._clips:
            raise DataError("no clip has a gloss that streams are to be made of")
        self._signers = sorted(self._clips)
        self._often = [self._sum(self._clips[signer]) for signer in self._signers]

    def draw(self, config: StreamConfig, rng: np.random.Generator) -> Sentence:
        """Draw one stream; the same state of `rng` gives the same one."""
        signer = _one_of(self._signers, None if self._weights is None else self._often, rng)
        return self._stream(signer, config, rng)

    def _sum(self, glosses: Collection[str]) -> float:
        return sum(self._weight(glosses) or (0.0,))

    def _weight(self, glosses: Collection[str]) -> list[float] | None:
        return None if self._weights is None else [self._weights[gloss] for gloss in glosses]

    def _stream(self, signer: str, config: StreamConfig, rng: np.random.Generator) -> Sentence:
        """One stream: rest, sign, rest or transition, sign …, rest."""
        clips = self._clips[signer]
        known = sorted(clips)
        rest = Rest(rng, self._idle[signer])
        pieces: list[Frames] = []
        signs: list[Sign] = []
        frames = 0
        last = ""

        def add(piece: Frames) -> None:
            nonlocal frames
            pieces.append(piece)
            frames += len(piece)

        for number in range(int(rng.integers(*config.signs, endpoint=True))):
            direct = number > 0 and rng.random() < config.direct
            choice = [gloss for gloss in known if not (direct and gloss == last)]
            if not choice:
                direct = False
                choice = known
            last = _one_of(choice, self._weight(choice), rng)
            sign = _shown(clips[last][rng.integers(len(clips[last]))], config, rng)
            if not direct:
                for piece in rest.before(sign[0], pieces[-1][-1] if pieces else None):
                    add(piece)
            elif not (config.cut and rng.random() < config.cut):
                add(transition(pieces[-1][-1], sign[0], frames_in(rng.uniform(*DIRECT_MS))))
            signs.append(Sign(last, frames * 1000.0 / FPS, (frames + len(sign) - 1) * 1000.0 / FPS))
            add(sign)
        for piece in rest.before(None, pieces[-1][-1]):
            add(piece)
        points = seen_by_camera(np.concatenate(pieces))
        return Sentence(Clip(np.arange(frames) * (1000.0 / FPS), points, ASPECT), tuple(signs), signer)


def teaching_maker(examples: Sequence[Example], config: DataConfig) -> StreamMaker:
    """What draws the streams that a recogniser learns from: of all signs, as often as clips of them are drawn.

    Raises:
        DataError: no clip can be used.
    """
    weights = gloss_weights(examples, config.vocabulary, config.vocabulary_share, config.no_sign)
    no_sign = () if config.no_sign is None else (config.no_sign,)
    return StreamMaker(thinned(examples, TAUGHT_CLIPS), weights, no_sign, weights)


def _one_of(names: Sequence[str], weights: Sequence[float] | None, rng: np.random.Generator) -> str:
    """One of these names, drawn by weights or alike."""
    if weights is None:
        return names[rng.integers(len(names))]
    return names[rng.choice(len(names), p=np.array(weights) / sum(weights))]


def _shown(points: Frames, config: StreamConfig, rng: np.random.Generator) -> Frames:
    """What a stream shows of a sign (T, 171, 4): trimmed, sped up, held."""
    if config.trim:
        before, after = (int(share * len(points)) for share in rng.uniform(0.0, config.trim, 2))
        points = points[before : len(points) - after]
    sign = played(points, rng.uniform(*config.speed))
    if config.held and rng.random() < config.held:
        sign = _stopped(sign, rng)
    return sign


def signed(points: NDArray[np.float32]) -> NDArray[np.float32] | None:
    """The frames (T, 171, 4) of a clip from the first to the last hand; None where too little is left."""
    seen = np.flatnonzero((points[:, [LEFT_HAND.start, RIGHT_HAND.start], PRESENCE] > 0).any(axis=1))
    if not len(seen) or (seen[-1] - seen[0]) * 1000.0 / FPS < SIGN_MIN_MS:
        return None
    return points[seen[0] : seen[-1] + 1]


class Rest:
    """Makes the rests of one stream."""

    def __init__(self, rng: np.random.Generator, idle: Sequence[NDArray[np.float32]]) -> None:
        self._rng = rng
        self._idle = idle
        self._visibility = rng.uniform(*HUNG_VISIBILITY, 2).astype(np.float32)
        across, down = rng.uniform(*HANG_ACROSS, 2), rng.uniform(*HANG_DOWN) + rng.normal(0.0, 0.1, 2)
        self._hang = np.stack([across * (1, -1), down], axis=1).astype(np.float32)
        self._seen = rng.random() < SEEN_AT_REST

    def before(
        self, after: NDArray[np.float32] | None, previous: NDArray[np.float32] | None
    ) -> list[NDArray[np.float32]]:
        """Frames from a sign's last frame, if any, down, through the rest, and up to the next one's first, if any."""
        rng = self._rng
        near = previous if previous is not None else after
        assert near is not None
        if self._idle and rng.random() < 0.5:
            still = self._idle[rng.integers(len(self._idle))]
        else:
            still = self.still(near, REST_MS)
        down_frames = [] if previous is None else [transition(previous, still[0], frames_in(rng.uniform(*LOWER_MS)))]
        up_frames = [] if after is None else [transition(still[-1], after, frames_in(rng.uniform(*LOWER_MS)))]
        return [*down_frames, still, *up_frames]

    def still(self, frame: NDArray[np.float32], ms: tuple[float, float]) -> NDArray[np.float32]:
        """Frames (T, 171, 4) of the same signer with both arms down, for a time drawn from a range."""
        return held(self.lowered(frame), ms, self._rng)

    def lowered(self, frame: NDArray[np.float32]) -> NDArray[np.float32]:
        """The same signer (171, 4) with both arms down; what the hand model sees of a hand goes along or is lost."""
        out = frame.copy()
        for side, (wrist, hand) in enumerate(((Pose.LEFT_WRIST, LEFT_HAND), (Pose.RIGHT_WRIST, RIGHT_HAND))):
            fingers = fingers_of(wrist)
            out[fingers, :2] += self._hang[side] - out[wrist, :2]
            out[wrist, :2] = self._hang[side]
            out[[wrist, *fingers], PRESENCE] = self._visibility[side]
            if self._seen and (out[hand, PRESENCE] > 0).all():
                out[hand, :2] += self._hang[side] - out[hand.start, :2]
            else:
                out[hand] = 0.0
        for elbow, place in ELBOWS.items():
            out[elbow, :2] = place
        return out


def played(points: NDArray[np.float32], speed: float) -> NDArray[np.float32]:
    """Frames (T, 171, 4) played `speed` times as fast, each shown as the nearest one."""
    count = max(round(len(points) / speed), 2)
    played: NDArray[np.float32] = points[np.linspace(0, len(points) - 1, count).round().astype(int)]
    return played


def _stopped(points: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A sign that is held somewhere in its middle."""
    at = int(rng.uniform(*HOLD_AT) * len(points))
    return np.concatenate([points[:at], held(points[at], HOLD_MS, rng), points[at:]])


def held(frame: NDArray[np.float32], ms: tuple[float, float], rng: np.random.Generator) -> NDArray[np.float32]:
    """A frame (171, 4) held for a time drawn from a range, trembling: (T, 171, 4)."""
    still = np.repeat(frame[None], max(frames_in(rng.uniform(*ms)), 1), axis=0)
    tremble = rng.normal(0.0, TREMBLE, (*still.shape[:2], 2)).astype(np.float32)
    still[..., [X, Y]] += np.where(still[..., PRESENCE:] > 0, tremble, 0.0)
    return still


def fingers_of(wrist: int) -> list[int]:
    """The pose points of the fingers that travel with a wrist of the pose."""
    return [i for i in range(HAND_OF_POSE.start, HAND_OF_POSE.stop) if i % 2 == wrist % 2]


def frames_in(ms: float) -> int:
    """Whole frames in a time."""
    return round(ms * FPS / 1000.0)
