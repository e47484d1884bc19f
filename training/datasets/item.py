"""The record that every data set is read into, and the checks that all readers share."""

import csv
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from training.data import DataError

PICTURES = frozenset({".jpg", ".jpeg", ".png", ".webp"})


@dataclass(frozen=True)
class Item:
    """A labelled recording on disk.

    Attributes:
        name: unique in its data set.
        glosses: the signed glosses, in order; one for isolated signs.
        media: a video, a folder of numbered pictures, one picture, a `.pose` file or a Kaggle `.parquet` file.
        split: the data set's own name for it, or None where it has no splits.
        signer: None where the data set does not say.
        start_s: where in the video the clip starts, in seconds.
        end_s: where it ends; None is the end of the video.
        fps: frame rate of a folder of pictures; videos and `.pose` files carry their own.
    """

    name: str
    glosses: tuple[str, ...]
    media: Path
    split: str | None = None
    signer: str | None = None
    start_s: float = 0.0
    end_s: float | None = None
    fps: float | None = None

    @property
    def label(self) -> str:
        """The glosses as one text, a space between two."""
        return " ".join(self.glosses)


def require(root: Path, *parts: str, kind: str) -> Path:
    """The path of a file or folder that makes `root` a data set of this kind.

    Raises:
        DataError: it is not there.
    """
    path = root.joinpath(*parts)
    if not path.exists():
        raise DataError(f"{root} is not {kind}: it has no {'/'.join(parts)}")
    return path


def class_pictures(root: Path, classes: Iterable[str]) -> list[tuple[str, Path]]:
    """The class and path of each picture in folders of `root` that are named like their class.

    Raises:
        DataError: a folder has no pictures.
    """
    found = [(name, frame_paths(root / name)) for name in classes]
    for name, pictures in found:
        if not pictures:
            raise DataError(f"{root / name}: a class without pictures")
    return [(name, path) for name, pictures in found for path in pictures]


class Bars(csv.excel):
    """Tables of continuous signing: fields between bars, nothing quoted."""

    delimiter = "|"
    quoting = csv.QUOTE_NONE


def read_table(path: Path, columns: Sequence[str], dialect: type[csv.Dialect] = csv.excel) -> list[dict[str, str]]:
    """Rows of a text table whose header has at least `columns`.

    Raises:
        DataError: not UTF-8 text, a column is missing or a row has fewer or more fields than the header.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.reader(file, dialect))
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: not a UTF-8 table: {error}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in columns if name not in header]
    if missing:
        raise DataError(f"{path}: no column {', '.join(missing)}")
    for number, row in enumerate(rows[1:], start=2):
        if row and len(row) != len(header):
            raise DataError(f"{path}: line {number} has {len(row)} fields, the header {len(header)}")
    return [dict(zip(header, (field.strip() for field in row), strict=True)) for row in rows[1:] if row]


def read_json(path: Path, *keys: str) -> list[dict[str, Any]]:
    """A JSON list of objects that all have `keys`.

    Raises:
        DataError: it is something else.
    """
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DataError(f"{path}: not JSON: {error}") from error
    if not isinstance(entries, list):
        raise DataError(f"{path}: not a list")
    for number, entry in enumerate(entries):
        lacking = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if lacking:
            raise DataError(f"{path}: entry {number} has no {', '.join(lacking)}")
    return entries


def check(items: Sequence[Item], root: Path) -> None:
    """Refuse a data set that cannot be used as a whole.

    Raises:
        DataError: no clips, two of one name, a clip without a gloss or one whose media are missing.
    """
    if not items:
        raise DataError(f"{root}: no clips")
    twice = [name for name, count in Counter(item.name for item in items).items() if count > 1]
    if twice:
        raise DataError(f"{root}: {len(twice)} names are used for more than one clip, the first is {twice[0]}")
    for item in items:
        if not all(item.glosses) or not item.glosses:
            raise DataError(f"{root}: clip {item.name} has no gloss")
    gone = missing(items)
    if gone:
        raise DataError(f"{gone[0].media}: missing, with {len(gone) - 1} others of {len(items)} clips")


def missing(items: Iterable[Item]) -> list[Item]:
    """Clips whose file is not there, or whose folder has no pictures."""
    return [item for item in items if not (item.media.is_file() or frame_paths(item.media))]


def frame_paths(folder: Path) -> list[Path]:
    """The pictures of a folder in the order of their names; the numbers in them are padded in all our formats."""
    if not folder.is_dir():
        return []
    return sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES)
