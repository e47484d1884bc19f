"""The `holistic-171` keypoint layout: names, slices, assembly, mirroring and normalisation.

One frame is an array (171, 4) of (x, y, z, presence). Raw keypoints are in image coordinates, x and y in 0..1
(x right, y down), as MediaPipe Holistic returns them. A missing point is all zeros. Every other module takes names and
slices from here; no bare index appears elsewhere.
"""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float16] | NDArray[np.float32] | NDArray[np.float64]

LAYOUT = "holistic-171"
NORMALISATION = "mid-shoulder-per-window"
UNSEEN = "none"  # the extractor of clips in which nobody looked for keypoints

POSE = slice(0, 33)
LEFT_HAND = slice(33, 54)
RIGHT_HAND = slice(54, 75)
FACE = slice(75, 171)
POINTS = 171
CHANNELS = 4  # x, y, z, presence
X, Y, Z, PRESENCE = range(CHANNELS)

# MediaPipe face mesh indices of the 96 face points, in layout order: lips 40, left eye 16, right eye 16, left brow 10,
# right brow 10, nose 4. Left and right are the signer's own.
FACE_INDICES: tuple[int, ...] = (
    *(0, 13, 14, 17, 37, 39, 40, 61, 78, 80, 81, 82, 84, 87, 88, 91, 95, 146, 178, 181, 185, 191),
    *(267, 269, 270, 291, 308, 310, 311, 312, 314, 317, 318, 321, 324, 375, 402, 405, 409, 415),
    *(249, 263, 362, 373, 374, 380, 381, 382, 384, 385, 386, 387, 388, 390, 398, 466),
    *(7, 33, 133, 144, 145, 153, 154, 155, 157, 158, 159, 160, 161, 163, 173, 246),
    *(276, 282, 283, 285, 293, 295, 296, 300, 334, 336),
    *(46, 52, 53, 55, 63, 65, 66, 70, 105, 107),
    *(1, 2, 98, 327),
)
LIPS = slice(FACE.start, FACE.start + 40)
EYES = slice(LIPS.stop, LIPS.stop + 32)
BROWS = slice(EYES.stop, EYES.stop + 20)
NOSE = slice(BROWS.stop, FACE.stop)


class Pose(IntEnum):
    """The pose points that Glosscast names, as indices into the layout."""

    NOSE = 0
    LEFT_EYE = 2
    RIGHT_EYE = 5
    LEFT_EAR = 7
    RIGHT_EAR = 8
    MOUTH_LEFT = 9
    MOUTH_RIGHT = 10
    LEFT_SHOULDER = 11
    RIGHT_SHOULDER = 12
    LEFT_ELBOW = 13
    RIGHT_ELBOW = 14
    LEFT_WRIST = 15
    RIGHT_WRIST = 16
    LEFT_HIP = 23
    RIGHT_HIP = 24


SHOULDERS = [Pose.LEFT_SHOULDER, Pose.RIGHT_SHOULDER]
ELBOWS = [Pose.LEFT_ELBOW, Pose.RIGHT_ELBOW]
WRISTS = [Pose.LEFT_WRIST, Pose.RIGHT_WRIST]
ARMS = [*SHOULDERS, *ELBOWS, *WRISTS]
# The pose model's own points of the head; the face mesh has finer ones.
HEAD = [
    Pose.NOSE,
    Pose.LEFT_EYE,
    Pose.RIGHT_EYE,
    Pose.LEFT_EAR,
    Pose.RIGHT_EAR,
    Pose.MOUTH_LEFT,
    Pose.MOUTH_RIGHT,
]
POSE_HEAD = slice(Pose.NOSE, Pose.MOUTH_RIGHT + 1)
# The pose model's own wrist and three knuckles of each hand; left and right points alternate.
LEFT_HAND_OF_POSE = slice(Pose.LEFT_WRIST, Pose.LEFT_HIP, 2)
RIGHT_HAND_OF_POSE = slice(Pose.RIGHT_WRIST, Pose.RIGHT_HIP, 2)
UPPER_BODY = slice(0, 25)  # pose points from the nose to the hips; legs say nothing about a sign

# Indices inside a hand of 21 points.
HAND_POINTS = 21
HAND_WRIST = 0
HAND_MIDDLE_KNUCKLE = 9  # wrist to here is the unit of hand size
FINGERTIPS = (4, 8, 12, 16, 20)
THUMB_AND_INDEX = tuple(range(1, 9))
OTHER_FINGERS = (HAND_WRIST, *range(9, HAND_POINTS))


def _mirror_permutation() -> NDArray[np.intp]:
    """Index of each point's mirror image; its own inverse."""
    order = np.arange(POINTS)
    # Pose: 1-3 and 4-6 are the two eyes' inner, centre and outer corners, everything from 7 on alternates left, right.
    order[[1, 2, 3, 4, 5, 6]] = [4, 5, 6, 1, 2, 3]
    order[7:33] = np.arange(7, 33).reshape(-1, 2)[:, ::-1].ravel()
    order[LEFT_HAND], order[RIGHT_HAND] = np.arange(POINTS)[RIGHT_HAND], np.arange(POINTS)[LEFT_HAND]
    # Face blocks list left and right points in mirror order, so a pair of blocks swaps whole.
    for start, size in ((LIPS.start + 4, 18), (EYES.start, 16), (BROWS.start, 10)):
        left, right = np.arange(start, start + size), np.arange(start + size, start + 2 * size)
        order[left], order[right] = right, left
    order[[NOSE.start + 2, NOSE.start + 3]] = [NOSE.start + 3, NOSE.start + 2]
    return order


MIRROR = _mirror_permutation()


def assemble(
    pose: Floats,
    left_hand: Floats,
    right_hand: Floats,
    face: Floats | None = None,
) -> NDArray[np.float32]:
    """Join Holistic's four parts into the layout.

    Args:
        pose: (..., 33, 4) x, y, z, visibility.
        left_hand: (..., 21, 3) x, y, z.
        right_hand: (..., 21, 3) x, y, z.
        face: (..., 96, 2 or 3), the mesh points of `FACE_INDICES`, or None where a source has no face.

    An undetected part is all zeros. Presence is 1 for every point of a detected hand or face, and for pose the
    visibility.

    Returns:
        (..., 171, 4) float32.
    """
    lead = pose.shape[:-2]
    out = np.zeros((*lead, POINTS, CHANNELS), np.float32)
    out[..., POSE, :] = pose
    parts = [(LEFT_HAND, left_hand), (RIGHT_HAND, right_hand)] + ([] if face is None else [(FACE, face)])
    for where, points in parts:
        out[..., where, : points.shape[-1]] = points
        detected = np.any(points != 0, axis=(-2, -1))
        out[..., where, PRESENCE] = detected[..., None]
    return out


def mirror(keypoints: NDArray[np.float32]) -> NDArray[np.float32]:
    """Mirror normalised keypoints (..., 171, 4), or (..., 75, 4) without the face: -x, and left and right swapped."""
    out = keypoints[..., MIRROR[: keypoints.shape[-2]], :]
    out[..., X] *= -1
    return out


def normalise(keypoints: NDArray[np.float32], aspect: float | Floats) -> NDArray[np.float32]:
    """Free a window from camera position, distance and frame shape.

    The origin is the window's median mid-shoulder point and the unit its median shoulder width, both over the frames
    in which the shoulders were found. x and z are first brought to the scale of y, so that a hand keeps its shape
    whatever the frame's aspect ratio.

    Args:
        keypoints: (..., T, 171, 4) in image coordinates.
        aspect: frame width / height, a number or an array (...).

    Returns:
        (..., T, 171, 4) float32; missing points stay zero. A window in which the shoulders were never found has no
        scale: it comes back empty (all zeros).
    """
    width = np.asarray(aspect, np.float32)[..., None, None]
    points = keypoints.astype(np.float32, copy=True)
    points[..., X] *= width
    points[..., Z] *= width
    present = points[..., PRESENCE] > 0
    shoulders = points[..., SHOULDERS, :2]
    found = present[..., SHOULDERS].all(-1)
    middle = _masked_median(shoulders.mean(-2), found)
    size = _masked_median(np.linalg.norm(shoulders[..., 0, :] - shoulders[..., 1, :], axis=-1)[..., None], found)
    usable = size > 1e-4
    scale = np.where(usable, 1.0 / np.maximum(size, 1e-4), 0.0)[..., None]
    for channel in (X, Y):  # one at a time: numpy is slow where the innermost of an operation's axes is short
        points[..., channel] -= middle[..., channel, None, None]
        points[..., channel] *= scale
    points[..., Z] *= scale
    points[~(present & usable[..., None])] = 0.0
    return points


def in_square(keypoints: NDArray[np.float32], aspect: float) -> NDArray[np.float32]:
    """A copy of a frame's keypoints (171, 4) in which x, y and z share one scale, whatever shape other frames have."""
    return keypoints.astype(np.float32, copy=False) * np.array((aspect, 1.0, aspect, 1.0), np.float32)


def _masked_median(values: Floats, mask: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Median over axis -2 of values (..., T, D) where mask (..., T); zero where nothing is left."""
    count = mask.sum(axis=-1)[..., None, None]
    ordered = np.sort(np.where(mask[..., None], values, np.inf), axis=-2)  # masked values come last
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0) // 2, axis=-2)
    high = np.take_along_axis(ordered, np.minimum(count // 2, values.shape[-2] - 1), axis=-2)
    return np.where(count > 0, (low + high) / 2, 0.0)[..., 0, :].astype(np.float32)
