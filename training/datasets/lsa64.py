"""LSA64: 64 signs of Argentinian Sign Language, ten signers, five repetitions each; no splits.

Everything is in the file names, `CLASS_SIGNER_REPETITION.mp4` with three digits each, in `all` (LSA64 raw) or `all_cut`
(cut to the sign). The glosses are the class numbers: the archive does not name them, the data set's web page does.
Source: the paper (64 x 10 x 5) and public training codes that read the archive (names, folders).
"""

import re
from pathlib import Path

from training.data import DataError
from training.datasets.item import Item

FOLDERS = ("all_cut", "all")
NAME = re.compile(r"(\d{3})_(\d{3})_(\d{3})\.mp4")


def read_lsa64(root: Path) -> list[Item]:
    """Clips of LSA64, the cut ones where both versions are there.

    Raises:
        DataError: `root` has neither folder, or it holds a video of another name.
    """
    folder = next((root / name for name in FOLDERS if (root / name).is_dir()), None)
    if folder is None:
        raise DataError(f"{root} is not LSA64: it has no {' or '.join(FOLDERS)}")
    items = []
    for path in sorted(folder.glob("*.mp4")):
        name = NAME.fullmatch(path.name)
        if name is None:
            raise DataError(f"{path}: not CLASS_SIGNER_REPETITION.mp4 with three digits each")
        items.append(Item(path.stem, (name[1],), path, signer=name[2]))
    return items
