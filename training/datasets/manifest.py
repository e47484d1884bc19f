"""Clips of your own: a folder with a `manifest.csv`.

    path,gloss,signer,split,start_s,end_s,fps
    clips/hello_ann.mp4,hello,ann,train,0.5,2.0,

`path`, `gloss` and `signer` are needed, the other columns may be left out or empty. A path is relative to the folder
and names a video, a folder of numbered pictures (`fps` says at what rate), one picture or a `.pose` file. Several
glosses are separated by spaces; a gloss has none.
"""

import math
from pathlib import Path

from training.data import DataError
from training.datasets.item import Item, read_table, require

FILE = "manifest.csv"


def read_manifest(root: Path) -> list[Item]:
    """Clips of a `manifest.csv`.

    Raises:
        DataError: no manifest, columns are missing, or a time or rate is not a number that makes sense.
    """
    table = require(root, FILE, kind="a folder with a manifest")
    items = []
    for row in read_table(table, ("path", "gloss", "signer")):
        where = f"{table}: {row['path']}"
        start_s = _number(row, "start_s", where) or 0.0
        end_s = _number(row, "end_s", where)
        if end_s is not None and end_s <= start_s:
            raise DataError(f"{where}: end_s {end_s:g} is not after start_s {start_s:g}")
        fps = _number(row, "fps", where)
        media = root / row["path"]
        if media.is_dir() and not fps:
            raise DataError(f"{where}: a folder of pictures needs fps, their rate")
        name = row["path"] if start_s == 0 and end_s is None else f"{row['path']}@{start_s:g}"
        signer = row["signer"] or None
        split = row.get("split") or None
        items.append(Item(name, tuple(row["gloss"].split()), media, split, signer, start_s, end_s, fps))
    return items


def _number(row: dict[str, str], column: str, where: str) -> float | None:
    text = row.get(column, "")
    if not text:
        return None
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise DataError(f"{where}: {column} {text!r} is not a number of 0 or more")
    return number
