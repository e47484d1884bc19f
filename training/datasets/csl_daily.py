"""CSL-Daily: sentences of Chinese Sign Language, frames as JPEG at 30 fps.

    sentence_label/video_map.txt      index|name|length|gloss|char|word|postag, glosses separated by spaces
    sentence_label/split_1.txt        name|split
    sentence/frames_512x512/NAME/000000.jpg

A name such as S000020_P0004_T00 holds the sentence, the signer (P) and the take. The archive also has the labels as a
pickle, which is not read. The release has a fault that training codes work around: `FAULT` is in the split but has no
annotation. Source: public codes that read the tables (VAC for CSL-Daily, sltunet); the frame rate is that of
descriptions there. Some unpack the frames to sentence_frames-512x512/frames_512x512 instead: move or link them.
"""

import re
from pathlib import Path

from training.data import DataError
from training.datasets.item import Bars, Item, read_table, require

FPS = 30.0
FAULT = "S000005_P0004_T00"
SIGNER = re.compile(r"_(P\d+)_")


def read_csl_daily(root: Path) -> list[Item]:
    """Clips of CSL-Daily that its split file names.

    Raises:
        DataError: `root` is another folder, a table is damaged, or the split file names clips that are not annotated.
    """
    kind = "CSL-Daily"
    annotations = require(root, "sentence_label", "video_map.txt", kind=kind)
    table = require(root, "sentence_label", "split_1.txt", kind=kind)
    frames = require(root, "sentence", "frames_512x512", kind=kind)
    glosses = {row["name"]: tuple(row["gloss"].split()) for row in read_table(annotations, ("name", "gloss"), Bars)}
    splits = {row["name"]: row["split"] for row in read_table(table, ("name", "split"), Bars)}
    unknown = sorted(splits.keys() - glosses.keys() - {FAULT})
    if unknown:
        raise DataError(f"{table}: {len(unknown)} clips are not in {annotations.name}, the first is {unknown[0]}")
    items = []
    for name in splits.keys() & glosses.keys():
        signer = SIGNER.search(name)
        items.append(Item(name, glosses[name], frames / name, splits[name], signer[1] if signer else None, fps=FPS))
    return sorted(items, key=lambda item: item.name)
