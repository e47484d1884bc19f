"""Labelled clips: read from files, named, split, drawn, augmented and joined. Nothing here loads torch.

Other packages import `Example` and the loaders from here, and everything else from its module.
"""

from training.data.example import DataError, Example
from training.data.npz import load_npz, with_frames
from training.data.sets import (
    Split,
    classes_of,
    fingerprint,
    label_of,
    load_sets,
    load_split,
    split_by_signer,
    without_glosses,
)

__all__ = [
    "DataError",
    "Example",
    "Split",
    "classes_of",
    "fingerprint",
    "label_of",
    "load_npz",
    "load_sets",
    "load_split",
    "split_by_signer",
    "with_frames",
    "without_glosses",
]
