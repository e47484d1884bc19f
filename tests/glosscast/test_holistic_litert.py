"""The LiteRT tracker: against MediaPipe on real signers, between streams, and on frames that are hard to follow."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from glosscast.holistic.effort import FULL, serving
from glosscast.holistic.litert import ABSENT, COUNT_EVERY, HELD_AT_REST, HELD_EMPTY, LiteRtTracker
from glosscast.holistic.mediapipe_graph import MediaPipeTracker
from glosscast.holistic.models import HAND_LANDMARK
from glosscast.holistic.networks import Network, NetworkPool
from glosscast.keypoints import (
    CHANNELS,
    FACE,
    HAND_WRIST,
    LEFT_HAND,
    POINTS,
    POSE,
    PRESENCE,
    RIGHT_HAND,
    SHOULDERS,
    Pose,
    X,
)
from glosscast.video import decode_video
from tests.glosscast import media
from tests.glosscast.trackers import BLANK, needs_litert, needs_mediapipe

TWO_HANDED = "clips/health__startasl_M1__health.mp4"
CROSSING = "clips/algebra__startasl_M1__algebra.mp4"
ONE_HANDED = "clips/apple__startasl_F1__apple.mp4"
HANDS_UP = slice(8, 24)  # frames of TWO_HANDED in which both hands are seen
RANDOM = np.random.default_rng(0)

pytestmark = needs_litert


@pytest.fixture(scope="module")
def networks(litert_models):
    return NetworkPool(2, litert_models)


@pytest.fixture
def tracker(networks):
    return LiteRtTracker(networks)


@pytest.fixture
def counted(litert_models, monkeypatch):
    """Models, and how often each has looked at a picture."""
    runs = Counter()
    pool = NetworkPool(1, litert_models)
    with pool.lease() as networks:
        names = {network: name for name, network in vars(networks).items()}
    look = Network.__call__

    def counting(network, *pictures):
        runs[names[network]] += len(pictures)
        return look(network, *pictures)

    monkeypatch.setattr(Network, "__call__", counting)
    return pool, runs


def noisy(picture, count):
    """The same picture again and again, as a camera sees it."""
    noise = RANDOM.normal(0, 2, (count, *picture.shape))
    return list(np.clip(picture + noise, 0, 255).astype(np.uint8))


def frames_of(name):
    return [frame.rgb for frame in decode_video(media.recording(name), 15)]


def seen(keypoints, part):
    return (keypoints[:, part, PRESENCE] > 0).any(1)


def follow(tracker, frames):
    return np.stack([tracker.track(frame) for frame in frames])


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(np.zeros((0, 0, 3), np.uint8), id="no-pixels"),
        pytest.param(np.zeros((1, 1, 3), np.uint8), id="one-pixel"),
        pytest.param(np.zeros((15, 64, 3), np.uint8), id="too-low"),
        pytest.param(np.zeros((64, 15, 3), np.uint8), id="too-narrow"),
        pytest.param(np.zeros((48, 64), np.uint8), id="grey"),
        pytest.param(np.zeros((48, 64, 4), np.uint8), id="four-channels"),
        pytest.param(np.zeros((48, 64, 3), np.float32), id="floats"),
    ],
)
def test_a_payload_that_is_no_frame_is_refused_and_does_no_harm(tracker, frame):
    with pytest.raises(ValueError, match="a frame is"):
        tracker.track(frame)
    assert not tracker.broken
    assert tracker.track(BLANK).shape == (POINTS, CHANNELS)


@pytest.mark.parametrize(
    "frame",
    [
        pytest.param(BLANK, id="black"),
        pytest.param(np.full((48, 64, 3), 128, np.uint8), id="grey-picture"),
        pytest.param(np.full((16, 16, 3), 255, np.uint8), id="smallest"),
        pytest.param(np.zeros((16, 4000, 3), np.uint8), id="widest"),
        pytest.param(np.zeros((4320, 7680, 3), np.uint8), id="huge"),
        pytest.param(RANDOM.integers(0, 256, (480, 640, 3), np.uint8), id="noise"),
    ],
)
def test_nobody_in_view_is_all_zeros(tracker, frame):
    assert not follow(tracker, [frame] * 2).any()


def test_frames_need_not_be_contiguous(tracker):
    assert not tracker.track(np.zeros((48, 128, 3), np.uint8)[:, ::2]).any()


def test_a_failed_tracker_reports_it(tracker, networks, monkeypatch):
    def fail(*arguments):
        raise MemoryError

    monkeypatch.setattr("glosscast.holistic.litert._people", fail)
    with pytest.raises(MemoryError):
        tracker.track(BLANK)
    assert tracker.broken
    monkeypatch.undo()
    for again in (lambda: tracker.track(BLANK), tracker.reset):
        with pytest.raises(RuntimeError, match="closed or broken"):
            again()
    tracker.close()
    assert not LiteRtTracker(networks).track(BLANK).any()


def test_two_hands_at_once_are_read_as_one_after_the_other(litert_models):
    network = Network(HAND_LANDMARK, litert_models)
    pictures = RANDOM.integers(0, 256, (2, network.side, network.side, 3), np.uint8)
    together = network(*pictures)
    apart = [network(picture) for picture in pictures]
    for values, *singly in zip(together, *apart, strict=True):
        assert np.array_equal(values, np.concatenate(singly))


@pytest.mark.data
@needs_mediapipe
@pytest.mark.parametrize("name", [TWO_HANDED, ONE_HANDED])
@pytest.mark.slow
def test_the_same_is_found_as_by_mediapipe(tracker, name):
    frames = frames_of(name)
    reference = MediaPipeTracker()
    theirs, ours = follow(reference, frames), follow(tracker, frames)
    reference.close()
    pixels = np.array([frames[0].shape[1], frames[0].shape[0]])
    a, b = theirs[..., : X + 2] * pixels, ours[..., : X + 2] * pixels
    shoulders = np.linalg.norm(np.subtract(*(a[:, shoulder] for shoulder in SHOULDERS)), axis=-1)
    for part, limit in ((POSE, 0.002), (FACE, 0.001), (LEFT_HAND, 0.01), (RIGHT_HAND, 0.01)):
        one, two = seen(theirs, part), seen(ours, part)
        assert (one & two).sum() >= 0.95 * one.sum()  # one frame of a short clip
        both = one & two
        apart = np.linalg.norm(a[both, part] - b[both, part], axis=-1).mean(1) / shoulders[both]
        assert not both.any() or np.median(apart) < limit
    assert np.abs(theirs[:, POSE, PRESENCE] - ours[:, POSE, PRESENCE]).max() < 0.02


@pytest.mark.data
@pytest.mark.slow
def test_a_reset_forgets_the_last_stream_bit_for_bit(tracker):
    frames = frames_of(TWO_HANDED)
    first = follow(tracker, frames)
    tracker.reset()
    assert np.array_equal(follow(tracker, frames), first)


@pytest.mark.data
@pytest.mark.slow
def test_streams_that_share_the_models_do_not_mix(networks):
    clips = [frames_of(TWO_HANDED)[:20], frames_of(ONE_HANDED)[:20]]
    alone = [follow(LiteRtTracker(networks), frames) for frames in clips]
    in_turn = [LiteRtTracker(networks) for _ in clips]
    mixed = np.array(
        [[t.track(frame) for t, frame in zip(in_turn, pair, strict=True)] for pair in zip(*clips, strict=True)]
    )
    for index, keypoints in enumerate(alone):
        assert np.array_equal(mixed[:, index], keypoints)
    with ThreadPoolExecutor(4) as threads:  # more threads than sets of models
        for index, keypoints in enumerate(
            threads.map(lambda i: follow(LiteRtTracker(networks), clips[i % 2]), range(4))
        ):
            assert np.array_equal(keypoints, alone[index % 2])


@pytest.mark.data
def test_a_change_of_size_does_not_lose_the_signer(tracker):
    frames = frames_of(TWO_HANDED)[HANDS_UP]
    half = [frame[::2, ::2] if index % 2 else frame for index, frame in enumerate(frames)]
    keypoints = follow(tracker, half)
    assert seen(keypoints, POSE).all()
    assert seen(keypoints, LEFT_HAND).mean() > 0.8


@pytest.mark.data
def test_hands_that_come_back_are_found_in_the_next_frame_but_one(tracker):
    up = frames_of(TWO_HANDED)[HANDS_UP]
    away = [np.zeros_like(up[0])] * 5
    keypoints = follow(tracker, [*up[:8], *away, *up[8:]])
    assert seen(keypoints, LEFT_HAND)[7]
    assert not keypoints[8:13].any()
    assert seen(keypoints, POSE)[13:].all()
    assert seen(keypoints, LEFT_HAND)[14:].all()
    assert seen(keypoints, RIGHT_HAND)[14:].all()


@pytest.mark.data
def test_hands_that_were_covered_are_found_in_the_first_frame_in_which_they_are_seen(tracker):
    up = frames_of(TWO_HANDED)[HANDS_UP]
    covered = [frame.copy() for frame in up[8:12]]
    for frame in covered:  # the head stays in view, so that the signer is followed all the while
        frame[frame.shape[0] * 45 // 100 :] = 40
    keypoints = follow(tracker, [*up[:8], *covered, *up[8:]])
    assert not seen(keypoints, LEFT_HAND)[9:12].any()
    assert not seen(keypoints, RIGHT_HAND)[9:12].any()
    assert seen(keypoints, POSE)[8:].all()
    assert seen(keypoints, FACE)[8:].all()
    assert seen(keypoints, LEFT_HAND)[13:].all()
    assert seen(keypoints, RIGHT_HAND)[13:].all()


@pytest.mark.data
@needs_mediapipe
@pytest.mark.slow
def test_hands_that_cross_are_found_where_mediapipe_finds_them(tracker):
    frames = frames_of(CROSSING)
    reference = MediaPipeTracker()
    theirs, ours = follow(reference, frames), follow(tracker, frames)
    reference.close()
    left, right = (theirs[:, hand.start + HAND_WRIST, X] for hand in (LEFT_HAND, RIGHT_HAND))
    # His left is on the picture's right, until they cross.
    crossed = seen(theirs, LEFT_HAND) & seen(theirs, RIGHT_HAND) & (left < right)
    assert crossed.sum() >= 3
    for hand in (LEFT_HAND, RIGHT_HAND):
        assert seen(ours, hand)[crossed].all()
        apart = np.linalg.norm(ours[crossed, hand, : X + 2] - theirs[crossed, hand, : X + 2], axis=-1)
        size = np.linalg.norm(np.ptp(theirs[crossed, hand, : X + 2], axis=1), axis=-1)
        assert np.median(apart.mean(1) / size) < 0.05


@pytest.mark.data
def test_fast_hands_are_kept(tracker):
    every_third = frames_of(TWO_HANDED)[HANDS_UP][::3]
    keypoints = follow(tracker, every_third)
    assert seen(keypoints, LEFT_HAND).mean() > 0.8
    assert seen(keypoints, RIGHT_HAND).mean() > 0.8


def beside(frames, other):
    """The middles of both pictures side by side, as of two people before one camera."""
    height, width = frames[0].shape[:2]
    others = [cv2.resize(frame, (width, height))[:, width // 4 : -width // 4] for frame in other]
    return [np.concatenate([a[:, width // 4 : -width // 4], b], 1) for a, b in zip(frames, others, strict=False)]


@pytest.mark.data
def test_people_in_view_are_counted_where_a_signer_comes_and_once_a_second(tracker):
    alone, other = frames_of(TWO_HANDED)[:2], frames_of(ONE_HANDED)[:2]
    both = beside(alone, other)
    assert (tracker.people, len(both)) == (0, 2)
    counted = [tracker.track(frame) is not None and tracker.people for frame in [alone[0]] + [both[0]] * COUNT_EVERY]
    assert counted == [1] * COUNT_EVERY + [2]
    tracker.track(np.zeros_like(both[0]))
    assert tracker.people == 0
    tracker.reset()
    tracker.track(both[0])
    assert tracker.people == 2


@pytest.mark.data
def test_of_two_people_the_larger_one_is_followed(networks):
    frames = frames_of(TWO_HANDED)[:4]
    small = [cv2.resize(frame, None, fx=0.7, fy=0.7) for frame in frames]
    for side in (0, 1):
        together = []
        for large, little in zip(frames, small, strict=True):
            padded = np.full_like(large, 90)
            padded[-little.shape[0] :, : little.shape[1]] = little
            together.append(np.concatenate([padded, large] if side else [large, padded], 1))
        noses = follow(LiteRtTracker(networks), together)[:, Pose.NOSE, X]
        assert ((noses > 0.5) == side).all()


@pytest.mark.data
def test_of_two_people_one_is_followed(tracker):
    frames = [np.concatenate([frame, frame[:, ::-1]], 1) for frame in frames_of(TWO_HANDED)[:15]]
    noses = follow(tracker, frames)[:, Pose.NOSE, X]
    assert (noses > 0).all()
    assert len({bool(nose > 0.5) for nose in noses}) == 1


@pytest.mark.data
def test_of_many_people_one_is_followed(tracker):
    frames = [np.tile(frame[::2, ::2], (2, 3, 1)) for frame in frames_of(TWO_HANDED)[:15]]
    noses = follow(tracker, frames)[:, Pose.NOSE, :2]
    assert (noses > 0).all()
    assert len({(int(x * 3), int(y * 2)) for x, y in noses}) == 1


@pytest.mark.data
def test_nobody_is_left_behind_when_the_signer_goes(tracker):
    frames = frames_of(TWO_HANDED)[:6]
    empty = np.full_like(frames[0], 90)
    keypoints = follow(tracker, [*frames, empty, empty, *frames])
    assert not keypoints[6:8].any()
    assert np.array_equal(keypoints[8:], keypoints[:6])


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("name", [TWO_HANDED, ONE_HANDED, CROSSING])
def test_a_tracker_that_saves_work_finds_the_same(networks, tracker, name):
    frames = frames_of(name)
    full, saving = follow(tracker, frames), follow(LiteRtTracker(networks, serving(face=True)), frames)
    assert np.array_equal(seen(saving, POSE), seen(full, POSE))
    shoulders = np.linalg.norm(np.subtract(*(full[:, shoulder, : X + 2] for shoulder in SHOULDERS)), axis=-1)
    for part, limit in ((POSE, 0.001), (LEFT_HAND, 0.03), (RIGHT_HAND, 0.03), (FACE, 0.01)):
        both = seen(full, part) & seen(saving, part)
        assert both.sum() >= 0.9 * seen(full, part).sum()
        assert seen(saving, part).sum() <= 1.1 * seen(full, part).sum() + 1
        apart = np.linalg.norm(saving[both, part, : X + 2] - full[both, part, : X + 2], axis=-1).mean(1)
        assert not both.any() or np.median(apart / shoulders[both]) < limit


@pytest.mark.data
def test_a_tracker_that_saves_work_does_less_of_it(counted):
    pool, runs = counted
    frames = frames_of(TWO_HANDED)[HANDS_UP]
    saving = LiteRtTracker(pool, serving(face=False))
    follow(saving, frames)
    assert runs["pose_landmark"] == len(frames)
    assert runs["hand_recrop"] == 2 * len(frames)
    assert runs["hand_landmark"] > 1.8 * len(frames)
    assert runs["face_landmark"] == runs["face_detection"] == 0


@pytest.mark.data
def test_no_face_is_found_where_none_is_wanted_and_all_else_is_the_same(networks, tracker):
    frames = frames_of(TWO_HANDED)[HANDS_UP][:6]
    full, faceless = follow(tracker, frames), follow(LiteRtTracker(networks, FULL._replace(face=False)), frames)
    assert seen(full, FACE).all()
    assert not faceless[:, FACE].any()
    assert np.array_equal(faceless[:, : FACE.start], full[:, : FACE.start])


@pytest.mark.data
def test_hands_outside_the_picture_are_not_looked_for(counted):
    pool, runs = counted
    frames = frames_of(TWO_HANDED)[:4]  # arms hang, hands are below the lower edge
    assert not seen(follow(LiteRtTracker(pool), frames), LEFT_HAND).any()
    assert runs["hand_landmark"] == 8
    runs.clear()
    follow(LiteRtTracker(pool, FULL._replace(outside=False)), frames)
    assert runs["pose_landmark"] == 4
    assert runs["hand_landmark"] == runs["hand_recrop"] == 0


@pytest.mark.data
def test_a_signer_at_rest_is_looked_at_four_times_a_second(counted):
    pool, runs = counted
    resting = noisy(frames_of(TWO_HANDED)[0], 16 + 40)
    keypoints = follow(LiteRtTracker(pool, serving(face=False)), resting)
    assert seen(keypoints, POSE).all()
    assert runs["pose_landmark"] <= 16 + 40 // (1 + HELD_AT_REST)
    assert runs["hand_landmark"] <= 2 * 16


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("rest", range(20, 20 + 1 + HELD_AT_REST))
def test_hands_that_come_up_at_full_speed_are_found_as_soon_as_without_a_rest(networks, tracker, rest):
    frames = [*noisy(frames_of(TWO_HANDED)[0], rest), *frames_of(TWO_HANDED)[HANDS_UP]]
    full, saving = follow(tracker, frames), follow(LiteRtTracker(networks, serving(face=False)), frames)
    for hand in (LEFT_HAND, RIGHT_HAND):
        assert seen(full, hand)[rest:].any()
        first = int(seen(full, hand)[rest:].argmax())
        assert seen(saving, hand)[rest + first : rest + first + 2].any()


@pytest.mark.data
@pytest.mark.slow
def test_rest_and_fast_signing_in_turn_give_the_hands_of_both(networks, tracker):
    clip = frames_of(TWO_HANDED)
    frames = [*noisy(clip[0], 20), *clip[HANDS_UP][::3], *noisy(clip[0], 20), *clip[HANDS_UP][::3]]
    full, saving = follow(tracker, frames), follow(LiteRtTracker(networks, serving(face=False)), frames)
    for hand in (LEFT_HAND, RIGHT_HAND):
        both = seen(full, hand) & seen(saving, hand)
        assert both.sum() >= 0.85 * seen(full, hand).sum()


@pytest.mark.data
def test_somebody_who_comes_into_an_empty_picture_is_found_in_the_second_frame_at_the_latest(counted):
    pool, runs = counted
    frames = frames_of(TWO_HANDED)[:3]
    tracker = LiteRtTracker(pool, serving(face=False))
    follow(tracker, noisy(np.full_like(frames[0], 90), 60))
    assert runs["pose_detection"] <= ABSENT + 52 // HELD_EMPTY + 1
    assert seen(follow(tracker, frames), POSE)[1:].all()


@pytest.mark.data
@pytest.mark.parametrize(("before", "missed"), [(7, 0), (8, 1), (9, 0), (60, 1)])
@pytest.mark.slow
def test_after_half_a_second_with_nobody_a_signer_is_found_in_the_second_frame_at_the_latest(tracker, before, missed):
    frames = frames_of(TWO_HANDED)[:4]
    keypoints = follow(tracker, [np.full_like(frames[0], 90)] * before + frames)
    assert seen(keypoints, POSE).tolist() == [False] * (before + missed) + [True] * (4 - missed)


@pytest.mark.data
@pytest.mark.slow
def test_two_threads_find_the_same_as_one(networks, litert_models):
    frames = frames_of(TWO_HANDED)[:16]
    one, two = (follow(LiteRtTracker(pool), frames) for pool in (networks, NetworkPool(1, litert_models, threads=2)))
    assert np.array_equal(one, two)


@pytest.mark.data
def test_a_signer_half_out_of_view_gives_finite_keypoints(tracker):
    frames = [frame[:, : frame.shape[1] // 2] for frame in frames_of(TWO_HANDED)[:20]]
    keypoints = follow(tracker, frames)
    assert np.isfinite(keypoints).all()
    assert seen(keypoints, POSE).any()
