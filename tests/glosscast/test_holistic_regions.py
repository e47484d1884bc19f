"""Regions, detections and filters, on numbers worked out by hand."""

from math import pi

import numpy as np
import pytest

from glosscast.holistic.detection import anchors, detected
from glosscast.holistic.region import Region, RegionLimits, Tracking, angle, around_all, around_hand, around_two
from glosscast.holistic.smoothing import LowPass, OneEuroFilter, refine


def test_a_crop_is_upright_and_its_points_go_back_where_they_came_from():
    frame = np.zeros((200, 300, 3), np.uint8)
    frame[90:111, 190:211] = 255  # around (200, 100), to the left of the region's middle as the region sees it
    region = Region(200, 130, 120, 120, rotation=pi / 2)
    picture = region.crop(frame, 64)
    rows, columns = np.nonzero(picture[..., 0] > 128)
    shares = np.array([[columns.mean(), rows.mean(), 8.0]], np.float32) / 64
    assert columns.mean() == pytest.approx(16, abs=1)
    assert rows.mean() == pytest.approx(32, abs=1)
    assert region.project(shares)[0] == pytest.approx((200, 100, 15), abs=1)


def test_a_region_is_moved_along_its_own_vertical_before_it_is_made_square():
    assert Region(50, 50, 20, 40).adjusted(2, -0.5) == Region(50, 30, 80, 80)
    turned = Region(50, 50, 20, 40, pi / 2).adjusted(1, -0.5)
    assert (turned.x, turned.y) == pytest.approx((70, 50))


def test_regions_around_points():
    centre, above = np.array([10.0, 20.0]), np.array([10.0, 5.0])
    assert around_two(centre, above, pi / 2) == Region(10, 20, 30, 30, 0)
    assert angle(centre, np.array([25.0, 20.0]), pi / 2) == pytest.approx(pi / 2)
    assert around_all(np.array([[1.0, 2.0], [5.0, 10.0], [3.0, 3.0]]), 0.5) == Region(3, 6, 4, 8, 0.5)


def test_a_hands_region_leaves_the_fingers_out():
    hand = np.zeros((21, 3))
    hand[:, 0], hand[:, 1] = 50, 40
    hand[0, :2] = 50, 100
    upright = around_hand(hand)
    assert (upright.x, upright.y, upright.height, upright.rotation) == pytest.approx((50, 70, 60, 0))
    hand[[4, 8, 12, 16, 20], :2] = 0, 0
    assert around_hand(hand) == upright


def test_the_last_region_is_trusted_within_limits_only():
    tracking = Tracking(RegionLimits(rotation=40, translation=0.2, scale=0.4), margin=-0.1)
    new = Region(100, 100, 100, 100)
    points = np.array([[80.0, 80.0], [120.0, 120.0]])
    for old, trusted in (
        (Region(119, 81, 139, 139, 0.69), True),
        (Region(121, 100, 100, 100), False),
        (Region(100, 100, 141, 141), False),
        (Region(100, 100, 100, 100, 0.71), False),
        (Region(100, 100, 100, 100, 2 * pi - 0.1), True),
    ):
        assert tracking.choose(new, old, points) == (old if trusted else new)
    far = Region(101, 100, 100, 100)
    assert tracking.choose(new, far, points + 26) == new


def test_anchors_are_as_many_as_the_models_have_boxes():
    assert anchors(224, (8, 16, 32, 32, 32)).shape == (2254, 2)
    faces = anchors(128, (8, 16, 16, 16))
    assert faces.shape == (896, 2)
    assert faces[:3].tolist() == [[0.03125, 0.03125], [0.03125, 0.03125], [0.09375, 0.03125]]


def test_boxes_on_the_best_one_are_averaged_with_it_by_score():
    centres = np.array([[0.5, 0.5], [0.5, 0.5], [0.1, 0.1], [0.5, 0.5]], np.float32)
    raw = np.zeros((1, 4, 6), np.float32)
    raw[0, :, 2:4] = 20
    raw[0, :, 4] = 0, 10, 0, 50
    logits = np.array([[[4.0], [0.0], [3.0], [-0.1]]], np.float32)
    score = 1 / (1 + np.exp(-4.0))
    (found,), (other,) = detected(raw, logits, centres, 100)
    assert other == pytest.approx((0.1, 0.1))
    assert found == pytest.approx((0.5 + 0.1 * 0.5 / (0.5 + score), 0.5))
    assert list(detected(raw, logits - 5, centres, 100)) == []


def test_boxes_apart_are_objects_of_their_own_the_surest_first():
    centres = np.array([[0.2, 0.5], [0.8, 0.5], [0.8, 0.5]], np.float32)
    raw = np.zeros((1, 3, 6), np.float32)
    raw[0, :, 2:4] = 20
    logits = np.array([[[1.0], [3.0], [2.0]]], np.float32)
    found = [float(points[0, 0]) for points in detected(raw, logits, centres, 100)]
    assert found == pytest.approx([0.8, 0.2])


def test_rest_is_smoothed_and_speed_is_not():
    still, moving = OneEuroFilter(0.05, 80), OneEuroFilter(0.05, 80)
    for values in (np.zeros((1, 2)), np.zeros((1, 2)), np.full((1, 2), 0.01)):
        quiet = still(values, 100.0)
    assert 0 < quiet.max() < 0.005
    moving(np.zeros((1, 2)), 100.0)
    assert moving(np.full((1, 2), 50.0), 100.0).min() > 45


def test_a_low_pass_starts_where_the_first_value_is():
    smooth = LowPass(0.1)
    assert smooth(np.array([1.0], np.float32)) == 1
    assert smooth(np.array([0.0], np.float32)) == pytest.approx(0.9)


def test_points_move_to_their_heatmaps_mass_where_it_is_sure():
    heatmap = np.full((64, 64, 3), -20, np.float32)
    heatmap[30, 33, 0] = 9
    heatmap[30, 33, 1] = -0.5
    points = np.array([[0.5, 0.5, 7], [0.5, 0.5, 7], [-0.5, 2.0, 7]], np.float32)
    refine(points, heatmap)
    assert points[0] == pytest.approx((33 / 64, 30 / 64, 7), abs=1e-3)
    assert points[1:].tolist() == [[0.5, 0.5, 7], [-0.5, 2.0, 7]]
