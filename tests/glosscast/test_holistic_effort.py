"""Trackers that leave out work find the same, and do less."""

import numpy as np
import pytest

from glosscast.holistic.effort import FULL, serving
from glosscast.holistic.litert import ABSENT, HELD_AT_REST, HELD_EMPTY, LiteRtTracker
from glosscast.keypoints import (
    FACE,
    LEFT_HAND,
    POSE,
    RIGHT_HAND,
    SHOULDERS,
    X,
)
from tests.glosscast.trackers import needs_litert
from tests.glosscast.tracking import CROSSING, HANDS_UP, ONE_HANDED, TWO_HANDED, follow, frames_of, noisy, seen

pytestmark = needs_litert


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
