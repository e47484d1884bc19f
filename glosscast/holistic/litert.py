"""MediaPipe Holistic's graph on LiteRT: its models and its regions, without the package.

Built after the expanded graph of `holistic_landmark_cpu.binarypb` in mediapipe 0.10.21, from which all numbers are:
https://github.com/google-ai-edge/mediapipe/tree/v0.10.21/mediapipe/modules/holistic_landmark. A person is detected only
where none is followed, and now and then to count the people in view; the pose tells where hands and face may be, a
small model each finds their place there, and the last frame's points are trusted with the region where both agree.

`Effort` says what of this is left out. A frame that is not looked at is held: it gets the keypoints of the last one.
"""

from math import pi

import cv2
import numpy as np
from numpy.typing import NDArray

from glosscast.holistic.detection import anchors, detected
from glosscast.holistic.effort import FULL, Effort
from glosscast.holistic.face import Face, find_face
from glosscast.holistic.hands import UNSEEN, at_wrists, find_hands
from glosscast.holistic.movement import Movement, below_shoulders, whole
from glosscast.holistic.networks import NetworkPool, View, shared_networks
from glosscast.holistic.region import Points, Region, around_two
from glosscast.holistic.rest import HandRest
from glosscast.holistic.smoothing import LowPass, OneEuroFilter, refine
from glosscast.holistic.tracking import checked
from glosscast.keypoints import FACE_INDICES, assemble
from glosscast.video import RGB

POSE_ANCHORS = anchors(224, (8, 16, 32, 32, 32))
# After so many frames with nobody in view, half a second of a stream, the detector runs on every second frame only.
ABSENT = 8
# While somebody is followed, the people in view are counted in one of so many frames, once a second of a stream. That
# adds 1.5 % to the CPU time.
COUNT_EVERY = 16
# Frames in a row in which nothing has moved that are held at most: a resting signer is looked at four times a second,
# and an empty picture, where somebody who comes moves, twice.
HELD_AT_REST = 3
HELD_EMPTY = 7
MIN_PRESENCE = 0.5
POSE_POINTS = 33
CENTRE, EDGE = 33, 34  # two further points of the pose model that give the region of the next frame

Pose = tuple[Points, NDArray[np.float32]]  # points (33, 3), pixels, and visibility (33,)

NOBODY = assemble(np.zeros((POSE_POINTS, 4)), *[np.zeros((21, 3))] * 2)


class _Followed:
    """The state of the person in view; it is discarded when the person is lost."""

    def __init__(self) -> None:
        self.region: Region | None = None
        self.aim = OneEuroFilter(0.01, 10)
        self.pose = OneEuroFilter(0.05, 80)
        self.visibility = LowPass(0.1)
        self.hands = UNSEEN
        self.face: Face | None = None
        self.rest = HandRest()


class LiteRtTracker:
    """Follows one signer through the frames of one stream. Not for two threads at once.

    Holds a few kilobytes; the models belong to the process and are taken for a frame at a time.

    Args:
        networks: by default this process's.
        effort: the work that it does.
        threads: for a frame that is worked on alone, see `NetworkPool`.

    Raises:
        ModelError: the models were not fetched, or are damaged.
    """

    def __init__(self, networks: NetworkPool | None = None, effort: Effort = FULL, threads: int = 1) -> None:
        self.broken = False
        self.people = 0
        self._effort = effort
        self._networks = networks or shared_networks(threads)
        self._networks.prepare(effort.exact)
        self._keypoints = NOBODY
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
            if self._holds(rgb):
                return self._keypoints.copy()
            with self._networks.lease(self._effort.exact) as networks:
                self._keypoints = self._track(View(rgb, networks))
        except BaseException:
            self.broken = True
            raise
        self._held = 0
        return self._keypoints.copy()

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
        self._movement = Movement()
        self._moved = True  # whether something has moved since all of the last picture was looked at
        self._held = 0  # frames since the last one that was looked at
        self._keypoints = NOBODY
        self._followed = _Followed()

    def _holds(self, rgb: RGB) -> bool:
        """Whether the keypoints of the last frame are those of this one too."""
        height, width = rgb.shape[:2]
        if (width, height) != self._size:  # the state is in pixels
            self._forget()
            self._size = (width, height)
        empty = self._absent >= ABSENT
        self._moved = self._effort.rest or not (empty or self._followed.rest.lasts) or self._movement.seen_in(rgb)
        if empty:
            holds = not self._absent % 2 or (not self._moved and self._held < HELD_EMPTY)
            self._absent += holds
        else:
            holds = not self._moved and self._held < HELD_AT_REST
        self._held += holds
        self._uncounted += holds
        return holds

    def _track(self, view: View) -> NDArray[np.float32]:
        followed = self._followed
        found = self._pose(view)
        if found is None:
            self._absent += 1
            self.people = 0
            self._followed = _Followed()
            if not self._effort.rest:
                self._movement.remember(view.rgb, whole(view.rgb))
            return NOBODY
        self._absent = 0
        self._uncounted += 1
        if self._uncounted > COUNT_EVERY:
            self._detect(view)
        pose, visibility = found
        self._find_hands(view, pose, visibility)
        if self._effort.face:
            followed.face = find_face(view, pose, followed.face)
        return self._assembled(pose, visibility)

    def _find_hands(self, view: View, pose: Points, visibility: NDArray[np.float32]) -> None:
        """Find the hands, or take them along with the wrists where they rest and nothing has moved."""
        followed = self._followed
        if not self._moved:
            followed.hands = at_wrists(followed.hands, pose)
            if followed.rest.push(pose, followed.hands, 1 + self._held):
                return
        followed.hands = find_hands(view, pose, visibility, followed.hands, self._effort)
        if self._moved:
            followed.rest.push(pose, followed.hands, 1 + self._held)
        if followed.rest.lasts and not self._effort.rest:
            self._movement.remember(view.rgb, below_shoulders(view.rgb, pose))

    def _assembled(self, pose: Points, visibility: NDArray[np.float32]) -> NDArray[np.float32]:
        """Keypoints (171, 4) of a frame with a signer."""
        width, height = self._size
        unit = np.array([width, height, width])
        left, right = (np.zeros((21, 3)) if hand is None else hand.points / unit for hand in self._followed.hands)
        face = np.zeros((len(FACE_INDICES), 3))
        if self._followed.face is not None:
            face = self._followed.face.points[list(FACE_INDICES)] / unit
        return assemble(np.concatenate([pose / unit, visibility[:, None]], -1), left, right, face)

    def _detect(self, view: View) -> Region | None:
        """Count the people in view; where the largest of them is, who is the nearest as a rule."""
        found = _people(view)
        self.people = max(1, len(found))  # 1 where the one who is followed is missed, for one when very near
        self._uncounted = 0
        return max(found, key=lambda region: region.width, default=None)

    def _pose(self, view: View) -> Pose | None:
        """Smoothed pose of the person in view, or None where nobody is."""
        followed = self._followed
        region = followed.region or self._detect(view)
        if region is None:
            return None
        network = view.networks.pose_landmark
        raw, presence, heatmap = network(region.crop(view.rgb, network.side))
        if presence[0, 0] <= MIN_PRESENCE:
            return None
        values = raw.reshape(-1, 5)[: EDGE + 1]
        shares = values[:, :3] / network.side
        refine(shares, heatmap[0])
        points = region.project(shares)
        size = around_two(points[CENTRE], points[EDGE], pi / 2).width
        frames = 1 + self._held
        aim = followed.aim(points[CENTRE:], size, frames)
        followed.region = around_two(aim[0], aim[1], pi / 2).adjusted(1.25)
        visibility = followed.visibility(1 / (1 + np.exp(-values[:POSE_POINTS, 3])), frames)
        return followed.pose(points[:POSE_POINTS], size, frames), visibility


def _people(view: View) -> list[Region]:
    """Where people are; more than one rarely where one is, and some are missed who are far or cut off."""
    height, width = view.rgb.shape[:2]
    side = max(width, height)
    whole = Region(width / 2, height / 2, side, side)
    network = view.networks.pose_detection
    raw, logits = network(whole.crop(view.rgb, network.side, cv2.BORDER_CONSTANT))
    found = (whole.project(points) for points in detected(raw, logits, POSE_ANCHORS, network.side))
    return [around_two(hips, edge, pi / 2).adjusted(1.25) for hips, edge, *_ in found]
