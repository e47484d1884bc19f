"""Public data sets in the formats in which they are handed out; `docs/how-to/datasets.md` says where to get them.

One module a format turns a folder into the same small record, `Item`. Keypoints come later: `clips.read_clip` for one
item, `extract` for a whole data set.
"""

from collections.abc import Callable
from pathlib import Path

from training.datasets.asl_alphabet import read_asl_alphabet
from training.datasets.asl_citizen import read_asl_citizen
from training.datasets.autsl import read_autsl
from training.datasets.csl_daily import read_csl_daily
from training.datasets.digits import read_digits
from training.datasets.item import Item, check, missing
from training.datasets.kaggle_islr import read_kaggle_islr
from training.datasets.lsa64 import read_lsa64
from training.datasets.manifest import read_manifest
from training.datasets.msasl import read_msasl
from training.datasets.phoenix import read_phoenix_2014, read_phoenix_2014t
from training.datasets.wlasl import read_wlasl

READERS: dict[str, Callable[[Path], list[Item]]] = {
    "manifest": read_manifest,
    "phoenix-2014t": read_phoenix_2014t,
    "phoenix-2014": read_phoenix_2014,
    "csl-daily": read_csl_daily,
    "wlasl": read_wlasl,
    "ms-asl": read_msasl,
    "asl-citizen": read_asl_citizen,
    "autsl": read_autsl,
    "lsa64": read_lsa64,
    "kaggle-islr": read_kaggle_islr,
    "asl-alphabet": read_asl_alphabet,
    "digits": read_digits,
}


def load(kind: str, root: Path, skip_missing: bool = False) -> tuple[list[Item], list[Item]]:
    """Read a data set and check it.

    Args:
        kind: a key of `READERS`.
        root: the data set's folder; each reader's module says which one.
        skip_missing: leave out clips whose media are not there instead of refusing the data set.

    Returns:
        The clips, and those left out.

    Raises:
        DataError: a folder that is not this data set, a damaged table, missing media, no clips, or no gloss.
        OSError: a file cannot be read.
    """
    items = READERS[kind](root)
    gone = missing(items) if skip_missing else []
    left_out = {item.media for item in gone}
    kept = [item for item in items if item.media not in left_out]
    check(kept, root)
    return kept, gone
