"""The hands of the signer: where each may be, where it is, and when neither needs to be looked up.

The pose says where a hand may be. A small model finds its place there (the re-crop), and where the hand's points of the
last frame agree, they give the region instead. MediaPipe looks the place up in every frame and compares.
"""

from dataclasses import dataclass, replace
from math import hypot, pi

import numpy as np
from numpy.typing import NDArray

from glosscast.holistic.effort import Effort
from glosscast.holistic.networks import View
from glosscast.holistic.region import (
    Points,
    Region,
    RegionLimits,
    Tracking,
    angle,
    around_hand,
    around_two,
)

MIN_PRESENCE = 0.5
MIN_WRIST_VISIBILITY = 0.1
SIDES = LEFT, RIGHT = range(2)
WRISTS = [15, 16]  # pose points of the left and the right side
FINGERS = [15, 17, 19], [16, 18, 20]  # wrist, little finger and index finger
HAND_TRACKING = Tracking(RegionLimits(rotation=40, translation=0.2, scale=0.4), margin=-0.1)
HAND_DEPTH = 0.4  # the hand model's z is in units of so much of its region
# Of 902 hands that were found in 22 clips, none had less of its place by the pose inside the picture. Of those that
# were looked for and not found, 84 % had less.
MIN_INSIDE = 0.4
SURE = 0.9  # presence from which a hand's points say where it is in the next frame
FAR = 0.3  # the place by the pose may lie so far from that, as a share of its side
TOUCHING = 0.5  # two hands nearer than this share of their regions are looked up, so that both do not follow one


@dataclass(frozen=True)
class Hand:
    """A hand in one frame, in pixels.

    Attributes:
        points: (21, 3).
        presence: how sure the model is, 0..1.
        wrist: (3,) where the pose had it.
    """

    points: Points
    presence: float
    wrist: Points


Hands = tuple[Hand | None, Hand | None]  # the left and the right one in a frame, None where it was not found
UNSEEN: Hands = (None, None)


def find_hands(view: View, pose: Points, visibility: NDArray[np.float32], last: Hands, effort: Effort) -> Hands:
    """The hands in a frame.

    Args:
        view: where to look.
        pose: (33, 3) points, pixels.
        visibility: (33,) of them.
        last: the hands in the last frame.
        effort: `outside` and `recrop` of it.
    """
    sides = [side for side in SIDES if visibility[WRISTS[side]] > MIN_WRIST_VISIBILITY]
    near = {side: hand_near(*pose[FINGERS[side]]) for side in sides}
    if not effort.outside:
        height, width = view.rgb.shape[:2]
        near = {side: region for side, region in near.items() if region.inside(width, height) >= MIN_INSIDE}
    if not near:
        return UNSEEN
    regions = {} if effort.recrop else _expected(near, pose, last)
    found = _looked_at(view, regions)
    # A hand that is not where it was expected is looked up as any other, so that it is lost no sooner.
    unknown = {side: place for side, place in near.items() if side not in found}
    found |= _looked_at(view, {side: _looked_up(view, place, last[side]) for side, place in unknown.items()})
    left, right = (Hand(*found[side], pose[WRISTS[side]]) if side in found else None for side in SIDES)
    return left, right


def _looked_at(view: View, regions: dict[int, Region]) -> dict[int, tuple[Points, float]]:
    """Points (21, 3) and presence of the hands that are in their regions, by side; all at once."""
    if not regions:
        return {}
    network = view.networks.hand_landmark
    raw, presence, *_ = network(*[region.crop(view.rgb, network.side) for region in regions.values()])
    shares = raw.reshape(len(regions), -1, 3) / network.side
    shares[..., 2] /= HAND_DEPTH
    return {
        side: (region.project(shares[row]), float(presence[row, 0]))
        for row, (side, region) in enumerate(regions.items())
        if presence[row, 0] > MIN_PRESENCE
    }


def hand_near(wrist: Points, little: Points, index: Points) -> Region:
    """A hand's region by the pose; `HandDetectionsFromPoseToRectsCalculator`."""
    middle = (2 * index + little) / 3
    rotation = angle(wrist, middle, pi / 2)
    return replace(around_two(middle, wrist, 0), rotation=rotation).adjusted(2.7, -0.1)


def at_wrists(hands: Hands, pose: Points) -> Hands:
    """Hands that nobody has looked at since, moved with the wrists of the pose (33, 3)."""
    left, right = (
        None if hand is None else replace(hand, points=hand.points + _flat(pose[wrist] - hand.wrist), wrist=pose[wrist])
        for hand, wrist in zip(hands, WRISTS, strict=True)
    )
    return left, right


def _expected(near: dict[int, Region], pose: Points, last: Hands) -> dict[int, Region]:
    """The regions that follow from the hands of the last frame, for those sides where there is no doubt.

    Args:
        near: by side, where the pose says that the hand is.
        pose: (33, 3) of this frame.
        last: the hands in the last frame.
    """
    expected = {}
    for side, place in near.items():
        hand = last[side]
        if hand is None or hand.presence < SURE:
            continue
        region = _around(hand.points + _flat(pose[WRISTS[side]] - hand.wrist))
        if _apart(region, place) <= FAR * place.width:
            expected[side] = region
    if len(expected) == len(SIDES):
        left, right = expected[LEFT], expected[RIGHT]
        if _apart(left, right) < TOUCHING * max(left.width, right.width):
            return {}
    return expected


def _looked_up(view: View, near: Region, last: Hand | None) -> Region:
    """A hand's region, given where the pose says it is and the hand in the last frame."""
    network = view.networks.hand_recrop
    (corners,) = network(near.crop(view.rgb, network.side))
    centre, edge = near.project(corners.reshape(2, 2) / network.side)
    region = around_two(centre, edge, -pi / 2).adjusted(1, -0.1)
    return region if last is None else HAND_TRACKING.choose(region, _around(last.points), last.points)


def _around(points: Points) -> Region:
    return around_hand(points).adjusted(2, -0.1)


def _apart(one: Region, other: Region) -> float:
    return hypot(one.x - other.x, one.y - other.y)


def _flat(shift: Points) -> Points:
    """The same shift within the picture; depths of the pose and of a hand have nothing in common."""
    return shift * (1.0, 1.0, 0.0)
