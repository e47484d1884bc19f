from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glosscast.holistic import Tracker as AnyTracker
from glosscast.holistic import TrackerPool
from glosscast.keypoints import FACE, FACE_INDICES, LEFT_HAND, POSE, PRESENCE, RIGHT_HAND
from glosscast.video import RGB
from tests.glosscast.media import encode
from tests.training.datasets.reading import keypoints
from training.data import DataError
from training.datasets.item import Item
from training.datasets.keypoints import read_clip, read_unseen


class Tracker(AnyTracker):
    """Sees a point at the brightness of the picture's first pixel."""

    def __init__(self) -> None:
        self.broken = self._used = False
        self.people = 1

    def track(self, rgb: RGB) -> np.ndarray:
        return np.full((171, 4), rgb[0, 0, 0], np.float32)


def trackers() -> TrackerPool:
    return TrackerPool(1, Tracker)


def test_a_folder_of_pictures_is_read_in_order_at_its_rate(tmp_path: Path) -> None:
    for index in (10, 2, 1):
        Image.new("RGB", (64, 32), (index,) * 3).save(tmp_path / f"images{index:04}.png")
    clip = read_clip(Item("a", ("x",), tmp_path, fps=25.0), trackers())
    assert clip.t_ms.tolist() == [0.0, 40.0, 80.0]
    assert clip.keypoints[:, 0, 0].tolist() == [1, 2, 10]
    assert clip.aspect == 2.0


def test_one_picture_is_a_clip_of_one_frame(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (7, 7, 7)).save(tmp_path / "A1.png")
    assert read_clip(Item("a", ("x",), tmp_path / "A1.png"), trackers()).keypoints[:, 0, 0].tolist() == [7]


def test_only_the_stretch_of_a_video_is_read(tmp_path: Path) -> None:
    encode(range(0, 800, 40), path=tmp_path / "a.mp4")
    item = Item("a", ("x",), tmp_path / "a.mp4", start_s=0.2, end_s=0.4)
    assert read_clip(item, trackers()).t_ms.tolist() == [200, 240, 280, 320, 360]
    with pytest.raises(DataError, match=r"a\.mp4: a clip needs at least one frame"):
        read_clip(replace(item, start_s=5.0, end_s=6.0), trackers())


def parquet(path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as pq

    rows: dict[str, list[object]] = {name: [] for name in ("frame", "row_id", "type", "landmark_index", *"xyz")}
    for frame in (20, 21, 23):
        for part, size in (("face", 468), ("left_hand", 21), ("pose", 33), ("right_hand", 21)):
            for index in range(size):
                seen = part != "left_hand"
                row = (frame, f"{frame}-{part}-{index}", part, index, index / 1000 if seen else None, 0.5, -0.1)
                for name, value in zip(rows, row, strict=True):
                    rows[name].append(value if seen or name not in "xyz" else None)
    types = {"frame": pyarrow.int16(), "landmark_index": pyarrow.int16()}
    columns = {name: pyarrow.array(values, types.get(name)) for name, values in rows.items()}
    pq.write_table(pyarrow.table(columns), path)


def test_kaggles_landmarks_become_our_layout(tmp_path: Path) -> None:
    parquet(tmp_path / "1.parquet")
    clip = read_clip(Item("a", ("x",), tmp_path / "1.parquet"), trackers())
    assert clip.t_ms.tolist() == pytest.approx([0, 1000 / 30, 100])
    assert not clip.keypoints[:, LEFT_HAND].any()
    assert clip.keypoints[0, RIGHT_HAND.start + 8, 0] == pytest.approx(0.008)
    assert clip.keypoints[0, FACE, 0] == pytest.approx(np.array(FACE_INDICES) / 1000)
    assert (clip.keypoints[:, POSE, PRESENCE] == 1).all()
    (tmp_path / "2.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"2\.parquet: not a table"):
        read_clip(Item("a", ("x",), tmp_path / "2.parquet"), trackers())


def pose_file(path: Path, points: np.ndarray) -> None:
    pytest.importorskip("pose_format")
    from pose_format import Pose, PoseHeader
    from pose_format.numpy import NumPyPoseBody
    from pose_format.pose_header import PoseHeaderComponent, PoseHeaderDimensions

    def part(name: str, names: list[str]) -> PoseHeaderComponent:
        return PoseHeaderComponent(name, names, [], [], "XYZC")

    hand = [f"P{i}" for i in range(21)]
    parts = [
        part("POSE_LANDMARKS", [f"B{i}" for i in range(33)]),
        part("FACE_LANDMARKS", [str(i) for i in range(468)]),
        part("LEFT_HAND_LANDMARKS", hand),
        part("RIGHT_HAND_LANDMARKS", hand),
    ]
    face = np.zeros((len(points), 468, 4), np.float32)
    face[:, list(FACE_INDICES)] = points[:, FACE]
    data = np.concatenate([points[:, POSE], face, points[:, LEFT_HAND], points[:, RIGHT_HAND]], axis=1)[:, None]
    header = PoseHeader(0.1, PoseHeaderDimensions(640, 480, 1000), parts)
    body = NumPyPoseBody(25.0, data[..., :3] * np.array([640, 480, 1], np.float32), data[..., 3])
    with path.open("wb") as file:
        Pose(header, body).write(file)


def test_a_pose_file_becomes_our_layout(tmp_path: Path) -> None:
    points = keypoints(4)
    points[1, LEFT_HAND] = 0
    points[:, POSE, PRESENCE] = 0.75
    pose_file(tmp_path / "a.pose", points)
    clip = read_clip(Item("a", ("x",), tmp_path / "a.pose"), trackers())
    np.testing.assert_allclose(clip.keypoints, points, atol=1e-5)
    assert (clip.t_ms[1], clip.aspect) == (40.0, pytest.approx(4 / 3))
    (tmp_path / "b.pose").write_bytes(b"no pose")
    with pytest.raises(DataError, match=r"b\.pose: not a \.pose file"):
        read_clip(Item("a", ("x",), tmp_path / "b.pose"), trackers())


def test_pictures_alone_need_no_tracker(tmp_path: Path) -> None:
    def none() -> AnyTracker:
        raise AssertionError("a tracker was made")

    for index in (1, 2):
        Image.new("RGB", (64, 32), (index,) * 3).save(tmp_path / f"{index}.png")
    clip = read_unseen(Item("a", ("x",), tmp_path, fps=25.0), TrackerPool(1, none))
    assert (clip.t_ms.tolist(), clip.aspect) == ([0.0, 40.0], 2.0)
    assert not clip.keypoints.any()
    encode(range(0, 400, 40), path=tmp_path / "a.mp4")
    with pytest.raises(DataError, match=r"a\.mp4: a clip needs at least one frame"):
        read_unseen(Item("a", ("x",), tmp_path / "a.mp4", start_s=5.0), trackers())


def test_landmarks_hold_no_pictures(tmp_path: Path) -> None:
    for name in ("1.parquet", "1.pose"):
        with pytest.raises(DataError, match=rf"{name}: holds landmarks and no pictures"):
            read_unseen(Item("a", ("x",), tmp_path / name), trackers())
