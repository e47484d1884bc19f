"""RWTH-PHOENIX-Weather 2014 T and 2014: German weather forecasts, continuous signing, frames as PNG at 25 fps.

Both are read from the folder that holds `annotations` and `features`. Their tables separate fields by bars:

    2014 T  annotations/manual/PHOENIX-2014-T.SPLIT.corpus.csv   name|video|start|end|speaker|orth|translation
    2014    annotations/manual/SPLIT.corpus.csv                  id|folder|signer|annotation

2014 T keeps its frames in features/fullFrame-210x260px/SPLIT/NAME/images0001.png although its `video` column says
NAME/1/*.png; 2014 keeps them where its `folder` column says, in SPLIT/NAME/1/*.png. Source: the README of the 2014 T
release and several public training codes that read both (VAC, CorrNet, SLRT).
"""

from pathlib import Path

from training.datasets.item import Bars, Item, read_table, require

SPLITS = ("train", "dev", "test")
FRAMES = ("features", "fullFrame-210x260px")
FPS = 25.0


def read_phoenix_2014t(root: Path) -> list[Item]:
    """Clips of PHOENIX-2014T.

    Raises:
        DataError: `root` is another folder, or a table is damaged.
    """
    kind = "PHOENIX-2014T"
    frames = require(root, *FRAMES, kind=kind)
    items = []
    for split in SPLITS:
        table = require(root, "annotations", "manual", f"PHOENIX-2014-T.{split}.corpus.csv", kind=kind)
        for row in read_table(table, ("name", "speaker", "orth"), Bars):
            glosses = tuple(row["orth"].split())
            media = frames / split / row["name"]
            items.append(Item(f"{split}/{row['name']}", glosses, media, split, row["speaker"], fps=FPS))
    return items


def read_phoenix_2014(root: Path) -> list[Item]:
    """Clips of PHOENIX-2014, the multi-signer set.

    Raises:
        DataError: `root` is another folder, or a table is damaged.
    """
    kind = "PHOENIX-2014"
    frames = require(root, *FRAMES, kind=kind)
    items = []
    for split in SPLITS:
        table = require(root, "annotations", "manual", f"{split}.corpus.csv", kind=kind)
        for row in read_table(table, ("id", "folder", "signer", "annotation"), Bars):
            media = frames / split / row["folder"].removesuffix("/*.png")
            glosses = tuple(row["annotation"].split())
            items.append(Item(f"{split}/{row['id']}", glosses, media, split, row["signer"], fps=FPS))
    return items
