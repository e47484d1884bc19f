"""Google Isolated Sign Language Recognition (Kaggle, asl-signs): Holistic landmarks of 250 signs of ASL, 21 signers.

`train.csv` has path, participant_id, sequence_id, sign. A path leads to a Parquet file with a row for each of a frame's
543 landmarks: frame, row_id, type (face, left_hand, pose, right_hand), landmark_index, x, y, z in image coordinates
0..1, NaN where nothing was detected. Source: the competition's description and readers of it in
sign-language-processing/datasets and public solutions.

The files give no visibility of pose points (1 is taken where the pose was found), no frame rate and no frame shape. 30
frames a second and an upright 3:4 picture are assumed, for phones held in one hand; neither could be confirmed.
"""

from pathlib import Path
from typing import Any

import numpy as np

from glosscast.clip import Clip
from glosscast.keypoints import FACE_INDICES, assemble
from training.data import DataError
from training.datasets.item import Item, read_table, require

FPS = 30.0
ASPECT = 3 / 4
PARTS = {"pose": 33, "left_hand": 21, "right_hand": 21, "face": 468}  # points of each type
COLUMNS = ("frame", "type", "landmark_index", "x", "y", "z")


def read_kaggle_islr(root: Path) -> list[Item]:
    """Clips of the competition's training data.

    Raises:
        DataError: `root` is another folder, or its table is damaged.
    """
    table = require(root, "train.csv", kind="Kaggle's asl-signs")
    rows = read_table(table, ("path", "participant_id", "sequence_id", "sign"))
    # Sequence ids are unique for one participant only.
    return [
        Item(
            f"{row['participant_id']}/{row['sequence_id']}",
            (row["sign"],),
            root / row["path"],
            signer=row["participant_id"],
        )
        for row in rows
    ]


def read_landmarks(path: Path) -> Clip:
    """Keypoints of one Parquet file.

    Raises:
        DataError: pyarrow is not installed, or the file is no such table.
    """
    frame, kind, index, xyz = _columns(path)
    frames, row = np.unique(frame, return_inverse=True)
    points = {}
    for part, size in PARTS.items():
        points[part] = np.zeros((len(frames), size, 3), np.float32)
        rows = kind == part
        if not rows.any() or index[rows].min() < 0 or index[rows].max() >= size:
            raise DataError(f"{path}: its {part} landmarks are not numbered 0 to {size - 1}")
        points[part][row[rows], index[rows]] = np.nan_to_num(xyz[rows])
    found = points["pose"].any(axis=(1, 2))[:, None, None]
    pose = np.concatenate([points["pose"], np.broadcast_to(found, (len(frames), PARTS["pose"], 1))], axis=2)
    face = points["face"][:, list(FACE_INDICES)]
    keypoints = assemble(pose, points["left_hand"], points["right_hand"], face)
    return Clip((frames - frames[0]) * (1000.0 / FPS), keypoints, ASPECT)


def _columns(path: Path) -> tuple[Any, Any, Any, Any]:
    """Frame number, type, index and (rows, 3) coordinates of the table's rows."""
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise DataError("Parquet files need pyarrow: pip install --group datasets") from error
    try:
        table = parquet.read_table(path, columns=list(COLUMNS))
        frame, kind, index, *xyz = (table.column(name).to_numpy() for name in COLUMNS)
    except (pyarrow.ArrowException, OSError, KeyError) as error:
        raise DataError(f"{path}: not a table of {', '.join(COLUMNS)}: {error}") from error
    if len(frame) == 0:
        raise DataError(f"{path}: no landmarks")
    return frame, kind, index.astype(np.intp), np.stack(xyz, axis=1)
