"""MediaPipe Holistic's graph on LiteRT: its models and its regions, without the package.

Built after the expanded graph of `holistic_landmark_cpu.binarypb` in mediapipe 0.10.21, from which all numbers are:
https://github.com/google-ai-edge/mediapipe/tree/v0.10.21/mediapipe/modules/holistic_landmark. A person is detected only
where none is followed, and now and then to count the people in view; the pose tells where hands and face may be, a
small model each finds their place there, and the last frame's points are trusted with the region where both agree.
"""

from dataclasses import dataclass, replace
from math import pi

import cv2
import numpy as np
from numpy.typing import NDArray

from glosscast.holistic.detection import anchors, detected
from glosscast.holistic.networks import NetworkPool, Networks, shared_networks
from glosscast.holistic.region import Points, Region, RegionLimits, Tracking, angle, around_all, around_hand, around_two
from glosscast.holistic.smoothing import LowPass, OneEuroFilter, refine
from glosscast.holistic.tracking import checked
from glosscast.keypoints import FACE_INDICES, Pose, assemble
from glosscast.video import RGB

POSE_ANCHORS = anchors(224, (8, 16, 32, 32, 32))
FACE_ANCHORS = anchors(128, (8, 16, 16, 16))
# After so many frames with nobody in view, half a second of a stream, the detector runs on every second frame only.
ABSENT = 8
# While somebody is followed, the people in view are counted in one of so many frames, once a second of a stream. That
# adds 1.5 % to the CPU time.
COUNT_EVERY = 16
MIN_PRESENCE = 0.5
MIN_FACE_LOGIT = 0.0  # a presence of 0.5
MIN_WRIST_VISIBILITY = 0.1
POSE_POINTS = 33
CENTRE, EDGE = 33, 34  # two further points of the pose model that give the region of the next frame
FINGERS = [15, 17, 19], [16, 18, 20]  # pose points of the left and the right wrist, little finger and index finger
HEAD = slice(0, 11)  # pose points
HAND_TRACKING = Tracking(RegionLimits(rotation=40, translation=0.2, scale=0.4), margin=-0.1)
FACE_TRACKING = Tracking(RegionLimits(rotation=15, translation=0.1, scale=0.3), margin=-0.2)
# While the pose says that the head has hardly moved since the face was last looked up, it is not looked up again as
# MediaPipe does in every frame. The same for hands saves little, and costs accuracy, since they turn without moving.
FACE_STEADY = RegionLimits(rotation=10, translation=0.05, scale=0.1)
RIGHT_EYE_CORNER, LEFT_EYE_CORNER = 33, 263  # of the face mesh
HAND_DEPTH = 0.4  # the hand model's z is in units of so much of its region


class _Followed:
    """The state of the person in view; it is discarded when the person is lost.

    Args:
        pose_every: of how many frames one goes through the pose model.
    """

    def __init__(self, pose_every: int) -> None:
        self.region: Region | None = None
        self.aim = OneEuroFilter(0.01, 10, every=pose_every)
        self.pose = OneEuroFilter(0.05, 80, every=pose_every)
        self.visibility = LowPass(0.1, every=pose_every)
        self.last: tuple[Points, NDArray[np.float32]] | None = None  # smoothed points and visibility
        self.left = 0  # frames for which that still holds


@dataclass(frozen=True)
class _Face:
    """The face in the last frame.

    Attributes:
        points: (468, 3).
        near: where the pose said the head was when the face was last looked up.
    """

    points: Points
    near: Region


@dataclass
class _Frame:
    """A frame and the models that look at it."""

    rgb: RGB
    networks: Networks


class LiteRtTracker:
    """Follows one signer through the frames of one stream. Not for two threads at once.

    Holds a few kilobytes; the models belong to the process and are taken for a frame at a time.

    Args:
        networks: by default this process's.
        pose_every: the pose model looks at one of so many frames, and its points hold until the next; hands and face
            are followed in every frame all the same.
        threads: of this process's models; two take 0.63 of the time on two idle cores, for 1.11 of the CPU.
    """

    def __init__(self, networks: NetworkPool | None = None, pose_every: int = 1, threads: int = 1) -> None:
        self.broken = False
        self.people = 0
        self._pose_every = pose_every
        self._networks = networks or shared_networks(threads)
        self._forget()

    def track(self, rgb: RGB) -> NDArray[np.float32]:
        """Keypoints of the stream's next frame; see `Tracker.track`.

        Raises:
            ModelError: the models were not fetched, or are damaged.
        """
        if self.broken:
            raise RuntimeError("the tracker is closed or broken")
        rgb = checked(rgb)
        try:
            with self._networks.lease() as networks:
                return self._track(_Frame(rgb, networks))
        except BaseException:
            self.broken = True
            raise

    def reset(self) -> None:
        """Forget the stream."""
        if self.broken:
            raise RuntimeError("the tracker is closed or broken")
        self._forget()

    def close(self) -> None:
        """Release the models. A second call does nothing."""
        self.broken = True

    def _forget(self) -> None:
        self._size = (0, 0)
        self._absent = 0  # frames since somebody was in view
        self._uncounted = 0  # frames since people were counted
        self.people = 0
        self._forget_signer()

    def _forget_signer(self) -> None:
        self._followed = _Followed(self._pose_every)
        self._hands: list[Points | None] = [None, None]
        self._face: _Face | None = None

    def _track(self, frame: _Frame) -> NDArray[np.float32]:
        height, width = frame.rgb.shape[:2]
        if (width, height) != self._size:  # the state is in pixels
            self._forget()
            self._size = (width, height)
        pose = self._pose(frame) if self._absent < ABSENT or self._absent % 2 else None
        if pose is None:
            self._absent += 1
            self.people = 0
            self._forget_signer()
            return assemble(np.zeros((POSE_POINTS, 4)), *[np.zeros((21, 3))] * 2)
        self._absent = 0
        self._uncounted += 1
        if self._uncounted > COUNT_EVERY:
            self._detect(frame)
        points, visibility = pose
        self._hands = _hands(frame, points, visibility, self._hands)
        self._face = _face(frame, points, self._face)
        unit = np.array([width, height, width])
        left, right = (np.zeros((21, 3)) if hand is None else hand / unit for hand in self._hands)
        face = np.zeros((len(FACE_INDICES), 3))
        if self._face is not None:
            face = self._face.points[list(FACE_INDICES)] / unit
        return assemble(np.concatenate([points / unit, visibility[:, None]], -1), left, right, face)

    def _detect(self, frame: _Frame) -> Region | None:
        """Count the people in view; where the largest of them is, who is the nearest as a rule."""
        found = _people(frame)
        self.people = max(1, len(found))  # 1 where the one who is followed is missed, for one when very near
        self._uncounted = 0
        return max(found, key=lambda region: region.width, default=None)

    def _pose(self, frame: _Frame) -> tuple[Points, NDArray[np.float32]] | None:
        """Smoothed pose (33, 3) and its visibility (33,), or None where nobody is in view."""
        followed = self._followed
        if followed.left:
            followed.left -= 1
            return followed.last
        region = followed.region or self._detect(frame)
        if region is None:
            return None
        network = frame.networks.pose_landmark
        raw, presence, heatmap = network(region.crop(frame.rgb, network.side))
        if presence[0, 0] <= MIN_PRESENCE:
            return None
        values = raw.reshape(-1, 5)[: EDGE + 1]
        shares = values[:, :3] / network.side
        refine(shares, heatmap[0])
        points = region.project(shares)
        size = around_two(points[CENTRE], points[EDGE], pi / 2).width
        aim = followed.aim(points[CENTRE:], size)
        followed.region = around_two(aim[0], aim[1], pi / 2).adjusted(1.25)
        visibility = followed.visibility(1 / (1 + np.exp(-values[:POSE_POINTS, 3])))
        followed.last = followed.pose(points[:POSE_POINTS], size), visibility
        followed.left = self._pose_every - 1
        return followed.last


def _people(frame: _Frame) -> list[Region]:
    """Where people are; more than one rarely where one is, and some are missed who are far or cut off."""
    height, width = frame.rgb.shape[:2]
    side = max(width, height)
    whole = Region(width / 2, height / 2, side, side)
    network = frame.networks.pose_detection
    raw, logits = network(whole.crop(frame.rgb, network.side, cv2.BORDER_CONSTANT))
    found = (whole.project(points) for points in detected(raw, logits, POSE_ANCHORS, network.side))
    return [around_two(hips, edge, pi / 2).adjusted(1.25) for hips, edge, *_ in found]


def _hands(
    frame: _Frame, pose: Points, visibility: NDArray[np.float32], last: list[Points | None]
) -> list[Points | None]:
    """The points (21, 3) of the left and the right hand, None where there is none.

    Args:
        frame: where to look.
        pose: (33, 3) points.
        visibility: (33,) of them.
        last: the hands' points in the last frame.
    """
    sides = [side for side, fingers in enumerate(FINGERS) if visibility[fingers[0]] > MIN_WRIST_VISIBILITY]
    found: list[Points | None] = [None, None]
    if not sides:
        return found
    regions = [_hand_place(frame, _hand_near(*pose[FINGERS[side]]), last[side]) for side in sides]
    network = frame.networks.hand_landmark
    raw, presence, *_ = network(*[region.crop(frame.rgb, network.side) for region in regions])
    shares = raw.reshape(len(sides), -1, 3) / network.side
    shares[..., 2] /= HAND_DEPTH
    for row, side in enumerate(sides):
        if presence[row, 0] > MIN_PRESENCE:
            found[side] = regions[row].project(shares[row])
    return found


def _hand_place(frame: _Frame, near: Region, last: Points | None) -> Region:
    """A hand's region, given where the pose says it is and its points in the last frame."""
    network = frame.networks.hand_recrop
    (corners,) = network(near.crop(frame.rgb, network.side))
    centre, edge = near.project(corners.reshape(2, 2) / network.side)
    region = around_two(centre, edge, -pi / 2).adjusted(1, -0.1)
    if last is None:
        return region
    return HAND_TRACKING.choose(region, around_hand(last).adjusted(2, -0.1), last)


def _hand_near(wrist: Points, little: Points, index: Points) -> Region:
    """A hand's region by the pose; `HandDetectionsFromPoseToRectsCalculator`."""
    middle = (2 * index + little) / 3
    rotation = angle(wrist, middle, pi / 2)
    return replace(around_two(middle, wrist, 0), rotation=rotation).adjusted(2.7, -0.1)


def _face(frame: _Frame, pose: Points, last: _Face | None) -> _Face | None:
    """The face mesh of 468 points, or None where there is no face.

    Args:
        frame: where to look.
        pose: (33, 3) points.
        last: the mesh in the last frame.
    """
    near = around_all(pose[HEAD], angle(pose[Pose.RIGHT_EYE], pose[Pose.LEFT_EYE], 0)).adjusted(3)
    place = _face_place(frame, near, last)
    if place is None:
        return None
    region, near = place
    network = frame.networks.face_landmark
    raw, presence = network(region.crop(frame.rgb, network.side))
    if presence.item() <= MIN_FACE_LOGIT:
        return None
    return _Face(region.project(raw.reshape(-1, 3) / network.side), near)


def _face_place(frame: _Frame, near: Region, last: _Face | None) -> tuple[Region, Region] | None:
    """The face's region, and where the pose said the head was when that was last looked up; None without a face."""
    before = None
    if last is not None:
        turned = angle(last.points[RIGHT_EYE_CORNER], last.points[LEFT_EYE_CORNER], 0)
        before = around_all(last.points, turned).adjusted(1.5)
        if FACE_STEADY.hold(near, last.near):
            return before, last.near
    network = frame.networks.face_detection
    raw, logits = network(near.crop(frame.rgb, network.side, cv2.BORDER_CONSTANT))
    found = next(detected(raw, logits, FACE_ANCHORS, network.side), None)
    if found is None:
        return None
    features = near.project(found)
    region = around_all(features, angle(features[0], features[1], 0)).adjusted(2, -0.1)
    if last is not None and before is not None:
        region = FACE_TRACKING.choose(region, before, last.points)
    return region, near
