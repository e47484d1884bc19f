"""ASL Citizen: isolated signs of ASL, recorded at home by 52 people, split by signer.

`splits/{train,val,test}.csv` with the columns Participant ID, Video file, Gloss, ASL-LEX Code; the files are in
`videos/`. File names end in a gloss too, not always the right one: only the tables count. Source: a loader in a
public repository (columns) and descriptions of the archive in others (folders).
"""

from pathlib import Path

from training.datasets.item import Item, read_table, require

SPLITS = ("train", "val", "test")


def read_asl_citizen(root: Path) -> list[Item]:
    """Clips of ASL Citizen.

    Raises:
        DataError: `root` is another folder, or a table is damaged.
    """
    videos = require(root, "videos", kind="ASL Citizen")
    items = []
    for split in SPLITS:
        table = require(root, "splits", f"{split}.csv", kind="ASL Citizen")
        for row in read_table(table, ("Participant ID", "Video file", "Gloss")):
            name = row["Video file"]
            items.append(Item(name, (row["Gloss"],), videos / name, split, row["Participant ID"]))
    return items
