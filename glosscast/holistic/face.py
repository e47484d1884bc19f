"""The face mesh of the signer."""

from dataclasses import dataclass

import cv2

from glosscast.holistic.detection import anchors, detected
from glosscast.holistic.networks import View
from glosscast.holistic.region import Points, Region, RegionLimits, Tracking, angle, around_all
from glosscast.keypoints import Pose

ANCHORS = anchors(128, (8, 16, 16, 16))
MIN_LOGIT = 0.0  # a presence of 0.5
HEAD = slice(0, 11)  # pose points
TRACKING = Tracking(RegionLimits(rotation=15, translation=0.1, scale=0.3), margin=-0.2)
# While the pose says that the head has hardly moved since the face was last looked up, it is not looked up again as
# MediaPipe does in every frame.
STEADY = RegionLimits(rotation=10, translation=0.05, scale=0.1)
RIGHT_EYE_CORNER, LEFT_EYE_CORNER = 33, 263  # of the face mesh


@dataclass(frozen=True)
class Face:
    """The face in the last frame.

    Attributes:
        points: (468, 3).
        near: where the pose said the head was when the face was last looked up.
    """

    points: Points
    near: Region


def find_face(view: View, pose: Points, last: Face | None) -> Face | None:
    """The face mesh of 468 points, or None where there is no face.

    Args:
        view: where to look.
        pose: (33, 3) points.
        last: the mesh in the last frame.
    """
    near = around_all(pose[HEAD], angle(pose[Pose.RIGHT_EYE], pose[Pose.LEFT_EYE], 0)).adjusted(3)
    place = _place(view, near, last)
    if place is None:
        return None
    region, near = place
    network = view.networks.face_landmark
    raw, presence = network(region.crop(view.rgb, network.side))
    if presence.item() <= MIN_LOGIT:
        return None
    return Face(region.project(raw.reshape(-1, 3) / network.side), near)


def _place(view: View, near: Region, last: Face | None) -> tuple[Region, Region] | None:
    """The face's region, and where the pose said the head was when that was last looked up; None without a face."""
    before = None
    if last is not None:
        turned = angle(last.points[RIGHT_EYE_CORNER], last.points[LEFT_EYE_CORNER], 0)
        before = around_all(last.points, turned).adjusted(1.5)
        if STEADY.hold(near, last.near):
            return before, last.near
    network = view.networks.face_detection
    raw, logits = network(near.crop(view.rgb, network.side, cv2.BORDER_CONSTANT))
    found = next(detected(raw, logits, ANCHORS, network.side), None)
    if found is None:
        return None
    features = near.project(found)
    region = around_all(features, angle(features[0], features[1], 0)).adjusted(2, -0.1)
    if last is not None and before is not None:
        region = TRACKING.choose(region, before, last.points)
    return region, near
