"""WLASL: isolated signs of ASL from dictionary sites and YouTube.

`WLASL_v0.3.json` lists glosses and their instances; `videos/VIDEO_ID.mp4` is what the project's own `preprocess.py`
leaves, one sign a file: `frame_start` and `frame_end` count frames of the YouTube originals and are already applied.
Source: README, `data_reader.py` and `preprocess.py` of github.com/dxli94/WLASL.
"""

from pathlib import Path

from training.data import DataError
from training.datasets.item import Item, read_json, require

FILE = "WLASL_v0.3.json"


def read_wlasl(root: Path) -> list[Item]:
    """Clips of WLASL.

    Raises:
        DataError: `root` is another folder, the list is damaged, or a gloss has no instance.
    """
    path = require(root, FILE, kind="WLASL")
    videos = require(root, "videos", kind="WLASL")
    items = []
    for entry in read_json(path, "gloss", "instances"):
        if not entry["instances"]:
            raise DataError(f"{path}: gloss {entry['gloss']} has no instances")
        for instance in entry["instances"]:
            try:
                name = instance["video_id"]
                split = instance["split"]
                signer = str(instance["signer_id"])
            except KeyError as error:
                raise DataError(f"{path}: an instance of {entry['gloss']} has no {error.args[0]}") from error
            items.append(Item(name, (entry["gloss"],), videos / f"{name}.mp4", split, signer))
    return items
