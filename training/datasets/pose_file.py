"""`.pose` files of sign-language-processing/pose with MediaPipe Holistic components.

Source: `pose_format` 0.15, `utils/holistic.py`: components POSE_LANDMARKS, FACE_LANDMARKS (points named by their mesh
index), LEFT_HAND_LANDMARKS and RIGHT_HAND_LANDMARKS; x and y are pixels, z is MediaPipe's own, the confidence of a pose
point is its visibility and 1 for the other parts where detected.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from glosscast.clip import Clip
from glosscast.keypoints import FACE_INDICES, assemble
from training.data import DataError

HAND = 21
POSE = 33


def read_pose_file(path: Path) -> Clip:
    """Keypoints of the first person in a `.pose` file.

    Raises:
        DataError: pose-format is not installed, the file is damaged, or its points are not those of Holistic.
        OSError: the file cannot be read.
    """
    try:
        from pose_format import Pose
    except ImportError as error:
        raise DataError(".pose files need pose-format: pip install --group datasets") from error
    data = path.read_bytes()
    try:
        pose = Pose.read(data)
    except Exception as error:  # it unpacks structures as it goes, so damage shows as nearly any error
        raise DataError(f"{path}: not a .pose file") from error
    size = np.array([pose.header.dimensions.width, pose.header.dimensions.height, 1], np.float32)
    if len(pose.body.data) == 0 or size.min() <= 0:
        raise DataError(f"{path}: no frames, or frames without a size")
    data = pose.body.data[:, 0, :, :3]  # masked where nothing was detected
    xyz = np.nan_to_num(data.filled(0).astype(np.float32)) / size
    confidence = np.asarray(pose.body.confidence)[:, 0, :, None].astype(np.float32)
    xyz[confidence[..., 0] <= 0] = 0
    columns = _columns(path, pose.header.components)
    body, left, right, face = (xyz[:, at] for at in columns)
    body = np.concatenate([body, confidence[:, columns[0]]], axis=2)
    t_ms = np.arange(len(xyz)) * (1000.0 / pose.body.fps)
    return Clip(t_ms, assemble(body, left, right, face), float(size[0] / size[1]))


def _columns(path: Path, components: list[Any]) -> list[NDArray[np.intp]]:
    """The indices of pose, left hand, right hand and face among all points of the file."""
    found: dict[str, list[int]] = {}
    names: dict[str, list[str]] = {}
    start = 0
    for component in components:
        name = component.name
        points = list(component.points)
        found[name], names[name] = list(range(start, start + len(points))), points
        start += len(points)
    wanted = {"POSE_LANDMARKS": POSE, "LEFT_HAND_LANDMARKS": HAND, "RIGHT_HAND_LANDMARKS": HAND}
    wrong = [name for name, size in wanted.items() if len(found.get(name, ())) != size]
    face = dict(zip(names.get("FACE_LANDMARKS", ()), found.get("FACE_LANDMARKS", ()), strict=True))
    if wrong or not all(str(index) in face for index in FACE_INDICES):
        raise DataError(f"{path}: not MediaPipe Holistic: {', '.join(wrong) or 'FACE_LANDMARKS'} missing or reduced")
    return [np.array(found[name]) for name in wanted] + [np.array([face[str(index)] for index in FACE_INDICES])]
