"""The LiteRT tracker: against MediaPipe on real signers, between streams, and on frames that are hard to follow."""

from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from glosscast.holistic.litert import COUNT_EVERY, LiteRtTracker
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
from tests.glosscast.trackers import BLANK, needs_litert, needs_mediapipe
from tests.glosscast.tracking import CROSSING, HANDS_UP, ONE_HANDED, RANDOM, TWO_HANDED, follow, frames_of, seen

pytestmark = needs_litert


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
