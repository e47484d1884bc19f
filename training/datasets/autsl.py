"""AUTSL: isolated signs of Turkish Sign Language, 43 signers, split by signer.

`{train,validation,test}_labels.csv` without a header, `signerX_sampleY,CLASS`; the videos are
`{train,val,test}/signerX_sampleY_color.mp4`, and `SignList_ClassId_TR_EN.csv` (ClassId,TR,EN) names the classes. Labels
of validation and test are separate downloads, so those two splits may be absent. Source: the data set's page at
chalearnlap.cvc.uab.es (names and labels) and public training codes (folders, class list).
"""

import csv
import re
from pathlib import Path

from training.data import DataError
from training.datasets.item import Item, read_table, require

SPLITS = {"train": "train", "validation": "val", "test": "test"}  # name of the labels, of the folder
CLASSES = "SignList_ClassId_TR_EN.csv"
NAME = re.compile(r"(signer\d+)_sample\d+")


def read_autsl(root: Path) -> list[Item]:
    """Clips of AUTSL; the glosses are the Turkish names of the signs.

    Raises:
        DataError: `root` is another folder, or a row names no signer or an unknown class.
    """
    require(root, "train_labels.csv", kind="AUTSL")
    classes = require(root, CLASSES, kind="AUTSL")
    glosses = {row["ClassId"]: row["TR"] for row in read_table(classes, ("ClassId", "TR"))}
    items = []
    for split, folder in SPLITS.items():
        labels = root / f"{split}_labels.csv"
        if not labels.exists():
            continue
        with labels.open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file) if row]
        for row in rows:
            name = NAME.fullmatch(row[0])
            if name is None or len(row) != 2 or row[1].strip() not in glosses:
                raise DataError(f"{labels}: {','.join(row)} is not signerX_sampleY and a class of {CLASSES}")
            media = root / folder / f"{row[0]}_color.mp4"
            # Sample numbers start again in each split, but a signer is in one only.
            items.append(Item(f"{folder}/{row[0]}", (glosses[row[1].strip()],), media, folder, name[1]))
    return items
