"""What tells a tracker that nothing new is to be seen: rest, movement, and hands that say where they are."""

import numpy as np
import pytest

from glosscast.holistic.hands import UNSEEN, WRISTS, Hand, at_wrists
from glosscast.holistic.movement import Movement, below_shoulders, whole
from glosscast.holistic.region import Region
from glosscast.holistic.rest import REST_FRAMES, HandRest
from glosscast.keypoints import SHOULDERS

WIDTH = 100.0  # between the shoulders, px
RANDOM = np.random.default_rng(0)


def standing(*, wrists_below=1.8):
    """A pose whose wrists are so many shoulder widths below the shoulders."""
    pose = np.zeros((33, 3))
    pose[SHOULDERS, :2] = (370, 150), (270, 150)
    pose[WRISTS, :2] = (380, 150 + WIDTH * wrists_below), (260, 150 + WIDTH * wrists_below)
    return pose


def hand_at(x, y):
    points = np.zeros((21, 3))
    points[:, :2] = x, y
    return Hand(points, points[0])


def scene():
    """A camera's picture of a room, without noise."""
    return np.repeat(np.repeat(RANDOM.integers(60, 180, (12, 16, 3)), 40, 0), 40, 1).astype(np.uint8)


def with_noise(picture):
    return np.clip(picture + RANDOM.normal(0, 3, picture.shape), 0, 255).astype(np.uint8)


def rests(frames, hands=UNSEEN):
    rest = HandRest()
    for pose in frames:
        rest.push(pose, hands, 1)
    return rest.lasts


def test_hands_rest_when_they_have_been_lowered_for_half_a_second():
    assert not rests([standing()] * REST_FRAMES)  # in the first frame nobody knows how fast they are
    assert rests([standing()] * (REST_FRAMES + 1))
    assert not rests([standing(wrists_below=0.8)] * 30)


def test_one_frame_with_a_hand_up_ends_a_rest():
    assert not rests([*[standing()] * 20, standing(wrists_below=0.5), standing()])


def test_lowered_hands_that_move_do_not_rest():
    assert not rests([standing(wrists_below=1.5 + 0.2 * (i % 2)) for i in range(30)])


def test_a_hand_that_is_seen_up_does_not_rest_whatever_the_pose_says():
    assert not rests([standing()] * 30, (hand_at(300, 160), None))


def test_frames_that_were_not_looked_at_count_for_a_rest_and_for_the_speed():
    rest = HandRest()
    rest.push(standing(), UNSEEN, 1)
    assert rest.push(standing(wrists_below=1.95), UNSEEN, 4)  # as far in one frame is no rest
    assert not rest.lasts
    rest.push(standing(wrists_below=1.95), UNSEEN, 4)
    assert rest.lasts


def test_noise_is_no_movement_and_a_hand_is():
    movement, room = Movement(), scene()
    assert movement.seen_in(room)  # there is nothing to compare it with
    movement.remember(with_noise(room), below_shoulders(room, standing()))
    assert not any(movement.seen_in(with_noise(room)) for _ in range(20))
    hand = with_noise(room)
    hand[400:440, 300:330] += 60
    assert movement.seen_in(hand)
    movement.forget()
    assert movement.seen_in(room)


@pytest.mark.parametrize(("top", "left"), [(460, 230), (430, 440), (160, 300)])
def test_a_hand_is_noticed_wherever_it_comes_up(top, left):
    movement, room = Movement(), scene()
    movement.remember(room, below_shoulders(room, standing()))
    hand = room.copy()
    hand[top : top + 20, left : left + 20] = 255 - hand[top, left]
    assert movement.seen_in(hand)


def test_a_head_that_nods_is_no_movement_of_hands():
    movement, room = Movement(), scene()
    movement.remember(room, below_shoulders(room, standing()))
    nod = room.copy()
    nod[40:140, 280:360] = 255 - nod[40:140, 280:360]
    assert not movement.seen_in(nod)
    movement.remember(room, whole(room))
    assert movement.seen_in(nod)


@pytest.mark.parametrize("pose", [standing(), standing() + 5000, standing() - 5000])
def test_a_signer_at_or_beyond_the_edge_can_be_watched(pose):
    movement, room = Movement(), scene()
    movement.remember(room, below_shoulders(room, pose))
    assert not movement.seen_in(room)


def test_hands_at_rest_go_with_the_wrists():
    pose = standing()
    hand = Hand(np.ones((21, 3)), pose[WRISTS[1]])
    hands = at_wrists((None, hand), pose + np.array([3, 4, 5]))
    assert hands[0] is None
    assert np.array_equal(hands[1].points, np.tile([4, 5, 1], (21, 1)))


@pytest.mark.parametrize(
    ("region", "share"),
    [
        (Region(50, 50, 20, 20), 1.0),
        (Region(0, 50, 20, 20), 0.5),
        (Region(100, 100, 20, 20), 0.25),
        (Region(200, 50, 20, 20), 0.0),
    ],
)
def test_the_share_of_a_region_inside_the_picture(region, share):
    assert region.inside(100, 100) == pytest.approx(share)
