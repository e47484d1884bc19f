"""Signs made short, between two rests of the hands."""

from dataclasses import replace

import numpy as np

from glosscast.clip import Clip, sample_recording
from glosscast.keypoints import LEFT_HAND, PRESENCE, RIGHT_HAND, Pose, Y
from tests.training.synthetic import examples
from training.data.brisk import FASTEST, SIGN_MS, brisk
from training.data.streams import FPS

CLIP = examples(1)[0].clip  # the right hand is held high


def made(seed: int, clip: Clip = CLIP) -> Clip:
    return brisk(clip, np.random.default_rng(seed))


def with_wrist(clip: Clip) -> Clip:
    """The clip with the wrist of the pose where the hand is, which tells rest from sign where no hand is seen."""
    keypoints = clip.keypoints.copy()
    keypoints[:, Pose.RIGHT_WRIST] = keypoints[:, RIGHT_HAND.start]
    return replace(clip, keypoints=keypoints)


def test_the_hand_rests_signs_briefly_and_rests_again() -> None:
    clip = with_wrist(CLIP)
    height = sample_recording(clip, FPS)[0, Pose.RIGHT_WRIST, Y]
    for seed in range(20):
        wrist = sample_recording(made(seed, clip), FPS)[:, Pose.RIGHT_WRIST]
        signing = np.flatnonzero(np.abs(wrist[:, Y] - height) < 0.1)
        resting = np.flatnonzero(wrist[:, Y] > 1.0)
        assert resting.min() < signing.min()
        assert signing.max() < resting.max()
        assert len(signing) * 1000 / FPS <= SIGN_MS[1] + 300  # the movement ends and begins near the sign


def test_both_ends_and_speeds_are_drawn() -> None:
    lengths = {len(made(seed).t_ms) for seed in range(10)}
    assert len(lengths) > 5


def test_a_sign_is_never_played_faster_than_it_can_be_read() -> None:
    count = int(FPS * 4)
    turns = np.arange(count) / count  # the hand moves once from one side to the other in four seconds
    keypoints = np.repeat(CLIP.keypoints[:1], count, axis=0)
    keypoints[:, RIGHT_HAND, 0] += turns[:, None] * 0.2
    slow = Clip(np.arange(count) * 1000 / FPS, keypoints, CLIP.aspect)
    step = np.abs(np.diff(sample_recording(slow, FPS)[:, RIGHT_HAND.start, 0])).max()
    for seed in range(10):
        hand = sample_recording(made(seed, slow), FPS)[:, RIGHT_HAND.start]
        seen = hand[:, PRESENCE] > 0
        up = seen & (np.abs(hand[:, Y] - hand[seen, Y].min()) < 1e-3)
        moved = np.diff(hand[up, 0])
        assert np.abs(moved).max() <= step * (FASTEST + 1) * 1.1


def test_clips_without_hands_stay_as_they_are() -> None:
    keypoints = CLIP.keypoints.copy()
    keypoints[:, LEFT_HAND] = keypoints[:, RIGHT_HAND] = 0.0
    clip = replace(CLIP, keypoints=keypoints)
    assert made(0, clip) is clip


def test_one_seed_gives_one_clip() -> None:
    np.testing.assert_array_equal(made(3).keypoints, made(3).keypoints)
    assert made(3).keypoints.shape != made(4).keypoints.shape or (made(3).keypoints != made(4).keypoints).any()
