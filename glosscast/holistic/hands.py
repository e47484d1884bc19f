"""The hands of the signer: where each may be, and where it is.

The pose says where a hand may be, and a small model finds its place there (the re-crop). Where the hand's points of the
last frame agree with that place, they give the region instead.
"""

from dataclasses import dataclass, replace
from math import pi

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


@dataclass(frozen=True)
class Hand:
    """A hand in one frame, in pixels.

    Attributes:
        points: (21, 3).
        wrist: (3,) where the pose had it.
    """

    points: Points
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
        effort: `outside` of it.
    """
    sides = [side for side in SIDES if visibility[WRISTS[side]] > MIN_WRIST_VISIBILITY]
    near = {side: hand_near(*pose[FINGERS[side]]) for side in sides}
    if not effort.outside:
        height, width = view.rgb.shape[:2]
        near = {side: region for side, region in near.items() if region.inside(width, height) >= MIN_INSIDE}
    if not near:
        return UNSEEN
    found = _looked_at(view, {side: _looked_up(view, place, last[side]) for side, place in near.items()})
    left, right = (Hand(found[side], pose[WRISTS[side]]) if side in found else None for side in SIDES)
    return left, right


def _looked_at(view: View, regions: dict[int, Region]) -> dict[int, Points]:
    """Points (21, 3) of the hands that are in their regions, by side; all at once."""
    network = view.networks.hand_landmark
    raw, presence, *_ = network(*[region.crop(view.rgb, network.side) for region in regions.values()])
    shares = raw.reshape(len(regions), -1, 3) / network.side
    shares[..., 2] /= HAND_DEPTH
    return {
        side: region.project(shares[row])
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


def _looked_up(view: View, near: Region, last: Hand | None) -> Region:
    """A hand's region, given where the pose says it is and the hand in the last frame."""
    network = view.networks.hand_recrop
    (corners,) = network(near.crop(view.rgb, network.side))
    centre, edge = near.project(corners.reshape(2, 2) / network.side)
    region = around_two(centre, edge, -pi / 2).adjusted(1, -0.1)
    return region if last is None else HAND_TRACKING.choose(region, _around(last.points), last.points)


def _around(points: Points) -> Region:
    return around_hand(points).adjusted(2, -0.1)


def _flat(shift: Points) -> Points:
    """The same shift within the picture; depths of the pose and of a hand have nothing in common."""
    return shift * (1.0, 1.0, 0.0)
